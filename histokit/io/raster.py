"""What a decoder hands on: the raw samples of an image file and how they are meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

Colour: TypeAlias = Literal["grey", "rgb", "palette", "cmyk"]
Alpha: TypeAlias = Literal["none", "straight", "premultiplied", "unspecified"]


class Refused(Exception):
    """An image file of a kind that is not read; the message says which, `hint` what to do."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes say.

    Attributes:
        height, width: in pixels, as stored, before any rotation.
        bits: of one sample, as the file counts them.
        orientation: EXIF value, 1 (upright) to 8.
        lossless: False where the compression may have changed the samples.
    """

    height: int
    width: int
    bits: int
    orientation: int = 1
    lossless: bool = True


@dataclass(frozen=True, slots=True)
class Raster:
    """Decoded samples, before any rule is applied.

    Attributes:
        samples: [H W] or [H W C], of the dtype that holds `header.bits`; not rescaled.
        colour: meaning of the channels before alpha.
        alpha: meaning of the last channel; ``none`` where there is no alpha channel.
        palette: uint8 [n 4], the RGBA colour of each index.
        key: the sample values that mean "transparent".
        inverted: samples were turned round because the file stores white as 0.
    """

    header: Header
    samples: NDArray[Any]
    colour: Colour
    alpha: Alpha = "none"
    palette: NDArray[Any] | None = None
    key: tuple[int, ...] | None = None
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose header is read and whose samples can be."""

    header: Header
    decode: Callable[[], Raster]
