"""Reader of the AT8 neuritic plaques of Jimenez et al. 2022: patches of eight slides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_organs import ADTAU, EXPECTED
from histokit.data.checks import image_path, orphan_findings, shared_findings
from histokit.data.kinds import twice
from histokit.data.layout import (
    by_stem,
    check_variant,
    child,
    existing,
    files,
    find_parts,
    natural,
    plain,
    subfolders,
)
from histokit.data.regions import read_regions, region_findings
from histokit.data.tables import read_table
from histokit.data.trees import climb
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import read_image

SLIDE = re.compile(r"(old|new)_wsi_\d+", re.IGNORECASE)
CORNER = re.compile(r"_C\d$", re.IGNORECASE)
SPLIT = re.compile(r"test(\d)-cv(\d)")
PNG = (".png",)
LISTS = "experiment_002"


@final
@dataclass(frozen=True)
class AdTau(Dataset):
    """The patches of one size, opened. Plaques are 8-connected pieces of the mask.

    Read are the patches as scanned; the copies normalised after Macenko and Vahadane, on which
    the paper trains, are not. The splits are those of the lists ``experiment_002``: a slide that
    neither ``train`` nor ``dev`` names is tested. Copies of a patch that are shifted towards a
    corner (``_C1`` to ``_C4``) are left out of validation and test, where the published code
    keeps them. A group is a slide.
    """

    found: tuple[Record, ...]
    orphans: tuple[Path, ...]
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(ADTAU, variant)
        size, _, choice = variant.partition("-")
        start = climb(existing(root, ADTAU), _is_inside)
        parts = find_parts(start, ADTAU, lambda folder: _is_part(folder, size), lambda _: False)
        splits = _splits(parts[0], choice)
        records: dict[str, Record] = {}
        orphans: list[Path] = []
        for slide in (slide for part in parts for slide in _slides(part, choice)):
            split = splits.get(slide.name.casefold(), "test") if splits else None
            images, masks = _files(slide)
            orphans += [path for stem, path in masks.items() if stem not in images]
            for stem, image in images.items():
                if split in (None, "train") or not CORNER.search(stem):
                    _add(records, slide, image, masks.get(stem), split)
        if not records:
            raise DataError(f"no adtau image of variant {variant} in {root}")
        found = sorted(records.values(), key=lambda record: natural(record.key))
        return cls(tuple(found), tuple(orphans), variant)

    def records(self) -> Sequence[Record]:
        """All patches, by slide and name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The patch, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The plaques of a patch. Raises DataError with the path."""
        return Labels(read_regions(record))

    def verify(self) -> Iterator[Finding]:
        """Unpaired masks, odd masks, parts without a patch, and the shared checks."""
        yield from orphan_findings(self.orphans)
        for record in self.found:
            yield from region_findings(record)
        if SPLIT.search(self.variant):
            parts = {record.split for record in self.found}
            for part in sorted({"train", "val", "test"} - parts):
                yield Finding("warning", part, "has no patch")
        scanner = "scanner" if self.variant.endswith(("-old", "-new")) else "slides"
        yield from shared_findings(self, EXPECTED[f"adtau@{scanner}"])


def _is_slide(folder: Path) -> bool:
    return SLIDE.fullmatch(folder.name) is not None


def _is_inside(name: str) -> bool:
    inner = ("patches", "masks", "macenko", "vahadane")
    return plain(name) in inner or SLIDE.fullmatch(name) is not None


def _is_part(folder: Path, size: str) -> bool:
    return plain(folder.name) == f"{size}x{size}" and any(map(_is_slide, subfolders(folder)))


def _slides(part: Path, choice: str) -> list[Path]:
    """The slides of a part, those of one scanner where it is chosen."""
    scanner = choice if choice in ("old", "new") else ""
    slides = filter(_is_slide, subfolders(part))
    return [slide for slide in slides if slide.name.casefold().startswith(scanner)]


def _files(slide: Path) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
    """The patches of a slide by stem, and its masks by the stem of their patch."""
    images, masks = child(slide, ("patches",)), child(slide, ("masks",))
    found = {} if images is None else by_stem(files(images, PNG))
    drawn = {} if masks is None else by_stem(files(masks, PNG))
    return found, {stem.replace("mask", "patch"): path for stem, path in drawn.items()}


def _add(
    records: dict[str, Record], slide: Path, image: Path, mask: Path | None, split: str | None
) -> None:
    key = f"{slide.name}-{image.stem}"
    labels = () if mask is None else (mask,)
    record = Record(key, slide.name, image, labels, split, ADTAU.mpp)
    other = records.setdefault(key, record)
    if other is not record:
        raise twice("adtau", key, other.image, record.image)


def _splits(part: Path, choice: str) -> dict[str, str]:
    """The part of each slide that the lists of a choice name; empty where none is chosen.

    Raises DataError where the lists are not there.
    """
    match = SPLIT.fullmatch(choice)
    if match is None:
        return {}
    name = f"{match[1]:0>2}_cv_{match[2]:0>2}"
    splits: dict[str, str] = {}
    for stem, word in ((f"train_{name}", "train"), (f"dev_{name}", "val")):
        found = [path for path in _lists(part) if path.stem == stem]
        rows = read_table(found[0], "wsi") if found else []
        if not rows:
            raise DataError(
                "the slides of this split are not known",
                expected=f"the list {stem}.csv of the authors' code, with a slide or more",
                found=f"{found[0]} without any" if found else f"no such list beside {part}",
                hint="copy the folder data/experiment_002 of that code beside the patches",
            )
        splits |= {row["wsi"].casefold(): word for row in rows}
    return splits


def _lists(part: Path) -> Iterator[Path]:
    """The lists of slides in ``experiment_002``, or ``data/experiment_002``, near the patches."""
    for folder in (part, *part.parents[:2]):
        data = child(folder, ("data",))
        for place in (folder, data):
            lists = None if place is None else child(place, (LISTS,))
            yield from () if lists is None else files(lists, (".csv",))
