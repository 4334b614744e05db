"""What the adversarial baselines share: the loss of a domain, its accuracy, and their logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from histokit.interfaces import Context, Labelled, Network
from histokit.losses.segmentation import full_precision
from histokit.nn.taps import with_tap

SOURCE, TARGET = 0.0, 1.0
"""What a discriminator should answer for each domain, as probabilities."""

COLLAPSE = (0.005, 0.6)
"""Shares of foreground on the target outside which the segmenter has likely collapsed."""


def domain_loss(logits: Tensor, domain: float) -> Tensor:
    """Mean binary cross-entropy of domain logits against one domain, in float32."""
    logits = full_precision(logits)
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, domain))


@torch.no_grad()
def domain_accuracy(source: Tensor, target: Tensor) -> Tensor:
    """The share of right answers, both domains weighing the same; a logit of 0 is half right."""
    right = torch.sign(-full_precision(source)).mean() + torch.sign(full_precision(target)).mean()
    return 0.5 + 0.25 * right


def supervised_terms(
    network: Network, output: object, batch: Labelled
) -> tuple[Tensor, dict[str, Tensor]]:
    """The supervised loss of an output, and its terms for the log, the sum under ``seg``."""
    terms = network.head.losses(output, batch)
    total = sum(terms.values(), start=batch.images.new_zeros(()))
    return total, {**{name: term.detach() for name, term in terms.items()}, "seg": total.detach()}


def tap_channels(network: Network, path: str, context: Context) -> int:
    """Channels of the features at a tap, seen by running the network on zeros."""
    side = network.sizes.fit(1)
    images = torch.zeros(1, context.channels, side, side, device=context.device)
    training = network.module.training
    network.module.eval()
    with torch.no_grad():
        _, features = with_tap(network.module, path, images)
    network.module.train(training)
    return features.shape[1]


@torch.no_grad()
def foreground_share(logits: Tensor) -> Tensor:
    """The share of pixels called foreground."""
    return (logits > 0).float().mean()


def collapse_warnings(losses: Mapping[str, float]) -> Sequence[str]:
    """A line where almost nothing or almost everything on the target is called foreground."""
    low, high = COLLAPSE
    share = losses.get("target_foreground")
    if share is None or low <= share <= high:
        return ()
    return [
        f"the segmenter may have collapsed on the target: {share:.1%} of its pixels are called "
        f"foreground (expected {low:.1%} to {high:.0%}); try a longer warm-up or a lower weight"
    ]
