"""A segmenter on one whole image: windows, blending, one decoding."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histokit.data.colour import as_grey
from histokit.errors import ContractError
from histokit.interfaces import Instances, Maps, Segmenter
from histokit.run.halving import in_batches, in_windows
from histokit.run.machine import Machine
from histokit.tiling.grid import Grid, cut, grid
from histokit.tiling.stitch import Stitcher

LOWER = "lower --window or --batch, or use --device cpu"
"""What `predict` and `eval` can be told when memory runs out."""
LOG = logging.getLogger("histokit")
_told: set[str] = set()


@dataclass(frozen=True, slots=True)
class Windows:
    """How an image is cut: side of a window and overlap of neighbours in pixels, and how many
    windows go through the network at once.
    """

    side: int = 512
    overlap: int = 64
    batch: int = 1

    def given(self, side: int | None, overlap: int | None, batch: int) -> Windows:
        """These with what was given in place of the defaults."""
        return Windows(
            self.side if side is None else side,
            self.overlap if overlap is None else overlap,
            batch,
        )


def segment_image(
    segmenter: Segmenter,
    image: NDArray[np.uint8],
    machine: Machine,
    windows: Windows,
    lower: str = LOWER,
) -> Maps:
    """The blended maps of a whole image, on the CPU, with a batch of one.

    Args:
        segmenter: in eval mode.
        image: uint8 [H W 3].
        machine: where the network runs.
        windows: how the image is cut; see `in_batches` and `in_windows` for what becomes of that
            when memory runs out.
        lower: what to try when that is not enough.

    Raises ContractError when the segmenter returns what the interface does not allow, DeviceError
    when memory runs out, DataError where the segmenter takes grey images and this has colours.
    """
    if segmenter.channels == 1:
        image = as_grey(image, "the image")
    height, width = image.shape[:2]
    side = min(windows.side, max(height, width) + segmenter.sizes.shrink)

    def run(side: int) -> Maps:
        places = grid(height, width, side, windows.overlap, segmenter.sizes)
        tell_mirrored(places)
        return _stitched(segmenter, image, machine, places, windows.batch, lower)

    return in_windows(run, side, windows.overlap, segmenter.sizes, machine)


def _stitched(
    segmenter: Segmenter,
    image: NDArray[np.uint8],
    machine: Machine,
    places: Grid,
    batch: int,
    lower: str,
) -> Maps:
    """The blended maps of an image from the windows of a grid."""
    cuts = (cut(image, places, number) for number in range(len(places)))
    begun: tuple[MapLayout, Stitcher] | None = None
    for number, (found, values) in enumerate(
        window_maps(segmenter, cuts, machine, batch, places.output, lower)
    ):
        begun = begun or (found, Stitcher(places, found.channels, segmenter.blend))
        begun[1].add(number, values)
    if begun is None:
        raise _broken("maps of at least one window", "no window")
    layout, stitcher = begun
    return layout.split(stitcher.result())


def tell_mirrored(layout: Grid) -> None:
    """Tells the log, once a process, of an image that is smaller than what a network takes."""
    if layout.mirrors and "mirrored" not in _told:
        _told.add("mirrored")
        LOG.warning(
            "%d x %d pixels are filled up to windows of %d by their mirror image, and what comes "
            "out is cropped back (said once)",
            layout.width,
            layout.height,
            layout.side,
        )


def window_maps(
    segmenter: Segmenter,
    cuts: Iterable[NDArray[np.uint8]],
    machine: Machine,
    batch: int,
    side: int,
    lower: str = LOWER,
) -> Iterator[tuple[MapLayout, NDArray[np.float32]]]:
    """The maps of each window, stacked as float32 [K side side], with their layout.

    Args:
        segmenter: in eval mode.
        cuts: the windows, uint8 [h w C] of one size.
        machine: where the network runs.
        batch: windows that go through the network at once, or less: see `in_batches`.
        side: of the output.
        lower: what to try when memory runs out with one window.

    Raises what `segment_image` raises.
    """
    layout: MapLayout | None = None

    def run(some: list[NDArray[np.uint8]]) -> Maps:
        return _forward(segmenter, some, machine)

    for count, maps in in_batches(cuts, batch, run, machine, lower):
        _check_maps(maps, count, side)
        found = MapLayout.of(maps)
        layout = layout or found
        if found != layout:
            raise _broken("the same maps of every window", f"{found} after {layout}")
        for values in layout.stack(maps):
            yield layout, values


def decode(segmenter: Segmenter, maps: Maps) -> Instances:
    """The objects of a whole image. Raises ContractError when the ids are not 1..N on its area."""
    instances = segmenter.decode(maps)
    ids = instances.ids
    expected = tuple(maps.logits.shape[-2:])
    if ids.shape != expected or ids.dtype != np.int32:
        raise _broken(f"ids of int32 {expected}", f"{ids.dtype} {ids.shape}", "decode")
    if not _without_gaps(ids):
        raise _broken(
            "ids 0 and 1..N without gaps", f"ids from {ids.min()} to {ids.max()}", "decode"
        )
    return instances


def _without_gaps(ids: NDArray[np.int32]) -> bool:
    if ids.min() < 0 or ids.max() > ids.size:
        return False
    return bool((np.bincount(ids.ravel())[1:] > 0).all())


def probabilities(maps: Maps) -> NDArray[np.float32]:
    """Class probabilities of a whole image, float32 [K H W]."""
    logits = maps.logits[0].float()
    values = logits.sigmoid() if maps.activation == "sigmoid" else logits.softmax(0)
    return values.numpy()


def foreground(maps: Maps) -> NDArray[np.float32]:
    """The probability that a pixel belongs to an object, float32 [H W]."""
    values = probabilities(maps)
    return values[0] if maps.activation == "sigmoid" else 1.0 - values[0]


@torch.inference_mode()
def _forward(segmenter: Segmenter, cuts: list[NDArray[np.uint8]], machine: Machine) -> Maps:
    images = torch.from_numpy(np.stack(cuts).transpose(0, 3, 1, 2).copy())
    images = images.to(machine.device).float().div_(255)
    if machine.on_gpu:
        images = images.contiguous(memory_format=torch.channels_last)
    with machine.autocast():
        return segmenter.segment(images)


@dataclass(frozen=True, slots=True)
class MapLayout:
    """How the maps of a segmenter lie in one array of channels."""

    activation: Literal["sigmoid", "softmax"]
    parts: Mapping[str, int]

    @property
    def channels(self) -> int:
        """Channels of the array."""
        return sum(self.parts.values())

    @classmethod
    def of(cls, maps: Maps) -> MapLayout:
        """The layout of some maps."""
        parts = {"": maps.logits.shape[1]}
        parts.update({name: value.shape[1] for name, value in maps.extra.items()})
        return cls(maps.activation, parts)

    def stack(self, maps: Maps) -> NDArray[np.float32]:
        """The array [B K H W] of some maps."""
        values = [maps.logits, *(maps.extra[name] for name in self.parts if name)]
        return torch.cat([value.float() for value in values], 1).cpu().numpy()

    def split(self, stitched: NDArray[np.float32]) -> Maps:
        """The maps, of a batch of one, of an array [K H W]."""
        pieces = torch.from_numpy(stitched)[None].split(list(self.parts.values()), dim=1)
        named: dict[str, Tensor] = dict(zip(self.parts, pieces, strict=True))
        return Maps(named.pop(""), self.activation, named)


def _check_maps(maps: object, batch: int, side: int) -> None:
    if not isinstance(maps, Maps):
        raise _broken("Maps", type(maps).__name__)
    if maps.activation not in ("sigmoid", "softmax"):
        raise _broken("the activation sigmoid or softmax", repr(maps.activation))
    for name, value in {"logits": maps.logits, **maps.extra}.items():
        if value.ndim != 4 or (value.shape[0], *value.shape[2:]) != (batch, side, side):
            raise _broken(f"{name} of [{batch} K {side} {side}]", f"{list(value.shape)}")
        if not bool(torch.isfinite(value).all()):
            raise _broken(f"finite {name}", "NaN or infinity")


def _broken(expected: str, found: str, who: str = "segment") -> ContractError:
    return ContractError(
        f"{who} broke its promise",
        expected=expected,
        found=found,
        hint="report this to the author of the method",
    )
