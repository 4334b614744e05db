"""The segmenter that a trained network is."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from histokit.interfaces.network import Network
from histokit.interfaces.segmenter import Instances, Maps, Segmenter
from histokit.interfaces.spec import Sizes

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images


@final
class NetworkSegmenter(Segmenter):
    """Finds objects with a network and its head, with whatever weights the network has by then.

    Args:
        network: it, with its head.
        channels: of the images that it takes.
    """

    def __init__(self, network: Network, channels: int = 3) -> None:
        self._network = network
        self._channels = channels

    @property
    def channels(self) -> int:
        """Those that were given."""
        return self._channels

    @property
    def sizes(self) -> Sizes:
        """Those of the network."""
        return self._network.sizes

    def segment(self, images: Images) -> Maps:
        """One forward pass, read by the head."""
        return self._network.head.maps(self._network(images))

    def decode(self, maps: Maps) -> Instances:
        """As the head does."""
        return self._network.head.decode(maps)
