"""The cards of the data sets of nuclei whose readers know parts, classes or odd containers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from histokit.data.cards import Expected
from histokit.interfaces.spec import DatasetSpec

EXPECTED: Mapping[str, Expected] = MappingProxyType(
    {
        "consep": Expected({"train": 27, "test": 14}),
        "pannuke@split1": Expected({"train": 2656 + 2523, "test": 2722}, groups=3),
        "pannuke@split2": Expected({"train": 2656 + 2523, "test": 2722}, groups=3),
        "pannuke@split3": Expected({"train": 2722 + 2523, "test": 2656}, groups=3),
        "conic": Expected({"": 4981}),
        "lizard": Expected({"": 238}),
        "monusac": Expected({"train": 209, "test": 85}),
        "kumar@all": Expected({"train": 16, "test": 14}, groups=30),
        "kumar@same": Expected({"train": 16, "test": 8}, groups=24),
        "kumar@different": Expected({"train": 16, "test": 6}, groups=22),
        "cpm15": Expected({"": 15}),
        "nucls": Expected({"": 1744}),
        "cpm17": Expected({"train": 32, "test": 32}),
    }
)
"""By name, or name@variant."""

NON_COMMERCIAL = "CC BY-NC-SA 4.0: non-commercial, share-alike"
HOVERNET = """@article{graham2019hover,
  author  = {Graham, Simon and Vu, Quoc Dang and Raza, Shan E Ahmed and others},
  title   = {HoVer-Net: Simultaneous segmentation and classification of nuclei in multi-tissue
             histology images},
  journal = {Medical Image Analysis},
  volume  = {58}, pages = {101563}, year = {2019},
  doi     = {10.1016/j.media.2019.101563}
}"""

CONSEP_RAW = (
    "other",
    "inflammatory",
    "healthy epithelial",
    "dysplastic or malignant epithelial",
    "fibroblast",
    "muscle",
    "endothelial",
)
"""The classes 1..7 of the files, which ``consep@raw7`` keeps."""

CONSEP = DatasetSpec(
    name="consep",
    summary="nuclei of colorectal adenocarcinoma in classes, H&E 40x: 27 training, 14 test images",
    reader="histokit.data.consep:Consep",
    task="instances",
    licence="Apache-2.0 according to a data card; the download says none",
    homepage="Warwick TIA Centre, page 'HoVer-Net', 'CoNSeP'; at times withdrawn",
    tree="""
CoNSeP/
  Train/Images/train_1.png    Test/Images/test_1.png
  Train/Labels/train_1.mat    Test/Labels/test_1.mat
""",
    reference=HOVERNET,
    mpp=0.25,
    classes=("miscellaneous", "inflammatory", "epithelial", "spindle"),
    variant_classes={"raw7": CONSEP_RAW, "binary": ()},
    variants={
        "paper4": "the four merged classes of the paper",
        "raw7": "the seven classes of the files: " + ", ".join(CONSEP_RAW),
        "binary": "nuclei without classes",
    },
    group="image",
)

PANNUKE = DatasetSpec(
    name="pannuke",
    summary="nuclei of 19 tissues in classes, H&E 40x: 7901 patches of 256 pixels in three folds",
    reader="histokit.data.pannuke:PanNuke",
    task="instances",
    licence=NON_COMMERCIAL,
    homepage="Warwick TIA Centre, page 'PanNuke', archives fold_1, fold_2 and fold_3",
    tree="""
