"""The eight networks of SynDiff: four a domain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from histokit_syndiff_pl.networks.critic import TimeCritic
from histokit_syndiff_pl.networks.denoiser import Denoiser
from histokit_syndiff_pl.networks.translator import OneShot, PatchCritic

if TYPE_CHECKING:
    from histokit_syndiff_pl.config import SynDiffConfig

Name = Literal["l", "u"]
OTHER: dict[Name, Name] = {"l": "u", "u": "l"}
"""The other domain of each: ``l`` has labels, ``u`` has none."""


@dataclass(frozen=True, slots=True)
class Players:
    """The networks that make or judge images of one domain d.

    Attributes:
        denoiser: G_theta^d, guided by an image of the other domain.
        translator: G_phi^d, from an image of the other domain in one pass.
        critic: D_theta^d, of what the denoiser makes.
        patch_critic: D_phi^d, of what the translator makes.
    """

    denoiser: Denoiser
    translator: OneShot
    critic: TimeCritic
    patch_critic: PatchCritic

    def named(self) -> Iterator[tuple[str, nn.Module]]:
        """The networks and what they are called."""
        return ((field.name, getattr(self, field.name)) for field in fields(self))


def build_players(config: SynDiffConfig, device: torch.device) -> Players:
    """The untrained networks of one domain."""
    channels, saving = config.channels, config.checkpointing
    players = Players(
        denoiser=Denoiser(
            channels,
            width=config.width,
            factors=config.factors,
            blocks=config.blocks,
            attention=config.attention_level,
            latent=config.latent,
            latent_width=config.latent_width,
            checkpointing=saving,
        ),
        translator=OneShot(
            channels,
            width=config.translator_width,
            blocks=config.translator_blocks,
            checkpointing=saving,
        ),
        critic=TimeCritic(
            channels,
            width=config.critic_width,
            embedding=config.critic_embedding,
            checkpointing=saving,
        ),
        patch_critic=PatchCritic(channels, width=config.patch_width, layers=config.patch_layers),
    )
    for _, network in players.named():
        network.to(device)
    return players
