"""`histokit translate METHOD [PRESET|RUN] INPUT… -o OUT`: images in, another stain out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from histokit.cli import completion, console
from histokit.cli import translation_words as words
from histokit.cli.events import shown
from histokit.cli.lazy import Command
from histokit.errors import UsageError

if TYPE_CHECKING:
    from histokit.run.events import Translated

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command)
def translate(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="METHOD|RUN",
            help="A method, METHOD:PRESET, run folder or weights file.",
            autocompletion=completion.runs_or_methods,
        ),
    ],
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="[PRESET|RUN] INPUT...",
            help="A preset or run of the method, if any; then images, folders, 'patterns*' and "
            "CSV tables of paths.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("translated"),
    run: Annotated[
        Path | None,
        typer.Option(
            help="Run folder or weights file to take; by default the newest finished run.",
            autocompletion=completion.runs,
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where run folders are.")] = Path("runs"),
    mpp: Annotated[
        float | None, typer.Option(min=0.01, help="Micrometres a pixel of the images.")
    ] = None,
    norm: words.Norm = "image",
    format_: Annotated[
        Literal["png", "tiff"], typer.Option("--format", help="Format of the output.")
    ] = "png",
    set_: words.Set = None,
    window: Annotated[int, typer.Option(min=16, help="Side of a window in pixels.")] = 1024,
    overlap: Annotated[int, typer.Option(min=0, help="Overlap of windows in pixels.")] = 128,
    batch: Annotated[int, typer.Option(min=1, help="Windows through the network at once.")] = 1,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")
    ] = "auto",
    precision: Annotated[
        Literal["auto", "32", "bf16"], typer.Option(help="Number format.")
    ] = "auto",
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first failure.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Translate images into another stain with a trained method.

    Writes one image a source, under the same name and folders, with summary.csv and
    provenance.json. A damaged image is named in failures.json, the others are done, and the exit
    code is 5. The seam index says how visible the borders of windows are: 1 is not at all.
    """
    from histokit.run.events import Translated
    from histokit.run.infer import Windows
    from histokit.run.translate import TranslateOptions, sort_words
    from histokit.run.translate import translate as run_translate

    found, found_run, inputs = sort_words(ref, given)
    if run is not None and found_run is not None:
        raise UsageError("two sets of weights are named", found=f"{found_run} and {run}")
    options = TranslateOptions(
        ref=found,
        inputs=inputs,
        out=out,
        run=run or found_run,
        runs=runs,
        mpp=mpp,
        norm=norm,
        format=format_,
        windows=Windows(window, overlap, batch),
        settings=words.settings_of(set_),
        device=device,
        precision=precision,
        strict=strict,
    )
    for event in shown(run_translate(options)):
        if isinstance(event, Translated):
            _tell(event, json=json)


def _tell(event: Translated, *, json: bool) -> None:
    if json:
        console.result_json(
            {
                "out": event.out,
                "done": event.done,
                "failed": event.failed,
                "seam": {"mean": event.seam, "max": event.worst_seam},
            }
        )
        return
    console.result(str(event.out))
    seams = ""
    if event.seam is not None:
        seams = f", seam index {event.seam:.2f} (largest {event.worst_seam:.2f}; 1 is no seam)"
    console.say(f"{event.done} images done, {event.failed} failed{seams}")