Fold 1/images/fold1/images.npy      Fold 2/...      Fold 3/...
Fold 1/images/fold1/types.npy       (may be missing)
Fold 1/masks/fold1/masks.npy
""",
    reference="""@article{gamper2020pannuke,
  author  = {Gamper, Jevgenij and Koohbanani, Navid Alemi and Benes, Ksenija and others},
  title   = {PanNuke Dataset Extension, Insights and Baselines},
  journal = {arXiv preprint arXiv:2003.10778},
  year    = {2020}
}""",
    mpp=0.25,
    classes=("neoplastic", "inflammatory", "connective", "dead", "epithelial"),
    variants={
        "split1": "fold 3 tests; training takes folds 1 and 2 (in the paper 1 trains, 2 validates)",
        "split2": "fold 3 tests; training takes folds 2 and 1 (in the paper 2 trains, 1 validates)",
        "split3": "fold 1 tests; training takes folds 3 and 2 (in the paper 3 trains, 2 validates)",
    },
    group="fold",
)

LIZARD_CLASSES = ("neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")
LIZARD_PAPER = """@inproceedings{graham2021lizard,
  author    = {Graham, Simon and Jahanifar, Mostafa and Azam, Ayesha and others},
  title     = {Lizard: A Large-Scale Dataset for Colonic Nuclear Instance Segmentation and
               Classification},
  booktitle = {IEEE/CVF International Conference on Computer Vision Workshops},
  pages     = {684--693}, year = {2021},
  doi       = {10.1109/ICCVW54120.2021.00082}
}"""

CONIC = DatasetSpec(
    name="conic",
    summary="nuclei of the colon in six classes, H&E 20x: 4981 patches of 256 pixels cut from "
    "Lizard (never combine the two)",
    reader="histokit.data.conic:Conic",
    task="instances",
    licence=NON_COMMERCIAL,
    homepage="Grand Challenge, 'CoNIC' (2022), page 'Data'",
    tree="""
<folder>/
  images.npy   labels.npy
  counts.csv   patch_info.csv
""",
    reference=LIZARD_PAPER,
    mpp=0.5,
    classes=LIZARD_CLASSES,
    group="source region",
)

LIZARD = DatasetSpec(
    name="lizard",
    summary="nuclei of the colon in six classes, H&E 20x: 238 regions of five sources",
    reader="histokit.data.lizard:Lizard",
    task="instances",
    licence=NON_COMMERCIAL + "; research only",
    homepage="Warwick TIA Centre, page 'Lizard', archives lizard_images1, lizard_images2 and "
    "lizard_labels",
    tree="""
lizard_images1/Lizard_Images1/consep_1.png ...
lizard_images2/Lizard_Images2/dpath_1.png ...
lizard_labels/Lizard_Labels/Labels/consep_1.mat ...
lizard_labels/Lizard_Labels/info.csv
""",
    reference=LIZARD_PAPER,
    mpp=0.5,
    classes=LIZARD_CLASSES,
    variants={
        "fold3": "the regions of Split 3 test, those of 1 and 2 train",
        "fold1": "the regions of Split 1 test",
        "fold2": "the regions of Split 2 test",
        "sources": "no test part; a group is a source (consep, crag, dpath, glas, pannuke)",
    },
    group="region",
)
"""The paper cross-validates over the three splits; one helper in public code trains on 1,
validates on 2 and tests on 3, as the default here does."""

MONUSAC = DatasetSpec(
    name="monusac",
    summary="nuclei of lung, prostate, kidney and breast in four classes, H&E 40x (TCGA): 209 "
    "training and 85 test images",
    reader="histokit.data.monusac:MoNuSac",
    task="instances",
    licence=NON_COMMERCIAL,
    homepage="Grand Challenge, 'MoNuSAC' (ISBI 2020), page 'Data'",
    tree="""
MoNuSAC_images_and_annotations/
  <TCGA patient>/<name>_1.tif  <name>_1.svs  <name>_1.xml
MoNuSAC Testing Data and Annotations/
  <TCGA patient>/<name>_1.tif  <name>_1.svs  <name>_1.xml
""",
    reference="""@article{verma2021monusac,
  author  = {Verma, Ruchika and Kumar, Neeraj and Patil, Abhijeet and others},
  title   = {MoNuSAC2020: A Multi-Organ Nuclei Segmentation and Classification Challenge},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {40}, number = {12}, pages = {3413--3423}, year = {2021},
  doi     = {10.1109/TMI.2021.3085712}
}""",
    classes=("epithelial", "lymphocyte", "macrophage", "neutrophil"),
    group="patient",
)

KUMAR = DatasetSpec(
    name="kumar",
    summary="nuclei of seven organs, H&E 40x (TCGA): the 30 images of 2017 in the split of "
    "HoVer-Net (16 training, 8 of the same and 6 of other organs for testing)",
    reader="histokit.data.kumar:Kumar",
    task="instances",
    licence=NON_COMMERCIAL,
    homepage="the training archive of MoNuSeg (Grand Challenge, 'MoNuSeg', page 'Data') holds the "
    "same 30 images; the original site is mostly offline",
    tree="""
MoNuSeg 2018 Training Data/
  Tissue Images/TCGA-A7-A13E-01Z-00-DX1.tif
  Annotations/TCGA-A7-A13E-01Z-00-DX1.xml
