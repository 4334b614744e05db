"""The cards of further data sets: nuclei of many organs, lesions in ultrasound, plaques."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from histokit.data.cards import Expected
from histokit.interfaces.spec import DatasetSpec

EXPECTED: Mapping[str, Expected] = MappingProxyType(
    {
        "kirc": Expected({"train": 388, "val": 49, "test": 49}),
        "kirc@unlisted": Expected({"": 486}),
        "pcns@all": Expected({"": 1365}),
        "pcns@mani": Expected({"train": 77, "val": 10, "test": 10}),
        "cryonuseg": Expected({"": 30}),
        "nuinsseg": Expected({"": 665}),
        "nuinsseg@all": Expected({"": 665}, groups=31),
        "nuinsseg@vague": Expected({"": 665}, groups=31),
        "udiat": Expected({"": 163}),
        "busi@lesions": Expected({"": 437 + 210}),
        "busi@all": Expected({"": 437 + 210 + 133}),
        "adtau@slides": Expected(groups=8),
        "adtau@scanner": Expected(groups=4),
    }
)
"""By name, name@variant, or what of it is there."""

KIRC = DatasetSpec(
    name="kirc",
    summary="nuclei of kidney clear cell carcinoma, H&E 40x (TCGA): 486 fields of 400 pixels",
    reader="histokit.data.kirc:Kirc",
    task="instances",
    licence="not stated; the images are of TCGA, which is open",
    homepage="by request to the authors of 'Crowdsourcing image annotation for nucleus detection "
    "and segmentation'; the official folders could not be verified, so check what is read",
    tree="""
kirc/
  <x>_<y>.npy                 [H W 4]: red, green, blue, mask (as MaNi exports it)
  kric_split.csv              fname, split; beside the folder, above it or in it
or
  images/<x>_<y>.png    masks/<x>_<y>.png
""",
    reference="""@inproceedings{irshad2015crowdsourcing,
  author    = {Irshad, Humayun and Montaser-Kouhsari, Laleh and Waltz, Gail and others},
  title     = {Crowdsourcing image annotation for nucleus detection and segmentation in
               computational pathology: evaluating experts, automated methods, and the crowd},
  booktitle = {Pacific Symposium on Biocomputing},
  pages     = {294--305}, year = {2015},
  doi       = {10.1142/9789814644730_0029}
}""",
    mpp=0.25,
    group="image",
)

CANCERS = (
    *("blca", "brca", "cesc", "coad", "gbm", "luad", "lusc"),
    *("paad", "prad", "read", "skcm", "stad", "ucec", "uvm"),
)
"""The types of cancer of ``pcns``, as TCGA abbreviates them."""

PCNS = DatasetSpec(
    name="pcns",
    summary="nuclei of fourteen types of cancer, H&E 40x (TCGA): 1365 patches of 400 pixels, the "
    "manual part of Pan-Cancer-Nuclei-Seg",
    reader="histokit.data.pcns:Pcns",
    task="instances",
    licence="CC BY 3.0",
    homepage="The Cancer Imaging Archive, 'Pan-Cancer-Nuclei-Seg', DOI "
    "10.7937/tcia.2019.4a4dkp9u, archive manual_segmentation_data; how its masks keep ids above "
    "255 could not be verified",
    tree="""
manual_segmentation_data/
  <id>_crop.png
  <id>_labeled_mask_corrected.png
