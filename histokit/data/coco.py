"""Reader of COCO annotations: polygons and run lengths of objects, by image and category."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import normpath
from pathlib import Path, PurePosixPath
from typing import Self, final
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_generic import COCO
from histokit.data.checks import image_path, label_paths, require_same_size, shared_findings
from histokit.data.coco_files import Annotation, CocoFile, Listed, broken, read_annotations
from histokit.data.generic import kept, require_within
from histokit.data.kinds import twice
from histokit.data.layout import check_variant, existing, files, missing
from histokit.data.trees import below
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import read_image
from histokit.io.rings import rasterise
from histokit.io.rle import decode_rle

NAME = re.compile(r"_?annotations?|instances|instances_.*|image_info_.*|.*coco.*", re.IGNORECASE)
SPLIT = re.compile(r"(train|val|test)(?:id(?:ation)?|ing)?\d*")


@dataclass(frozen=True, slots=True)
class Entry:
    """An image of a file, with its objects."""

    listed: Listed
    objects: Sequence[Annotation]


@final
@dataclass(frozen=True)
class Coco(Dataset):
    """COCO annotations, opened. Categories become the classes 1, 2, … in order of their ids.

    Coordinates are of pixel corners: a pixel belongs to a polygon that its centre lies in; of
    overlapping objects the first keeps the pixels. Crowds, and objects with a box alone, are left
    out.
    """

    found: tuple[Record, ...]
    entries: Mapping[str, Entry]
    categories: Mapping[int, str]

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The annotations under `root`, which may be the one file; there are no variants.

        Raises DataError, also where an image could be one of several files.
        """
        check_variant(COCO, variant)
        paths = _annotation_files(root)
        sources = [read_annotations(path) for path in paths]
        categories = _one_table(sources)
        base = _base(root.expanduser().absolute())
        pictures = _pictures(base)
        records: dict[str, Record] = {}
        entries: dict[str, Entry] = {}
        for source in sources:
            split = _split(source.path)
            for number, listed in source.images.items():
                stem = str(PurePosixPath(_posix(listed.name)).with_suffix(""))
                key = f"{split or source.path.stem}/{stem}" if len(sources) > 1 else stem
                image = _locate(source.path, listed.name, split, pictures, base)
                if key in records:
                    raise twice("coco", key, records[key].image, image)
                labels = () if source.annotations is None else (source.path,)
                records[key] = Record(key, key, image, labels, split)
                entries[key] = Entry(listed, (source.annotations or {}).get(number, ()))
        return cls(tuple(records.values()), entries, categories)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the categories, in order of their ids."""
        return tuple(self.categories.values())

    def records(self) -> Sequence[Record]:
        """All images, in the order of the files."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The objects of an image and their categories. Raises DataError with the path."""
        (path,) = label_paths(record)
        entry = self.entries[record.key]
        require_same_size(record, path, entry.listed.shape)
        where = f"{path}[{record.key}]"
        drawn = {
            key: annotation
            for key, annotation in enumerate(entry.objects, start=1)
            if not annotation.crowd and (annotation.rings or annotation.runs)
        }
        places = {number: place for place, number in enumerate(self.categories, start=1)}
        odd = [a.category for a in drawn.values() if a.category not in places]
        if odd:
            raise broken(where, f"a category of {list(places)}", f"category {odd[0]}")
        ids = _painted(where, drawn, entry.listed.shape)
        require_within(Path(where), ids, len(drawn))
        return kept(ids, {key: places[annotation.category] for key, annotation in drawn.items()})

    def verify(self) -> Iterator[Finding]:
        """Crowds and objects without outline, and the shared checks."""
        for key, entry in self.entries.items():
            crowds = sum(a.crowd for a in entry.objects)
            boxes = sum(not (a.crowd or a.rings or a.runs) for a in entry.objects)
            for count, what in ((crowds, "crowds"), (boxes, "objects without outline")):
                if count:
                    yield Finding("warning", key, f"{count} {what} are left out")
        named = (
            replace(record, labels=tuple(Path(f"{path}[{record.key}]") for path in record.labels))
            for record in self.found
        )
        yield from shared_findings(replace(self, found=tuple(named)))


