"""Labelled windows that a segmentation network learns from more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

from histokit.interfaces import Labelled


@final
class Pool:
    """The latest labelled windows, from which batches of any size are drawn.

    A translation costs several passes of a large network, so a translated window is kept and used
    again until newer ones have taken all places. Images are kept with 8 bits, as files would be.

    Args:
        size: how many windows are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._windows: list[dict[str, Any]] = []
        self._next = 0

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, batch: Labelled) -> None:
        """Puts the windows of a batch in the places of the oldest."""
        for place, key in enumerate(batch.keys):
            classes = None if batch.classes is None else batch.classes[place].to(torch.int16)
            window = {
                "image": (batch.images[place].float() * 255).round().to(torch.uint8),
                "ids": batch.ids[place].clone(),
                "classes": classes,
                "key": key,
                "object": bool(batch.ids[place].any()),
            }
            if len(self._windows) < self._size:
                self._windows.append(window)
            else:
                self._windows[self._next] = window
            self._next = (self._next + 1) % self._size

    def draw(self, count: int, share: float = 0.0) -> Labelled:
        """A batch of `count` random windows; while fewer are there, some come twice.

        Of at least that `share` of them, each holds an object, if any in the pool does. The pool
        must not be empty.
        """
        rich = [window for window in self._windows if window["object"]]
        certain = round(count * share) if rich else 0
        chosen = _drawn(self._windows, count - certain) + _drawn(rich, certain)

        def stacked(name: str) -> Tensor:
            return torch.stack([window[name] for window in chosen])

        return Labelled(
            stacked("image").float() / 255,
            stacked("ids"),
            None if chosen[0]["classes"] is None else stacked("classes").long(),
            tuple(window["key"] for window in chosen),
        )

    def state_dict(self) -> dict[str, Any]:
        """The windows and the place of the next one."""
        return {"windows": list(self._windows), "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        self._windows = [dict(window) for window in state["windows"]]
        self._next = int(state["next"])


def _drawn(windows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many windows at random, each at most once more than any other."""
    if not count:
        return []
    order = torch.randperm(len(windows)).repeat(-(-count // len(windows)))
    return [windows[place] for place in order[:count].tolist()]
