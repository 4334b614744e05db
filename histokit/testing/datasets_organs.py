"""Tiny data sets of nuclei, lesions and plaques, in the official layouts with their oddities."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from histokit.testing.datasets import Disc, discs
from histokit.testing.datasets_classes import Nucleus, field, painted, save_image, save_npy

TWO: list[Nucleus] = [(18, 18, 7, 3, 1), (44, 40, 8, 900, 1)]
"""Two nuclei with ids that have gaps and need 16 bits."""
LESION: list[Disc] = [(24, 30, 8)]


def make_kirc(root: Path, paired: bool = False, size: int = 64) -> Path:
    """Three fields in MaNi's export and its list of parts; gives `root`.

    The first two are uint16 with a binary mask of two nuclei, the second of them 0 and 255; the
    third is float64 with the ids 3 and 900. The list has an unnamed first column.

    Args:
        root: where to write.
        paired: as PNG in ``images`` and ``masks`` instead, without a list.
        size: side of an image.
    """
    rng = np.random.default_rng(21)
    ids, _ = painted((size, size), TWO)
    names = {"8500_3000": ids > 0, "9300_12400": (ids > 0) * 255, "38200_36200": ids}
    for name, mask in names.items():
        image = field(ids > 0, rng)
        if paired:
            save_image(root / "images" / f"{name}.png", image)
            save_image(root / "masks" / f"{name}.png", mask.astype(np.uint16))
        else:
            kind = np.float64 if mask is ids else np.uint16
            save_npy(root / "kirc" / f"{name}.npy", np.dstack([image, mask]).astype(kind))
    if not paired:
        parts = ("train", "valid", "test")
        rows = [
            f"{n},{name}.npy,{part}"
            for n, (name, part) in enumerate(zip(names, parts, strict=True))
        ]
        _write(root / "data" / "kric_split.csv", [",fname,split", *rows])
    return root


def make_pcns(root: Path, packed: bool = False) -> Path:
    """Four patches of two patients and the readme; gives `root`.

    1 and 2 are of one patient (STAD), 10 is of BRCA, 20 is not in the readme. Maps have 8 bits
    and the ids 1, 2; that of 2 has 16 bits and an id 300. Patch 1 has maps of three raters too.

    Args:
        root: where to write.
        packed: compress the readme under its own name.
    """
    rng = np.random.default_rng(22)
    folder = root / "manual_segmentation_data"
    for name in ("1", "2", "10", "20"):
        ids, _ = painted((40, 40), [(10, 10, 5, 1, 1), (28, 26, 6, 300 if name == "2" else 2, 1)])
        save_image(folder / f"{name}_crop.png", field(ids > 0, rng))
        depth = np.uint16 if name == "2" else np.uint8
        save_image(folder / f"{name}_labeled_mask_corrected.png", ids.astype(depth))
        for rater in range(3 if name == "1" else 0):
            save_image(folder / f"{name}_labeled_mask_common{rater}.png", ids.astype(depth))
    prose = ["Patches of the manual part.", "", "They were resized,", "by hand,", "to 400 pixels."]
    table = [
        "Patch-ID,TCGA-ID,CancerType,x,y,size_original",
        "1,TCGA-BR-4184-01Z-00-DX1,STAD,100,200,400",
        "2,TCGA-BR-4184-01Z-00-DX1,STAD,900,200,514",
        "10,TCGA-A2-A0CM-01Z-00-DX1,BRCA,5,6,396",
    ]
    readme = root / "Pan-Cancer-Nuclei-Seg_1365patches_to_TCGA-ID_readme.txt"
    _write(readme, [*prose, *table])
    if packed:
        readme.write_bytes(gzip.compress(readme.read_bytes(), mtime=0))
    _write(root / "tcia_split.csv", [",fname,split", "2,2.npy,train", "3,1.npy,valid"])
    return root


def make_cryonuseg(root: Path, older: bool = False, size: int = 64) -> Path:
    """Two images of two organs with the labels of all raters; gives `root`.

    Two nuclei (ids 2 and 5) overlap and a third has the id 300. ``label masks`` holds 7 in the
    overlap, ``label masks modify`` 5. The second round lacks the third nucleus, the other rater
    has it alone.

    Args:
        root: where to write.
        older: as an older mirror, with the folders of the first rater beside the images.
        size: side of an image.
    """
    rng = np.random.default_rng(23)
    again = "Annotator 1 (biologist second round of manual marks up)"
    second = "Annotator 2 (bioinformatician)"
    overlapping: list[Nucleus] = [(20, 20, 8, 2, 1), (20, 30, 8, 5, 1)]
    apart: list[Nucleus] = [(46, 46, 7, 300, 1)]
    raters = {
        Path("Annotator 1 (biologist)"): overlapping + apart,
        Path(again, again): overlapping,
        Path(second, second): apart,
    }
    if older:
        raters = {Path(): overlapping + apart}
    for name in ("Human_AdrenalGland_01", "Human_Larynx_01"):
        shown, _ = painted((size, size), overlapping + apart)
        save_image(root / "tissue images" / f"{name}.tif", field(shown > 0, rng))
        for folder, nuclei in raters.items():
            ids, _ = painted((size, size), nuclei)
            added = sum(painted((size, size), [nucleus])[0] for nucleus in nuclei)
            _save_tiff(root / folder / "label masks modify" / f"{name}.tif", ids)
            _save_tiff(root / folder / "label masks" / f"{name}.tif", np.asarray(added))
            binary = (ids > 0).astype(np.uint8) * np.uint8(255)
            save_image(root / folder / "mask binary" / f"{name}.png", binary)
    return root


def make_nuinsseg(root: Path, size: int = 64) -> Path:
    """Three images of a human and two of a mouse organ; gives `root`.

    Each has the ids 3 and 900. The first image is RGBA; the second has a vague area of 0 and 255
    in a folder of the usual name, the mouse's first an empty one in a folder of another name.
    """
    rng = np.random.default_rng(24)
    ids, _ = painted((size, size), TWO)
    blank = np.zeros((size, size), np.uint8)
    vague = discs(size, [(50, 12, 6)]).astype(np.uint8) * np.uint8(255)
    organs = {"human bladder": ("01", "02", "03"), "mouse liver": ("01", "02")}
    for organ, numbers in organs.items():
        for number in numbers:
            name = f"{organ.replace(' ', '_')}_{number}"
            folder = root / organ
            image = field(ids > 0, rng, alpha=name == "human_bladder_01")
            save_image(folder / "tissue images" / f"{name}.png", image)
            _save_tiff(folder / "label masks modify" / f"{name}.tif", ids)
            _save_tiff(folder / "label masks" / f"{name}.tif", ids + 1)
            save_image(folder / "overlay" / f"{name}.png", image)
    areas = root / "human bladder" / "vague areas"
    save_image(areas / "mask binary" / "human_bladder_02.png", vague)
    (areas / "Imagj_zips").mkdir()
    other = root / "mouse liver" / "vague areas" / "mask binary_vague"
    save_image(other / "mouse_liver_01.png", blank)
    return root


def make_udiat(root: Path) -> Path:
    """Two images of different sizes, with a gap in their numbers; gives `root`.

    The first image is grey with a grey mask, the second RGB with an RGB mask. The sheet
    says that they are benign and malignant, by file name and by number.
    """
    rng = np.random.default_rng(25)
    folder = root / "Dataset_B"
    for name, size, colours in (("000001", 48, 1), ("000003", 64, 3)):
        lesion = discs(size, LESION)
        mask = lesion.astype(np.uint8) * np.uint8(255)
        image = scan(lesion, rng)
        if colours == 1:
            image = image[..., 0]
        else:
            mask = np.dstack([mask] * 3)
        save_image(folder / "original" / f"{name}.png", image)
        save_image(folder / "GT" / f"{name}.png", mask)
    rows = [("Image", "Type"), ("000001.png", "Benign"), ("3", "Malignant")]
    save_sheet(folder / "DatasetB.xlsx", rows)
    return root


def save_sheet(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Writes a workbook of one sheet; numbers stand in it as numbers, words in the shared list."""
    words = [cell for row in rows for cell in row if not cell.isdecimal()]
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    shared = "".join(f"<si><t>{word}</t></si>" for word in words)
    lines = []
    for row in rows:
        cells = [
            f"<c><v>{cell}</v></c>"
            if cell.isdecimal()
            else f'<c t="s"><v>{words.index(cell)}</v></c>'
            for cell in row
        ]
        lines.append(f"<row>{''.join(cells)}</row>")
    sheet = f"<worksheet {space}><sheetData>{''.join(lines)}</sheetData></worksheet>"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(zipfile.ZipInfo("xl/worksheets/sheet1.xml"), sheet)
        book.writestr(zipfile.ZipInfo("xl/sharedStrings.xml"), f"<sst {space}>{shared}</sst>")


