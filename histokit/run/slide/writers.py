"""What is written of a slide while its blocks come in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from histokit.interfaces import Instances
from histokit.io.geojson import collection, features
from histokit.io.hovernet_json import nuclei, nuclei_file
from histokit.io.label_zarr import label_zarr
from histokit.run.image_outputs import TABLES, zarr_path
from histokit.run.nuclei_table import nuclei_table
from histokit.run.slide.pictures import overlay
from histokit.run.slide.plan import Block, SlidePlan, Write
from histokit.run.slide.sized import sides_of
from histokit.run.slide.work import SlideWork

FORMATS = ("geojson", "geojson.gz", "hovernet-json", "table", "parquet", "overlay", "ome-zarr")
"""What is written of a slide."""


def writers(
    plan: SlidePlan, mpp: tuple[float, float] | None, work: SlideWork
) -> Iterator[AbstractContextManager[Write]]:
    """What writes the objects of each block of a slide, one for each format; `mpp` is that of the
    full size along (x, y).
    """
    name, out = work.name_of(plan.view.slide.path), work.out
    for ending in ("geojson", "geojson.gz"):
        if ending in work.formats:
            yield _outlines(out / "geojson" / f"{name}.{ending}", plan, mpp, work)
    if "hovernet-json" in work.formats:
        yield _hovernet(out / "json" / f"{name}.json", plan, mpp, work)
    for kind in TABLES.keys() & work.formats:
        yield _table(out / "tables" / f"{name}{TABLES[kind]}", plan, mpp, work)
    if "overlay" in work.formats:
        yield overlay(out / "overlay" / f"{name}.png", plan)
    if "ome-zarr" in work.formats:
        yield _labels(zarr_path(out, name), plan, mpp, work)


@contextmanager
def _outlines(
    path: Path, plan: SlidePlan, mpp: tuple[float, float] | None, work: SlideWork
) -> Iterator[Write]:
    """Writes outlines in pixels of level 0."""
    scale, side = plan.view.scale, sides_of(plan.view, mpp)
    names = tuple(work.card.get("classes", ()))
    about = {
        "slide": plan.view.slide.path.name,
        "size": [plan.view.slide.width, plan.view.slide.height],
        "mpp": None if mpp is None else list(mpp),
        "class_names": list(names),
        **work.about,
    }
    with collection(path, about) as add:

        def write(block: Block, mine: Instances, before: int) -> None:
            origin = _corner(block, scale)
            for feature in features(mine, origin, scale, side, names, before=before):
                add(feature)

        yield write


@contextmanager
def _hovernet(
    path: Path, plan: SlidePlan, mpp: tuple[float, float] | None, work: SlideWork
) -> Iterator[Write]:
    """Writes nuclei as HoVer-Net does, but in pixels of level 0."""
    scale, slide = plan.view.scale, plan.view.slide
    names = tuple(work.card.get("classes", ()))
    about = {
        "mpp": None if mpp is None else list(mpp),
        "coord_level": 0,
        "slide": slide.path.name,
        "class_names": list(names),
        "histokit": dict(work.about),
    }
    with nuclei_file(path, about, slide.power) as add:

        def write(block: Block, mine: Instances, before: int) -> None:
            for nucleus in nuclei(mine, _corner(block, scale), scale, names, before=before):
                add(nucleus)

        yield write


@contextmanager
def _labels(
    path: Path, plan: SlidePlan, mpp: tuple[float, float] | None, work: SlideWork
) -> Iterator[Write]:
    """Writes a label image at the size of the view."""
    about = {"slide": plan.view.slide.path.name, **work.about}
    with label_zarr(path, plan.size, mpp=sides_of(plan.view, mpp), provenance=about) as put:

        def write(block: Block, mine: Instances, before: int) -> None:
            (top, _), (left, _) = block.region
            put(top, left, np.where(mine.ids > 0, mine.ids.astype(np.uint32) + before, 0))

        yield write


def _corner(block: Block, scale: tuple[float, float]) -> tuple[float, float]:
    """The corner (x, y) of a block's region in pixels of level 0."""
    (top, _), (left, _) = block.region
    return left * scale[0], top * scale[1]


@contextmanager
def _table(
    path: Path, plan: SlidePlan, mpp: tuple[float, float] | None, work: SlideWork
) -> Iterator[Write]:
    """Writes a row an object."""
    names, scale = tuple(work.card.get("classes", ())), plan.view.scale
    name = work.name_of(plan.view.slide.path)
    with nuclei_table(path, name, scale=scale, mpp=mpp, class_names=names, about=work.about) as add:

        def write(block: Block, mine: Instances, before: int) -> None:
            (top, _), (left, _) = block.region
            height, width = block.shape
            image = plan.view.read(left, top, width, height)
            add(mine, image, _corner(block, scale), before)

        yield write
