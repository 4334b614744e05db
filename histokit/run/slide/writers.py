"""What is written of a slide while its blocks come in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from histokit.interfaces import Instances
from histokit.io.geojson import collection, features
from histokit.run.nuclei_table import nuclei_table
from histokit.run.slide.pictures import overlay
from histokit.run.slide.plan import Block, SlidePlan, Write
from histokit.run.slide.work import SlideWork

FORMATS = ("geojson", "geojson.gz", "table", "overlay")
"""What is written of a slide."""


def writers(
    plan: SlidePlan, mpp: tuple[float, float] | None, work: SlideWork
) -> Iterator[AbstractContextManager[Write]]:
    """What writes the objects of each block of a slide, one for each format; `mpp` is that of the
    full size along (x, y).
    """
    name, out = plan.view.slide.path.stem, work.out
    for ending in ("geojson", "geojson.gz"):
        if ending in work.formats:
            yield _outlines(out / "geojson" / f"{name}.{ending}", plan, mpp, work)
    if "table" in work.formats:
        yield _table(out / "tables" / f"{name}.csv", plan, mpp, work)
    if "overlay" in work.formats:
        yield overlay(out / "overlay" / f"{name}.png", plan)


@contextmanager
def _outlines(
    path: Path, plan: SlidePlan, mpp: tuple[float, float] | None, work: SlideWork
) -> Iterator[Write]:
    """Writes outlines in pixels of level 0."""
    scale = plan.view.scale
    side = None if mpp is None else (mpp[0] * scale[0], mpp[1] * scale[1])
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
            (top, _), (left, _) = block.region
            origin = (left * scale[0], top * scale[1])
            for feature in features(mine, origin, scale, side, names, before=before):
                add(feature)

        yield write


@contextmanager
def _table(
    path: Path, plan: SlidePlan, mpp: tuple[float, float] | None, work: SlideWork
) -> Iterator[Write]:
    """Writes a row an object."""
    names, name, scale = (
        tuple(work.card.get("classes", ())),
        plan.view.slide.path.stem,
        plan.view.scale,
    )
    with nuclei_table(path, name, scale=scale, mpp=mpp, class_names=names) as add:

        def write(block: Block, mine: Instances, before: int) -> None:
            (top, _), (left, _) = block.region
            height, width = block.shape
            image = plan.view.read(left, top, width, height)
            add(mine, image, (left * scale[0], top * scale[1]), before)

        yield write
