"""The options of `histokit eval` by the names that are typed, for the command and for Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from histokit.config.resolve import Layer, resolve
from histokit.config.run import RunConfig
from histokit.data.perturb import Perturbations
from histokit.errors import UnknownName
from histokit.run.evaluation.options import EvalOptions
from histokit.run.evaluation.set_distances import Networks
from histokit.run.evaluation.translation_options import TranslationOptions
from histokit.run.infer import Windows
from histokit.run.translators import WINDOWS

PATHS = frozenset({"data_root", "inception", "out", "predictions", "resnet", "run", "runs"})
CUT = ("window", "overlap", "batch")
PERTURBED = ("perturb", "levels", "perturb_seed")
NETWORKS = tuple(field.name for field in fields(Networks))
TRANSLATION = ("norm", "nuclei", "stains")
MADE = frozenset({"ref", "windows", "perturb", "translation"})
"""Fields that are no words: each is made of several."""
PLAIN = tuple(field.name for field in fields(EvalOptions) if field.name not in MADE)
WORDS = (*PLAIN, *PERTURBED, *CUT, *TRANSLATION, "set", *NETWORKS)
"""The options of the command line, without the dashes and with underscores."""


def typed_options(ref: str, words: Mapping[str, Any]) -> EvalOptions:
    """What `histokit eval` is asked to do.

    Args:
        ref: method, preset, run folder or weights file; empty where predictions are scored.
        words: some of `WORDS`; ``set`` is a mapping, paths may be texts, and None stands for
            the default.

    Raises UnknownName for another word, and what is raised for wrong values.
    """
    for name in words:
        if name not in WORDS:
            raise UnknownName("option of eval", name, WORDS)
    given: dict[str, Any] = {
        name: Path(value) if name in PATHS else value
        for name, value in words.items()
        if value is not None
    }

    def of(names: tuple[str, ...]) -> dict[str, Any]:
        return {name: given[name] for name in names if name in given}

    plain = of(PLAIN)
    if "split" in plain:
        plain["split"] = resolve(RunConfig, [Layer("option", of(("split",)))]).config.split
    kinds, levels, seed = (given.get(name) for name in PERTURBED)
    usual = Perturbations()
    cut = (given.get("window"), given.get("overlap"), given.get("batch", 1))
    return EvalOptions(
        ref,
        windows=Windows().given(*cut),
        perturb=Perturbations.typed(
            kinds or "", usual.levels if levels is None else levels, seed or usual.seed
        ),
        translation=TranslationOptions(
            windows=WINDOWS.given(*cut),
            settings=given.get("set", {}),
            networks=Networks(**of(NETWORKS)),
            **of(TRANSLATION),
        ),
        **plain,
    )
