"""`histokit predict METHOD INPUT… -o OUT`: images in, instances out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from histokit.cli import completion, console
from histokit.cli.events import shown
from histokit.cli.lazy import Command

if TYPE_CHECKING:
    from histokit.run.events import Predicted

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command)
def predict(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="METHOD|RUN",
            help="A method, METHOD:PRESET, run folder or weights file.",
            autocompletion=completion.runs_or_methods,
        ),
    ],
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Images and folders of images.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("predictions"),
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
    formats: Annotated[
        str, typer.Option(help="What to write: labels,probabilities,geojson,overlay.")
    ] = "labels,probabilities,geojson,overlay",
    window: Annotated[int, typer.Option(min=16, help="Side of a window in pixels.")] = 512,
    overlap: Annotated[int, typer.Option(min=0, help="Overlap of windows in pixels.")] = 64,
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
    """Segment images with a trained method.

    Writes label images (16/32-bit TIFF), probabilities (HDF5), outlines for QuPath (GeoJSON) and
    overlay pictures, with summary.csv and provenance.json. A damaged image is named in
    failures.json, the others are done, and the exit code is 5.
    """
    from histokit.run.events import Predicted
    from histokit.run.infer import Windows
    from histokit.run.predict import PredictOptions
    from histokit.run.predict import predict as run_predict

    options = PredictOptions(
        ref=ref,
        inputs=inputs,
        out=out,
        run=run,
        runs=runs,
        mpp=mpp,
        formats=tuple(word.strip() for word in formats.split(",") if word.strip()),
        windows=Windows(window, overlap, batch),
        device=device,
        precision=precision,
        strict=strict,
    )
    for event in shown(run_predict(options)):
        if isinstance(event, Predicted):
            _tell(event, json=json)


def _tell(event: Predicted, *, json: bool) -> None:
    if json:
        console.result_json(
            {
                "out": event.out,
                "done": event.done,
                "failed": event.failed,
                "objects": event.objects,
            }
        )
        return
    console.result(str(event.out))
    console.say(f"{event.done} images done, {event.failed} failed, {event.objects} objects")
