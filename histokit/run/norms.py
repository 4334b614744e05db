"""Instance-norm statistics of a whole image, measured on a sample of it and held constant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from histokit.errors import ContractError
from histokit.interfaces import Sizes
from histokit.tiling.grid import Grid, cut, grid

PATCH = 256
"""Side in pixels of the patches that statistics are measured on, where the method takes it."""


@final
class InstanceNorms:
    """The `nn.InstanceNorm2d` modules of some networks, whose statistics one image shares.

    `nn.InstanceNorm2d` normalises a window by the mean and variance of that window, so that
    neighbouring windows get different colours. Here one pass over a batch of patches measures,
    and the passes after it normalise every window by what it found.

    In the measuring pass each module normalises by the mean and the population variance over all
    patches together, so that deeper layers see what they will see later: one pass is right for
    all layers. (Pooling the statistics of windows that were each normalised by themselves is not:
    the differences between windows are gone from the deeper layers, and their variance comes out
    too small.) Where the patches cover the image, the statistics are those of the image at once
    but for what the borders of patches do; where there is not memory for that, they are those of
    the patches that were drawn, see `sample_patches`.

    A module that is called several times in one forward pass has statistics for each call.
    Modules that keep running statistics are left alone, as are hand-written norms.

    Args:
        networks: by name, in eval mode.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self._modules = [
            module
            for network in networks.values()
            for module in network.modules()
            if isinstance(module, nn.InstanceNorm2d) and not module.track_running_stats
        ]
        self._calls: dict[nn.Module, int] = {}
        self._moments: dict[tuple[nn.Module, int], tuple[Tensor, Tensor]] = {}
        self._measures = False

    def __len__(self) -> int:
        return len(self._modules)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """The one forward pass inside is measured; what was measured before is dropped."""
        self._moments, self._measures = {}, True
        try:
            with self.held():
                self.begin()
                yield
        finally:
            self._measures = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Forward passes inside normalise by what was measured; call `begin` before each."""
        with ExitStack() as stack:
            for module in self._modules:
                stack.callback(module.register_forward_hook(self._called).remove)
            yield

    def begin(self) -> None:
        """Says that the next forward pass begins."""
        self._calls = {}

    def _called(self, module: nn.InstanceNorm2d, inputs: tuple[Any, ...], _: Tensor) -> Tensor:
        key = (module, self._calls.get(module, 0))
        self._calls[module] = key[1] + 1
        values: Tensor = inputs[0]
        if self._measures:
            self._moments[key] = _moments(values)
        if key not in self._moments:
            raise ContractError(
                "a network takes different paths through its layers from window to window",
                expected="the same calls of its instance norms each time",
                found=f"call {key[1] + 1} of one of them that was not measured",
                hint="translate with --norm tile",
            )
        mean, variance = self._moments[key]
        scaled = (values.float() - mean) / (variance + module.eps).sqrt()
        if module.weight is not None and module.bias is not None:
            scaled = scaled * module.weight[:, None, None] + module.bias[:, None, None]
        return scaled.to(values.dtype)


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population variance of each channel over a batch [B C H W], float32 [C 1 1]."""
    mean = values.double().mean((0, 2, 3))
    variance = (values.double() - mean[:, None, None]).square().mean((0, 2, 3))
    return mean.float()[:, None, None], variance.float()[:, None, None]


def sample_patches(
    image: NDArray[np.uint8], windows: int, side: int, sizes: Sizes
) -> NDArray[np.uint8]:
    """Patches that stand for an image and fill about as much memory as a batch of windows.

    They are drawn without replacement, always the same ones, from a grid without overlap; all of
    it where it fits. Each is 256 px wide, or what the window and the legal sizes allow.

    Args:
        image: [H W C].
        windows: how many windows go through the network at once.
        side: of a window.
        sizes: the legal sides.

    Returns:
        The patches, [n patch patch C].
    """
    layout, order, count = patch_order(image.shape[:2], windows, side, sizes)
    return np.stack([cut(image, layout, number) for number in sorted(order[:count])])


def patch_order(
    size: tuple[int, ...], windows: int, side: int, sizes: Sizes
) -> tuple[Grid, list[int], int]:
    """The grid of patches of an image of `size` (rows, columns), their numbers in the order in
    which they are drawn, and how many of them; see `sample_patches`.
    """
    layout = grid(size[0], size[1], min(PATCH, side), 0, sizes)
    count = min(len(layout), max(1, windows * side**2 // layout.side**2))
    return layout, np.random.default_rng(0).permutation(len(layout)).tolist(), count
