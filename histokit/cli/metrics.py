"""`histokit metrics A B`: two folders of images compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from histokit.cli import console
from histokit.cli.events import in_words
from histokit.cli.lazy import Command

if TYPE_CHECKING:
    from histokit.run.image_metrics import Measured

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
    inception: Annotated[
        Path | None, typer.Option(help="Weights file of torch-fidelity's Inception (FID, KID).")
    ] = None,
    encoder: Annotated[
        str, typer.Option(metavar="NAME[:FILE]", help="A timm encoder for distances of its own.")
    ] = "",
    resnet: Annotated[Path | None, typer.Option(help="Weights file of PHV's ResNet-50.")] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch missing weights of networks.")
    ] = False,
    stains: Annotated[
        bool, typer.Option(help="Whether A and B are stained with haematoxylin and DAB.")
    ] = True,
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
    from histokit.run.image_metrics import Measured, MetricsOptions, measure_folders
    from histokit.run.set_distances import Networks

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
    for event in measure_folders(options):
        if isinstance(event, Measured):
            _tell(event, json=json)
        else:
            console.say(in_words(event))


def _tell(event: Measured, *, json: bool) -> None:
    if json:
        console.result_json(event.as_dict())
        return
    rows = []
    for row in event.rows:
        value = None if row.value is None else f"{row.value:.4f}"
        interval = None if row.low is None else f"{row.low:.4f} to {row.high:.4f}"
        m = row.measure
        rows.append([m.name, m.direction, value, interval, m.unit, row.n, m.variant, row.note])
    columns = ["metric", "better", "value", "95 % interval", "unit", "n", "variant", "note"]
    console.table(rows, columns)
    for name, lonely in (("A", event.only_output), ("B", event.only_reference)):
        if lonely:
            more = ", …" if len(lonely) > SHOWN_UNMATCHED else ""
            listed = ", ".join(lonely[:SHOWN_UNMATCHED])
            console.say(f"without a partner, only in {name}: {len(lonely)} ({listed}{more})")
    console.say(f"{event.pairs} pairs measured, {len(event.failures)} images failed")
