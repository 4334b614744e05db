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
    lr_drop_every: int = Field(
        0, ge=0, description="Steps between two tenfold drops of the learning rate; 0 for none."
    )
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral", "dihedral+stain"] = Field(
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
    lr_drop_every: int = Field(
        0, ge=0, description="Steps between two tenfold drops of the learning rate; 0 for none."
    )
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral", "dihedral+stain"] = Field(
        "flip+rotate", description="Geometric augmentation."
    )


class DannConfig(MethodConfig):
    """A warm-up on the source, then gradient reversal against a domain classifier."""

    network: str = Field("unet", description="Registered network to adapt.")
    weight: float = Field(0.1, ge=0, description="Largest factor of the reversed gradient.")
    warmup_steps: int = Field(1000, ge=0, description="Steps on labelled source images alone.")
    adapt_steps: int = Field(9000, ge=0, description="Steps with gradient reversal.")
    batch: int = Field(4, ge=1, description="Images a step, of the source and of the target each.")
    tile: int = Field(256, ge=16, description="Side of a training window in pixels.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral", "dihedral+stain"] = Field(
        "flip+rotate", description="Random changes of the training windows."
    )
    lr: float = Field(1e-4, gt=0, description="Adam learning rate of network and classifier.")
    lr_drop_every: int = Field(
        0, ge=0, description="Steps between two tenfold drops of the learning rate; 0 for none."
    )
    tap: str = Field("decoder_last", description="Feature map of the network that is aligned.")
    classifier: Literal["pixel", "image"] = Field(
        "pixel", description="A domain for each pixel (1x1 convolution) or for each image."
    )
    schedule: Literal["ramp", "constant"] = Field(
        "ramp", description="How the factor grows: from 0 at the first adapting step, or not."
    )


class AdversarialConfig(MethodConfig):
    """A warm-up on the source, then a discriminator of segmentation maps."""

    network: str = Field("unet", description="Registered network to adapt.")
    weight: float = Field(0.001, ge=0, description="Weight of the adversarial loss.")
    warmup_steps: int = Field(1000, ge=0, description="Steps on labelled source images alone.")
    adapt_steps: int = Field(9000, ge=0, description="Steps with the adversarial loss.")
    batch: int = Field(4, ge=1, description="Images a step, of the source and of the target each.")
    tile: int = Field(256, ge=32, description="Side of a training window in pixels.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral", "dihedral+stain"] = Field(
        "flip+rotate", description="Random changes of the training windows."
    )
    lr: float = Field(1e-4, gt=0, description="Adam learning rate of the network.")
    lr_opponent: float = Field(1e-4, gt=0, description="Adam learning rate of the discriminator.")
    lr_drop_every: int = Field(
        0, ge=0, description="Steps between two tenfold drops of the learning rates; 0 for none."
    )
    maps: Literal["probabilities", "entropy"] = Field(
        "probabilities", description="What the discriminator sees: AdaptSegNet or ADVENT."
    )


class OtsuConfig(MethodConfig):
    """Thresholding on the haematoxylin channel."""

    smoothing: float = Field(1.0, ge=0, description="Sigma of a Gaussian blur in pixels.")
    min_area: int = Field(30, ge=1, description="Smallest object in pixels.")


class IdentityConfig(MethodConfig):
    """The identity has no settings."""


class ReinhardConfig(MethodConfig):
    """Colour transfer by mean and spread."""

    reference: str = Field(
        "", description="Image or folder whose colours are taken; empty for a built-in H&E style."
    )


class MacenkoConfig(MethodConfig):
    """Stain normalisation by singular vectors of optical density."""

    reference: str = Field(
        "", description="Image or folder whose stains are taken; empty for a built-in H&E style."
    )
    beta: float = Field(0.15, ge=0, description="Optical density below which a pixel is unstained.")
    alpha: float = Field(
        1.0, ge=0, lt=50, description="Percentile of the angle at which a stain is found."
    )
    every: int = Field(
        1, ge=1, description="One of how many pixels the stains are found from; 16 is quick."
    )
