"""Reader of HDF5 files of tiles with pixels, as CLAM once wrote them: images without labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_generic import TILES_H5
from histokit.data.checks import image_path, shared_findings
from histokit.data.generic import apart
from histokit.data.layout import check_variant, existing, files, missing
from histokit.data.trees import below
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.stores import open_h5

ENDINGS = (".h5", ".hdf5")
PIXELS = "imgs"
EXPECTED = "a whole HDF5 file with the tiles imgs, uint8 [N h w 3]"


@final
@dataclass(frozen=True)
class TilesH5(Dataset):
    """Tiles of slides, opened. The group of a tile is its slide, which is the name of its file.

    Files of coordinates or features alone (CLAM's newer ones, TRIDENT's) hold no pixels and are
    refused, unless others beside them do.
    """

    found: tuple[Record, ...]
    places: Mapping[str, tuple[Path, int]]
    bare: tuple[Path, ...]

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The tiles of the files under `root`, which may be the one file; there are no variants.

        Raises DataError, also where no file holds pixels.
        """
        check_variant(TILES_H5, variant)
        paths = _files(root)
        counts = {path: _count(path) for path in paths}
        bare = tuple(path for path, count in counts.items() if count is None)
        if len(bare) == len(paths):
            raise _needs_slide(bare[0])
        stems = [path.stem for path in paths]
        places: dict[str, tuple[Path, int]] = {}
        found: list[Record] = []
        for path, count in counts.items():
            twice = stems.count(path.stem) > 1
            slide = f"{path.parent.name}/{path.stem}" if twice else path.stem
            for row in range(count or 0):
                found.append(Record(f"{slide}/{row}", slide, path))
                places[f"{slide}/{row}"] = path, row
        return cls(tuple(found), places, bare)

    def records(self) -> Sequence[Record]:
        """All tiles, slide by slide."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The tile, uint8 [h w 3]. Raises DataError with the path."""
        path, row = self.places[record.key]
        with open_h5(path, EXPECTED) as file:
            return np.array(file[PIXELS][row])

    def labels(self, record: Record) -> Labels:
        """There are none: raises DataError."""
        raise DataError(
            f"{image_path(record)} has no labels",
            expected="a data set with labels",
            hint="use it for prediction or as an unlabelled target",
        )

    def verify(self) -> Iterator[Finding]:
        """Files without pixels, and the shared checks."""
        for path in self.bare:
            yield Finding("warning", str(path), "holds no pixels and is not read")
        yield from shared_findings(replace(self, found=apart(self.found)))


def _files(root: Path) -> list[Path]:
    """The HDF5 files under a folder. Raises DataError, naming the expected tree, for none."""
    path = root.expanduser().absolute()
    if path.is_file():
        return [path]
    found = [file for sub in below(existing(root, TILES_H5)) for file in files(sub, ENDINGS)]
    if not found:
        raise missing(TILES_H5, root)
    return found


def _count(path: Path) -> int | None:
    """How many tiles a file holds; None where it holds no pixels. Raises DataError."""
    with open_h5(path, EXPECTED) as file:
        if PIXELS not in file:
            return None
        tiles = file[PIXELS]
        if tiles.ndim != 4 or tiles.shape[3] != 3 or tiles.dtype != np.uint8:
            raise ValueError(f"{tiles.dtype} {list(tiles.shape)}")
        return int(tiles.shape[0])


def _needs_slide(path: Path) -> DataError:
    with open_h5(path, EXPECTED) as file:
        names = ", ".join(file) or "nothing"
    return DataError(
        f"{path} holds no pixels",
        expected="the tiles themselves, as imgs [N h w 3]",
        found=f"{names}: where tiles lie on a slide, not what they show",
        hint="cut them from the slide first, with the slide's own file and these coordinates",
    )