def make_us_tnbc(root: Path) -> Path:
    """Two images with masks of 0 and 1 and of 0 and 255; gives the data set's folder."""
    rng = np.random.default_rng(26)
    folder = root / "US-TNBC"
    for name, top in (("case_1", 1), ("case_2", 255)):
        lesion = discs(48, LESION)
        save_image(folder / "images" / f"{name}.png", scan(lesion, rng))
        save_image(folder / "masks" / f"{name}.png", lesion.astype(np.uint8) * np.uint8(top))
    return folder


def make_busi(root: Path, cmunet: bool = False, size: int = 64) -> Path:
    """Three benign images, two malignant and a normal one; gives `root`.

    ``benign (2)`` has a second mask, of 1 bit, that overlaps the first; the mask of ``benign
    (10)`` is RGB. ``malignant (1)`` is an exact copy of ``benign (10)`` and ``malignant (2)``
    shows the same as ``benign (2)`` a little brighter. The mask of the normal image is empty.

    Args:
        root: where to write.
        cmunet: as CMU-Net wants it, with one mask an image.
        size: side of an image.
    """
    masks = _busi_masks(size)
    folder = root / ("busi" if cmunet else "Dataset_BUSI_with_GT")
    for name, image in _busi_images(masks).items():
        place = folder / ("images" if cmunet else name.split()[0])
        save_image(place / f"{name}.png", image)
        if cmunet:
            united = np.logical_or.reduce(masks[name]).astype(np.uint8) * np.uint8(255)
            save_image(folder / "masks" / "0" / f"{name}.png", united)
            continue
        for number, mask in enumerate(masks[name]):
            end = f"_mask_{number}" if number else "_mask"
            stored = mask if number else mask.astype(np.uint8) * np.uint8(255)
            if name == "benign (10)":
                stored = np.dstack([stored] * 3)
            save_image(place / f"{name}{end}.png", stored)
    return root


