"""Images as a worse stain, focus, file or lamp would have given them, at rising levels.

| kind | level `l` of `L`, with t = l / L in 0..1 |
|---|---|
| stain | amounts of haematoxylin and of eosin, each times 2^t or divided by it |
| blur | Gaussian of sigma 3 t pixels |
| jpeg | a JPEG file of quality 95 - 85 t, chroma halved |
| brightness | values times 1 + 0.5 t or 1 - 0.5 t, cut to 0..255 |

Level 0 is the image itself. Which way stain and brightness go is drawn once an image from its key
and the seed, the same at all levels, so that each image gets worse and worse.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.filters import gaussian

from histokit.data.augment import Geometry, apply_stain
from histokit.data.windows import stream
from histokit.errors import DataError, UnknownName, UsageError
from histokit.io.decode_pillow import open_jpeg

Kind = Literal["stain", "blur", "jpeg", "brightness"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STAIN = 2.0
"""Largest factor on the amounts of stains."""
SIGMA = 3.0
"""Largest sigma of the blur in pixels."""
QUALITY = (95, 10)
"""Of the JPEG file, from hardly any compression to the strongest."""
BRIGHTNESS = 0.5
"""Largest relative change of brightness."""


@dataclass(frozen=True, slots=True)
class Perturbations:
    """What images are put through.

    Attributes:
        kinds: which; none for nothing.
        levels: of each, beside level 0.
        seed: of what is drawn.
    """

    kinds: tuple[Kind, ...] = ()
    levels: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise UsageError("there is nothing to perturb by", found=f"{self.levels} levels")

    @classmethod
    def typed(cls, kinds: str, levels: int, seed: int) -> Perturbations:
        """Those of ``stain,blur``. Raises UnknownName with the nearest kind."""
        return cls(_kinds(kinds), levels, seed)


def perturb(
    image: NDArray[np.uint8], kind: Kind, share: float, *, key: str = "", seed: int = 0
) -> NDArray[np.uint8]:
    """The image, perturbed; the same for the same arguments, and itself for a share of 0.

    Args:
        image: uint8 [H W 3] RGB.
        kind: of the perturbation.
        share: t of the table above, in 0..1.
        key: names the image.
        seed: of what is drawn.

    Raises DataError where the stains of an image without colour channels are asked for.
    """
    if kind == "stain" and image.shape[2:] != (3,):
        raise DataError(
            f"{key or 'the image'} has no stains",
            expected="an RGB image for the perturbation stain",
            found=f"an array of {list(image.shape)}",
            hint="leave out stain: --perturb blur,jpeg,brightness",
        )
    if share == 0:
        return image.copy()
    return _CHANGES[kind](image, share, stream(seed, f"perturb/{kind}/{key}", 0))


def in_words(kind: Kind, share: float) -> str:
    """What `perturb` does to an image, with its numbers."""
    if share == 0:
        return "unchanged"
    if kind == "stain":
        return f"H and E times or over {STAIN**share:.3g}"
    if kind == "blur":
        return f"sigma {SIGMA * share:.3g} px"
    if kind == "jpeg":
        return f"quality {_quality(share)}"
    return f"values times {1 - BRIGHTNESS * share:.3g} or {1 + BRIGHTNESS * share:.3g}"


def _stain(image: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Haematoxylin and eosin scaled in optical density, the residue kept."""
    ways = np.where(rng.random(2) < 0.5, -1.0, 1.0)
    factors = [*(STAIN ** (share * ways)).tolist(), 1.0]
    how = Geometry(stain=tuple((factor, 0.0) for factor in factors))
    pixels = torch.from_numpy(image.copy()).movedim(-1, 0)[None].double() / 255
    return _bytes(apply_stain(pixels, [how])[0].movedim(0, -1).numpy() * 255)


def _blur(image: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    del rng
    return _bytes(gaussian(image, SIGMA * share, preserve_range=True, channel_axis=-1))


def _jpeg(image: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    del rng
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, "JPEG", quality=_quality(share), subsampling=2)
        samples = open_jpeg(file).decode().samples
    return samples.astype(np.uint8)


def _brightness(
    image: NDArray[np.uint8], share: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    way = -1.0 if rng.random() < 0.5 else 1.0
    return _bytes(image * (1 + way * BRIGHTNESS * share))


_CHANGES: Mapping[Kind, Callable[..., NDArray[np.uint8]]] = {
    "stain": _stain,
    "blur": _blur,
    "jpeg": _jpeg,
    "brightness": _brightness,
}


def _kinds(text: str) -> tuple[Kind, ...]:
    """The kinds of ``stain,blur``, each once. Raises UnknownName with the nearest."""
    words = dict.fromkeys(filter(None, (word.strip() for word in text.split(","))))
    known: Mapping[str, Kind] = {kind: kind for kind in KINDS}
    for word in words:
        if word not in known:
            raise UnknownName("perturbation", word, KINDS)
    return tuple(known[word] for word in words)


def _quality(share: float) -> int:
    best, worst = QUALITY
    return round(best + (worst - best) * share)


def _bytes(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Values rounded and cut to 0..255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
