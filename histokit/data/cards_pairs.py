"""The cards of the data sets of image pairs, and of the layouts that translation tools use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from histokit.data.cards import Expected
from histokit.interfaces.spec import DatasetSpec

EXPECTED: Mapping[str, Expected] = MappingProxyType(
    {
        "bci": Expected({"train": 3896, "test": 977}),
        "mist@her2": Expected({"train": 4642, "val": 1000}, groups=64),
        "mist@er": Expected({"train": 4153, "val": 1000}, groups=56),
        "mist@pr": Expected({"train": 4139, "val": 1000}, groups=56),
        "mist@ki67": Expected({"train": 4361, "val": 1000}, groups=56),
        "mist@her2-slides": Expected({"": 5642}, groups=64),
        "mist@er-slides": Expected({"": 5153}, groups=56),
        "mist@pr-slides": Expected({"": 5139}, groups=56),
        "mist@ki67-slides": Expected({"": 5361}, groups=56),
    }
)
"""By name, or name@variant."""

BCI = DatasetSpec(
    name="bci",
    summary="H&E and HER2 of neighbouring sections, breast cancer, 20x: 4873 pairs",
    reader="histokit.data.bci:Bci",
    task="pairs",
    licence="BCI_LICENSE: non-commercial, of its own",
    homepage="project page 'BCI dataset' of bupt-ai-cz, and Grand Challenge 'BCI'",
    tree="""
BCI_dataset/
  HE/train/00000_train_1+.png    IHC/train/00000_train_1+.png    equal names are a pair
  HE/test/00000_test_2+.png      IHC/test/00000_test_2+.png
or TrainValAB/{trainA,trainB,valA,valB}/ of the same names,
or {train,test}/ of the same names with H&E left and IHC right in one image
""",
    reference="""@inproceedings{liu2022bci,
  author    = {Liu, Shengjie and Zhu, Chuang and Xu, Feng and others},
  title     = {{BCI}: Breast Cancer Immunohistochemical Image Generation through Pyramid Pix2pix},
  booktitle = {CVPR Workshops},
  year      = {2022}
}""",
    mpp=0.46,
)

MIST = DatasetSpec(
    name="mist",
    summary="H&E and one of four IHC stains of neighbouring sections, breast, 20x: 5139-5642 pairs",
    reader="histokit.data.mist:Mist",
    task="pairs",
    licence="not stated; ask its authors",
    homepage="README of lifangda01/AdaptiveSupervisedPatchNCE, 'MIST dataset'",
    tree="""
MIST/<HER2|ER|PR|Ki67>/TrainValAB/
  trainA/<name>.jpg   H&E            trainB/<name>.jpg   IHC, equal names are a pair
  valA/<name>.jpg                    valB/<name>.jpg
""",
    reference="""@inproceedings{li2023adaptive,
  author    = {Li, Fangda and Hu, Zhiqiang and Chen, Wen and Kak, Avinash},
  title     = {Adaptive Supervised {PatchNCE} Loss for Learning {H\\&E}-to-{IHC} Stain Translation
               with Inconsistent Groundtruth Image Pairs},
  booktitle = {MICCAI},
  year      = {2023}
}""",
    mpp=0.4661,
    variants={
        "her2": "H&E to HER2, 64 slides",
        "er": "H&E to ER, 56 slides",
        "pr": "H&E to PR, 56 slides",
        "ki67": "H&E to Ki67, 56 slides",
        "her2-slides": "H&E to HER2 without the published parts, in which slides are mixed",
        "er-slides": "the same for ER",
        "pr-slides": "the same for PR",
        "ki67-slides": "the same for Ki67",
    },
    group="slide",
)

PAIRS = DatasetSpec(
    name="pairs",
    summary="your own pairs: two folders of the same file names, one for each stain",
    reader="histokit.data.pairs:Pairs",
    task="pairs",
    licence="yours",
    homepage="on your disk",
    tree="""
<root>/
  HE/x.png        png, jpg, tif, bmp or npy; also: A, source, input, or any name
  IHC/x.png       the same name and size; also: B, target, or any name
or train/, val/ and test/ in the root or in both folders
""",
    variants={
        "a": "from HE, A, or the folder that comes first by name",
        "b": "the other way round",
    },
    own=True,
)

PIX2PIX = DatasetSpec(
    name="pix2pix",
    summary="your own pairs in the layout of pix2pix: both images side by side in one file",
    reader="histokit.data.pix2pix:Pix2Pix",
    task="pairs",
    licence="yours",
    homepage="on your disk",
    tree="""
<root>/
  train/x.png     the left half is A, the right half is B
  val/x.png       may be missing
  test/x.png      may be missing
""",
    reference="""@inproceedings{isola2017image,
  author    = {Isola, Phillip and Zhu, Jun-Yan and Zhou, Tinghui and Efros, Alexei A.},
  title     = {Image-to-Image Translation with Conditional Adversarial Networks},
  booktitle = {CVPR},
  year      = {2017}
}""",
    variants={"a": "from left to right", "b": "from right to left"},
    own=True,
)

CYCLEGAN = DatasetSpec(
    name="cyclegan",
    summary="your own two domains in the layout of CycleGAN; equal file names are pairs",
    reader="histokit.data.cyclegan:CycleGan",
    task="pairs",
    licence="yours",
    homepage="on your disk",
    tree="""
<root>/
  trainA/x.png    trainB/y.png    names need not agree
  valA/           valB/           may be missing
  testA/          testB/          may be missing
""",
    reference="""@inproceedings{zhu2017unpaired,
  author    = {Zhu, Jun-Yan and Park, Taesung and Isola, Phillip and Efros, Alexei A.},
  title     = {Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks},
  booktitle = {ICCV},
  year      = {2017}
}""",
    variants={"a": "the images of domain A", "b": "the images of domain B"},
    own=True,
)
