"""`histokit translate METHOD [PRESET|RUN] INPUT… -o OUT`: another stain out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from histokit.cli import console
from histokit.cli import evaluate_options as shared
from histokit.cli import image_words as words
from histokit.cli.events import shown, with_failures
from histokit.cli.lazy import Command
from histokit.cli.translation_words import Norm, Set, settings_of
from histokit.errors import UsageError

if TYPE_CHECKING:
    from histokit.run.events import Translated

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command)
def translate(
    ref: words.Ref,
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="[PRESET|RUN] INPUT...",
            help="A preset or run of the method, if any; then images, slides, folders of both, "
            "'patterns*', and manifests.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("translated"),
    run: shared.Run = None,
    runs: shared.Runs = Path("runs"),
    mpp: words.Mpp = None,
    norm: Norm = "image",
    format_: Annotated[
        Literal["png", "tiff"], typer.Option("--format", help="Format of the output of images.")
    ] = "png",
    compression: Annotated[
        Literal["jpeg", "deflate"],
        typer.Option(help="Of slides: JPEG of quality 90, or lossless and some five times larger."),
    ] = "jpeg",
    set_: Set = None,
    window: words.Window = 1024,
    overlap: words.Overlap = 128,
    batch: shared.Batch = 1,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    mask: words.Mask = "",
    max_memory: words.MaxMemory = 4.0,
    margin: Annotated[
        int,
        typer.Option(
            min=0,
            help="Pixels around the tissue of a slide over which its translation turns white.",
        ),
    ] = 32,
    preview: words.Preview = False,
    strict: words.Strict = False,
    resume: words.Resume = False,
    shard: words.ShardOf = "",
    engine: words.Engine = "local",
    ray_address: words.RayAddress = "",
    workers: words.Workers = 0,
    json: shared.Json = False,
) -> None:
    """Translate images and slides into another stain with a trained method.

    Writes one image a source, under the same name and folders, with summary.csv and
    provenance.json. A damaged image is named in failures.json, the others are done, and the exit
    code is 5. The seam index says how visible the borders of windows are: 1 is not at all.

    A manifest is a table (CSV or Parquet) with a column path, of files beside the table, and
    perhaps mpp, mask (of a slide) and name (in the output); other columns are carried into
    summary.csv.

    A slide (SVS, NDPI, MRXS, pyramidal TIFF, OME-TIFF, OME-Zarr and others) goes through in blocks
    and becomes a pyramidal OME-TIFF, NAME.ome.tif, at the pixel size of the weights. Only its
    tissue is translated; the glass around it is white. --mask none takes all of it.
    """
    from histokit.run.cohort.shards import parse_shard
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
        compression=compression,
        windows=Windows(window, overlap, batch),
        slides=words.slide_options(
            mask, max_memory, margin, engine, ray_address, workers, preview=preview
        ),
        settings=settings_of(set_),
        device=device,
        precision=precision,
        strict=strict,
        resume=resume,
        shard=parse_shard(shard),
    )
    for event in with_failures(shown(run_translate(options))):
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
                "skipped": event.skipped,
            }
        )
        return
    console.result(str(event.out))
    seams = ""
    if event.seam is not None:
        seams = f", seam index {event.seam:.2f} (largest {event.worst_seam:.2f}; 1 is no seam)"
    console.say(f"{event.done} images done, {event.failed} failed{seams}")
