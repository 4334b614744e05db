"""A translator on one whole image: windows, statistics of the image, blending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histokit.data.colour import as_grey
from histokit.errors import ContractError, DataError
from histokit.interfaces import Translator
from histokit.run.halving import in_batches
from histokit.run.infer import LOWER, Windows, tell_mirrored
from histokit.run.machine import Machine, told_out_of_memory
from histokit.run.norms import InstanceNorms, sample_patches
from histokit.run.seams import seam_index
from histokit.tiling.grid import cut, grid
from histokit.tiling.stitch import Stitcher

Norm = Literal["image", "tile"]
"""Whose statistics normalise a window: those of its image, or its own."""
SLACK = 1e-3
"""How far outside 0..1 a translator may reach; rounding does it."""

BLANK = 16
"""Grey levels that an empty tile without any colour may span; more is a grey picture."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated image: uint8 [H W 3], or [H W] from a translator into grey.

    Attributes:
        image: the pixels.
        windows: how many windows it was made of.
        seam: see `histokit.run.seams.seam_index`.
    """

    image: NDArray[np.uint8]
    windows: int
    seam: float | None


def translate_image(
    translator: Translator,
    image: NDArray[np.uint8],
    machine: Machine,
    windows: Windows,
    norms: InstanceNorms | None = None,
) -> Translation:
    """The translation of a whole image of any size.

    Args:
        translator: in eval mode.
        image: uint8 [H W 3]; a translator of one channel takes their mean.
        machine: where the network runs.
        windows: how the image is cut; a smaller image is mirrored to a legal window.
        norms: the instance norms of its networks, to share statistics within the image; they are
            measured in a pass before, on patches of about as many pixels as one batch of windows
            has. None normalises each window by itself.

    Samples are rounded to 8 bits; the published MDCL code truncates, which darkens by half a
    level. Raises DataError for an image of the wrong kind, ContractError when the translator
    returns what the interface does not allow, DeviceError when memory runs out.
    """
    picture = in_channels(image, translator.channels)
    height, width = image.shape[:2]
    layout = grid(height, width, windows.side, windows.overlap, translator.sizes)
    tell_mirrored(layout)
    shared = norms if norms is not None and len(norms) and len(layout) > 1 else None
    if shared is not None:
        patches = sample_patches(picture, windows.batch, layout.side, translator.sizes)
        measure(translator, patches, machine, shared)
    begun: Stitcher | None = None
    cuts = (cut(picture, layout, number) for number in range(len(layout)))
    with shared.held() if shared is not None else nullcontext():
        outputs = window_images(translator, cuts, machine, windows.batch, layout.output, shared)
        for number, values in enumerate(outputs):
            begun = begun or Stitcher(layout, len(values))
            begun.add(number, values)
    stitched = (begun or Stitcher(layout, 0)).result()
    pixels = in_bytes(stitched)
    pixels = np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    return Translation(pixels, len(layout), seam_index(pixels, layout))


def in_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pixels, uint8 [H W K], of blended outputs [K H W]."""
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)


def in_channels(image: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """The image [H W C] with the channels that a translator takes. Raises DataError where it has
    colours and should not, or should have and has none.
    """
    if channels == 1:
        return as_grey(image, "the image")
    if (image == image[..., :1]).all() and np.ptp(image) > BLANK:
        raise DataError(
            "the image is grey, and the method translates stained RGB images",
            expected="a colour image, such as H&E",
            found="three equal channels, as of an electron or fluorescence microscope",
            hint="take a method or preset for grey images",
        )
    return image


def measure(
    translator: Translator,
    patches: NDArray[np.uint8],
    machine: Machine,
    norms: InstanceNorms,
    lower: str = LOWER,
) -> None:
    """Measures the statistics of instance norms on patches [n h w C]; `lower` is what to try when
    memory runs out.
    """
    with norms.measuring(), told_out_of_memory(lower):
        _forward(translator, patches, machine)


def window_images(
    translator: Translator,
    cuts: Iterable[NDArray[np.uint8]],
    machine: Machine,
    batch: int,
    side: int,
    norms: InstanceNorms | None,
    lower: str = LOWER,
) -> Iterator[NDArray[np.float32]]:
    """The translated windows, float32 [K side side] each.

    Args:
        translator: in eval mode.
        cuts: the windows, uint8 [h w C] of one size.
        machine: where the network runs.
        batch: windows that go through the network at once, or less: see `in_batches`.
        side: of the output.
        norms: that are held at what was measured.
        lower: what to try when memory runs out with one window.

    Raises what `translate_image` raises.
    """

    def run(some: list[NDArray[np.uint8]]) -> object:
        if norms is not None:
            norms.begin()
        return _forward(translator, np.stack(some), machine)

    for count, output in in_batches(cuts, batch, run, machine, lower):
        yield from _checked(output, count, side)


@torch.inference_mode()
def _forward(translator: Translator, cuts: NDArray[np.uint8], machine: Machine) -> object:
    images = torch.from_numpy(cuts.transpose(0, 3, 1, 2).copy())
    images = images.to(machine.device).float().div_(255)
    if machine.on_gpu:
        images = images.contiguous(memory_format=torch.channels_last)
    with machine.autocast():
        return translator.translate(images)


def _checked(output: object, batch: int, side: int) -> NDArray[np.float32]:
    """The output on the CPU. Raises ContractError where it is not [B 1|3 side side] in 0..1."""
    expected = f"[{batch}, 3 or 1, {side}, {side}]"
    if not isinstance(output, Tensor):
        raise _broken(f"a tensor {expected}", type(output).__name__)
    shape = tuple(output.shape)
    if len(shape) != 4 or shape[1] not in (1, 3) or (shape[0], *shape[2:]) != (batch, side, side):
        raise _broken(expected, str(list(shape)))
    values: NDArray[np.float32] = output.float().cpu().numpy()
    low, high = float(values.min()), float(values.max())
    if not (low >= -SLACK and high <= 1 + SLACK):  # NaN fails both
        raise _broken("values in 0..1", f"values from {low:.4g} to {high:.4g}")
    return values


def _broken(expected: str, found: str) -> ContractError:
    return ContractError(
        "translate broke its promise",
        expected=expected,
        found=found,
        hint="report this to the author of the method",
    )
