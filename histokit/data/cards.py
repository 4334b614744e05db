"""The cards of the data sets that the core reads or makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from histokit.interfaces.spec import DatasetSpec


@dataclass(frozen=True, slots=True)
class Expected:
    """How much a complete data set holds: images by official part, and groups.

    The part is the empty string where there is none.
    """

    images: Mapping[str, int] = field(default_factory=dict)
    groups: int | None = None


EXPECTED: Mapping[str, Expected] = MappingProxyType(
    {
        "tnbc": Expected({"": 50}, groups=11),
        "tnbc@brain": Expected({"": 68}, groups=14),
        "monuseg@all37": Expected({"train": 37, "test": 14}, groups=51),
        "monuseg@classic30": Expected({"train": 30, "test": 14}, groups=44),
        "dsb2018": Expected({"train": 670}),
    }
)
"""By name, or name@variant."""

TNBC = DatasetSpec(
    name="tnbc",
    summary="nuclei of triple-negative breast cancer, H&E 40x: 50 images of 11 patients",
    reader="histokit.data.tnbc:Tnbc",
    task="instances",
    licence="CC BY 4.0",
    homepage="Zenodo, 'Segmentation of Nuclei in Histopathology Images by deep regression of the "
    "distance map', DOI 10.5281/zenodo.1175282 (v1.1: 2579118, v1.2 with brain: 3552674)",
    tree="""
TNBC_NucleiSegmentation/
  Slide_01/01_1.png ... Slide_11/11_3.png    images
  GT_01/01_1.png    ... GT_11/11_3.png       masks, 0 and 255
""",
    reference="""@article{naylor2019segmentation,
  author  = {Naylor, Peter and La{\\'e}, Marick and Reyal, Fabien and Walter, Thomas},
  title   = {Segmentation of Nuclei in Histopathology Images by Deep Regression of the
             Distance Map},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {38}, number = {2}, pages = {448--459}, year = {2019},
  doi     = {10.1109/TMI.2018.2865709}
}""",
    mpp=0.25,
    variants={
        "": "the breast patients 1-11",
        "brain": "all of version 1.2: also the brain patients 12-14 (68 images)",
    },
    group="patient",
)

MONUSEG = DatasetSpec(
    name="monuseg",
    summary="nuclei of many organs, H&E 40x (TCGA): 37 training and 14 test images",
    reader="histokit.data.monuseg:MoNuSeg",
    task="instances",
    licence="CC BY-NC-SA 4.0: non-commercial, share-alike",
    homepage="Grand Challenge, 'MoNuSeg' (MICCAI 2018), page 'Data'",
    tree="""
MoNuSeg 2018 Training Data/
  Tissue Images/TCGA-A7-A13E-01Z-00-DX1.tif
  Annotations/TCGA-A7-A13E-01Z-00-DX1.xml
MoNuSegTestData/
  TCGA-2Z-A9J9-01A-01-TS1.tif
  TCGA-2Z-A9J9-01A-01-TS1.xml
""",
    reference="""@article{kumar2020multi,
  author  = {Kumar, Neeraj and Verma, Ruchika and Anand, Deepak and others},
  title   = {A Multi-Organ Nucleus Segmentation Challenge},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {39}, number = {5}, pages = {1380--1391}, year = {2020},
  doi     = {10.1109/TMI.2019.2947628}
}""",
    variants={
        "all37": "all training images of today's archive",
        "classic30": "without the 7 training images that were added later",
    },
    group="patient",
)

DSB2018 = DatasetSpec(
    name="dsb2018",
    summary="nuclei under many microscopes, 2018 Data Science Bowl (BBBC038): 670 training images",
    reader="histokit.data.dsb2018:Dsb2018",
    task="instances",
    licence="CC0 1.0",
    homepage="Broad Bioimage Benchmark Collection, BBBC038v1; a corrected copy of stage1_train "
    "has 664 images",
    tree="""
stage1_train/
  <ImageId>/images/<ImageId>.png
  <ImageId>/masks/<MaskId>.png               one mask for each nucleus
""",
    reference="""@article{caicedo2019nucleus,
  author  = {Caicedo, Juan C. and Goodman, Allen and Karhohs, Kyle W. and others},
  title   = {Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl},
  journal = {Nature Methods},
  volume  = {16}, pages = {1247--1253}, year = {2019},
  doi     = {10.1038/s41592-019-0612-7}
}""",
    group="image",
)

FOLDER = DatasetSpec(
    name="folder",
    summary="your own images, with masks in a second folder or beside them, or without any",
    reader="histokit.data.folder:Folder",
    own=True,
    task="instances",
    licence="yours",
    homepage="on your disk",
    tree="""
<root>/
  images/x.png      png, jpg, tif, bmp or npy; also: image, img, tissue images, patches ...
  masks/x.png       same name, or x_mask, x_label, x_gt ...; also: labels, gt, annotations ...
or x.png and x_mask.png side by side, or images alone
""",
    variants={
        "auto": "masks of two values are binary, masks of more than 8 bits hold ids",
        "binary": "every connected piece of foreground is an object",
        "instances": "every value is the id of an object",
    },
    group="image",
)

SYNTH_HE = DatasetSpec(
    name="synth-he",
    summary="H&E-like images with exact nuclei, drawn from a seed; for trying things out",
    reader="histokit.data.synth_he:SynthHE",
    task="instances",
    licence="made by histokit, CC0",
    homepage="made on the fly; nothing to get",
    tree="nothing on disk",
    mpp=0.25,
    variants={
        "breast": "loose stroma with scattered nuclei",
        "kidney": "other stain and scanner, denser and rounder nuclei",
        "colon": "glands with crowded, long nuclei",
    },
    on_disk=False,
    group="patient",
)

SYNTH_HE_IHC = DatasetSpec(
    name="synth-he-ihc",
    summary="the H&E-like images of synth-he with IHC in which large nuclei are brown",
    reader="histokit.data.synth_he_ihc:SynthHeIhc",
    task="pairs",
    licence="made by histokit, CC0",
    homepage="made on the fly; nothing to get",
    tree="nothing on disk",
    mpp=0.25,
    variants={
        "breast": "the images of synth-he@breast; both stains lie exactly on each other",
        "kidney": "the same of synth-he@kidney",
        "colon": "the same of synth-he@colon",
        "breast-apart": "breast, the IHC up to 3 px off and bent, as a neighbouring section is",
        "kidney-apart": "the same of kidney",
        "colon-apart": "the same of colon",
    },
    on_disk=False,
    group="patient",
)
