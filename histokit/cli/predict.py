"""`histokit predict METHOD INPUT… -o OUT`: images in, instances out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from histokit.cli import completion, console
from histokit.cli.events import shown
from histokit.cli.lazy import Command
from histokit.cli.translation_words import Set, settings_of

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
        list[Path], typer.Argument(metavar="INPUT...", help="Images, slides, folders of both.")
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
        float | None, typer.Option(min=0.01, help="Micrometres a pixel of the images or slides.")
    ] = None,
    formats: Annotated[
        str,
        typer.Option(help="What to write: labels,probabilities,geojson,geojson.gz,table,overlay."),
    ] = "labels,probabilities,geojson,overlay",
    window: Annotated[int, typer.Option(min=16, help="Side of a window in pixels.")] = 512,
    overlap: Annotated[int, typer.Option(min=0, help="Overlap of windows in pixels.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Windows through the network at once.")] = 1,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Objects of a lower score are dropped.")
    ] = 0.0,
    set_: Set = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")
    ] = "auto",
    precision: Annotated[
        Literal["auto", "32", "bf16"], typer.Option(help="Number format.")
    ] = "auto",
    mask: Annotated[
        str,
        typer.Option(
            metavar="FILE|none",
            help="Tissue of a slide: an image or GeoJSON; none takes all of it.",
        ),
    ] = "",
    max_memory: Annotated[
        float, typer.Option(min=0.1, metavar="GIB", help="Memory to take for a slide.")
    ] = 4.0,
    margin: Annotated[
        int, typer.Option(min=0, help="Pixels that blocks of a slide look beyond their own area.")
    ] = 128,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only draw what would run on slides.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first failure.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Segment images with a trained method.

    Writes label images (16/32-bit TIFF), probabilities (HDF5), outlines for QuPath (GeoJSON) and
    overlay pictures, with a table of sizes, forms and stains (CSV) if asked for, and
    summary.csv and provenance.json; where objects have scores, ledger.csv
    and ledger.json say what was kept and how far it can be trusted. A damaged image is named in
    failures.json, the others are done, and the exit code is 5.

    A slide (SVS, NDPI, MRXS, pyramidal TIFF, OME-TIFF and others) goes through in blocks, of its
    tissue only, and outlines are written as they come, in pixels of its full size.
    """
    from histokit.run.events import Predicted
    from histokit.run.infer import Windows
    from histokit.run.predict import PredictOptions
    from histokit.run.predict import predict as run_predict
    from histokit.run.slide.work import SlideOptions

    options = PredictOptions(
        ref=ref,
        inputs=inputs,
        out=out,
        run=run,
        runs=runs,
        mpp=mpp,
        formats=tuple(word.strip() for word in formats.split(",") if word.strip()),
        windows=Windows(window, overlap, batch),
        slides=SlideOptions(mask, max_memory, margin, preview),
        min_confidence=min_confidence,
        settings=settings_of(set_),
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
