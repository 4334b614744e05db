"""The settings that every training run shares, whatever the method."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class RunConfig(BaseModel):
    """What is trained on what, where and how often; one field is one option of `train`."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    source: str = Field(
        "",
        description="Labelled data set, as name[@variant][:path]; a+b pools several.",
        json_schema_extra={"alias": "labelled"},
    )
    take: str = Field(
        "",
        description="Only so many images of a member of a pooled source, chosen by seed, as "
        "member=number; several parted by commas.",
    )
    balanced: bool = Field(
        False, description="Batches hold equal shares of the members of a pooled source."
    )
    target: str = Field(
        "",
        description="Data set to adapt to, as name[@variant][:path].",
        json_schema_extra={"alias": "unlabelled"},
    )
    pairs: str = Field(
        "", description="Data set of image pairs to train on, as name[@variant][:path]."
    )
    data_root: Path | None = Field(
        None, description="Folder that holds data sets; HISTOKIT_DATA if not given."
    )
    runs: Path = Field(Path("runs"), description="Folder in which run folders are made.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to train.")
    precision: Literal["auto", "32", "bf16"] = Field(
        "auto", description="Number format; auto is bf16 on a GPU that has it, else 32."
    )
    devices: int = Field(1, ge=1, description="Processes on this machine, one a device.")
    nodes: int = Field(1, ge=1, description="Machines.")
    strategy: Literal["auto", "ddp", "fsdp"] = Field(
        "auto",
        description="How several processes train together: ddp, each with all weights; fsdp, each "
        "with a part of them (for methods with one optimiser, such as source-only); auto is ddp.",
    )
    sync_batchnorm: bool = Field(
        False, description="Batch normalisation by the statistics of all processes."
    )
    threads: int = Field(0, ge=0, description="CPU threads for torch; 0 takes all cores.")
    workers: int = Field(
        -1, ge=-1, description="Processes that load data; -1 is 0 on the CPU, 4 on a GPU."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of weights, draws and augmentation.")
    deterministic: bool = Field(False, description="Ask for repeatable kernels; slower on a GPU.")
    repeats: int = Field(1, ge=1, description="Train this many times, with seeds counting up.")
    split: tuple[float, float, float] = Field(
        (0.8, 0.1, 0.1), description="Shares of training, validation and test, by group."
    )
    split_seed: int = Field(0, ge=0, description="Seed of the split.")
    types: bool = Field(
        False, description="Also learn the classes of the labelled objects, where it has any."
    )
    encoder: str = Field(
        "", description="timm network as the encoder, where the network takes one (hovernet)."
    )
    encoder_weights: str = Field(
        "", description="Pretrained weights of the encoder: a file, or hub to download them."
    )
    folds: int = Field(
        0, ge=0, description="Rounds of cross-validation, by group; 0 for one split."
    )
    fold: int | None = Field(None, ge=0, description="Run this round alone, from 0.")
    selection: Literal["source-val", "last", "target-val-oracle"] = Field(
        "source-val",
        description="Which weights to keep: best Dice on source validation, the last, or (reads "
        "target labels, an upper bound) best on target validation.",
    )
    val_every: int = Field(200, ge=1, description="Steps between validations.")
    checkpoint_every: int = Field(200, ge=1, description="Steps between saved states.")
    checkpoint_minutes: float = Field(
        10.0, gt=0, description="Minutes after which the state is saved before that."
    )
    log_every: int = Field(10, ge=1, description="Steps between logged losses.")
    mpp: float | None = Field(
        None,
        gt=0,
        description="Micrometres a pixel that images are brought to; that of the labelled data "
        "if not given.",
    )
    target_scale: float = Field(
        1.0,
        ge=0,
        description="Factor on target images beside their pixel size, where their structures are "
        "larger or smaller than the source's; 0 estimates it.",
    )
    channels_last: bool = Field(
        False, description="Keep the channels of a pixel together in memory; for recent GPUs."
    )
    compile: bool = Field(
        False, description="Compile the networks: the first steps take minutes, later ones less."
    )
    tensorboard: bool = Field(False, description="Also write TensorBoard events (an extra).")

    @model_validator(mode="after")
    def _rounds(self) -> Self:
        if self.folds == 1 or (self.fold is not None and self.fold >= self.folds):
            raise ValueError("folds is 0 or at least 2, and fold is below it")
        return self

    @property
    def taken(self) -> dict[str, int]:
        """What `take` says: images to take of a member, by its name."""
        parts = [part.rpartition("=") for part in self.take.split(",") if part.strip()]
        return {name.strip(): int(number) for name, _, number in parts}

    @field_validator("take")
    @classmethod
    def _counts(cls, take: str) -> str:
        for part in filter(str.strip, take.split(",")):
            name, _, number = part.rpartition("=")
            if not name.strip() or not number.strip().isdecimal() or int(number) == 0:
                raise ValueError(f"{part.strip()!r} is not member=number with a number above 0")
        return take

    @field_validator("split", mode="before")
    @classmethod
    def _words(cls, split: object) -> object:
        return split.split(",") if isinstance(split, str) else split

    @field_validator("split")
    @classmethod
    def _shares(cls, split: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(split) < 0 or abs(sum(split) - 1) > 1e-6 or split[0] == 0:
            raise ValueError("three shares from 0 to 1 that add up to 1, the first above 0")
        return split
