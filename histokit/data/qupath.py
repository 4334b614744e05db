"""Reader of QuPath GeoJSON: outlines with classes, a file beside each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.beside import Layout, find_beside
from histokit.data.cards_generic import GEOJSON
from histokit.data.checks import image_path, label_paths, orphan_findings, shared_findings
from histokit.data.generic import kept, require_within
from histokit.data.kinds import class_findings
from histokit.data.layout import check_variant
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.features import Feature, read_features
from histokit.io.images import image_size, read_image
from histokit.io.rings import rasterise

LAYOUT = Layout(
    ("geojson", "annotations", "labels", "masks"),
    (".geojson.gz", ".json.gz", ".geojson", ".json"),
)
OBJECTS = ("detection", "cell")
REGION = "annotation"


@final
@dataclass(frozen=True)
class QuPath(Dataset):
    """Images with GeoJSON files, opened.

    Objects are detections and cells; where no file has any, annotations are. Root, core and tile
    objects are left out, and points and lines, which have no area. Of overlapping objects the
    first keeps the pixels. The classes are all names that occur, in order of the alphabet; a file
    that cannot be read names none. An object without a classification has no class.
    """

    found: tuple[Record, ...]
    orphans: tuple[Path, ...]
    class_names: tuple[str, ...]
    kinds: tuple[str, ...]
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The images and files under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(GEOJSON, variant)
        beside = find_beside(root, GEOJSON, LAYOUT)
        every = [feature for record in beside.records for feature in _readable(record)]
        kinds = OBJECTS if any(f.kind in OBJECTS for f in every) else (REGION,)
        names = {f.name for f in every if f.kind in kinds and f.name and f.rings}
        return cls(beside.records, beside.orphans, tuple(sorted(names)), kinds, variant)

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The objects of an image and their classes. Raises DataError with the path."""
        (path,) = label_paths(record)
        outlined = [f for f in read_features(path) if f.kind in self.kinds and f.rings]
        rings = ((key, self._rings(feature)) for key, feature in enumerate(outlined, start=1))
        ids = rasterise(rings, image_size(image_path(record)))
        require_within(path, ids, len(outlined))
        table = {name: number for number, name in enumerate(self.class_names, start=1)}
        classes = {
            key: table[feature.name]
            for key, feature in enumerate(outlined, start=1)
            if feature.name in table
        }
        return kept(ids, classes)

    def verify(self) -> Iterator[Finding]:
        """Unpaired files, points and lines, objects without class, and the shared checks."""
        yield from orphan_findings(self.orphans)
        for record in self.found:
            bare = sum(f.kind in self.kinds and not f.rings for f in _readable(record))
            if bare:
                text = f"{bare} objects are points or lines and are left out"
                yield Finding("warning", str(record.labels[0]), text)
        if self.class_names:
            yield from class_findings(self, self.found)
        yield from shared_findings(self)

    def _rings(self, feature: Feature) -> Sequence[Sequence[tuple[float, float]]]:
        return (self.variant == "nuclei" and feature.nucleus) or feature.rings


def _readable(record: Record) -> list[Feature]:
    """The features of a record; a file that cannot be read is told when its labels are."""
    try:
        return [feature for path in record.labels for feature in read_features(path)]
    except DataError:
        return []