Pan-Cancer-Nuclei-Seg_1365patches_to_TCGA-ID_readme.txt    (beside or in it)
tcia_split.csv                                              (for pcns@mani)
""",
    reference="""@article{hou2020dataset,
  author  = {Hou, Le and Gupta, Rajarsi and Van Arnam, John S. and others},
  title   = {Dataset of segmented nuclei in hematoxylin and eosin stained histopathology images of
             ten cancer types},
  journal = {Scientific Data},
  volume  = {7}, pages = {185}, year = {2020},
  doi     = {10.1038/s41597-020-0528-1}
}""",
    mpp=0.25,
    variants={
        "all": "all patches, without parts",
        **{name: f"the patches of TCGA-{name.upper()}, without parts" for name in CANCERS},
        "mani": "the patches of MaNi's list tcia_split.csv (called STAD) in its parts",
    },
    group="patient",
)

CRYONUSEG = DatasetSpec(
    name="cryonuseg",
    summary="nuclei of ten organs in frozen sections, H&E 40x (TCGA): 30 images, marked by two "
    "raters, by one of them twice",
    reader="histokit.data.cryonuseg:CryoNuSeg",
    task="instances",
    licence="commonly given as CC BY-NC-SA 4.0 (not verified): non-commercial, share-alike",
    homepage="Kaggle, 'Segmentation of nuclei in cryosectioned H&E-stained histological images'",
    tree="""
tissue images/Human_AdrenalGland_01.tif
Annotator 1 (biologist)/label masks modify/Human_AdrenalGland_01.tif
Annotator 1 (biologist second round of manual marks up)/<same name>/label masks modify/...
Annotator 2 (bioinformatician)/<same name>/label masks modify/...
""",
    reference="""@article{mahbod2021cryonuseg,
  author  = {Mahbod, Amirreza and Schaefer, Gerald and Bancher, Benjamin and others},
  title   = {CryoNuSeg: A dataset for nuclei instance segmentation of cryosectioned H&E-stained
             histological images},
  journal = {Computers in Biology and Medicine},
  volume  = {132}, pages = {104349}, year = {2021},
  doi     = {10.1016/j.compbiomed.2021.104349}
}""",
    mpp=0.25,
    variants={
        "1": "labels of the biologist",
        "1b": "labels of the biologist, second round",
        "2": "labels of the bioinformatician",
    },
    group="image",
)

NUINSSEG = DatasetSpec(
    name="nuinsseg",
    summary="nuclei of 31 human and mouse organs, H&E 40x: 665 images of 512 pixels",
    reader="histokit.data.nuinsseg:NuInsSeg",
    task="instances",
    licence="CC BY 4.0",
    homepage="Zenodo, record 10518968, 'NuInsSeg'",
    tree="""
human bladder/
  tissue images/human_bladder_01.png
  label masks modify/human_bladder_01.tif
  vague areas/mask binary/human_bladder_01.png
mouse liver/...
""",
    reference="""@article{mahbod2024nuinsseg,
  author  = {Mahbod, Amirreza and Polak, Christine and Feldmann, Katharina and others},
  title   = {NuInsSeg: A fully annotated dataset for nuclei instance segmentation in H&E-stained
             histological images},
  journal = {Scientific Data},
  volume  = {11}, pages = {295}, year = {2024},
  doi     = {10.1038/s41597-024-03117-2}
}""",
    mpp=0.25,
    variants={
        "all": "all images, without parts; a group is an organ",
        **{
            f"fold{n}": f"fold {n} of the authors' five tests (seed 19; the order of their list "
            "is not verified)"
            for n in range(1, 6)
        },
        "vague": "the vague areas as objects, in place of the nuclei",
    },
    group="organ",
)

UDIAT = DatasetSpec(
    name="udiat",
    summary="breast lesions in ultrasound, benign and malignant: 163 images (not histology)",
    reader="histokit.data.ultrasound:Udiat",
    task="semantic",
    licence="for research, on a signed request; not to be passed on",
    homepage="Manchester Metropolitan University, page of M. H. Yap, 'Breast Ultrasound Lesions "
    "Dataset (Dataset B)'",
    tree="""
Dataset_B/
  original/000001.png
  GT/000001.png
  DatasetB.xlsx               (columns not verified; may be missing)
