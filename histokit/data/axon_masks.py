"""Masks of axons and myelin: what their grey levels mean, and what is odd about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histokit.data.channels import channels_of
from histokit.data.checks import image_path, label_paths, require_same_size
from histokit.data.masks import components, levels
from histokit.errors import DataError
from histokit.interfaces.dataset import Finding, Labels, Record
from histokit.io.decode import read_raster
from histokit.io.images import read_mask

BOTH, AXON, MYELIN = "axonmyelin", "axon", "myelin"
ROLES = (BOTH, AXON, MYELIN)
LOW, HIGH = 64, 191
"""Grey levels above which a mask of both says myelin and axon: 0, 127 or 128, 255."""
USUAL = {BOTH: frozenset({0, 127, 128, 255}), AXON: frozenset({0, 255})}
USUAL[MYELIN] = USUAL[AXON]
POINTER = 200
"""Files of fewer bytes than this may stand for a file that git-annex has not fetched."""
SIGNATURES = (b"\x89PNG", b"II", b"MM", b"BM", b"\xff\xd8", b"\x93NUMPY")
NAME = re.compile(r"_seg(?:-([a-z]+))?(?:-manual)?$", re.IGNORECASE)


def role_of(path: Path) -> str:
    """What a mask shows, by its name: ``axonmyelin``, ``axon``, ``myelin`` or another word; empty
    for a file that is not named as a mask.
    """
    match = NAME.search(path.stem)
    if match is None:
        return ""
    return match[1].casefold() if match[1] else BOTH


def require_content(path: Path) -> None:
    """Raises DataError where a file is missing, empty or a pointer of git-annex or Git LFS."""
    try:
        with path.open("rb") as handle:
            start = handle.read(POINTER)
    except OSError:
        start = b""
    if len(start) < POINTER and not start.startswith(SIGNATURES):
        raise DataError(
            f"{path} has no content here",
            expected="an image file",
            found="a broken link" if not path.exists() else f"{len(start)} bytes, a pointer",
            hint="run `git annex get .` in its folder, or get the data set again",
        )


def read_tissue(record: Record) -> NDArray[np.uint8]:
    """The class of each pixel, uint8 [H W]: 0 background, 1 axon, 2 myelin.

    The mask of both is used where there is one; else those of axon and myelin, where the axon
    keeps the pixels that both claim. Raises DataError with the path.
    """
    masks = {role_of(path): path for path in label_paths(record)}
    if BOTH in masks:
        return _cut(masks[BOTH], _values(record, masks[BOTH]))
    if AXON not in masks or MYELIN not in masks:
        (only,) = masks.values()
        raise DataError(
            f"{image_path(record)} has only half of its labels",
            expected="a mask of axon and myelin, or one of each",
            found=str(only),
            hint="get the missing mask, or take the image out",
        )
    tissue = _binary(_values(record, masks[MYELIN])).astype(np.uint8) * np.uint8(2)
    tissue[_binary(_values(record, masks[AXON]))] = 1
    return tissue


def objects(tissue: NDArray[np.uint8], variant: str) -> Labels:
    """The connected pieces of axon, then of myelin, of a map from `read_tissue`.

    Args:
        tissue: uint8 [H W].
        variant: ``both``, with classes, or ``axon`` or ``myelin``, which have none.
    """
    if variant != "both":
        return Labels(components(tissue == (1 if variant == AXON else 2)))
    axons, sheaths = components(tissue == 1), components(tissue == 2)
    count = int(axons.max(initial=0))
    ids = np.where(sheaths > 0, sheaths + count, axons).astype(np.int32)
    total = int(ids.max(initial=0))
    return Labels(ids, {number: 1 if number <= count else 2 for number in range(1, total + 1)})


def mask_findings(record: Record) -> Iterator[Finding]:
    """Odd grey levels, further channels, and masks of one image that do not agree.

    What keeps the labels from being read at all is told by the shared checks.
    """
    try:
        tissue = read_tissue(record) if record.labels else None
    except DataError:
        return
    for path in record.labels:
        role = role_of(path)
        try:
            values = _values(record, path)
        except DataError as error:
            yield Finding("error", str(path), str(error))
            continue
        yield from _form_findings(path)
        yield from _level_findings(path, role, values)
        if role != BOTH and tissue is not None:
            yield from _difference(path, role, values, tissue)


def _values(record: Record, path: Path) -> NDArray[np.int32]:
    require_content(path)
    mask = read_mask(path)
    require_same_size(record, path, mask.shape)
    return mask


def _cut(path: Path, mask: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The tissue of a mask of both. Raises DataError where its levels are not grey levels."""
    top = int(mask.max(initial=0))
    if 0 < top <= LOW or top > 255:
        raise DataError(
            f"{path} does not have the grey levels of axon and myelin",
            expected="0, 127 or 128 for myelin, 255 for axon",
            found="the values " + ", ".join(str(value) for value in levels(mask)[:6]),
            hint="write it with these levels, or give one mask for each",
        )
    tissue = (mask > LOW).astype(np.uint8) * np.uint8(2)
    tissue[mask > HIGH] = 1
    return tissue


def _binary(mask: NDArray[np.int32]) -> NDArray[np.bool_]:
    return mask * 2 > int(mask.max(initial=0)) if mask.any() else mask > 0


def _form_findings(path: Path) -> Iterator[Finding]:
    form = channels_of(read_raster(path))
    if form not in ("grey", "palette"):
        yield Finding("note", str(path), f"is {form}; the further channels say nothing new")


def _level_findings(path: Path, role: str, mask: NDArray[np.int32]) -> Iterator[Finding]:
    usual = USUAL[role] if mask.max(initial=0) > 1 else {0, 1}
    odd = {int(v): np.count_nonzero(mask == v) for v in levels(mask) if int(v) not in usual}
    if odd:
        told = [f"{v} ({count} pixels, read as {_word(role, v)})" for v, count in odd.items()]
        more = f" and {len(told) - 6} more" if told[6:] else ""
        yield Finding("warning", str(path), f"has odd grey levels: {', '.join(told[:6])}{more}")


def _word(role: str, value: int) -> str:
    if role == BOTH:
        return "axon" if value > HIGH else "myelin" if value > LOW else "background"
    return role if value > 127 else "background"


def _difference(
    path: Path, role: str, mask: NDArray[np.int32], tissue: NDArray[np.uint8]
) -> Iterator[Finding]:
    other = _binary(mask) != (tissue == (1 if role == AXON else 2))
    if other.any():
        pixels = np.count_nonzero(other)
        text = f"says {role} otherwise than the labels that are read, in {pixels} pixels"
        yield Finding("warning", str(path), text)
