"""The options that `predict` and `translate` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from histokit.cli import completion

if TYPE_CHECKING:
    from histokit.run.slide.work import SlideOptions

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
Resume: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where an earlier command stopped: what is finished, of the same image, weights "
        "and settings, stays as it is, down to the blocks of a slide; what failed is tried again.",
    ),
]
ShardOf: TypeAlias = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Work on every N-th image in the order of names, from the I-th on. N processes with I "
        "from 1 to N may share an output folder, as in a SLURM array: --shard "
        '"$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT".',
    ),
]
Engine: TypeAlias = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="Where blocks of slides are worked out: in this process, or in several of Ray (an "
        "extra), one a device."
    ),
]
RayAddress: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="A Ray that runs, such as auto or HOST:6379; by default one is started on this "
        "machine. All its machines must see the slides and weights at the same paths.",
    ),
]
Workers: TypeAlias = Annotated[
    int,
    typer.Option(min=0, help="Processes of Ray; 0 is one a GPU or, without any, one a machine."),
]
Strict: TypeAlias = Annotated[bool, typer.Option("--strict", help="Stop at the first failure.")]


def slide_options(
    mask: str,
    max_memory: float,
    margin: int,
    engine: Literal["local", "ray"],
    ray_address: str,
    workers: int,
    *,
    preview: bool,
) -> SlideOptions:
    """What is asked of slides alone, by these words."""
    from histokit.run.slide.work import SlideOptions

    return SlideOptions(
        mask,
        max_memory,
        margin,
        preview,
        engine=engine,
        ray_address=ray_address,
        workers=workers,
    )
