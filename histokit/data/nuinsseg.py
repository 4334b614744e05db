"""Reader of NuInsSeg: a folder an organ, with maps of nuclei and masks of vague areas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_organs import EXPECTED, NUINSSEG
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.layout import by_stem, check_variant, child, files, find_parts, plain
from histokit.data.masks import renumbered
from histokit.data.regions import read_regions, region_findings
from histokit.data.twins import Files, Twins, gather
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import read_image, read_mask

PNG, LABELS = (".png",), (".tif", ".tiff", ".png")
NAME = re.compile(r"(human|mouse|rat)[ _-].+", re.IGNORECASE)
FOLDS, SEED = 5, 19
IMAGES, MAPS, VAGUE = "tissue images", "label masks modify", "vague areas"
VAGUE_MASKS = ("mask binary", "mask binary_vague")


@final
@dataclass(frozen=True)
class NuInsSeg(Dataset):
    """NuInsSeg, opened. Read is ``label masks modify``; in ``label masks`` the ids of overlapping
    nuclei are added.

    Labels have no place for areas where the truth is not known: what is found in a vague area
    counts as false. The variant ``vague`` gives the vague areas themselves as objects. The size
    of a pixel is not in the files; that of the card is what other readers assume.
    """

    twins: Twins
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`, or one organ of it; see the card for variants.

        Raises DataError.
        """
        variant = check_variant(NUINSSEG, variant)
        parts = find_parts(root, NUINSSEG, _is_part, _is_inside)
        names = MAPS if variant != "vague" else VAGUE
        twins = gather(parts, NUINSSEG, _record, lambda part: _files(part, names))
        if variant.startswith("fold"):
            chosen = fold_keys(twins.records, int(variant[-1]))
            twins = replace(twins, records=tuple(_parted(r, chosen) for r in twins.records))
        return cls(twins, variant)

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image, or its vague areas. Raises DataError with the path."""
        if self.variant == "vague":
            return Labels(read_regions(record))
        (path,) = label_paths(record)
        ids = read_mask(path)
        require_same_size(record, path, ids.shape)
        return Labels(renumbered(ids))

    def verify(self) -> Iterator[Finding]:
        """Unpaired labels, folds of a part of the set, vague areas, and the shared checks."""
        yield from orphan_findings(self.twins.orphans)
        wanted = EXPECTED["nuinsseg"].images[""]
        if self.variant.startswith("fold") and len(self.records()) != wanted:
            text = f"the folds of {len(self.records())} images are not those of all {wanted}"
            yield Finding("warning", self.variant, text)
        if self.variant == "vague":
            for record in self.records():
                yield from region_findings(record)
        else:
            yield from self._vague_findings()
        yield from shared_findings(self, EXPECTED.get(f"nuinsseg@{self.variant}"))

    def _vague_findings(self) -> Iterator[Finding]:
        """How many images have vague areas, which these labels cannot say."""
        count = 0
        for record in self.records():
            path = _vague_mask(record)
            try:
                count += path is not None and bool(read_mask(path).any())
            except DataError as error:
                yield Finding("error", str(path), str(error))
        if count:
            text = f"{count} images have some; what is found there counts as false"
            yield Finding("note", VAGUE, text)


def fold_keys(records: Sequence[Record], fold: int) -> frozenset[str]:
    """The keys that fold `fold` of 1..5 tests: the authors' five parts of the shuffled list of
    all files (seed 19), in the order and manner of scikit-learn's KFold.

    Their list is taken to be sorted by organ, then by name, character by character; they do not
    say how exactly.
    """
    ordered = sorted(records, key=lambda record: (_organ(record), image_path(record).name))
    order = np.arange(len(ordered))
    np.random.RandomState(SEED).shuffle(order)
    return frozenset(ordered[n].key for n in np.array_split(order, FOLDS)[fold - 1])


def _parted(record: Record, tested: frozenset[str]) -> Record:
    """A record with its part; the folds cut through organs, so an image is its own group."""
    split = "test" if record.key in tested else "train"
    return replace(record, split=split, group=record.key)


def _organ(record: Record) -> str:
    return image_path(record).parent.parent.name


def _is_part(folder: Path) -> bool:
    """Whether a folder is that of an organ."""
    images = child(folder, (IMAGES,))
    return images is not None and any(NAME.fullmatch(path.stem) for path in files(images, PNG))


def _is_inside(folder: Path) -> bool:
    return plain(folder.name) in (plain(IMAGES), plain(MAPS), plain(VAGUE))


def _files(part: Path, names: str) -> Files:
    """The images and the maps, or vague masks, of an organ, by stem."""
    images = child(part, (IMAGES,))
    found = {} if images is None else by_stem(files(images, PNG))
    return found, _vague(part) if names == VAGUE else _inside(child(part, (names,)))


def _vague(part: Path) -> dict[str, Path]:
    vague = child(part, (VAGUE,))
    return {} if vague is None else _inside(child(vague, VAGUE_MASKS))


def _inside(folder: Path | None) -> dict[str, Path]:
    return {} if folder is None else by_stem(files(folder, LABELS))


def _vague_mask(record: Record) -> Path | None:
    image = image_path(record)
    return _vague(image.parent.parent).get(image.stem)


def _record(part: str, image: Path, labels: tuple[Path, ...]) -> Record:
    return Record(image.stem, part, image, labels, None, NUINSSEG.mpp)
