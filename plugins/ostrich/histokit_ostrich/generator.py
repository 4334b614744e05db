"""The generator: a bijection between images and pairs of a map and an embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn

from histokit.errors import DataError
from histokit.interfaces.spec import Sizes
from histokit_ostrich.couplings import AdditiveCoupling, AffineCoupling, on_lattice
from histokit_ostrich.flow import Flow, exact
from histokit_ostrich.layers import ActNorm, Layer, LuMix, OrthogonalMix, Permutation, Squeeze
from histokit_ostrich.lift import COLOURS, Lift
from histokit_ostrich.squeeze import Order, padded, side_multiple

MAPS = 1
"""Channels of the map."""
NOISE = 0.3
"""Standard deviation of the channels of noise beside the colours."""
Coupling = Literal["affine", "additive"]
Mixing = Literal["orthogonal", "lu", "permutation"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a generator is built; see `histokit_ostrich.config.OstrichConfig`."""

    embedding: int = 2
    tiles: tuple[int, ...] = (4, 2)
    order: Order = "phase"
    depth: int = 4
    width: int = 64
    coupling: Coupling = "affine"
    mix: Mixing = "orthogonal"
    lattice: bool = False
    clamp: float = 1.0
    lift: Literal["stain", "rgb"] = "stain"


@dataclass(frozen=True, slots=True)
class Split:
    """What the generator makes of images.

    Attributes:
        map: float [B 1 H' W'], about -1 in background and 1 in nuclei.
        embedding: float [B d H' W'], all else that the images hold.
        size: height and width of the images; H' and W' are the padded ones.
    """

    map: Tensor
    embedding: Tensor
    size: tuple[int, int]

    def cropped(self) -> Tensor:
        """The map in the size of the images. It is no input of the way back."""
        height, width = self.size
        return self.map[..., :height, :width]


@final
class Generator(nn.Module):
    """G: image (and noise) <-> map and embedding, with as many numbers on either side.

    The balance is d = c_x + a - c_s: colours and channels of noise go in, a map and d channels of
    embedding come out. With d = 2 an RGB image fits exactly; with more, noise is added; with
    fewer, stains are dropped, the residual first. Between the lift and the split lies an
    hourglass: squeezes by `tiles` with `depth` steps (ActNorm, mix, coupling) after each, then
    the squeezes undone with steps between them. At the start it is the identity.

    Args:
        shape: how it is built.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        colours, noise = channel_balance(shape.embedding)
        self.shape = shape
        self.noise = noise
        self.multiple = side_multiple(shape.tiles)
        self.lift = Lift(colours, shape.lift)
        self.flow = Flow(list(_hourglass(shape, colours + noise)))

    @property
    def sizes(self) -> Sizes:
        """Sides in multiples of the squeezes' and wide enough to be mirrored at the coarsest."""
        least = 2 ** (len(self.shape.tiles) + 1)
        return Sizes(min=-(-least // self.multiple) * self.multiple, multiple_of=self.multiple)

    def lifted(self, images: Tensor) -> Tensor:
        """What goes into the flow, [B c H' W'], of images of any size.

        Channels of noise are drawn in training mode and 0 in evaluation mode.
        """
        images = padded(images if images.dtype == torch.float64 else images.float(), self.sizes)
        with exact(images.device):
            lifted = self.lift(images)
        if self.noise:
            extra = lifted.new_zeros(len(lifted), self.noise, *lifted.shape[2:])
            lifted = torch.cat((lifted, extra.normal_(0, NOISE) if self.training else extra), 1)
        return on_lattice(lifted) if self.shape.lattice else lifted

    def split(self, lifted: Tensor, size: Sequence[int] = ()) -> Split:
        """Map and embedding of what `lifted` gave, of images of `size` (default: not padded)."""
        height, width = size or lifted.shape[-2:]
        result = self.flow(lifted)
        return Split(result[:, :MAPS], result[:, MAPS:], (height, width))

    def forward(self, images: Tensor) -> Split:
        """Map and embedding of images [B 3 H W] in 0..1."""
        return self.split(self.lifted(images), images.shape[-2:])

    def joined(self, split: Split) -> Tensor:
        """What `split` was made of. Raises DataError where map or embedding were cropped."""
        if not all(self.sizes.allows(side) for side in split.map.shape[-2:]):
            raise DataError(
                "a cropped map cannot be turned back into an image",
                expected=f"the padded map, with sides in multiples of {self.multiple}",
                found=f"{split.map.shape[-2]} x {split.map.shape[-1]}",
                hint="keep the whole Split; crop only what is shown or scored",
            )
        both = torch.cat((split.map, split.embedding), 1)
        return self.flow.inverse(on_lattice(both) if self.shape.lattice else both)

    def inverse(self, split: Split) -> Tensor:
        """The images [B 3 H W] of maps and embeddings, not clamped."""
        height, width = split.size
        lifted = self.joined(split)[:, : self.lift.channels]
        with exact(lifted.device):
            return self.lift.inverse(lifted)[..., :height, :width]


def channel_balance(embedding: int, maps: int = MAPS) -> tuple[int, int]:
    """Colours kept and channels of noise added for an embedding of that many channels.

    Raises DataError where nothing would be left.
    """
    inside = embedding + maps
    if embedding < 0 or inside < 1:
        raise DataError(
            "map and embedding cannot hold an image",
            expected="an embedding of 0 channels or more: colours + noise - maps",
            found=f"{embedding}",
            hint=f"an RGB image and one map need --embedding {COLOURS - MAPS}",
        )
    return min(COLOURS, inside), max(0, inside - COLOURS)


def _hourglass(shape: Shape, channels: int) -> Iterator[Layer]:
    levels = len(shape.tiles)
    for level, tile in enumerate(shape.tiles, 1):
        yield Squeeze(tile, shape.order)
        yield from _steps(shape, channels * 4**level)
    for level in range(levels, 0, -1):
        yield Squeeze(shape.tiles[level - 1], shape.order, back=True)
        if level > 1:
            yield from _steps(shape, channels * 4 ** (level - 1))


def _steps(shape: Shape, channels: int) -> Iterator[Layer]:
    mixes: dict[Mixing, Callable[[int], Layer]] = {
        "orthogonal": OrthogonalMix,
        "lu": LuMix,
        "permutation": Permutation,
    }
    for _ in range(shape.depth):
        if not shape.lattice:
            yield ActNorm(channels)
        yield mixes[shape.mix](channels)
        if shape.coupling == "affine":
            yield AffineCoupling(channels, shape.width, shape.clamp)
        else:
            yield AdditiveCoupling(channels, shape.width, lattice=shape.lattice)
