"""The settings of SynDiff."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from histokit.config.base import MethodConfig
from histokit_syndiff_pl.limits import GROUP, SMALLEST_TILE, legal_batch, side_multiple

LATER: dict[str, JsonValue] = {"later": True}
"""Marks a setting that is read only after training, so that a trained run may take another."""


class SynDiffConfig(MethodConfig):
    """Settings of SynDiff and of the segmentation networks that learn from its translations; the
    defaults are those of the authors' published configuration.
    """

    path: Literal["tutoring", "adaptive", "both"] = Field(
        "both",
        description="What learns to segment: a network of translated labelled images (tutoring), "
        "one of labelled images that looks at translated unlabelled ones (adaptive), or both.",
    )
    use: Literal["path", "tutoring", "adaptive", "unadapted"] = Field(
        "path",
        description="Which trained network predicts: that of the path, both together, one of "
        "both, or the adaptive one without translation.",
        json_schema_extra=LATER,
    )
    direction: Literal["l2u", "u2l"] = Field(
        "l2u",
        description="What a trained run translates: labelled images to the look of the unlabelled "
        "ones, or the reverse. Training learns both.",
        json_schema_extra=LATER,
    )
    channels: Literal[1, 3] = Field(1, description="1 for grey images, 3 for RGB.")
    steps: int = Field(63_126, ge=1, description="Training steps; 501 epochs of the paper.")
    epoch_steps: int = Field(
        126, ge=1, description="Steps between two changes of the learning rates, an epoch."
    )
    batch: int = Field(1, ge=1, description="Images a step, of each domain: to 4, or fours.")
    tile: int = Field(512, ge=SMALLEST_TILE, description="Side of a training window in pixels.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral"] = Field(
        "flip", description="Random changes of the training windows."
    )
    lr: float = Field(1.6e-4, gt=0, description="First Adam learning rate of the generators.")
    lr_critic: float = Field(1e-4, gt=0, description="First Adam learning rate of the critics.")
    lr_min: float = Field(1e-5, ge=0, description="Last learning rate of all networks.")
    l1_weight: float = Field(
        0.5, ge=0, description="Weight of the cycle and of the denoised image's difference."
    )
    r1: float = Field(1.0, ge=0, description="Weight of the critics' gradient penalty.")
    r1_every: int = Field(10, ge=1, description="Steps between two gradient penalties.")
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="Share of the old average that the averaged weights keep."
    )
    diffusion_steps: int = Field(4, ge=1, description="Steps of the diffusion.")
    beta_min: float = Field(0.1, gt=0, description="First rate of the noise.")
    beta_max: float = Field(20.0, gt=0, description="Last rate of the noise.")
    width: int = Field(64, ge=8, multiple_of=4, description="Channels of the denoiser.")
    factors: tuple[int, ...] = Field(
        (1, 1, 2, 2, 4, 4), min_length=1, description="Factors on width, one a level of halving."
    )
    blocks: int = Field(2, ge=1, description="Residual blocks a level of the denoiser.")
    attention_level: int = Field(
        -1, ge=-1, description="Level with attention, 0 the finest and -1 the coarsest."
    )
    latent: int = Field(100, ge=1, description="Length of the denoiser's random vector.")
    latent_width: int = Field(256, ge=1, description="Length of that vector's embedding.")
    critic_width: int = Field(64, ge=1, description="Width of the diffusion's critics.")
    critic_embedding: int = Field(
        256, ge=4, multiple_of=2, description="Length of the step's embedding in them."
    )
    translator_width: int = Field(64, ge=1, description="Channels of the one-shot translators.")
    translator_blocks: int = Field(6, ge=0, description="Residual blocks of these.")
    patch_width: int = Field(64, ge=1, description="Channels of the critics of patches.")
    patch_layers: int = Field(3, ge=1, le=4, description="How often these halve the sides.")
    checkpointing: bool = Field(
        False, description="Compute activations twice instead of keeping them: less memory, slower."
    )
    sampler: Literal["diffusion", "one-shot"] = Field(
        "diffusion",
        description="What translates; one-shot is a fast preview of lower quality.",
        json_schema_extra=LATER,
    )
    samples: int = Field(
        1,
        ge=1,
        description="Translations of an image that are averaged.",
        json_schema_extra=LATER,
    )
    noise_seed: int = Field(
        42,
        ge=0,
        lt=2**32,
        description="Seed of the noise that translations start from.",
        json_schema_extra=LATER,
    )
    check_steps: int = Field(
        20, ge=0, description="Batches on which translations are measured in both directions."
    )
    segmenter: str = Field("nnunet-plain", description="Registered network that learns to segment.")
    segment_steps: int = Field(
        250_000, ge=0, description="Steps of its training; 1000 epochs of nnU-Net."
    )
    segment_batch: int = Field(12, ge=1, description="Windows a step of its training.")
    segment_lr: float = Field(0.01, gt=0, description="First learning rate of its SGD.")
    segment_width: int = Field(32, ge=1, description="Features of nnunet-plain at full resolution.")
    pool: int = Field(
        64, ge=1, description="Latest labelled windows, translated or not, that it learns from."
    )
    segment_oversample: float = Field(
        0.33, ge=0, le=1, description="Share of its windows that are sure to hold an object."
    )
    mirror: bool = Field(
        True,
        description="Mean over the four mirror images when segmenting.",
        json_schema_extra=LATER,
    )

    @property
    def paths(self) -> tuple[Literal["tutoring", "adaptive"], ...]:
        """The paths that are trained."""
        return ("tutoring", "adaptive") if self.path == "both" else (self.path,)

    @field_validator("segmenter")
    @classmethod
    def _is_of_histokit(cls, segmenter: str) -> str:
        if segmenter == "nnunetv2":
            raise ValueError(
                "nnU-Net v2 is a program of its own: translate the labelled images with "
                "`histokit translate syndiff-pl l2u`, then see examples/nnunetv2.py"
            )
        return segmenter

    @model_validator(mode="after")
    def _uses_what_is_trained(self) -> Self:
        needed = "adaptive" if self.use == "unadapted" else self.use
        if needed != "path" and needed not in self.paths:
            raise ValueError(f"use {self.use} needs path {needed} or both, not {self.path}")
        return self

    @model_validator(mode="after")
    def _fits_the_networks(self) -> Self:
        if min(self.factors) < 1:
            raise ValueError(f"a factor is {min(self.factors)}; the least is 1")
        multiple = side_multiple(len(self.factors))
        if self.tile % multiple:
            raise ValueError(
                f"tile {self.tile} is no multiple of {multiple}, "
                f"which {len(self.factors)} factors need"
            )
        if not legal_batch(self.batch):
            raise ValueError(f"batch {self.batch} is neither up to {GROUP} nor a multiple of it")
        if self.attention_level >= len(self.factors):
            raise ValueError(
                f"attention_level {self.attention_level} is beyond the last of "
                f"{len(self.factors)} levels, {len(self.factors) - 1}"
            )
        if self.beta_max < self.beta_min:
            raise ValueError(f"beta_max {self.beta_max} is below beta_min {self.beta_min}")
        return self
