"""What a trained translator does: images of one stain or microscope into another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from histokit.interfaces.spec import Sizes

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images


class Translator(ABC):
    """Turns images into images of another stain, modality or microscope."""

    @property
    def sizes(self) -> Sizes:
        """The input sizes that `translate` takes; the core cuts windows that satisfy them."""
        return Sizes()

    @property
    def channels(self) -> int:
        """Image channels that `translate` takes: 3 for RGB, 1 for grey."""
        return 3

    @abstractmethod
    def translate(self, images: Images) -> Images:
        """The translated images, float32 [B C H W] in 0..1, of the same height and width.

        The core calls this in eval mode and without gradients.
        """
