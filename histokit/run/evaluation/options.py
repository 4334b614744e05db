"""What `histokit eval` is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from histokit.config.run import RunConfig
from histokit.data.perturb import Perturbations
from histokit.metrics.papers import Paper
from histokit.metrics.table import Empty
from histokit.run.evaluation.foreign import Format
from histokit.run.evaluation.translation_options import TranslationOptions
from histokit.run.infer import Windows

DEFAULTS = RunConfig()
"""What `train` splits by when nothing else is said."""
TranslationPaper: TypeAlias = Literal["asp", "bci", "mdcl"]
TRANSLATION_PAPERS: tuple[TranslationPaper, ...] = ("asp", "bci", "mdcl")
"""Whose protocols `eval` follows where it scores a translator."""
Part: TypeAlias = Literal["test", "val", "train", "all"]


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What is scored on what, and how.

    Attributes:
        ref: method, preset, run folder or weights file; empty where `predictions` are scored.
        target: data set to score on; empty for the target of the run.
        part: which images: the test part of the split, or another.
        out: folder of the report; None puts it into the run folder.
        run: run folder or weights to take, where `ref` is only a method.
        runs: where run folders are.
        data_root: folder that holds data sets.
        split: shares, where no run fixed a split.
        split_seed: seed of such a split.
        empty: what counts for images that are empty in truth and prediction.
        windows: how images are cut.
        device: where to compute.
        precision: number format.
        paper: whose formulas are printed beside ours; empty for nobody's.
        predictions: folder of predictions that another tool made, instead of `ref`.
        format: what the files of `predictions` are.
        tails: worst-off and best-off images that are told apart; None for the share of the data
            set, 0 for none.
        perturb: what the images are put through as well.
        translation: what else is asked of a translator.
    """

    ref: str = ""
    target: str = ""
    part: Part = "test"
    out: Path | None = None
    run: Path | None = None
    runs: Path = Path("runs")
    data_root: Path | None = None
    split: tuple[float, float, float] = DEFAULTS.split
    split_seed: int = DEFAULTS.split_seed
    empty: Empty = "skip"
    windows: Windows = field(default_factory=Windows)
    device: str = "auto"
    precision: str = "auto"
    paper: Paper | TranslationPaper | Literal[""] = ""
    predictions: Path | None = None
    format: Format = "auto"
    tails: int | None = None
    perturb: Perturbations = field(default_factory=Perturbations)
    translation: TranslationOptions = field(default_factory=TranslationOptions)
