"""Settings of the baselines."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from histokit.config.base import MethodConfig


class SupervisedConfig(MethodConfig):
    """Plain supervised training."""

    network: str = Field("unet", description="Registered network; see `histokit methods list`.")
    steps: int = Field(10_000, ge=1, description="Training steps.")
    batch: int = Field(4, ge=1, description="Images a step.")
    tile: int = Field(256, ge=16, description="Side of a training window in pixels.")
    lr: float = Field(1e-4, gt=0, description="Adam learning rate.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral"] = Field(
        "flip+rotate", description="Geometric augmentation."
    )


class AdaBNConfig(MethodConfig):
    """Plain supervised training, then new BatchNorm statistics."""

    network: str = Field("unet", description="Registered network; see `histokit methods list`.")
    steps: int = Field(10_000, ge=1, description="Supervised training steps on the source.")
    adabn_steps: int = Field(
        100, ge=1, description="Target batches that the statistics are taken of."
    )
    batch: int = Field(4, ge=1, description="Images a step.")
    tile: int = Field(256, ge=16, description="Side of a training window in pixels.")
    lr: float = Field(1e-4, gt=0, description="Adam learning rate.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral"] = Field(
        "flip+rotate", description="Geometric augmentation."
    )


class OtsuConfig(MethodConfig):
    """Thresholding on the haematoxylin channel."""

    smoothing: float = Field(1.0, ge=0, description="Sigma of a Gaussian blur in pixels.")
    min_area: int = Field(30, ge=1, description="Smallest object in pixels.")
