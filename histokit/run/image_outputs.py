"""The files that `predict` writes of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.segmentation import find_boundaries

from histokit.interfaces import Instances, Maps
from histokit.io.files import atomic
from histokit.io.geojson import write_geojson
from histokit.io.hovernet_json import nuclei, nuclei_file
from histokit.io.label_zarr import label_zarr
from histokit.io.labels import write_label_tiff
from histokit.io.ngff import SUFFIX
from histokit.io.probabilities import write_probabilities
from histokit.io.tables import PARQUET
from histokit.run.cohort.item import Item
from histokit.run.infer import probabilities
from histokit.run.ledger import AGREEMENT
from histokit.run.nuclei_table import nuclei_table

FORMATS = (
    "labels",
    "probabilities",
    "geojson",
    "geojson.gz",
    "hovernet-json",
    "table",
    "parquet",
    "overlay",
    "ome-zarr",
)
TABLES: Mapping[str, str] = {"table": ".csv", "parquet": PARQUET}
"""Endings of tables of objects, by format."""
DEFAULT_FORMATS = ("labels", "probabilities", "geojson", "overlay")


@dataclass(frozen=True, slots=True)
class ImageOutputs:
    """Where and how the results of images are written.

    Attributes:
        out: output folder; each format has a folder in it.
        formats: from `FORMATS`.
        class_names: of the classes 1, 2, ….
        about: what files say of where they come from.
    """

    out: Path
    formats: Sequence[str]
    class_names: Sequence[str] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def write_maps(self, item: Item, maps: Maps, factor: float) -> None:
        """Writes probabilities, and the agreement of several networks where there is one.

        Args:
            item: the image.
            maps: of it.
            factor: by which it was scaled before.
        """
        if "probabilities" not in self.formats:
            return
        name = f"{item.key}.h5"
        about: dict[str, str | float] = {"image": item.path.name, "activation": maps.activation}
        about["scale"] = factor
        target = self.out / "probabilities" / name
        write_probabilities(target, probabilities(maps), attributes=about)
        if AGREEMENT in maps.extra:
            agreement = maps.extra[AGREEMENT][0].clamp(0, 1).numpy()
            write_probabilities(self.out / AGREEMENT / name, agreement, attributes=about)

    def write_objects(
        self, item: Item, image: NDArray[np.uint8], found: Instances, mpp: float | None
    ) -> None:
        """Writes the objects of an image in each format.

        Args:
            item: the image.
            image: uint8 [H W 3].
            found: at its size.
            mpp: micrometres a pixel, where known.
        """
        name, out = item.key, self.out
        if "labels" in self.formats:
            kinds = {str(key): kind for key, kind in found.classes.items()}
            about = {**self.about, **({"classes": kinds} if kinds else {})}
            write_label_tiff(out / "labels" / f"{name}.tif", found.ids, mpp=mpp, provenance=about)
        for ending in ("geojson", "geojson.gz"):
            if ending in self.formats:
                write_geojson(
                    out / "geojson" / f"{name}.{ending}",
                    found,
                    mpp=mpp,
                    class_names=self.class_names,
                    provenance=self.about,
                )
        if "hovernet-json" in self.formats:
            self._write_hovernet(out / "json" / f"{name}.json", found, mpp)
        for kind in TABLES.keys() & self.formats:
            self._write_table(out / "tables" / f"{name}{TABLES[kind]}", name, image, found, mpp)
        if "ome-zarr" in self.formats:
            with label_zarr(
                zarr_path(out, name), found.ids.shape, mpp=_sides(mpp), provenance=self.about
            ) as put:
                put(0, 0, found.ids)
        if "overlay" in self.formats:
            with atomic(out / "overlay" / f"{name}.png") as temporary:
                drawn = Image.fromarray(outlined(image, found.ids))
                drawn.save(temporary, format="png")

    def _write_table(
        self,
        path: Path,
        name: str,
        image: NDArray[np.uint8],
        found: Instances,
        mpp: float | None,
    ) -> None:
        with nuclei_table(
            path, name, mpp=_sides(mpp), class_names=self.class_names, about=self.about
        ) as add:
            add(found, image, (0, 0), 0)

    def _write_hovernet(self, path: Path, found: Instances, mpp: float | None) -> None:
        about = {
            "mpp": _sides(mpp),
            "class_names": list(self.class_names),
            "histokit": dict(self.about),
        }
        with nuclei_file(path, about) as add:
            for nucleus in nuclei(found, (0, 0), (1, 1), self.class_names):
                add(nucleus)


def zarr_path(out: Path, name: str) -> Path:
    """Where the label image of an item lies as OME-Zarr."""
    return out / "ome-zarr" / f"{name}{SUFFIX}"


def _sides(mpp: float | None) -> tuple[float, float] | None:
    """Micrometres a pixel along (x, y)."""
    return None if mpp is None else (mpp, mpp)


def outlined(image: NDArray[np.uint8], ids: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The image with a yellow line of one pixel along the inside of each object's edge."""
    drawn = image.copy()
    drawn[find_boundaries(ids, mode="inner")] = (255, 224, 0)
    return drawn
