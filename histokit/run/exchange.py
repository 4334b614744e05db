"""`histokit models`: trained models on this machine, and handing them on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from histokit.errors import DataError, HistokitError, UsageError
from histokit.interfaces import MethodSpec
from histokit.io.bundles import read_bundle, write_bundle
from histokit.io.checkpoints import load_weights, read_card
from histokit.io.files import atomic, require_folder, within, write_text
from histokit.io.runs import list_runs
from histokit.registry.methods import find_method, list_methods
from histokit.run.cards import model_card
from histokit.run.licences import Use, commercial_use
from histokit.run.machine import open_machine
from histokit.run.models import CARD_KEYS, load_trained
from histokit.run.published import hub_line, published_weights

MODELS = Path("models")
"""Where imported models are put and looked for."""
WORDS = ("method", "preset", "run", "stain_in", "stain_out", "encoder")
"""What a card says in plain words, some of which become names."""


@dataclass(frozen=True, slots=True)
class Model:
    """A line of the list.

    Attributes:
        model: what to type for it: a run folder, METHOD:PRESET or a weights file.
        method, preset, settings: of its training; settings are their digest.
        target: the data set it was adapted to or, without one, trained on.
        mpp: micrometres a pixel that it expects; None where it does not care.
        licence: of the data that it was trained on.
        commercial: whether all licences, the code's too, allow commercial use.
        problem: why it cannot be used; empty where it can.
    """

    model: str
    method: str = ""
    preset: str = ""
    settings: str = ""
    target: str = ""
    mpp: float | None = None
    licence: str = ""
    commercial: Use = "unknown"
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The machine-readable result."""
        return asdict(self)


def list_models(runs: Path, models: Path) -> Iterator[Model]:
    """Weights of runs, newest first, of presets, and of files in `models`; a damaged file is told,
    not left out.
    """
    for run in list_runs(runs):
        if run.best.exists():
            yield _model(str(run.path), run.best)
    for entry in list_methods():
        if isinstance(entry.card, MethodSpec):
            yield from _presets(entry.card)
    for path in sorted(models.glob("*.safetensors")):
        yield _model(str(path), path)


def _presets(spec: MethodSpec) -> Iterator[Model]:
    for name, preset in spec.presets.items():
        if not preset.weights:
            continue
        path = published_weights(spec, name)
        if path is not None:
            yield _model(f"{spec.name}:{name}", path)
        else:
            missing = hub_line(spec, name) or f"histokit train {spec.name} --preset {name} …"
            problem = f"not here: {missing}"
            ref = f"{spec.name}:{name}"
            yield Model(ref, spec.name, name, mpp=preset.mpp, problem=problem)


def _model(name: str, path: Path) -> Model:
    try:
        card = read_card(path)
        require_plain(path, card)
        code = find_method(card["method"]).licence
    except HistokitError as error:
        return Model(name, problem=error.what)
    data, licences = card.get("data", {}), card.get("data_licences", {})
    texts = [str(text) for text in licences.values()]
    foreign = ["unknown: a pretrained encoder"] if card.get("encoder") else []
    return Model(
        name,
        method=card["method"],
        preset=card.get("preset", ""),
        settings=str(card.get("digest", ""))[:8],
        target=str(next((data[r] for r in ("target", "pairs", "source") if data.get(r)), "")),
        mpp=card["mpp"],
        licence="; ".join(dict.fromkeys(texts)),
        commercial=commercial_use([*texts, *foreign, code]) if texts else "unknown",
    )


def export_model(ref: str, out: Path | None, *, runs: Path, run: Path | None = None) -> Path:
    """Writes a trained model as a bundle, after it was seen to behave as when it was kept.

    Args:
        ref: a method, ``method:preset``, run folder or weights file.
        out: the bundle, ``FILE.zip`` or a folder; by default a zip named after method and settings.
        runs: where run folders are looked for.
        run: a run folder or weights file that `ref` is to be loaded from.

    Gives its path. Raises DataError where it is there already, UsageError where the method has no
    weights.
    """
    trained = load_trained(ref, open_machine("cpu", "32"), runs, run=run)
    if trained.weights is None:
        raise UsageError(
            f"{trained.spec.name} has no weights to export",
            found=trained.note,
            hint="a method without training is exported by its name alone",
        )
    card = trained.card
    words = (trained.spec.name, card.get("preset", ""), str(card.get("digest", ""))[:8])
    path = out or Path("-".join(filter(None, words)).replace(",", "-") + ".zip")
    _require_new(path)
    require_plain(trained.weights, card)
    write_bundle(path, trained.weights, card, model_card(trained.spec, card))
    return path


