"""Whether an image has colours, and grey images for methods that take those."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.interfaces import Record

GREY = 3.0
"""Mean spread of the three channels, in grey levels of 255, up to which an image has no colour;
JPEG files of grey pictures stay below 2."""


def is_grey(image: NDArray[np.uint8]) -> bool:
    """Whether the channels of an image [H W 3] are the same but for noise of compression."""
    spread = image.max(axis=2).astype(np.int16) - image.min(axis=2)
    return bool(spread.mean() <= GREY)


def as_grey(image: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """The one channel of a grey image [H W 3], as [H W 1].

    Raises DataError, calling the image `name`, where it has colours: to drop them unasked would
    throw information away.
    """
    if not is_grey(image):
        raise DataError(
            f"{name} is a colour image",
            expected="a grey image: the method was set to one channel",
            found="channels that differ",
            hint="train with --channels 3, or turn the images grey first",
        )
    return np.rint(image.mean(axis=2, keepdims=True)).astype(np.uint8)


def grey_reader(
    read: Callable[[Record], NDArray[np.uint8]],
) -> Callable[[Record], NDArray[np.uint8]]:
    """A reader of images that gives them as [H W 1]; it raises what `as_grey` raises."""

    def grey(record: Record) -> NDArray[np.uint8]:
        return as_grey(read(record), str(record.image or record.key))

    return grey
