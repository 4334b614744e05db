"""Which weights and optimisers can be reached from an object through its attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from histokit.run.context import RunContext
from histokit.training.updater import Updater


def reached(roots: Iterable[Any]) -> dict[int, str]:
    """The trainable weights, updaters and optimisers below `roots`: where each is, by its `id`.

    Attributes, dictionaries, sequences and dataclasses are followed; functions and the context
    are not.
    """
    found: dict[int, str] = {}
    seen: set[int] = set()
    waiting = [(type(root).__name__, root) for root in roots]
    while waiting:
        where, value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Updater | torch.optim.Optimizer):
            found[id(value)] = where
        elif isinstance(value, nn.Module):
            found.update(
                (id(weight), f"{where}.{name}")
                for name, weight in value.named_parameters()
                if weight.requires_grad
            )
        elif isinstance(value, Tensor):
            if value.requires_grad and value.is_leaf:
                found[id(value)] = where
        else:
            waiting += [(f"{where}.{name}", part) for name, part in _parts(value)]
    return found


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, RunContext | type):
        return
    if isinstance(value, Mapping):
        yield from ((str(name), part) for name, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((str(number), part) for number, part in enumerate(value))
    elif is_dataclass(value):
        yield from ((field.name, getattr(value, field.name)) for field in fields(value))
    elif hasattr(value, "__dict__") and not callable(value):
        yield from vars(value).items()
