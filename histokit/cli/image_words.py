"""The options that `predict` and `translate` share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from histokit.cli import completion

Ref: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="METHOD|RUN",
        help="A method, METHOD:PRESET, run folder or weights file.",
        autocompletion=completion.runs_or_methods,
    ),
]
Mpp: TypeAlias = Annotated[
    float | None, typer.Option(min=0.01, help="Micrometres a pixel of the images or slides.")
]
Window: TypeAlias = Annotated[int, typer.Option(min=16, help="Side of a window in pixels.")]
Overlap: TypeAlias = Annotated[int, typer.Option(min=0, help="Overlap of windows in pixels.")]
Mask: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="FILE|none",
        help="Tissue of a slide: an image or GeoJSON; none takes all of it.",
    ),
]
MaxMemory: TypeAlias = Annotated[
    float, typer.Option(min=0.1, metavar="GIB", help="Memory to take for a slide.")
]
Preview: TypeAlias = Annotated[
    bool, typer.Option("--preview", help="Only draw what would run on slides.")
]
Strict: TypeAlias = Annotated[bool, typer.Option("--strict", help="Stop at the first failure.")]
