"""Settings of the planned U-Net."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from histokit.config.base import MethodConfig

SMALLEST = 8
"""Side of the smallest window that can be halved once."""


class NnUNetPlainConfig(MethodConfig):
    """nnU-Net's training settings for 2D images, where this toolkit has them.

    The defaults are those of nnU-Net v2 at 512 pixels: 1000 epochs of 250 steps are 250 000.
    """

    steps: int = Field(250_000, ge=1, description="Training steps.")
    batch: int = Field(12, ge=0, description="Images a step; 0 plans it together with tile 0.")
    tile: int = Field(
        512,
        ge=0,
        description="Side of a training window in pixels, from which the depth follows; 0 plans it "
        "from the size of the images.",
    )
    channels: Literal[1, 3] = Field(3, description="Image channels: 3 for RGB, 1 for grey.")
    width: int = Field(32, ge=1, description="Features at full resolution.")
    lr: float = Field(0.01, gt=0, description="First learning rate of SGD; it falls to 0.")
    weight_decay: float = Field(3e-5, ge=0, description="L2 penalty on the weights.")
    clip: float = Field(12.0, gt=0, description="Largest norm of the gradient.")
    oversample: float = Field(
        0.33, ge=0, le=1, description="Share of a batch whose windows lie around an object."
    )
    mirror: bool = Field(True, description="Mean over the four mirror images when predicting.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral", "dihedral+stain"] = Field(
        "flip+rotate", description="Random changes of the training windows."
    )

    @model_validator(mode="after")
    def _windows(self) -> Self:
        if 0 < self.tile < SMALLEST:
            raise ValueError(f"tile {self.tile} is below {SMALLEST}; 0 plans it")
        if self.batch == 0 and self.tile:
            raise ValueError("batch 0 is planned with tile 0 only")
        return self
