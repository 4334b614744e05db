"""From layers of settings (default < preset < file < options) to one checked configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from histokit.config.options import show
from histokit.errors import ConfigError

DEFAULT = "default"
"""The origin of a value that nobody set."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one place.

    Attributes:
        origin: where they come from, as told to the user: ``preset paper``, ``mani.yaml``.
        values: by field name; ``-`` may stand for ``_``.
    """

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved(Generic[Model]):
    """A checked configuration and where each of its values comes from, by field name."""

    config: Model
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Given:
    typed: str
    value: Any
    origin: str


def resolve(model: type[Model], layers: Sequence[Layer]) -> Resolved[Model]:
    """The configuration that the layers give; later ones win.

    Raises ConfigError with every unknown key of every layer and everything wrong with the values
    that won, each with its origin.
    """
    return resolve_all([model], layers)[0]


def resolve_all(models: Sequence[type[Any]], layers: Sequence[Layer]) -> list[Resolved[Any]]:
    """One configuration a model, from layers in which the keys of all of them are mixed.

    Each key goes to the model that has it. Raises ConfigError as `resolve` does, once for all.
    """
    known = {name for model in models for name in model.model_fields}
    given, problems = _merge(known, layers)
    resolved = []
    for model in models:
        own = {name: given[name] for name in model.model_fields if name in given}
        try:
            config = model.model_validate({name: item.value for name, item in own.items()})
        except ValidationError as error:
            problems += _problems(model, own, error)
            continue
        origins = {n: own[n].origin if n in own else DEFAULT for n in model.model_fields}
        resolved.append(Resolved(config, origins))
    if problems:
        raise ConfigError(problems)
    return resolved


def _merge(known: set[str], layers: Sequence[Layer]) -> tuple[dict[str, _Given], list[str]]:
    given: dict[str, _Given] = {}
    problems = []
    for layer in layers:
        for key, value in layer.values.items():
            name = str(key).replace("-", "_")
            if name in known:
                given[name] = _Given(str(key), value, layer.origin)
            else:
                problems.append(f"{key} (from {layer.origin}): no such setting{_near(name, known)}")
    return given, problems


def _near(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _problems(
    model: type[BaseModel], own: Mapping[str, _Given], error: ValidationError
) -> Iterator[str]:
    for detail in error.errors(include_url=False):
        where = detail["loc"]
        name = str(where[0]) if where else ""
        message = _plain(detail["msg"])
        if name not in own:
            subject = f"{name} (from {DEFAULT})" if name else "the settings together"
            yield f"{subject}: {message}"
            continue
        item = own[name]
        inside = "".join(f"[{part}]" for part in where[1:] if isinstance(part, int))
        yield f"{item.typed}{inside} = {show(item.value)} (from {item.origin}): {message}"


def _plain(message: str) -> str:
    """A pydantic message in the words of the other errors."""
    for start in ("Value error, ", "Assertion failed, ", "Input "):
        message = message.removeprefix(start)
    return message[:1].lower() + message[1:]