""",
    reference="""@article{yap2018automated,
  author  = {Yap, Moi Hoon and Pons, Gerard and Mart{\\'i}, Joan and others},
  title   = {Automated Breast Ultrasound Lesions Detection Using Convolutional Neural Networks},
  journal = {IEEE Journal of Biomedical and Health Informatics},
  volume  = {22}, number = {4}, pages = {1218--1226}, year = {2018},
  doi     = {10.1109/JBHI.2017.2731873}
}""",
    classes=("benign", "malignant"),
    group="image",
)

BUSI = DatasetSpec(
    name="busi",
    summary="breast lesions in ultrasound, benign and malignant: 647 images with lesions, 133 "
    "without (not histology)",
    reader="histokit.data.busi:Busi",
    task="semantic",
    licence="CC0 or CC BY, as the host says (not verified)",
    homepage="Cairo University, 'Breast Ultrasound Images Dataset'; also on Kaggle",
    tree="""
Dataset_BUSI_with_GT/
  benign/benign (1).png       benign/benign (1)_mask.png    benign/benign (4)_mask_1.png
  malignant/...
  normal/...
or, for CMU-Net, images/benign (1).png and masks/0/benign (1).png
""",
    reference="""@article{aldhabyani2020dataset,
  author  = {Al-Dhabyani, Walid and Gomaa, Mohammed and Khaled, Hussien and Fahmy, Aly},
  title   = {Dataset of breast ultrasound images},
  journal = {Data in Brief},
  volume  = {28}, pages = {104863}, year = {2020},
  doi     = {10.1016/j.dib.2019.104863}
}""",
    classes=("benign", "malignant"),
    variants={
        "lesions": "the benign and malignant images",
        "unique": "the same, of images that look the same only the first",
        "all": "also the images of normal tissue, which have no lesion",
    },
    group="images that look the same",
)

US_TNBC = DatasetSpec(
    name="us-tnbc",
    summary="lesions of triple-negative breast cancer in ultrasound (not histology)",
    reader="histokit.data.ultrasound:UsTnbc",
    task="semantic",
    licence="not stated; ask the authors",
    homepage="on request from the authors (Roy et al. 2025); no public layout is known, so check "
    "what is read",
    tree="""
<folder>/
  images/x.png    masks/x.png     (also original/ and GT/, and x_mask)
""",
    reference="""@misc{roy2025ustnbc,
  author = {Roy and others},
  note   = {arXiv preprint arXiv:2507.19575},
  year   = {2025}
}""",
    group="image",
)

ADTAU = DatasetSpec(
    name="adtau",
    summary="neuritic plaques in Alzheimer's disease, AT8 20x: patches of eight slides from two "
    "scanners",
    reader="histokit.data.adtau:AdTau",
    task="semantic",
    licence="no public one is known; ask the authors",
    homepage="on request from the authors of 'Visual deep learning-based explanation for neuritic "
    "plaques segmentation in Alzheimer's disease' (their code names figshare, DOI "
    "10.6084/m9.figshare.20188142 and 20186840); lists of slides come with that code",
    tree="""
dataset/
  128x128/old_wsi_00/patches/<patch>.png    128x128/old_wsi_00/masks/<mask>.png
  128x128/new_wsi_00/...
  256x256/...
data/experiment_002/train_00_cv_00.csv      data/experiment_002/dev_00_cv_00.csv
""",
    reference="""@inproceedings{jimenez2022visual,
  author    = {Jimenez, Gabriel and Kar, Anuradha and Ounissi, Mehdi and others},
  title     = {Visual Deep Learning-Based Explanation for Neuritic Plaques Segmentation in
               Alzheimer's Disease Using Weakly Annotated Whole Slide Histopathological Images},
  booktitle = {Medical Image Computing and Computer Assisted Intervention},
  year      = {2022}
}""",
    variants={
        "128": "patches of 128 pixels, without parts",
        "128-old": "the same, of the older scanner (NanoZoomer 2.0-RS)",
        "128-new": "the same, of the newer scanner (NanoZoomer S60)",
        "256": "patches of 256 pixels, without parts",
        "256-old": "the same, of the older scanner",
        "256-new": "the same, of the newer scanner",
        **{
            f"{size}-test{test}-cv{fold}": f"patches of {size} pixels, test set {test}, fold {fold}"
            for size in (128, 256)
            for test in range(4)
            for fold in range(3)
        },
    },
    group="slide",
)
