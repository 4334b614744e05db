"""`histokit metrics A B`: two folders of images compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from histokit.cli import console
from histokit.cli import translation_words as words
from histokit.cli.events import shown
from histokit.cli.image_table import image_table
from histokit.cli.lazy import Command

if TYPE_CHECKING:
    from histokit.run.events import Measured

SHOWN_UNMATCHED = 10
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command)
def metrics(
    output: Annotated[Path, typer.Argument(metavar="A", help="Folder of translated images.")],
    reference: Annotated[
        Path, typer.Argument(metavar="B", help="Folder of real images, named alike.")
    ],
    source: Annotated[
        Path | None, typer.Option(help="Folder of the translated images' sources (H&E).")
    ] = None,
    output_nuclei: Annotated[
        Path | None, typer.Option("--nuclei-a", help="Folder of id maps of A.")
    ] = None,
    reference_nuclei: Annotated[
        Path | None, typer.Option("--nuclei-b", help="Folder of id maps of B.")
    ] = None,
    paper: Annotated[
        Literal["asp", "bci", "mdcl"] | None,
        typer.Option(help="Only the metrics of a paper, computed as its code does."),
    ] = None,
    inception: words.Inception = None,
    encoder: words.Encoder = "",
    resnet: words.Resnet = None,
    download: words.Download = False,
    stains: words.Stains = True,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also a JSON file.")] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where networks run.")
    ] = "auto",
    json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Compare translated images with real ones.

    Pairs are matched by name. Prints similarity (PSNR, SSIM), biology (DAB, haematoxylin, nuclei)
    and distances of the two sets (FID beside KID); what cannot be computed says why.
    """
    from histokit.run.evaluation.set_distances import Networks
    from histokit.run.events import Measured
    from histokit.run.image_metrics import MetricsOptions, measure_folders

    options = MetricsOptions(
        output=output,
        reference=reference,
        source=source,
        output_nuclei=output_nuclei,
        reference_nuclei=reference_nuclei,
        paper=paper or "",
        networks=Networks(inception, encoder, resnet, download),
        stains=stains,
        out=out,
        device=device,
    )
    for event in shown(measure_folders(options)):
        if isinstance(event, Measured):
            _tell(event, json=json)


def _tell(event: Measured, *, json: bool) -> None:
    if json:
        console.result_json(event.as_dict())
        return
    image_table(event.rows)
    for name, lonely in (("A", event.only_output), ("B", event.only_reference)):
        if lonely:
            more = ", …" if len(lonely) > SHOWN_UNMATCHED else ""
            listed = ", ".join(lonely[:SHOWN_UNMATCHED])
            console.say(f"without a partner, only in {name}: {len(lonely)} ({listed}{more})")
    console.say(f"{event.pairs} pairs measured, {len(event.failures)} images failed")
