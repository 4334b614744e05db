"""Tiny data sets in the official layouts, with the oddities that real copies have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Disc = tuple[int, int, int]
"""Row, column and radius in pixels."""
BOW_TIE = ((10, 10), (30, 30), (30, 10), (10, 30))
FIRST_SQUARE = ((50, 10), (70, 10), (70, 30), (50, 30), (50, 10))
SECOND_SQUARE = ((60, 20), (80, 20), (80, 40), (60, 40))
TWO_VERTICES = ((5, 100), (9, 100))
LEAVING = ((110.25, 60.25), (140.75, 60.25), (140.75, 90.25), (110.25, 90.25))
NEGATIVE = ((-6, 70), (12, 70), (12, 90), (-6, 90))


def make_tnbc(root: Path, size: int = 64) -> Path:
    """Three breast tiles of two patients and a brain tile; gives the data set's folder.

    01_1: two discs that touch by a corner only, and a disc with a hole of one pixel, so two
    objects; 01_2 and 02_1: three discs each; 12_1: brain, left out by default. Images are RGBA;
    02_1 is RGB. Beside them lies the litter of an archiver.
    """
    folder = root / "TNBC_NucleiSegmentation"
    rng = np.random.default_rng(1)
    corner = np.zeros((size, size), bool)
    corner[8:16, 8:16] = corner[16:24, 16:24] = True
    corner |= discs(size, [(44, 44, 7)])
    corner[44, 44] = False
    three = discs(size, [(12, 12, 6), (40, 20, 7), (30, 50, 5)])
    tiles = {"01_1": corner, "01_2": three, "02_1": three.T, "12_1": three[::-1]}
    for name, nuclei in tiles.items():
        number = name.split("_")[0]
        image = _field(nuclei, rng, alpha=name != "02_1")
        _save(folder / f"Slide_{number}" / f"{name}.png", image)
        _save(folder / f"GT_{number}" / f"{name}.png", nuclei.astype(np.uint8) * 255)
    litter = folder / "__MACOSX" / "._01_1.png"
    litter.parent.mkdir()
    litter.write_bytes(b"litter")
    (folder / "Slide_01" / "._01_1.png").write_bytes(b"litter")
    (folder / "Slide_01" / "Thumbs.db").write_bytes(b"litter")
    return folder


def make_monuseg(root: Path, size: int = 128) -> Path:
    """Two training images (one of a later patient) and a test image; gives `root`.

    Each has five objects in six regions: a bow-tie of 200 pixels, two overlapping squares, one
    open and one closed, a region of two vertices (to be dropped), a fractional one that leaves
    the image, and one with negative coordinates and NegativeROA. The test image lies flat, is
    PackBits with a meaningless resolution, and its annotation has no MicronsPerPixel.
    """
    rng = np.random.default_rng(2)
    train = root / "MoNuSeg 2018 Training Data"
    test = root / "MoNuSegTestData"
    for name in ("TCGA-A7-A13E-01Z-00-DX1", "TCGA-XS-A8TJ-01Z-00-DX1"):
        path = train / "Tissue Images" / f"{name}.tif"
        _save(path, _field(_regions(size), rng), compression="tiff_lzw")
        _write_xml(train / "Annotations" / f"{name}.xml", ' MicronsPerPixel="0.252700"')
    name = "TCGA-2Z-A9J9-01A-01-TS1"
    image = _field(_regions(size), rng)
    _save(test / f"{name}.tif", image, compression="packbits", dpi=(72, 72))
    _write_xml(test / f"{name}.xml", "")
    return root


def make_dsb2018(root: Path, size: int = 64) -> Path:
    """Two training images and a test image without masks; gives `root`.

    ``aa10``: three nuclei (values 255, 254 and 1) and an empty mask. ``aa2``: two nuclei, of
    which the second overlaps the first.
    """
    rng = np.random.default_rng(3)
    nuclei = {
        "aa10": [(12, 12, 6, 255), (40, 20, 7, 254), (30, 50, 5, 1), (0, 0, 0, 0)],
        "aa2": [(20, 20, 8, 255), (20, 30, 8, 255)],
        "bb1": [(20, 20, 8, 255)],
    }
    for name, masks in nuclei.items():
        part = "stage1_test" if name == "bb1" else "stage1_train"
        folder = root / part / name
        field = discs(size, [mask[:3] for mask in masks])
        _save(folder / "images" / f"{name}.png", _field(field, rng, alpha=True))
        if part == "stage1_test":
            continue
        for number, (row, column, radius, value) in enumerate(masks):
            mask = discs(size, [(row, column, radius)]).astype(np.uint8) * np.uint8(value)
            _save(folder / "masks" / f"m{number}.png", mask)
    (root / "stage1_train" / ".DS_Store").write_bytes(b"litter")
    return root


def make_folder(root: Path, size: int = 48) -> Path:
    """Images with masks of every kind that ``folder`` tells apart by itself; gives `root`.

    Two pairs each: 0/1 and 0/255 in 8 bits, palette indices 0/1 with odd colours (two discs
    each), 16-bit ids 5 and 900 in PNG, and ids in TIFF and npy named ``_mask`` and ``_label``
    (two touching objects each); a mask without image, an image without mask and a text file.
    """
    rng = np.random.default_rng(4)
    field = discs(size, [(12, 12, 6), (32, 30, 8)])
    ids = np.zeros((size, size), np.uint16)
    ids[10:20, 10:20], ids[10:20, 20:30] = 5, 900
    for number in (1, 2):
        bits = field.astype(np.uint8)
        for kind, mask in (("bit", bits), ("byte", bits * np.uint8(255)), ("id", ids)):
            _save(root / "masks" / f"{kind}{number}.png", mask)
            _save(root / "images" / f"{kind}{number}.png", _field(mask > 0, rng))
        _save_palette(root / "masks" / f"palette{number}.png", bits)
        _save(root / "images" / f"palette{number}.jpg", _field(field, rng))
        tifffile.imwrite(root / "masks" / f"tiff{number}_mask.tif", ids.astype(np.uint32))
        _save(root / "images" / f"tiff{number}.tiff", _field(ids > 0, rng))
        np.save(root / "masks" / f"array{number}_label.npy", ids.astype(np.int64))
        _save(root / "images" / f"array{number}.bmp", _field(ids > 0, rng))
    _save(root / "masks" / "orphan.png", field.astype(np.uint8))
    _save(root / "images" / "alone.png", _field(field, rng))
    (root / "masks" / "readme.txt").write_text("by hand")
    return root


def discs(size: int, places: Sequence[Disc]) -> NDArray[np.bool_]:
    """A square mask of filled discs; a radius of 0 draws nothing."""
    rows, columns = np.mgrid[:size, :size]
    mask = np.zeros((size, size), bool)
    for row, column, radius in places:
        mask |= (rows - row) ** 2 + (columns - column) ** 2 < radius**2
    return mask


def _field(
    nuclei: NDArray[np.bool_], rng: np.random.Generator, alpha: bool = False
) -> NDArray[np.uint8]:
    """A pink image with blue nuclei and a little noise, RGB or RGBA."""
    image = np.where(nuclei[..., None], (96, 60, 140), (225, 180, 205))
    image = np.clip(image + rng.integers(-12, 13, image.shape), 0, 255).astype(np.uint8)
    if alpha:
        return np.dstack([image, np.full(nuclei.shape, 255, np.uint8)])
    return image


def _save(path: Path, array: NDArray[np.generic], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def _save_palette(path: Path, indices: NDArray[np.uint8]) -> None:
    image = Image.fromarray(indices)
    image.putpalette([200, 10, 10, 10, 200, 10])
    image.save(path)


def _regions(size: int) -> NDArray[np.bool_]:
    drawing = Image.new("1", (size, size))
    pen = ImageDraw.Draw(drawing)
    for ring in (BOW_TIE, FIRST_SQUARE, SECOND_SQUARE, LEAVING, NEGATIVE):
        pen.polygon(list(ring), fill=1)
    return np.array(drawing)


def _write_xml(path: Path, attributes: str) -> None:
    rings = (BOW_TIE, FIRST_SQUARE, SECOND_SQUARE, TWO_VERTICES, LEAVING, NEGATIVE)
    regions = []
    for number, ring in enumerate(rings, start=1):
        vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in ring)
        negative = int(ring is NEGATIVE)
        regions.append(
            f'<Region Id="{number}" Type="0" NegativeROA="{negative}"><Attributes/>'
            f"<Vertices>{vertices}</Vertices></Region>"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<Annotations{attributes}><Annotation Id="1" Type="4"><Attributes/><Regions>'
        f"<RegionAttributeHeaders/>{''.join(regions)}</Regions></Annotation></Annotations>"
    )
