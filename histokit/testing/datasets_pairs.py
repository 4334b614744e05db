"""Tiny data sets of image pairs, in the official layouts and with their oddities."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histokit.testing.datasets_classes import field, painted, save_image

BCI_NAMES = ("00000_train_1+", "00000_train_3+", "00000_test_0")
MIST_NAMES = {"train": ("S1_0_1", "S2_3_10"), "val": ("S1_2_4",)}


def make_bci(
    root: Path, layout: Literal["folders", "trainvalab", "combined"] = "folders", size: int = 64
) -> Path:
    """Two training pairs of one number and a test pair; gives the data set's folder.

    Args:
        root: where to put it.
        layout: the published folders, those of TrainValAB (where the test part is called val),
            or both stains side by side.
        size: side in pixels.
    """
    folder = root / "BCI_dataset"
    rng = np.random.default_rng(21)
    for name in BCI_NAMES:
        split = name.split("_")[1]
        he, ihc = _couple(size, rng)
        if layout == "combined":
            save_image(folder / split / f"{name}.png", np.hstack([he, ihc]))
            continue
        part = {"train": "train", "test": "val"}[split]
        inner = folder / "TrainValAB"
        first, second = (
            (folder / "HE" / split, folder / "IHC" / split)
            if layout == "folders"
            else (inner / f"{part}A", inner / f"{part}B")
        )
        save_image(first / f"{name}.png", he)
        save_image(second / f"{name}.png", ihc)
    (folder / "BCI_LICENSE.md").write_text("by hand")
    return folder


def make_mist(root: Path, size: int = 64) -> Path:
    """HER2 (in ``HER2-004``) and Ki67: two training pairs of two slides, and a validation pair
    of the first slide, in JPEG; gives the data set's folder.
    """
    folder = root / "MIST"
    rng = np.random.default_rng(22)
    for stain in ("HER2-004", "Ki67"):
        for split, names in MIST_NAMES.items():
            for name in names:
                for side, image in zip("AB", _couple(size, rng), strict=True):
                    path = folder / stain / "TrainValAB" / f"{split}{side}" / f"{name}.jpg"
                    save_image(path, image, quality=95)
    return folder


def make_pairs(root: Path, size: int = 48) -> Path:
    """Three pairs in ``HE`` and ``IHC``, one HE image with alpha, one as TIFF, and a text file;
    gives `root`.
    """
    rng = np.random.default_rng(23)
    for name in ("2", "10", "1"):
        he, ihc = _couple(size, rng, alpha=name == "10")
        save_image(root / "HE" / f"{name}{'.tif' if name == '1' else '.png'}", he)
        save_image(root / "IHC" / f"{name}.png", ihc)
    (root / "IHC" / "notes.txt").write_text("by hand")
    return root


def make_pix2pix(root: Path, size: int = 64) -> Path:
    """Two training files and a test file, of two images side by side; gives `root`."""
    rng = np.random.default_rng(24)
    for name in ("train/1", "train/2", "test/1"):
        save_image(root / f"{name}.png", np.hstack(_couple(size, rng)))
    return root


def make_cyclegan(root: Path, size: int = 48) -> Path:
    """Two images in ``trainA``, three in ``trainB`` (one deeper, one of a name in A), one in each
    of ``testA`` and ``testB``; gives `root`.
    """
    rng = np.random.default_rng(25)
    names = ("trainA/a1", "trainA/x", "trainB/b1", "trainB/x", "trainB/more/b2", "testA/t")
    for name in (*names, "testB/t"):
        he, ihc = _couple(size, rng)
        save_image(root / f"{name}.png", he if "A/" in name else ihc)
    return root


def _couple(
    size: int, rng: np.random.Generator, alpha: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A pink field with blue nuclei, and the same place in brown and blue."""
    row, column = (int(place) for place in rng.integers(size // 4, 3 * size // 4, 2))
    ids, _ = painted((size, size), [(row, column, size // 6, 1, 1), (8, 8, 5, 2, 1)])
    he = field(ids > 0, rng, alpha=alpha)
    brown: Any = np.where((ids == 1)[..., None], (140, 90, 40), (235, 230, 240))
    noise = rng.integers(-10, 11, brown.shape)
    return he, np.clip(brown + noise, 0, 255).astype(np.uint8)