def import_model(bundle: Path, models: Path, *, name: str = "") -> Path:
    """Puts the model of a bundle, or a bare weights file, into the folder `models`.

    It is taken in only if its card is whole and plain, the card within the weights is the one
    beside them, and the method gives what it gave when the weights were kept. Nothing in it is
    executed.

    Args:
        bundle: of `export_model`, or a ``.safetensors`` file with its card.
        models: a folder, made where it is missing.
        name: of the model there; by default that of the bundle.

    Gives the weights file. Raises DataError for what is damaged, hostile or there already,
    VerificationFailed where the model behaves differently here, and what `find_method` raises where
    its method is not installed.
    """
    if not bundle.exists():
        raise DataError(f"there is no {bundle}", expected="a bundle of `histokit models export`")
    path = within(models, f"{name or bundle.stem}.safetensors")
    _require_new(path)
    require_folder(models)
    with tempfile.TemporaryDirectory(prefix=".importing", dir=models) as folder:
        weights = Path(folder) / path.name
        if bundle.suffix == ".safetensors":
            with atomic(weights) as temporary:
                shutil.copyfile(bundle, temporary)
            beside, page = None, ""
        else:
            beside, page = read_bundle(bundle, weights)
        card = load_weights(weights)[1]
        _require_same(bundle, card, beside)
        require_plain(bundle, card)
        load_trained(str(weights), open_machine("cpu", "32"), Path(folder))
        with atomic(path) as temporary:
            weights.replace(temporary)
    write_text(path.with_suffix(".md"), page or model_card(find_method(card["method"]), card))
    return path


def _require_new(path: Path) -> None:
    if path.exists():
        raise DataError(
            f"{path} is there already", expected="a new name", hint="remove it, or give another"
        )


def _require_same(bundle: Path, card: Mapping[str, Any], beside: Mapping[str, Any] | None) -> None:
    """Raises DataError where the card beside the weights is not the one in them."""
    inside = {key: value for key, value in card.items() if key != "format"}
    if beside is not None and inside != {k: v for k, v in beside.items() if k != "format"}:
        raise DataError(
            f"{bundle} says two things of its weights",
            expected="the card in the weights, once more",
            found="another one in model.json",
            hint="do not trust it; ask where it comes from",
        )


def require_plain(path: Path, card: Mapping[str, Any]) -> None:
    """Raises DataError where a card lacks what is needed, or says paths where names belong.

    Its words become names of methods and settings, some of which name files.
    """
    lacking = [key for key in CARD_KEYS if key not in card]
    words = {key: card.get(key, "") for key in WORDS}
    wrong = [key for key, value in words.items() if not isinstance(value, str)]
    parts = ("settings", "probe", "data", "data_licences")
    wrong += [key for key in parts if not isinstance(card.get(key, {}), dict)]
    wrong += [key for key in ("mpp",) if not isinstance(card.get(key), int | float | None)]
    if lacking or wrong:
        raise DataError(
            f"the card of {path} is damaged",
            expected="all of " + ", ".join(CARD_KEYS),
            found=", ".join([*(f"no {key}" for key in lacking), *(f"odd {key}" for key in wrong)]),
        )
    for text in _texts([words, card["settings"]]):
        if _leads_away(text):
            raise DataError(
                f"the card of {path} leads out of its folder",
                expected="plain names and values",
                found=repr(text),
                hint="do not trust it; ask where it comes from",
            )


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts([key, item])
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _leads_away(text: str) -> bool:
    paths = (PurePosixPath(text), PureWindowsPath(text))
    return any(path.is_absolute() or ".." in path.parts for path in paths)
