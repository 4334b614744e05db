"""One whole image: worked on at the pixel size of the weights, given back at its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from histokit.interfaces import Instances, Maps, Segmenter, Translator
from histokit.postprocess.pieces import keep_confident
from histokit.run.domains import rescale_image, resize_ids
from histokit.run.infer import Windows, decode, segment_image
from histokit.run.machine import Machine
from histokit.run.norms import InstanceNorms
from histokit.run.translate_image import Translation, translate_image


@dataclass(frozen=True, slots=True)
class Segmented:
    """A segmented image.

    Attributes:
        instances: the objects that were kept, at the size of the image.
        every: all objects, at the pixel size of the weights.
        maps: of the image at the pixel size of the weights.
        seen: the image at that size, uint8 [h w 3].
    """

    instances: Instances
    every: Instances
    maps: Maps
    seen: NDArray[np.uint8]


def segment_whole(
    segmenter: Segmenter,
    image: NDArray[np.uint8],
    factor: float,
    machine: Machine,
    windows: Windows,
    min_confidence: float = 0.0,
) -> Segmented:
    """The objects of an image of any size.

    Args:
        segmenter: in eval mode.
        image: uint8 [H W 3].
        factor: brings it to the pixel size of the weights.
        machine: where the network runs.
        windows: how it is cut.
        min_confidence: objects of a lower score are dropped.

    Raises what `segment_image` and `decode` raise.
    """
    seen = rescale_image(image, factor)
    maps = segment_image(segmenter, seen, machine, windows)
    every = decode(segmenter, maps)
    found = keep_confident(every, min_confidence)
    if factor != 1.0:
        ids = resize_ids(found.ids, (image.shape[0], image.shape[1]))
        found = Instances(ids, found.classes, found.scores)
    return Segmented(found, every, maps, seen)


def translate_whole(
    translator: Translator,
    image: NDArray[np.uint8],
    factor: float,
    machine: Machine,
    windows: Windows,
    norms: InstanceNorms | None = None,
) -> Translation:
    """The translation of an image of any size, as large as the image.

    Args:
        translator: in eval mode.
        image: uint8 [H W 3].
        factor: brings it to the pixel size of the weights.
        machine: where the network runs.
        windows: how it is cut.
        norms: see `translate_image`.

    Raises what `translate_image` raises.
    """
    done = translate_image(translator, rescale_image(image, factor), machine, windows, norms)
    return replace(done, image=_sized(done.image, image.shape[:2]))


def _sized(pixels: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Pixels [h w] or [h w 3] at another height and width."""
    if pixels.shape[:2] == size:
        return pixels
    shrinks = size[0] < pixels.shape[0]
    shape = (*size, *pixels.shape[2:])
    resized = resize(pixels, shape, order=1, anti_aliasing=shrinks, preserve_range=True)
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)
