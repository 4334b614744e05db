"""The settings of MDCL, with pairs and without."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from histokit.config.base import MethodConfig
from histokit_mdcl.schedule import Plan

FIRST_BLOCK = 12
"""Index of the first residual block among the modules of the generator."""
SMALLEST_MAP = 3
"""Side of the critic's features after its halvings from which on it gives a score."""


class ContrastConfig(MethodConfig):
    """What training with pairs and without share; the defaults are those of the authors' code."""

    nce_weight: float = Field(
        1.0, gt=0, description="Weight of each of the contrastive terms nce and nce_y."
    )
    identity: bool = Field(
        True, description="Also contrast IHC images with what the generator makes of them."
    )
    mix: bool = Field(
        True, description="Take negatives from the generated image too, not from the key alone."
    )
    temperature: float = Field(0.07, gt=0, description="Divides the cosines of the patches.")
    patches: int = Field(256, ge=1, description="Patches an image, at each of the taps.")
    taps: tuple[int, ...] = Field(
        (0, 4, 8, 12, 16), description="Modules of the generator whose features are compared."
    )
    head_width: int = Field(256, ge=1, description="Width of the projection heads.")
    width: int = Field(64, ge=1, description="Channels of the generator at full size.")
    blocks: int = Field(6, ge=1, description="Residual blocks of the generator.")
    critic_width: int = Field(32, ge=1, description="Channels of the critic's first layer.")
    critic_layers: int = Field(5, ge=1, le=8, description="Halvings of the critic.")
    spectral: bool = Field(True, description="Spectral norm on all convolutions.")
    epochs: int = Field(30, ge=1, description="Epochs at the full learning rate.")
    decay_epochs: int = Field(10, ge=0, description="Epochs in which the learning rate falls.")
    epoch_steps: int = Field(
        4642, ge=1, description="Steps of an epoch: the number of image pairs over the batch."
    )
    batch: int = Field(1, ge=1, description="Images a step, of each stain.")
    tile: int = Field(512, ge=36, multiple_of=4, description="Side of a training window in pixels.")
    augment: Literal["none", "mirror", "flip", "rotate", "flip+rotate", "dihedral"] = Field(
        "mirror", description="Random changes of the training windows, the same in both stains."
    )
    lr: float = Field(2e-4, gt=0, description="Adam learning rate of all networks.")

    @property
    def plan(self) -> Plan:
        """The length of training and what changes in it."""
        return Plan(self.epochs, self.decay_epochs, self.epoch_steps)

    @model_validator(mode="after")
    def _taps_of_the_encoder(self) -> Self:
        last = FIRST_BLOCK + self.blocks - 1
        rising = all(before < after for before, after in pairwise(self.taps))
        if not self.taps or not rising or self.taps[0] < 0 or self.taps[-1] > last:
            raise ValueError(f"taps must be rising numbers from 0 to {last}, the last block")
        return self

    @model_validator(mode="after")
    def _tile_of_the_critic(self) -> Self:
        least = SMALLEST_MAP * 2**self.critic_layers
        if self.tile < least:
            raise ValueError(f"tile must be at least {least} for {self.critic_layers} layers")
        return self


class MdclConfig(ContrastConfig):
    """Settings of MDCL."""

    asp_weight: float = Field(
        1.0, ge=0, description="Weight of the contrast of generated with real IHC; 0 for none."
    )
    asp_schedule: Literal["linear", "none"] = Field(
        "linear", description="Trust patches that agree with their partner more and more, or not."
    )
    pyramid_weight: float = Field(
        10.0, ge=0, description="Weight of the Gaussian pyramid loss; 0 for none."
    )


class UnpairedConfig(ContrastConfig):
    """Settings of training without pairs; every term that needs a partner is left out."""
