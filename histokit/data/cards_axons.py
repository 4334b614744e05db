"""The cards of the microscopy sets of AxonDeepSeg: axons and their myelin sheaths."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from histokit.data.cards import Expected
from histokit.interfaces.spec import DatasetSpec

EXPECTED: Mapping[str, Expected] = MappingProxyType(
    {
        "ads-sem": Expected({"train": 9, "test": 1}, groups=8),
        "ads-tem": Expected(groups=20),
        "ads-bf": Expected(groups=8),
        "ads-macaque": Expected({"": 24}, groups=8),
    }
)
OFFICIAL: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ads-sem": {"sub-rat6": "test"},
        "ads-tem": {"sub-nyuMouse10": "val", "sub-nyuMouse26": "test"},
        "ads-bf": {"sub-uoftRat02": "test", "sub-uoftRat07": "test"},
    }
)
"""The parts of the published models, by data set and subject; all others are for training."""

CLASSES = ("axon", "myelin")
INVERTED = "inverted"
VARIANTS = {
    "both": "axons and myelin sheaths, one object a connected piece, with their classes",
    "axon": "axons alone",
    "myelin": "myelin sheaths alone",
    INVERTED: "as both, of images with light and dark exchanged: a stand-in for another microscope",
}
ONE_CLASS: dict[str, tuple[str, ...]] = {"axon": (), "myelin": ()}
PAPER = """@article{zaimi2018axondeepseg,
  author  = {Zaimi, Aldo and Wabartha, Maxime and Herman, Victor and others},
  title   = {{AxonDeepSeg}: automatic axon and myelin segmentation from microscopy data using
             convolutional neural networks},
  journal = {Scientific Reports},
  volume  = {8}, pages = {3816}, year = {2018},
  doi     = {10.1038/s41598-018-22181-4}
}"""
TREE = """
<root>/                                                 BIDS microscopy
  sub-{0}/micr/sub-{0}_sample-{1}_{2}.png        image, grey
  sub-{0}/micr/sub-{0}_sample-{1}_{2}.json       PixelSize; may lie higher, for many
  derivatives/labels/sub-{0}/micr/
    sub-{0}_sample-{1}_{2}_seg-axonmyelin-manual.png   0, 127 myelin, 255 axon
    sub-{0}_sample-{1}_{2}_seg-axon-manual.png         0 and 255; also -myelin-
"""

ADS_SEM = DatasetSpec(
    name="ads-sem",
    summary="axons and myelin, rat spinal cord, scanning electron microscopy: 10 images of 8 rats",
    reader="histokit.data.axons:AdsSem",
    task="semantic",
    licence="MIT (DANDI copy: CC BY 4.0)",
    homepage="GitHub axondeepseg/data_axondeepseg_sem, DOI 10.5281/zenodo.5498378; DANDI 001442",
    tree=TREE.format("rat1", "data1", "SEM"),
    reference=PAPER,
    classes=CLASSES,
    variant_classes=ONE_CLASS,
    variants=VARIANTS,
    group="subject",
)

ADS_TEM = DatasetSpec(
    name="ads-tem",
    summary="axons and myelin, mouse brain, transmission electron microscopy: 158 of 20 mice",
    reader="histokit.data.axons:AdsTem",
    task="semantic",
    licence="CC BY 4.0",
    homepage="DANDI 001436, data_axondeepseg_tem",
    tree=TREE.format("nyuMouse26", "0001", "TEM"),
    reference=PAPER,
    classes=CLASSES,
    variant_classes=ONE_CLASS,
    variants=VARIANTS,
    group="subject",
)

ADS_BF = DatasetSpec(
    name="ads-bf",
    summary="axons and myelin, rat nerves, bright field: 8 rats",
    reader="histokit.data.axons:AdsBf",
    task="semantic",
    licence="see its page",
    homepage="DANDI 001440, data_axondeepseg_bf",
    tree=TREE.format("uoftRat02", "uoftRat02", "BF"),
    reference=PAPER,
    classes=CLASSES,
    variant_classes=ONE_CLASS,
    variants=VARIANTS,
    group="subject",
)

ADS_MACAQUE = DatasetSpec(
    name="ads-macaque",
    summary="axons and myelin, macaque corpus callosum, electron microscopy: 24 of 8 samples",
    reader="histokit.data.macaque:AdsMacaque",
    task="semantic",
    licence="see its page",
    homepage="axondeepseg, 'macaque-gratio'",
    tree="""
data/macaque/data/
  sample1/01.png                                      image, grey
  sample1/01_corrections/ADS_seg.png                  0, 127 myelin, 255 axon
  sample1/01_corrections/ADS_seg-axon.png             0 and 255; also ADS_seg-myelin.png
  sample1/01_corrections/pixel_size_in_micrometer.txt
""",
    reference=PAPER,
    mpp=0.009144,
    classes=CLASSES,
    variant_classes=ONE_CLASS,
    variants=VARIANTS,
    group="sample",
)
