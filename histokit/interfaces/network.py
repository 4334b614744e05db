"""How a method meets a network it does not know: by its taps and its head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from histokit.interfaces.spec import Sizes

if TYPE_CHECKING:
    from torch import Tensor, nn

    from histokit.interfaces.batch import Images, Labelled
    from histokit.interfaces.segmenter import Instances, Maps


class Head(ABC):
    """How the raw output of a segmentation network is trained and read. It holds no weights."""

    def at(self, mpp: float) -> Head:
        """The head for images of `mpp` micrometres a pixel; by default the size does not matter."""
        del mpp
        return self

    @abstractmethod
    def losses(self, output: Any, batch: Labelled) -> Mapping[str, Tensor]:
        """The supervised loss terms by name; training minimises their sum."""

    @abstractmethod
    def foreground(self, output: Any) -> Tensor:
        """Logits of "this pixel is foreground", float [B 1 H W]; above 0 means yes."""

    @abstractmethod
    def truth(self, batch: Labelled, output: Any) -> Tensor:
        """The foreground truth, float32 [B 1 H W] of 0 and 1, cut to the size of `foreground`."""

    @abstractmethod
    def maps(self, output: Any) -> Maps:
        """The output in the form that the core blends."""

    @abstractmethod
    def decode(self, maps: Maps) -> Instances:
        """The objects of one whole image."""


@dataclass(frozen=True, slots=True)
class Network:
    """A registered network, built.

    Attributes:
        name: the registered name.
        module: the network; calling it with images gives the raw output that `head` reads.
        head: how that output is trained and read.
        taps: feature maps by name, each the path of the submodule whose output it is.
        freeze: by name, paths of the submodules whose parameters a method may stop training.
        sizes: the input sizes that the module takes.
    """

    name: str
    module: nn.Module
    head: Head
    taps: Mapping[str, str]
    sizes: Sizes
    freeze: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __call__(self, images: Images) -> Any:
        """The raw output of the module."""
        return self.module(images)
