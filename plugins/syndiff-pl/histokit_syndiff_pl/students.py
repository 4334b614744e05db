"""The segmentation networks of the two paths and how they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self, final

from torch import Tensor

from histokit.errors import ConfigError
from histokit.interfaces import Context, Labelled, Network, Segmenter, Sizes, Stateful
from histokit.nn.nnunet.mirrored import FLIPS, Mirrored
from histokit.nn.nnunet.plan import require_fit, sizes_of
from histokit.training.schedule import polynomial
from histokit.training.updater import Updater
from histokit_syndiff_pl.pool import Pool

if TYPE_CHECKING:
    from histokit_syndiff_pl.config import SynDiffConfig

Path = Literal["tutoring", "adaptive"]
"""``tutoring``: learns from labelled images in the look of the unlabelled ones. ``adaptive``:
learns from labelled images as they are, and looks at translations of the unlabelled ones."""
PLANNED = "nnunet-plain"
WEIGHT_DECAY, CLIP = 3e-5, 12.0
"""Penalty on the weights and largest norm of the gradient, of nnU-Net."""


@final
class Student:
    """A segmentation network that is trained as nnU-Net trains, on windows of a pool.

    Args:
        network: with its head.
        updater: of the network.
        sizes: the input sizes that it takes.
        config: the settings.
    """

    def __init__(
        self, network: Network, updater: Updater, sizes: Sizes, config: SynDiffConfig
    ) -> None:
        self._network = network
        self._updater = updater
        self._sizes = sizes
        self._config = config
        self._pool = Pool(config.pool)

    @classmethod
    def build(cls, config: SynDiffConfig, context: Context) -> Self:
        """The untrained network and its optimiser.

        Raises ConfigError for a network that does not take `tile`, or whose maps are smaller than
        its images.
        """
        network, sizes = _network(config, context)
        updater = context.updater(
            [network.module],
            config.segment_lr,
            optimiser="sgd",
            weight_decay=WEIGHT_DECAY,
            clip=CLIP,
            schedule=polynomial(config.segment_steps),
        )
        return cls(network, updater, sizes, config)

    @property
    def taught(self) -> bool:
        """Whether it has learned anything."""
        return self._updater.count > 0

    def stateful(self) -> Mapping[str, Stateful]:
        """Network, optimiser and pool."""
        return {"student": self._network.module, "updater": self._updater, "pool": self._pool}

    def learn(self, fresh: Labelled) -> Tensor:
        """Puts new windows into the pool and learns from a batch of it; gives the loss."""
        self._pool.add(fresh)
        batch = self._pool.draw(self._config.segment_batch, self._config.segment_oversample)
        terms = self._network.head.losses(self._network(batch.images), batch)
        loss = sum(terms.values(), start=batch.images.new_zeros(()))
        self._updater.update(loss)
        return loss.detach()

    def segmenter(self) -> Segmenter:
        """The network, asked about mirror images too where `mirror` is on."""
        flips = FLIPS if self._config.mirror else FLIPS[:1]
        return Mirrored(self._network, self._config.channels, self._sizes, flips)


def _network(config: SynDiffConfig, context: Context) -> tuple[Network, Sizes]:
    if config.segmenter == PLANNED:
        levels = require_fit(config.tile)
        options = {"levels": levels, "width": config.segment_width}
        network = context.network(PLANNED, config.channels, context.outputs, **options)
        return network, sizes_of(levels)
    network = context.network(config.segmenter, config.channels, context.outputs)
    sizes = network.sizes
    if sizes.shrink or not sizes.allows(config.tile):
        raise ConfigError(
            [f"segmenter: {config.segmenter} does not give a map of a window of {config.tile} px"],
            hint=f"--segmenter {PLANNED}, or --tile {sizes.fit(config.tile)}",
        )
    return network, sizes
