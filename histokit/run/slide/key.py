"""What the results of a slide's blocks depend on, to know whether those on disk are of use."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import torch

from histokit import __version__
from histokit.errors import DataError
from histokit.io.patience import answered
from histokit.run.slide.plan import SlidePlan
from histokit.run.slide.work import SlideWork, TranslationWork

END = 2**20
"""Bytes at either end of a slide's file that tell it from others of its size and time."""


def slide_key(plan: SlidePlan, work: SlideWork | TranslationWork) -> dict[str, Any]:
    """All that the result of a block depends on, by names that users know, as JSON has it.

    The memory is in it as it decides how large blocks are, and which windows run together. The
    number of threads is not, though it may change the last bits that a CPU computes; nor is the
    engine, whose processes compute on the kind of device that was asked for.

    Args:
        plan: of the slide; the size of its blocks does not matter.
        work: what is asked.
    """
    options, machine = work.options, work.machine
    elsewhere = work.recipe if options.engine == "ray" else None
    cuts = plan.windows
    mask = plan.tissue.mask
    return {
        **work.settings,
        "histokit": __version__,
        "torch": torch.__version__,
        "slide": identity(plan.view.slide.path),
        "pixel size": [plan.view.level, plan.view.width, plan.view.height],
        "windows": [
            cuts.side,
            cuts.shrink,
            work.windows.batch,
            _digest(repr((cuts.tops, cuts.lefts))),
        ],
        "tissue": [*mask.shape, _digest(mask.tobytes())],
        "margin": options.margin,
        "memory": options.max_memory,
        "core": options.core,
        "device": machine.device.type if elsewhere is None else elsewhere.device,
        "precision": machine.precision,
    }


def identity(slide: Path) -> list[Any]:
    """What tells a slide from another, or from what it was before a change: size, time of change
    and the ends of its file; of one that is a folder, or of MRXS has one, those of all in it.

    Raises DataError where the disk does not give them, or does not answer.
    """
    try:
        return answered(slide, partial(_identity, slide))
    except OSError as error:
        raise DataError(
            f"cannot read {slide}",
            found=error.strerror or str(error),
            hint="look at its rights and its disk",
        ) from error


def _identity(slide: Path) -> list[Any]:
    found: list[Any] = []
    folder = slide.with_suffix("") if slide.suffix.lower() == ".mrxs" else slide
    if folder.is_dir():
        inside = sorted(path for path in folder.rglob("*") if path.is_file())
        found += [[path.relative_to(folder).as_posix(), *_stat(path)] for path in inside]
    if slide.is_file():
        with slide.open("rb") as handle:
            ends = handle.read(END)
            handle.seek(max(END, slide.stat().st_size - END))
            found += [*_stat(slide), _digest(ends + handle.read())]
    return found


def _stat(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _digest(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
