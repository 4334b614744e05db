"""Reader of CryoNuSeg: frozen sections of ten organs, marked three times over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_organs import CRYONUSEG, EXPECTED
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.layout import (
    by_stem,
    check_variant,
    child,
    existing,
    files,
    find_parts,
    plain,
    subfolders,
)
from histokit.data.masks import renumbered
from histokit.data.trees import below, climb
from histokit.data.twins import Files, Twins, gather
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import read_image, read_mask

TIFF = (".tif", ".tiff")
NAME = re.compile(r"human_.+_\d+", re.IGNORECASE)
MAPS = "labelmasksmodify"
RATERS = {
    "1": re.compile(r"annotator1(?!.*second).*"),
    "1b": re.compile(r"annotator1.*second.*"),
    "2": re.compile(r"annotator2.*"),
}
"""What the folder of a rater is called, without blanks and case, by variant."""


@final
@dataclass(frozen=True)
class CryoNuSeg(Dataset):
    """CryoNuSeg, opened, with the labels of one rater. Read is ``label masks modify``, where the
    nucleus of the larger id keeps the pixels of an overlap; in ``label masks`` the two ids are
    added there.
    """

    twins: Twins
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(CRYONUSEG, variant)
        start = climb(existing(root, CRYONUSEG), _is_inside)
        parts = find_parts(start, CRYONUSEG, _is_part, lambda _: False)
        return cls(gather(parts, CRYONUSEG, _record, lambda part: _files(part, variant)), variant)

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image. Raises DataError with the path."""
        (path,) = label_paths(record)
        ids = read_mask(path)
        require_same_size(record, path, ids.shape)
        return Labels(renumbered(ids))

    def verify(self) -> Iterator[Finding]:
        """Unpaired labels, and the shared checks."""
        yield from orphan_findings(self.twins.orphans)
        yield from shared_findings(self, EXPECTED["cryonuseg"])


def _rater_of(name: str) -> str | None:
    """The variant whose rater a folder is called after, None where it is none of theirs."""
    name = plain(name)
    return next((rater for rater, known in RATERS.items() if known.fullmatch(name)), None)


def _is_part(folder: Path) -> bool:
    images = child(folder, ("tissue images",))
    return images is not None and any(NAME.fullmatch(p.stem) for p in files(images, TIFF))


def _is_inside(name: str) -> bool:
    return plain(name) in ("tissueimages", MAPS) or _rater_of(name) is not None


def _files(part: Path, variant: str) -> Files:
    """The images, and the maps of one rater, by stem."""
    images, maps = child(part, ("tissue images",)), _maps(part, variant)
    return (
        {} if images is None else by_stem(files(images, TIFF)),
        {} if maps is None else by_stem(files(maps, TIFF)),
    )


def _maps(part: Path, variant: str) -> Path | None:
    """The folder of a rater's maps. In older copies, which have one rater, it lies beside the
    images. Raises DataError where there are several.
    """
    raters = [sub for sub in subfolders(part) if _rater_of(sub.name) == variant]
    if not raters and variant == "1":
        return child(part, (MAPS,))
    inside = (folder for rater in raters for folder in below(rater, 2))
    found = [folder for folder in inside if plain(folder.name) == MAPS]
    if len(found) > 1:
        raise DataError(
            f"several folders could hold the labels of rater {variant}",
            expected="one",
            found=", ".join(str(folder) for folder in found),
            hint="remove the others",
        )
    return found[0] if found else None


def _record(_: str, image: Path, labels: tuple[Path, ...]) -> Record:
    return Record(image.stem, image.stem, image, labels, None, CRYONUSEG.mpp)