def _annotation_files(root: Path) -> list[Path]:
    """The files of annotations. Raises DataError, naming the expected tree, where there is none."""
    path = root.expanduser().absolute()
    if path.is_file():
        return [path]
    found = [
        file
        for folder in below(existing(root, COCO), 2)
        for file in files(folder, (".json",))
        if NAME.fullmatch(file.name.removesuffix(".json").removesuffix(".coco"))
    ]
    if not found:
        raise missing(COCO, root, "no such json", "name the file itself: coco:FILE.json")
    return found


def _base(path: Path) -> Path:
    """The folder that images are looked for in."""
    if path.is_dir():
        return path.parent if path.name.casefold() == "annotations" else path
    return _base(path.parent)


def _pictures(base: Path) -> dict[str, list[Path]]:
    """The image files under a folder, by name."""
    found: dict[str, list[Path]] = defaultdict(list)
    for folder in below(base, 4):
        for path in files(folder):
            found[path.name].append(path)
    return found


def _one_table(sources: Sequence[CocoFile]) -> Mapping[int, str]:
    """The categories, which all files share. Raises DataError."""
    named = [source for source in sources if source.categories]
    for source in named[1:]:
        if source.categories != named[0].categories:
            raise DataError(
                "two files have different categories",
                expected=f"those of {named[0].path}: {dict(named[0].categories)}",
                found=f"{source.path}: {dict(source.categories)}",
                hint="name one of the files: coco:FILE.json",
            )
    return named[0].categories if named else {}


def _split(path: Path) -> str | None:
    """``train``, ``val`` or ``test``, where a word of a file's name or its folder says so."""
    words = [*re.split(r"[^a-z0-9]+", path.stem.casefold()), path.parent.name.casefold()]
    matches = (SPLIT.fullmatch(word) for word in words)
    return next((match[1] for match in matches if match), None)


def _posix(name: str) -> str:
    return unquote(name).replace("\\", "/")


def _locate(
    json: Path, name: str, split: str | None, found: Mapping[str, list[Path]], base: Path
) -> Path:
    """The file of a listed image; where there is none, the path where it should be.

    Of several files of its name those count that also lie in the folders that the name says, then
    below the json, then beside it, then in a folder named after its part. Raises DataError where
    more than one is left, and where the path would be outside of `base`.
    """
    parts = next(
        (parts for text in (name, _posix(name)) if (parts := _parts(text)) and parts[-1] in found),
        (),
    )
    if not parts:
        return _inside(base, json, name)
    rules: tuple[Callable[[Path], bool], ...] = (
        lambda path: path.parts[-len(parts) :] == parts,
        lambda path: path.is_relative_to(json.parent),
        lambda path: path.parent == json.parent,
        lambda path: split is not None and _split(path) == split,
    )
    fits = found[parts[-1]]
    for rule in rules:
        fits = [path for path in fits if rule(path)] or fits
    if len(fits) > 1:
        raise DataError(
            f"image {name} of {json} could be several files",
            expected="one",
            found=" and ".join(str(path) for path in fits[:3]),
            hint="name the folder that holds the json and its images alone",
        )
    return fits[0]


def _inside(base: Path, json: Path, name: str) -> Path:
    """The path of a name beside the json, with links as they stand: data sets may lie behind them.

    Raises DataError where it is not below `base`.
    """
    path = Path(normpath(json.parent / _posix(name)))
    if "\0" in name or not path.is_relative_to(base):
        raise DataError(
            f"{json} names an image outside of its folder",
            expected=f"a file_name within {base}",
            found=repr(name),
            hint="look at where the file comes from; put its images beside it",
        )
    return path


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts


def _painted(
    where: str, drawn: Mapping[int, Annotation], shape: tuple[int, int]
) -> NDArray[np.int32]:
    """The id map of objects by their keys; the lowest keeps the pixels."""
    rings = [(key, [ring]) for key, a in drawn.items() for ring in a.rings]
    ids = rasterise(rings, shape)
    for key, annotation in drawn.items():
        if annotation.runs is None:
            continue
        try:
            mask = decode_rle(annotation.runs, shape)
        except ValueError as error:
            raise broken(f"object {key} of {where}", f"run lengths of {shape}", error) from error
        ids[mask & ((ids == 0) | (ids > key))] = key
    return ids
