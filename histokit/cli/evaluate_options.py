"""The options of `histokit eval`, each as a word of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from histokit.cli import completion

Ref: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="METHOD|RUN",
        help="A method, METHOD:PRESET, run folder or weights file; none with --predictions.",
        autocompletion=completion.runs_or_methods,
        show_default=False,
    ),
]
Target: TypeAlias = Annotated[
    str,
    typer.Option(
        help="Data set to score on, name[@variant][:path]; by default the run's target.",
        autocompletion=completion.datasets,
    ),
]
PartOf: TypeAlias = Annotated[
    Literal["test", "val", "train", "all"], typer.Option(help="Which images of its split.")
]
Predictions: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Folder of predictions to score instead, whoever made them."),
]
Format: TypeAlias = Annotated[
    Literal["auto", "histokit", "hovernet-mat", "hovernet-json", "label", "geojson"],
    typer.Option(help="What the files of --predictions are."),
]
Paper: TypeAlias = Annotated[
    Literal["hovernet", "pannuke", "conic", "asp", "bci", "mdcl"] | None,
    typer.Option(
        help="Also print this paper's metrics by its own formulas; asp, bci and mdcl: score "
        "translations by its protocol alone."
    ),
]
Out: TypeAlias = Annotated[
    Path | None, typer.Option("--out", "-o", help="Report folder; by default in the run.")
]
Run: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Run folder or weights file to take; by default the newest finished run.",
        autocompletion=completion.runs,
    ),
]
Runs: TypeAlias = Annotated[Path, typer.Option(help="Where run folders are.")]
DataRoot: TypeAlias = Annotated[Path | None, typer.Option(help="Folder that holds data sets.")]
Split: TypeAlias = Annotated[
    str, typer.Option(help="Shares of train, val and test, where no run fixed a split.")
]
SplitSeed: TypeAlias = Annotated[int, typer.Option(min=0, help="Seed of such a split.")]
Empty: TypeAlias = Annotated[
    Literal["skip", "one", "zero"],
    typer.Option(help="What images count that are empty in truth and prediction."),
]
Window: TypeAlias = Annotated[
    int | None,
    typer.Option(min=16, help="Side of a window in pixels; by default 512, of translators 1024."),
]
Overlap: TypeAlias = Annotated[
    int | None,
    typer.Option(min=0, help="Overlap of windows in pixels; by default an eighth of 512 or 1024."),
]
Batch: TypeAlias = Annotated[int, typer.Option(min=1, help="Windows through the network at once.")]
Device: TypeAlias = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")
]
Precision: TypeAlias = Annotated[Literal["auto", "32", "bf16"], typer.Option(help="Number format.")]
Tails: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Images in each tail, worst-off and best-off by Dice; by default a share as in "
        "fdloss's paper, 0 for no tails.",
    ),
]
Perturb: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="KIND,…",
        help="Also score the images perturbed: some of stain, blur, jpeg, brightness.",
        show_default=False,
    ),
]
Levels: TypeAlias = Annotated[int, typer.Option(min=1, help="Levels of each perturbation.")]
PerturbSeed: TypeAlias = Annotated[
    int, typer.Option(min=0, help="Seed of what is drawn for each perturbed image.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="The result as JSON.")]
