"""Reader of BUSI: breast ultrasound in three folders, with one or more masks an image."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_organs import BUSI, EXPECTED
from histokit.data.checks import image_path, orphan_findings, shared_findings
from histokit.data.kinds import class_index, twice
from histokit.data.layout import check_variant, child, files, find_parts, natural, plain
from histokit.data.lookalikes import alike, fingerprint
from histokit.data.regions import read_regions, region_findings
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import read_image

KINDS = ("benign", "malignant", "normal")
PNG = (".png",)
MASK = re.compile(r"(.+)_mask(_\d+)?")


@final
@dataclass(frozen=True)
class Busi(Dataset):
    """BUSI, opened. The masks of an image are united; a lesion is an 8-connected piece and has
    the class of its image. Images of normal tissue, whose masks are empty, are left out by
    default, since Dice is not defined on them.

    The set holds many copies (Pawlowska et al. 2023). Opening reads every image once and puts
    those that look the same into one group (see `histokit.data.lookalikes`), so that no split
    parts them; the variant ``unique`` keeps the first of each. Images of the axilla and callipers
    or text burnt into an image stay.
    """

    found: tuple[Record, ...]
    orphans: tuple[Path, ...]
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(BUSI, variant)
        records: dict[str, Record] = {}
        orphans: list[Path] = []
        for part in find_parts(root, BUSI, _is_part, _is_inside):
            images, masks = _files(part)
            orphans += [path for stem in masks if stem not in images for path in masks[stem]]
            for stem, image in images.items():
                record = Record(stem, stem, image, tuple(masks.get(stem, ())))
                other = records.setdefault(stem, record)
                if other is not record:
                    raise twice("busi", stem, other.image, image)
        kept = [r for r in records.values() if variant == "all" or _kind(r) != "normal"]
        if not kept:
            raise DataError(f"no busi image of variant {variant} in {root}")
        found = _grouped(sorted(kept, key=lambda record: natural(record.key)))
        if variant == "unique":
            found = [record for record in found if record.group == record.key]
        return cls(tuple(found), tuple(orphans), variant)

    def records(self) -> Sequence[Record]:
        """The images of the variant, by name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The lesions of an image and their class. Raises DataError with the path."""
        ids = read_regions(record)
        kind = class_index(_kind(record), BUSI.classes)
        return Labels(ids, {n: kind for n in range(1, int(ids.max(initial=0)) + 1) if kind})

    def verify(self) -> Iterator[Finding]:
        """Unpaired masks, masks of more than two values, images that look the same, and the
        shared checks.
        """
        yield from orphan_findings(self.orphans)
        for record in self.found:
            yield from region_findings(record)
        yield from self._copy_findings()
        yield from shared_findings(self, EXPECTED.get(f"busi@{self.variant}"))

    def _copy_findings(self) -> Iterator[Finding]:
        heads = {record.key: record for record in self.found}
        copies = [record for record in self.found if record.group != record.key]
        for record in copies:
            head = heads[record.group]
            if _kind(record) != _kind(head):
                text = f"looks the same as {head.image}, which is called {_kind(head)}"
                yield Finding("warning", str(record.image), text)
        if copies:
            text = f"{len(copies)} look the same as others; busi@unique leaves them out"
            yield Finding("note", "images", text)


def _kind(record: Record) -> str:
    """What an image is called: benign, malignant or normal, from the start of its name."""
    return next((kind for kind in KINDS if record.key.casefold().startswith(kind)), "")


def _is_part(folder: Path) -> bool:
    """Whether a folder has the three folders, or those in which CMU-Net wants them."""
    return any(MASK.fullmatch(path.stem) is None for path in _paths(folder))


def _is_inside(folder: Path) -> bool:
    return plain(folder.name) in (*KINDS, "images", "masks")


def _named(folder: Path | None) -> list[Path]:
    """The PNG files of a folder whose names begin with a kind."""
    found = [] if folder is None else files(folder, PNG)
    return [path for path in found if path.name.casefold().startswith(KINDS)]


def _paths(part: Path) -> list[Path]:
    """The images of a part, together with the masks that lie beside them."""
    folders = [child(part, (name,)) for name in (*KINDS, "images")]
    return [path for folder in folders for path in _named(folder)]


def _files(part: Path) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """The images, and the masks of each, by the stem of the image."""
    images: dict[str, Path] = {}
    masks: dict[str, list[Path]] = defaultdict(list)
    for path in _paths(part):
        match = MASK.fullmatch(path.stem)
        if match is not None:
            masks[match[1]].append(path)
            continue
        other = images.setdefault(path.stem, path)
        if other != path:
            raise twice("busi", path.stem, other, path)
    apart = child(part, ("masks",))
    for path in [] if apart is None else _named(child(apart, ("0",)) or apart):
        match = MASK.fullmatch(path.stem)
        masks[path.stem if match is None else match[1]].append(path)
    return images, masks


def _grouped(records: Sequence[Record]) -> list[Record]:
    """The records with the first that looks the same as their group."""
    heads = alike([_print(image_path(record)) for record in records])
    return [replace(r, group=records[n].key) for r, n in zip(records, heads, strict=True)]


def _print(path: Path) -> NDArray[np.bool_] | None:
    """The fingerprint of an image; None for one that cannot be read, which `verify` tells."""
    try:
        return fingerprint(read_image(path))
    except DataError:
        return None
