"""What the core hands to `Method.build`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from histokit.interfaces.network import Network
    from histokit.interfaces.segmenter import Segmenter
    from histokit.interfaces.translator import Translator
    from histokit.training.updater import Optimiser, Updater


class Context(Protocol):
    """The surroundings of a method: where it runs, on what data, and what it may borrow by name.

    Attributes:
        device: where networks and batches live.
        precision: ``32-true`` or ``bf16-mixed``.
        seed: the seed of the run; already applied to the global generators.
        channels: image channels, 3 for RGB and 1 for grey.
        classes: names of the object classes to learn, without background; empty where objects
            are only told from background.
        tile: side of a training window in pixels.
        mpp: micrometres a pixel of the source, or None where it is unknown.
    """

    device: torch.device
    precision: str
    seed: int
    channels: int
    classes: tuple[str, ...]
    tile: int
    mpp: float | None

    @property
    def outputs(self) -> int:
        """Output maps of a network: 1, or with classes one more than there are classes."""
        ...

    def network(self, name: str, in_channels: int, out_channels: int, **options: Any) -> Network:
        """A registered network, built with fresh weights, on the device."""
        ...

    def image(self, path: Path) -> NDArray[np.uint8]:
        """An image file that a setting names, uint8 [H W 3] RGB, read as all images are.

        Raises DataError, naming `path`.
        """
        ...

    def translator(self, ref: str) -> Translator:
        """A trained translator by ``name``, ``name:preset`` or run folder, frozen, in eval mode."""
        ...

    def segmenter(self, ref: str) -> Segmenter:
        """A trained segmenter by ``name``, ``name:preset`` or run folder, frozen, in eval mode."""
        ...

    def updater(
        self,
        modules: Sequence[nn.Module],
        lr: float,
        *,
        optimiser: Optimiser = "adam",
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        clip: float | None = None,
        schedule: Callable[[int], float] | None = None,
    ) -> Updater:
        """One player's optimiser over all parameters of `modules`."""
        ...