or, as prepared for HoVer-Net,
kumar/
  train/Images/*.tif       test_same/Images/*.tif      test_diff/Images/*.tif
  train/Labels/*.mat       test_same/Labels/*.mat      test_diff/Labels/*.mat
""",
    reference="""@article{kumar2017dataset,
  author  = {Kumar, Neeraj and Verma, Ruchika and Sharma, Sanuj and others},
  title   = {A Dataset and a Technique for Generalized Nuclear Segmentation for Computational
             Pathology},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {36}, number = {7}, pages = {1550--1560}, year = {2017},
  doi     = {10.1109/TMI.2017.2677499}
}""",
    mpp=0.25,
    variants={
        "all": "16 training and 14 test images",
        "same": "test images of the training organs only (8)",
        "different": "test images of other organs only (6)",
    },
    group="patient",
)

CPM_PAPER = """@article{vu2019methods,
  author  = {Vu, Quoc Dang and Graham, Simon and Kurc, Tahsin and others},
  title   = {Methods for Segmentation and Classification of Digital Microscopy Tissue Images},
  journal = {Frontiers in Bioengineering and Biotechnology},
  volume  = {7}, pages = {53}, year = {2019},
  doi     = {10.3389/fbioe.2019.00053}
}"""
CPM_LICENCE = "not stated; ask the organisers of the challenge"
CPM_HOME = "the digital pathology challenge of MICCAI {year}; copies as prepared for HoVer-Net"

CPM15 = DatasetSpec(
    name="cpm15",
    summary="nuclei of brain tumours, H&E 20x and 40x (TCGA): 15 images, no official test part",
    reader="histokit.data.cpm:Cpm15",
    task="instances",
    licence=CPM_LICENCE,
    homepage=CPM_HOME.format(year=2015),
    tree="""
cpm15/
  Images/*.png    Labels/*.mat
or, as first given, image01.png beside image01_mask.txt
""",
    reference=CPM_PAPER,
    group="image",
)

CPM17 = DatasetSpec(
    name="cpm17",
    summary="nuclei of four tumours, H&E 20x and 40x (TCGA): 32 training and 32 test images",
    reader="histokit.data.cpm:Cpm17",
    task="instances",
    licence=CPM_LICENCE,
    homepage=CPM_HOME.format(year=2017),
    tree="""
cpm17/
  train/Images/*.png    test/Images/*.png
  train/Labels/*.mat    test/Labels/*.mat
or, as first given, image01.png beside image01_mask.txt
""",
    reference=CPM_PAPER,
    group="image",
)

NUCLS_SUPER = ("tumor_any", "nonTIL_stromal", "sTIL", "other_nucleus")
NUCLS_MAIN = (
    "tumor_nonMitotic",
    "tumor_mitotic",
    "nonTILnonMQ_stromal",
    "macrophage",
    "lymphocyte",
    "plasma_cell",
    "other_nucleus",
)
"""The classes of ``nucls@main``."""

NUCLS = DatasetSpec(
    name="nucls",
    summary="nuclei of breast cancer in classes, H&E (TCGA): 1744 fields, part of the nuclei only "
    "as boxes",
    reader="histokit.data.nucls:NuCls",
    task="instances",
    licence="CC0 1.0",
    homepage="NuCLS, page 'Corrected single-rater dataset'",
    tree="""
<folder>/
  rgb/*.png    csv/*.csv        (mask/ and visualization/ are not read)
""",
    reference="""@article{amgad2022nucls,
  author  = {Amgad, Mohamed and Atteya, Lamees A and Hussein, Hagar and others},
  title   = {NuCLS: A scalable crowdsourcing approach and dataset for nucleus classification and
             segmentation in breast cancer},
  journal = {GigaScience},
  volume  = {11}, pages = {giac037}, year = {2022},
  doi     = {10.1093/gigascience/giac037}
}""",
    mpp=0.2,
    classes=NUCLS_SUPER,
    variant_classes={"main": NUCLS_MAIN},
    variants={
        "super": "four classes; nuclei with an outline only",
        "main": "seven classes (" + ", ".join(NUCLS_MAIN) + "); nuclei with an outline only",
        "boxes": "four classes; nuclei without an outline are filled boxes",
    },
    group="patient",
)
