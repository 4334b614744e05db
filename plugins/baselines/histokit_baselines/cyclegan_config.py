"""Settings of CycleGAN, between two stains and between images and masks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from histokit.config.base import MethodConfig

LARGE = 256
"""Side of a training window from which on the generators have 9 residual blocks, else 6."""


class CycleConfig(MethodConfig):
    """What both tasks share; the defaults are those of Zhu et al. 2017."""

    steps: int = Field(100_000, ge=1, description="Steps at the full learning rate.")
    decay_steps: int = Field(
        100_000, ge=0, description="Steps in which the learning rate falls to 0."
    )
    batch: int = Field(1, ge=1, description="Windows a step, of each side.")
    tile: int = Field(256, ge=32, multiple_of=4, description="Side of a training window in pixels.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral"] = Field(
        "flip", description="Random changes of the training windows."
    )
    lr: float = Field(2e-4, gt=0, description="Adam learning rate of all networks.")
    cycle_weight: float = Field(10.0, ge=0, description="Weight of there and back again.")
    pool: int = Field(
        50, ge=0, description="Earlier outputs that each critic is also shown; 0 for none."
    )
    width: int = Field(64, ge=1, description="Channels of the generators at full size.")
    blocks: int = Field(
        0, ge=0, description=f"Residual blocks; 0 takes 9 for tiles from {LARGE} pixels on, else 6."
    )
    critic_width: int = Field(64, ge=1, description="Channels of the critics' first layer.")

    @property
    def depth(self) -> int:
        """Residual blocks of a generator."""
        return self.blocks or (9 if self.tile >= LARGE else 6)


class CycleGanConfig(CycleConfig):
    """Settings of CycleGAN between two stains."""

    identity_weight: float = Field(
        0.5, ge=0, description="Weight of leaving images of the wanted stain alone, times that of "
        "the cycle."
    )  # fmt: skip
    direction: Literal["source-target", "target-source"] = Field(
        "source-target", description="Which way images are translated; both are trained."
    )


class CycleMasksConfig(CycleConfig):
    """Settings of CycleGAN between target images and source masks."""
