"""The settings of MaNi."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from histokit.config.base import MethodConfig


class ManiConfig(MethodConfig):
    """Settings of MaNi; the defaults are those of the authors' code where paper and code differ."""

    network: str = Field("unet", description="Registered network to adapt.")
    mi_weight: float = Field(1.0, ge=0, description="Weight of the mutual-information loss.")
    warmup_steps: int = Field(1000, ge=0, description="Steps on labelled source images alone.")
    adapt_steps: int = Field(9000, ge=0, description="Steps with the mutual-information loss.")
    batch: int = Field(4, ge=1, description="Images a step, of the source and of the target each.")
    tile: int = Field(256, ge=16, description="Side of a training window in pixels.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral", "dihedral+stain"] = Field(
        "flip+rotate", description="Random changes of the training windows."
    )
    lr: float = Field(1e-4, gt=0, description="Adam learning rate of network and projection.")
    lr_critic: float = Field(1e-4, gt=0, description="Adam learning rate of the critic.")
    tap: str = Field("decoder_last", description="Feature map of the network that is compared.")
    pool: Literal["mean", "max", "random"] = Field(
        "mean", description="How the pixels of a region become vectors."
    )
    random_pixels: int = Field(4, ge=1, description="Pixels a region, for pool random.")
    pool_eps: float = Field(
        1e-6, gt=0, description="Added to the pixel count of a region, for pool mean."
    )
    critic: Literal["concat", "dot", "conv"] = Field(
        "concat", description="How a pair of vectors is scored."
    )
    critic_hidden: int = Field(512, ge=1, description="Width of the critic concat.")
    pseudo_threshold: float = Field(
        0.5, gt=0, lt=1, description="A target pixel is a nucleus strictly above this probability."
    )
    skip_empty: bool = Field(False, description="Leave out pairs of which a region is empty.")
    detach_target_features: bool = Field(
        False, description="Keep the mutual-information loss of the target out of the network."
    )
    negatives: Literal["source_bg", "source_bg+target_bg"] = Field(
        "source_bg",
        description="Negative pairs: target nuclei with source background; and the reverse.",
    )
    bn: Literal["separate", "joint", "target_only"] = Field(
        "separate",
        description="Batch norm: a pass a domain, one joint pass, or statistics of the target.",
    )
    freeze: Literal["", "reference", "full"] = Field(
        "", description="Parts of the network that are not trained at first, by the card's names."
    )
    frozen_steps: int = Field(
        0, ge=0, description="Steps from the first on for which these parts are not trained."
    )
    lr_drop_every: int = Field(
        0, ge=0, description="Steps between two tenfold drops of the learning rates; 0 for none."
    )

    @model_validator(mode="after")
    def _frozen_for_some_steps(self) -> Self:
        if self.freeze and not self.frozen_steps:
            raise ValueError(f"freeze {self.freeze} needs frozen_steps above 0")
        return self
