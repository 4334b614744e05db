"""Tiny data sets of axons and myelin, in the official layouts and with their oddities."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.testing.datasets_classes import save_image

SHAPE = (64, 96)
CENTRES = ((20, 20), (40, 60))
"""Row and column of the two axons, of radius 6, in sheaths of radius 10."""


def make_ads_sem(root: Path) -> Path:
    """Four images of three rats, with an axon mask in RGB; gives the data set's folder.

    rat1: a side-car of its own; levels 0, 127, 255. rat3: two images that share a side-car; in
    ``data10`` the mask of both has the levels 0, 128, 255, odd pixels of 130 and 233 and a second
    channel. rat6 (test): an image with alpha, masks of axon and myelin only, nanometres, and a
    mask of nuclei.
    """
    folder = root / "data_axondeepseg_sem"
    _dataset(folder)
    stem = _bids_image(folder, "sub-rat1", "sample-data1", "SEM")
    _sidecar(folder / "sub-rat1" / "micr" / f"{stem}.json", [0.18, 0.18])
    _masks(folder, stem, rgb=True)
    for sample in ("sample-data2", "sample-data10"):
        stem = _bids_image(folder, "sub-rat3", sample, "SEM")
        _masks(folder, stem, middle=128, odd=sample == "sample-data10")
    _sidecar(folder / "sub-rat3" / "micr" / "sub-rat3_SEM.json", [0.1, 0.1])
    stem = _bids_image(folder, "sub-rat6", "sample-data15", "SEM", alpha=True)
    _sidecar(folder / "sub-rat6" / "micr" / f"{stem}.json", [130, 130], "nm")
    _masks(folder, stem, both=False)
    axons, _ = _drawn()
    save_image(_mask_path(folder, stem, "nuclei"), axons.astype(np.uint8) * 255)
    return folder


def make_ads_tem(root: Path) -> Path:
    """Four images of three mice, of which one is for validation and one for tests, under one
    side-car; gives the data set's folder.
    """
    folder = root / "data_axondeepseg_tem"
    _dataset(folder)
    _sidecar(folder / "TEM.json", [0.00236, 0.00236])
    places = (("01", "0001"), ("01", "0002"), ("10", "0001"), ("26", "0001"))
    for mouse, sample in places:
        stem = _bids_image(folder, f"sub-nyuMouse{mouse}", f"sample-{sample}", "TEM")
        _masks(folder, stem, middle=128)
    return folder


def make_ads_bf(root: Path) -> Path:
    """Three images of two rats, one for tests, with further words in their names; gives the data
    set's folder.
    """
    folder = root / "data_axondeepseg_bf"
    _dataset(folder)
    for rat, more in (("02", "acq-roi"), ("04", "acq-roi_chunk-01"), ("04", "acq-roi_chunk-02")):
        subject = f"sub-uoftRat{rat}"
        stem = _bids_image(folder, subject, f"sample-uoftRat{rat}_{more}", "BF")
        _sidecar(folder / subject / f"{subject}_BF.json", [0.226, 0.226])
        _masks(folder, stem)
    return folder


def make_ads_macaque(root: Path) -> Path:
    """Two images of two samples, one with its folder of masks misspelt and of another pixel
    size; gives the data set's folder.
    """
    folder = root / "data" / "macaque" / "data"
    places = (("sample1", "01", "01_corrections"), ("sample2", "05", "05_correctioins"))
    for number, (sample, name, beside) in enumerate(places):
        save_image(folder / sample / f"{name}.png", _grey(number))
        axons, sheaths = _drawn()
        where = folder / sample / beside
        save_image(where / "ADS_seg.png", _levels(axons, sheaths, 127))
        save_image(where / "ADS_seg-axon.png", axons.astype(np.uint8) * 255)
        save_image(where / "ADS_seg-myelin.png", sheaths.astype(np.uint8) * 255)
        size = "0.009144\n" if number == 0 else "0.0101"
        (where / "pixel_size_in_micrometer.txt").write_text(size)
        (folder / sample / f"{name}_axon_morphometrics.xlsx").write_bytes(b"by hand")
    return folder


def _dataset(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    card = {"Name": folder.name, "BIDSVersion": "1.7.0"}
    (folder / "dataset_description.json").write_text(json.dumps(card))
    (folder / "participants.tsv").write_text("participant_id\tspecies\n")


def _bids_image(folder: Path, subject: str, words: str, suffix: str, alpha: bool = False) -> str:
    """Writes an image; gives its name without ending."""
    stem = f"{subject}_{words}_{suffix}"
    grey = _grey(sum(stem.encode()))
    image = np.dstack([grey, np.full_like(grey, 255)]) if alpha else grey
    save_image(folder / subject / "micr" / f"{stem}.png", image)
    return stem


def _sidecar(path: Path, size: Sequence[float], unit: str = "um") -> None:
    path.write_text(json.dumps({"PixelSize": size, "PixelSizeUnits": unit, "BodyPart": "CSPINE"}))


def _mask_path(folder: Path, stem: str, role: str) -> Path:
    subject = stem.split("_")[0]
    name = f"{stem}_seg-{role}-manual.png"
    return folder / "derivatives" / "labels" / subject / "micr" / name


def _masks(
    folder: Path,
    stem: str,
    *,
    middle: int = 127,
    both: bool = True,
    rgb: bool = False,
    odd: bool = False,
) -> None:
    axons, sheaths = _drawn()
    axon: NDArray[Any] = axons.astype(np.uint8) * 255
    save_image(_mask_path(folder, stem, "axon"), np.dstack([axon] * 3) if rgb else axon)
    save_image(_mask_path(folder, stem, "myelin"), sheaths.astype(np.uint8) * 255)
    levels = _levels(axons, sheaths, middle)
    if odd:
        levels[np.argwhere(sheaths)[:5, 0], np.argwhere(sheaths)[:5, 1]] = 130
        levels[20, 19:23] = 233
        levels = np.dstack([levels, np.full_like(levels, 255)])
    if both:
        save_image(_mask_path(folder, stem, "axonmyelin"), levels)


def _drawn() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    apart = [(rows - row) ** 2 + (columns - column) ** 2 for row, column in CENTRES]
    axons = np.logical_or.reduce([square < 6**2 for square in apart])
    fibres = np.logical_or.reduce([square < 10**2 for square in apart])
    return axons, fibres & ~axons


def _levels(axons: NDArray[np.bool_], sheaths: NDArray[np.bool_], middle: int) -> NDArray[np.uint8]:
    return np.where(axons, 255, np.where(sheaths, middle, 0)).astype(np.uint8)


def _grey(seed: int) -> NDArray[np.uint8]:
    """Bright axons in dark sheaths, with noise of a seed."""
    axons, sheaths = _drawn()
    base = np.where(sheaths, 60, np.where(axons, 190, 140))
    noise = np.random.default_rng(seed).integers(-15, 16, SHAPE)
    return np.clip(base + noise, 0, 255).astype(np.uint8)
