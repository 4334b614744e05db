"""What a trained segmenter does: images into maps, and the maps of one image into instances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from histokit.interfaces.spec import Sizes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from histokit.interfaces.batch import Images


@dataclass(frozen=True, slots=True)
class Maps:
    """What a network says of each pixel.

    Attributes:
        logits: float32 [B K H W], before the activation. With ``sigmoid``, channel 0 is the
            foreground and further channels are independent; with ``softmax`` channel 0 is the
            background.
        activation: how logits become probabilities.
        extra: further maps by name, float32 [B c H W], such as the distance maps of HoVer-Net.
    """

    logits: Tensor
    activation: Literal["sigmoid", "softmax"]
    extra: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Instances:
    """The objects of one image.

    Attributes:
        ids: int32 [H W]; 0 = background, objects numbered 1..N without gaps.
        classes: class of each object by its id; empty where the method has no classes.
        scores: confidence in 0..1 of each object by its id; empty where there is none.
    """

    ids: NDArray[np.int32]
    classes: Mapping[int, int] = field(default_factory=dict)
    scores: Mapping[int, float] = field(default_factory=dict)


class Segmenter(ABC):
    """Finds the objects of an image."""

    @property
    def sizes(self) -> Sizes:
        """The input sizes that `segment` takes; the core cuts windows that satisfy them."""
        return Sizes()

    @property
    def channels(self) -> int:
        """Image channels that `segment` takes: 3 for RGB, 1 for grey."""
        return 3

    @property
    def blend(self) -> Literal["taper", "gaussian"]:
        """How the core weighs overlapping windows: a squared cosine from their middle to their
        sides, or nnU-Net's narrower Gaussian.
        """
        return "taper"

    @abstractmethod
    def segment(self, images: Images) -> Maps:
        """The maps of a batch of windows, of the images' height and width less `sizes.shrink`.

        The core calls this in eval mode and without gradients, and blends overlapping windows.
        """

    @abstractmethod
    def decode(self, maps: Maps) -> Instances:
        """The objects of one whole image; the maps have a batch of one and are on the CPU."""
