"""`histokit predict METHOD INPUT… -o OUT`: images in, instances out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histokit.cli import console
from histokit.cli import evaluate_options as shared
from histokit.cli import image_words as words
from histokit.cli.events import shown, with_failures
from histokit.cli.lazy import Command
from histokit.cli.translation_words import Set, settings_of

if TYPE_CHECKING:
    from histokit.run.events import Predicted

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command)
def predict(
    ref: words.Ref,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Images, slides, folders of both, 'patterns*', and manifests.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("predictions"),
    run: shared.Run = None,
    runs: shared.Runs = Path("runs"),
    mpp: words.Mpp = None,
    formats: Annotated[
        str,
        typer.Option(
            help="What to write: "
            "labels,probabilities,geojson,geojson.gz,hovernet-json,table,parquet,overlay,ome-zarr; "
            "of slides all but labels and probabilities."
        ),
    ] = "labels,probabilities,geojson,overlay",
    window: words.Window = 512,
    overlap: words.Overlap = 64,
    batch: shared.Batch = 1,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Objects of a lower score are dropped.")
    ] = 0.0,
    set_: Set = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    mask: words.Mask = "",
    max_memory: words.MaxMemory = 4.0,
    margin: Annotated[
        int, typer.Option(min=0, help="Pixels that blocks of a slide look beyond their own area.")
    ] = 128,
    preview: words.Preview = False,
    strict: words.Strict = False,
    resume: words.Resume = False,
    shard: words.ShardOf = "",
    engine: words.Engine = "local",
    ray_address: words.RayAddress = "",
    workers: words.Workers = 0,
    json: shared.Json = False,
) -> None:
    """Segment images with a trained method.

    Writes label images (16/32-bit TIFF), probabilities (HDF5), outlines for QuPath (GeoJSON) and
    overlay pictures; if asked for, also nuclei as HoVer-Net writes them (JSON), a table of sizes,
    forms and stains (CSV or Parquet), and label images as OME-Zarr, of slides too; and summary.csv
    and provenance.json. Where objects have scores, ledger.csv and ledger.json say what was kept and
    how far it can be trusted. A damaged image is named in failures.json, the others are done, and
    the exit code is 5.

    A manifest is a table (CSV or Parquet) with a column path, of files beside the table, and
    perhaps mpp, mask (of a slide) and name (in the output); other columns are carried into
    summary.csv.

    A slide (SVS, NDPI, MRXS, pyramidal TIFF, OME-TIFF, OME-Zarr and others) goes through in blocks,
    of its tissue only, and outlines are written as they come, in pixels of its full size.
    """
    from histokit.run.cohort.shards import parse_shard
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
        slides=words.slide_options(
            mask, max_memory, margin, engine, ray_address, workers, preview=preview
        ),
        min_confidence=min_confidence,
        settings=settings_of(set_),
        device=device,
        precision=precision,
        strict=strict,
        resume=resume,
        shard=parse_shard(shard),
    )
    for event in with_failures(shown(run_predict(options))):
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
                "skipped": event.skipped,
            }
        )
        return
    console.result(str(event.out))
    console.say(f"{event.done} images done, {event.failed} failed, {event.objects} objects")
