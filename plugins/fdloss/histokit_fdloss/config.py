"""The settings of the feature-distance loss."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from histokit.config.base import MethodConfig

EPOCH = 50
"""Steps that stand for an epoch of the paper: 40 training images of a TNBC fold, five copies of
each (as it is, two flips, two rotations), in batches of 4."""


class FdLossConfig(MethodConfig):
    """Settings of the feature-distance loss; the defaults are its stable reading."""

    arms: ClassVar[tuple[str, ...]] = ("plain", "stable", "exchange")

    network: str = Field("attention-unet", description="Registered network that names its layers.")
    layers: str = Field(
        "", description="Layers with the loss, such as enc1,dec1,bottleneck; empty for all."
    )
    warmup_steps: int = Field(
        100 * EPOCH, ge=0, description="Steps on the segmentation loss alone; alpha stays 0."
    )
    penalised_steps: int = Field(
        75 * EPOCH, ge=0, description="Steps with the feature-distance loss."
    )
    batch: int = Field(4, ge=1, description="Images a step.")
    tile: int = Field(256, ge=16, description="Side of a training window in pixels.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral", "dihedral+stain"] = Field(
        "flip+rotate", description="Random changes of the training windows."
    )
    optimiser: Literal["adam", "adamw"] = Field(
        "adam", description="Optimiser of the network; alpha always has Adam."
    )
    lr: float = Field(1e-4, gt=0, description="Learning rate of the network.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of the network.")
    clip: float = Field(
        0.0, ge=0, description="Largest norm of the network's gradient; 0 for no limit."
    )
    seg_loss: Literal[
        "dice+bce", "dice+iou", "dice+bce-twice", "cmunet", "jimenez", "nucleisegnet", "network"
    ] = Field(
        "dice+bce",
        description="Segmentation loss. Networks with more than one output map bring their own.",
    )
    dice_eps: float = Field(1e-7, gt=0, description="Added above and below in Dice and IoU.")
    dice_per_sample: bool = Field(
        False, description="A Dice for each sample instead of one for the whole batch."
    )
    pool: Literal["region_mean", "image_mean", "sum", "swapped"] = Field(
        "region_mean", description="How the pixels of a region become a vector."
    )
    reduce: Literal["vector", "vector_mean", "scalar", "batch"] = Field(
        "vector", description="How the channels of a vector become a distance."
    )
    form: Literal["unit", "sq", "l2", "appendix"] = Field(
        "unit", description="Form of the loss: normalised (unit), squared, plain, or the lemma's."
    )
    mask: Literal["area", "max", "nearest"] = Field(
        "area", description="How the truth is brought to the size of a layer."
    )
    eps: float = Field(1e-6, gt=0, description="Added within logarithms and to denominators.")
    exchange: Literal["none", "cross_pairs", "eq2", "algo1", "released"] = Field(
        "none", description="Term between samples, for pooled data sets."
    )
    novel: str = Field(
        "",
        description="Members of a pooled source that are new, joined by plus signs; exchange "
        "cross_pairs and eq2 tell them from the others.",
    )
    exchange_shift: int = Field(
        0, ge=0, description="Shift k of exchange algo1; 0 shuffles and draws it in each step."
    )
    alpha_mode: Literal["ascent", "descent", "descent_reg", "ramp", "fixed"] = Field(
        "ascent", description="How the weight alpha of each layer comes about."
    )
    alpha_max: float = Field(0.05, ge=0, description="Largest alpha.")
    alpha_lr: float = Field(
        1e-3, ge=0, description="Adam learning rate of alpha; 0 for that of the network."
    )
    alpha_threshold: float = Field(
        0.0, description="Loss of a layer above which ascent raises its alpha."
    )
    alpha_pull: float = Field(
        1.0, gt=0, description="Strength of the square of alpha in descent_reg."
    )
    alpha_free: bool = Field(
        False, description="No limits on a learned alpha, neither 0 nor alpha_max."
    )

    @property
    def novel_members(self) -> tuple[str, ...]:
        """The names in `novel`."""
        return tuple(name.strip() for name in self.novel.split("+") if name.strip())

    @model_validator(mode="after")
    def _lemma_has_its_own_distance(self) -> Self:
        if self.form == "appendix" and (self.pool, self.reduce) != ("sum", "scalar"):
            raise ValueError("form appendix needs pool sum and reduce scalar")
        return self

    @model_validator(mode="after")
    def _double_sigmoid_only_as_released(self) -> Self:
        if self.seg_loss == "dice+bce-twice" and self.pool != "swapped":
            raise ValueError(
                "seg_loss dice+bce-twice takes the sigmoid twice, a mistake of one released "
                "script; it goes only with --preset released"
            )
        return self

    @model_validator(mode="after")
    def _exchange_has_partners(self) -> Self:
        if self.exchange != "none" and self.batch < 2:
            raise ValueError(
                f"exchange {self.exchange} compares the samples of a batch; "
                f"batch {self.batch} leaves nothing to compare with, give at least 2"
            )
        if self.exchange == "eq2" and not self.novel_members:
            raise ValueError("exchange eq2 compares two data sets: name the new ones with novel")
        if self.exchange_shift >= self.batch and self.exchange == "algo1":
            raise ValueError(f"exchange_shift {self.exchange_shift} must be below batch")
        return self
