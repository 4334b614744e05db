"""Reader of nnU-Net's raw format: images by channel, maps of classes, and `dataset.json`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_generic import NNUNET
from histokit.data.checks import label_paths, orphan_findings, require_same_size, shared_findings
from histokit.data.kinds import twice
from histokit.data.layout import IMAGES, check_variant, child, files, find_parts, natural, plain
from histokit.data.masks import components, levels
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.files import read_json
from histokit.io.images import read_image, read_mask

JSON = "dataset.json"
PARTS = {"train": ("imagesTr", "labelsTr"), "test": ("imagesTs", "labelsTs")}
CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


@dataclass(frozen=True, slots=True)
class Header:
    """What `dataset.json` says: the class names in order, and the class of each value in a map.

    `ignored` is the value of pixels that nobody labelled; they count as background here.
    """

    names: tuple[str, ...]
    classes: Mapping[int, int]
    ignored: int | None
    ending: str
    cases: int | None


@final
@dataclass(frozen=True)
class NnUnet(Dataset):
    """An nnU-Net data set, opened. Labels are maps of classes without objects, so every
    8-connected piece of a class is an object. Three channel files are red, green and blue.
    """

    found: tuple[Record, ...]
    channels: Mapping[str, tuple[Path, ...]]
    orphans: tuple[Path, ...]
    header: Header

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; there are no variants. Raises DataError."""
        check_variant(NNUNET, variant)
        parts = find_parts(root, NNUNET, _is_part, _is_inside)
        if len(parts) > 1:
            raise DataError(
                f"several nnU-Net data sets are in {root}",
                expected="one",
                found=", ".join(part.name for part in parts[:5]),
                hint="name the folder of one of them",
            )
        header = _header(parts[0] / JSON)
        channels: dict[str, tuple[Path, ...]] = {}
        records, orphans = [], []
        for split, (images, labels) in PARTS.items():
            cases = _cases(parts[0], images, header.ending)
            maps = {path.stem: path for path in _files(parts[0], labels, header.ending)}
            orphans += [path for stem, path in maps.items() if stem not in cases]
            for case in sorted(cases, key=natural):
                if case in channels:
                    raise twice("nnunet", case, channels[case][0], cases[case][0])
                channels[case] = cases[case]
                label = (maps[case],) if case in maps else ()
                records.append(Record(case, case, cases[case][0], label, split))
        return cls(tuple(records), channels, tuple(orphans), header)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        return self.header.names

    def records(self) -> Sequence[Record]:
        """All cases, training before test, by name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        paths = self.channels[record.key]
        images = [read_image(path) for path in paths]
        if len(images) == 1:
            return images[0]
        if len(images) != 3 or len({image.shape for image in images}) > 1:
            sizes = ", ".join("x".join(map(str, image.shape[:2])) for image in images)
            raise DataError(
                f"{paths[0]} has channels that make no RGB image",
                expected="one file, or three of one size",
                found=f"{len(images)} of {sizes}",
                hint="histokit reads RGB and grey images",
            )
        return np.stack([image[..., 0] for image in images], axis=-1)

    def labels(self, record: Record) -> Labels:
        """The objects of a case and their classes. Raises DataError with the path."""
        (path,) = label_paths(record)
        values = read_mask(path)
        require_same_size(record, path, values.shape)
        kinds = self._kinds(path, values)
        ids = np.zeros(values.shape, np.int32)
        classes: dict[int, int] = {}
        for kind in range(1, len(self.header.names) + 1):
            pieces = components(kinds == kind)
            count, before = int(pieces.max(initial=0)), len(classes)
            ids[pieces > 0] = pieces[pieces > 0] + before
            classes |= dict.fromkeys(range(before + 1, before + count + 1), kind)
        return Labels(ids, classes)

    def verify(self) -> Iterator[Finding]:
        """Unpaired labels, a count that differs, pixels to ignore, and the shared checks."""
        yield from orphan_findings(self.orphans)
        training = sum(record.split == "train" for record in self.found)
        if self.header.cases not in (None, training):
            text = f"{training} of {self.header.cases} training cases are here"
            yield Finding("warning", JSON, text)
        if self.header.ignored is not None:
            text = f"pixels of the value {self.header.ignored} (ignore) count as background"
            yield Finding("note", JSON, text)
        yield from shared_findings(self)

    def _kinds(self, path: Path, values: NDArray[np.int32]) -> NDArray[np.int32]:
        """The class of each pixel. Raises DataError for values that stand for none."""
        table = {0: 0, **self.header.classes}
        if self.header.ignored is not None:
            table[self.header.ignored] = 0
        present = levels(values)
        odd = [value for value in present.tolist() if value not in table]
        if odd:
            raise DataError(
                f"{path} has a class beyond the table",
                expected="0 or " + ", ".join(f"{number}" for number in sorted(table) if number),
                found=f"the value {odd[0]}",
                hint=f"add it to the labels of {JSON}",
            )
        places = np.array([table[value] for value in present.tolist()], np.int32)
        return places[np.searchsorted(present, values)]


def _is_part(folder: Path) -> bool:
    named = child(folder, ("imagesTr",)) or child(folder, ("imagesTs",))
    return (folder / JSON).is_file() and named is not None


def _is_inside(folder: Path) -> bool:
    return plain(folder.name) in {plain(name) for names in PARTS.values() for name in names}


def _files(part: Path, name: str, ending: str) -> list[Path]:
    folder = child(part, (name,))
    return [] if folder is None else files(folder, (ending,))


def _cases(part: Path, name: str, ending: str) -> dict[str, tuple[Path, ...]]:
    """The channel files of each case. Raises DataError for a name without channel."""
    cases: dict[str, tuple[Path, ...]] = {}
    for path in _files(part, name, ending):
        match = CHANNEL.fullmatch(path.stem)
        if match is None:
            raise DataError(
                f"{path} does not say its channel",
                expected=f"CASE_0000{ending}",
                found=path.name,
                hint="rename it; an RGB image in one file is channel 0000",
            )
        cases[match["case"]] = (*cases.get(match["case"], ()), path)
    return cases


def _header(path: Path) -> Header:
    """What a `dataset.json` of version 1 or 2 says. Raises DataError."""
    value = read_json(path)
    labels = value.get("labels") if isinstance(value, dict) else None
    if not isinstance(labels, dict):
        raise _broken(path, 'the member "labels"', "none")
    if "dataset" in value:
        raise _broken(path, "images in imagesTr and imagesTs", 'lists of files in "dataset"')
    ending = str(value.get("file_ending", ".png")).lower()
    if ending not in IMAGES:
        raise _broken(path, "2-D images: " + ", ".join(sorted(IMAGES)), f"file_ending {ending!r}")
    numbers = _numbers(path, labels)
    ignored = numbers.pop("ignore", None)
    ordered = sorted((number, name) for name, number in numbers.items() if number != 0)
    names = tuple(name for _, name in ordered)
    classes = {number: place for place, (number, _) in enumerate(ordered, start=1)}
    cases = value.get("numTraining")
    return Header(names, classes, ignored, ending, cases if isinstance(cases, int) else None)


def _numbers(path: Path, labels: Mapping[str, Any]) -> dict[str, int]:
    """The number of each label name; version 1 has them the other way round."""
    if all(key.isdecimal() for key in labels):
        labels = {str(name): int(key) for key, name in labels.items()}
    odd = {name: number for name, number in labels.items() if not isinstance(number, int)}
    if odd:
        found = ", ".join(f"{name}: {number}" for name, number in odd.items())
        raise _broken(path, "one number a label; regions of several overlap", found)
    if len(set(labels.values())) < len(labels) or min(labels.values(), default=0) < 0:
        raise _broken(path, "numbers from 0, each once", str(dict(labels)))
    return dict(labels)


def _broken(path: Path, expected: str, found: str) -> DataError:
    return DataError(
        f"cannot read {path}",
        expected=expected,
        found=found,
        hint="see MIC-DKFZ/nnUNet, documentation/dataset_format.md",
    )
