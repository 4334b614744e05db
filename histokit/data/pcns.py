"""Reader of the manual part of Pan-Cancer-Nuclei-Seg (Hou et al.): crops and maps of ids."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_organs import CANCERS, EXPECTED, PCNS
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.exports import find_list, read_parts
from histokit.data.layout import by_stem, check_variant, existing, files, find_parts
from histokit.data.masks import renumbered
from histokit.data.trees import below
from histokit.data.twins import Files, Twins, gather
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.decode import read_raster
from histokit.io.images import read_image, read_mask
from histokit.io.limits import MAX_TEXT, bounded

CROP, MASK = "_crop", "_labeled_mask_corrected"
README = re.compile(r"(pan-cancer-nuclei-seg.*readme|pcns_crosswalk)\.txt(\.gz)?", re.IGNORECASE)
HEAD = "patch-id,"
PATIENT = re.compile(r"TCGA-\w{2}-\w{4}")
LISTS = ("tcia_split.csv",)
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a patch comes from: the type of cancer, and the patient or an empty string."""

    cancer: str
    patient: str


@final
@dataclass(frozen=True)
class Pcns(Dataset):
    """The manual part, opened. Labels are the corrected maps; the further maps of 27 patches that
    several raters drew are not read.

    The readme that comes with the set says the patient and the type of cancer of each patch;
    without it a patch is its own group and there are no variants by cancer. Patches were resized
    to 400 pixels from sides of 396 to 514, so the size of a pixel varies around that of the card.
    """

    twins: Twins
    origins: Mapping[str, Origin]
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(PCNS, variant)
        parts = find_parts(root, PCNS, _is_part, lambda _: False)
        start = existing(root, PCNS)
        readme = _find_readme(start)
        origins = {} if readme is None else read_readme(readme)
        listed = _listed(start) if variant == "mani" else {}

        def make(_: str, image: Path, labels: tuple[Path, ...]) -> Record | None:
            key = image.stem.removesuffix(CROP)
            origin = origins.get(key, Origin("", ""))
            if variant in CANCERS and origin.cancer != variant:
                return None
            if variant == "mani" and key not in listed:
                return None
            group = origin.patient or key
            return Record(key, group, image, labels, listed.get(key), PCNS.mpp)

        if variant in CANCERS and readme is None:
            raise _no_readme(start, variant)
        return cls(gather(parts, PCNS, make, _files), origins, variant)

    def records(self) -> Sequence[Record]:
        """The patches of the variant, by number."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The patch, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of a patch. Raises DataError with the path."""
        (path,) = label_paths(record)
        ids = read_packed(path)
        require_same_size(record, path, ids.shape)
        return Labels(renumbered(ids))

    def verify(self) -> Iterator[Finding]:
        """Unpaired maps, patches of unknown origin, the cancers of MaNi's list, and the shared
        checks.
        """
        yield from orphan_findings(self.twins.orphans)
        if not self.origins:
            text = "is missing; patients and types of cancer are not known"
            yield Finding("warning", "Pan-Cancer-Nuclei-Seg readme", text)
        else:
            yield from self._origin_findings()
        yield from shared_findings(self, EXPECTED.get(f"pcns@{self.variant}"))

    def _origin_findings(self) -> Iterator[Finding]:
        for record in self.records():
            if record.key not in self.origins:
                yield Finding("warning", str(record.image), "is not in the readme")
            elif not self.origins[record.key].patient:
                yield Finding("warning", str(record.image), "has no patient in the readme")
        if self.variant == "mani":
            found = (self.origins.get(record.key) for record in self.records())
            counts = Counter(origin.cancer for origin in found if origin is not None)
            text = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            yield Finding("note", LISTS[0], f"the readme says that its patches are of {text}")


def read_packed(path: Path) -> NDArray[np.int32]:
    """The ids of a map, int32 [H W]: of one channel as stored, of three that differ red +
    256 green + 65536 blue. Raises DataError, naming `path`.

    How the files keep ids above 255 is not documented; both ways tell all nuclei apart.
    """
    raster = read_raster(path)
    samples = raster.samples
    packed = raster.colour == "rgb" and raster.alpha == "none" and samples.dtype == np.uint8
    if not packed or not raster.header.lossless or (samples == samples[..., :1]).all():
        return read_mask(path)
    return samples.astype(np.int32) @ np.array([1, 256, 65536], np.int32)


def read_readme(path: Path) -> dict[str, Origin]:
    """The origin of each patch by number, from the table that follows the prose of the readme.

    The file may be compressed under any name; the columns are told by what stands in them.
    Raises DataError, naming `path`.
    """
    lines = _text(path).splitlines()
    starts = [n for n, line in enumerate(lines) if line.casefold().startswith(HEAD)]
    if not starts:
        raise _bad_readme(path, "no such line")
    origins: dict[str, Origin] = {}
    for row in csv.reader(lines[starts[0] + 1 :]):
        if not row or not row[0].strip().isdecimal():
            continue
        cells = [cell.strip() for cell in row]
        cancer = next((c.casefold() for c in cells if c.casefold() in CANCERS), "")
        patient = PATIENT.search(" ".join(cells))
        origins[str(int(cells[0]))] = Origin(cancer, patient[0] if patient else "")
    if not any(origin.cancer for origin in origins.values()):
        raise _bad_readme(path, f"{len(origins)} patches, none with a known type of cancer")
    return origins


def _text(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            opener = gzip.open if handle.read(2) == GZIP else open
        with opener(path, "rb") as handle:
            return bounded(path, handle, MAX_TEXT).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise _bad_readme(path, f"{type(error).__name__}: {error}") from error


def _bad_readme(path: Path, found: str) -> DataError:
    return DataError(
        f"cannot read {path}",
        expected="a table below the line 'Patch-ID,...', with the type of cancer in each row",
        found=found,
        hint="get the file again",
    )


def _no_readme(start: Path, variant: str) -> DataError:
    return DataError(
        f"it is not known which patches are of {variant}",
        expected="Pan-Cancer-Nuclei-Seg_1365patches_to_TCGA-ID_readme.txt",
        found=f"no such file in {start}",
        hint="put it beside the patches, or use pcns without a variant",
    )


def _find_readme(start: Path) -> Path | None:
    folders = [start.parent, *below(start)]
    found = (path for folder in folders for path in files(folder, (".txt", ".gz")))
    return next((path for path in found if README.fullmatch(path.name)), None)


def _listed(start: Path) -> dict[str, str]:
    path = find_list(start, LISTS)
    if path is None:
        raise DataError(
            "the patches of pcns@mani are not known",
            expected=f"the file {LISTS[0]} of MaNi's code",
            found=f"no such file in {start}",
            hint="put it beside the patches, or use pcns@stad",
        )
    return read_parts(path)


def _ending(folder: Path, end: str) -> list[Path]:
    return [path for path in files(folder, (".png",)) if path.stem.endswith(end)]


def _is_part(folder: Path) -> bool:
    return bool(_ending(folder, CROP))


def _files(part: Path) -> Files:
    """The crops and corrected maps of a folder, by the stem of the crop."""
    maps = by_stem(_ending(part, MASK))
    labels = {stem.removesuffix(MASK) + CROP: path for stem, path in maps.items()}
    return by_stem(_ending(part, CROP)), labels
