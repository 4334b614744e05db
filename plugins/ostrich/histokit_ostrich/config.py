"""The settings of Ostrich."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from histokit.config.base import MethodConfig


class OstrichConfig(MethodConfig):
    """Settings of Ostrich. No code of the paper is public: all defaults are this plugin's own."""

    direction: Literal["he2mask", "mask2he"] = Field(
        "he2mask",
        description="What a trained run translates: images to masks, or masks to images. "
        "Training learns both; the second adds a critic of images.",
    )
    mode: Literal["paired", "unpaired", "semi"] = Field(
        "paired",
        description="Whether each image meets its own labels, only those of other images, or the "
        "labelled share its own and the rest those of others.",
    )
    labelled_share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="Share of the images that lend their labels, for mode unpaired and semi.",
    )
    maps: Literal["binary", "sdt"] = Field(
        "binary", description="What a map shows: nuclei or not, or the distance to their edges."
    )
    embedding: int = Field(
        2, ge=0, description="Channels of the embedding; with 2 all that an image holds fits."
    )
    lift: Literal["stain", "rgb"] = Field(
        "stain", description="What the generator sees: amounts of stain, or colours."
    )
    tiles: tuple[Annotated[int, Field(ge=0, multiple_of=2)], ...] = Field(
        (4, 2),
        min_length=1,
        max_length=4,
        description="Tile of each squeeze: 2 the ordinary one, 0 the whole image (quadrants).",
    )
    order: Literal["phase", "channel"] = Field(
        "phase", description="What runs slower in the channels of a squeeze."
    )
    depth: int = Field(4, ge=1, description="Steps of the flow between two squeezes.")
    width: int = Field(64, ge=1, description="Channels of the subnets in the couplings.")
    coupling: Literal["affine", "additive"] = Field(
        "affine", description="How channels change each other; additive inverts more exactly."
    )
    clamp: float = Field(1.0, gt=0, description="Largest logarithm of an affine coupling's scale.")
    mix: Literal["orthogonal", "lu", "permutation"] = Field(
        "orthogonal", description="How channels are mixed between couplings."
    )
    lattice: bool = Field(
        False, description="Bit-exact inverse; needs additive couplings and mix permutation."
    )
    memory: Literal["stored", "reversible"] = Field(
        "stored",
        description="Keep activations, or find them again by running the layers backwards: "
        "memory does not grow with depth, half the speed.",
    )
    prior: Literal["donor", "normal", "tgmm"] = Field(
        "donor",
        description="Embedding of drawn images: of a training window that is kept with the "
        "weights, or random numbers.",
    )
    sample: int = Field(
        0,
        ge=0,
        description="Which of the kept windows lends it, or the seed of the numbers.",
        json_schema_extra={"later": True},
    )
    judge: str = Field(
        "",
        description="A trained segmenter that looks for ghosts in drawn images while training: "
        "method, method:preset or run folder; none to compare haematoxylin.",
    )
    steps: int = Field(40_000, ge=1, description="Training steps.")
    warmup: int = Field(500, ge=0, description="Steps in which the learning rate rises, if paired.")
    batch: int = Field(8, ge=1, description="Images a step.")
    tile: int = Field(256, ge=16, description="Side of a training window in pixels.")
    augment: Literal["none", "flip", "rotate", "flip+rotate", "dihedral", "dihedral+stain"] = Field(
        "dihedral", description="Random changes of the training windows."
    )
    lr: float | None = Field(
        None, gt=0, description="First Adam learning rate; none for 5e-4 paired and 4e-4 else."
    )
    lr_critic: float = Field(5e-4, gt=0, description="Adam learning rate of the critics.")
    critic_steps: int = Field(2, ge=1, description="Steps of the critics a step.")
    critic_width: int = Field(64, ge=1, description="Channels of the critics' first layer.")
    critic_layers: int = Field(4, ge=1, le=6, description="Halvings of the critics.")
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="Share of the old average that the averaged weights keep."
    )
    supervised_weight: float = Field(1.0, ge=0, description="Weight of map against own labels.")
    swap_weight: float = Field(
        1.0, ge=0, description="Weight of the image that the true map gives back."
    )
    patch_weight: float = Field(5.0, ge=0, description="Weight of the transport of patches.")
    critic_weight: float = Field(0.3, ge=0, description="Weight of the critic of maps.")
    cost_weight: float = Field(
        1.0, ge=0, description="First weight of the transport cost; it fades to a fifth."
    )
    range_weight: float = Field(0.1, ge=0, description="Weight of map values beyond 2.")
    embedding_weight: float | None = Field(
        None, ge=0, description="Weight of the embedding's law; none for 0.5 paired and 2 else."
    )
    embedding_cost: Literal["gaussian", "pot", "sinkhorn"] = Field(
        "gaussian", description="How its law is compared; pot is the same by POT, sinkhorn slow."
    )
    image_weight: float | None = Field(
        None,
        ge=0,
        description="Weight of the critic of images; none for 0.02 with mask2he and 0 else.",
    )

    @property
    def drawn_weight(self) -> float:
        """The weight of the critic of images."""
        if self.image_weight is not None:
            return self.image_weight
        return 0.02 if self.direction == "mask2he" else 0.0

    @model_validator(mode="after")
    def _something_to_carry(self) -> Self:
        if self.embedding == 0:
            raise ValueError(
                "embedding 0 leaves nothing to carry what a map does not say; take 1 or more"
            )
        if self.embedding < 2 and self.direction == "mask2he":
            raise ValueError("embedding 1 drops colours, and mask2he cannot draw them; take 2")
        return self

    @model_validator(mode="after")
    def _lattice_is_exact(self) -> Self:
        if self.lattice and (self.coupling, self.mix) != ("additive", "permutation"):
            raise ValueError("lattice needs coupling additive and mix permutation")
        return self

    @model_validator(mode="after")
    def _images_meet_others(self) -> Self:
        if self.batch < 2 and (self.mode != "paired" or self.drawn_weight):
            raise ValueError("batch must be 2 or more where images meet maps of other images")
        return self

    @model_validator(mode="after")
    def _tile_of_the_critics(self) -> Self:
        least = 2**self.critic_layers
        if self.tile < least:
            raise ValueError(f"tile must be at least {least} for {self.critic_layers} halvings")
        return self