def _busi_masks(size: int) -> dict[str, tuple[NDArray[np.bool_], ...]]:
    first, more = discs(size, [(20, 20, 8)]), discs(size, [(20, 28, 8), (48, 48, 6)])
    other = discs(size, [(40, 24, 9)])
    return {
        "benign (2)": (first, more),
        "benign (10)": (other,),
        "benign (3)": (discs(size, [(30, 40, 7)]),),
        "malignant (1)": (other,),
        "malignant (2)": (first | more,),
        "normal (1)": (discs(size, []),),
    }


def _busi_images(
    masks: Mapping[str, tuple[NDArray[np.bool_], ...]],
) -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(27)
    images = {name: scan(np.logical_or.reduce(drawn), rng) for name, drawn in masks.items()}
    images["malignant (1)"] = images["benign (10)"]
    images["malignant (2)"] = images["benign (2)"] + np.uint8(2)
    return images


def scan(lesion: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A grey image with a dark lesion in coarse speckle, uint8 [H W 3] of equal channels."""
    height, width = lesion.shape
    speckle = rng.integers(0, 160, (height // 8, width // 8)).repeat(8, 0).repeat(8, 1)
    grey = np.where(lesion, speckle // 4, speckle + 60) + rng.integers(0, 4, lesion.shape)
    return np.dstack([grey.astype(np.uint8)] * 3)


def make_adtau(root: Path, size: int = 64) -> Path:
    """Two slides of each scanner with two patches in both sizes, and lists; gives `root`.

    A patch has two plaques. The first has a copy shifted to a corner and a normalised one. Lists:
    of test set 0 and fold 0, where ``old_wsi_01`` trains, ``new_wsi_00`` validates and the others
    are tested.
    """
    rng = np.random.default_rng(28)
    plaques = discs(size, [(16, 16, 7), (44, 44, 8)])
    mask = plaques.astype(np.uint8) * np.uint8(255)
    for slide in ("old_wsi_00", "old_wsi_01", "new_wsi_00", "new_wsi_01"):
        for side in ("128x128", "256x256"):
            folder = root / "dataset" / side / slide
            for number in ("0", "1", "0_C1"):
                image = field(plaques, rng)
                save_image(folder / "patches" / f"patch_{number}.png", image)
                save_image(folder / "macenko" / f"patch_{number}.png", image)
                save_image(folder / "masks" / f"mask_{number}.png", mask)
    lists = root / "data" / "experiment_002"
    _write(lists / "train_00_cv_00.csv", ["wsi", "old_wsi_01"])
    _write(lists / "dev_00_cv_00.csv", ["wsi", "new_wsi_00"])
    return root


def _save_tiff(path: Path, ids: NDArray[np.int32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, ids.astype(np.uint16))


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
