"""The base of every method's settings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict


class MethodConfig(BaseModel):
    """Settings of a method: flat, frozen, each field with a default, a help text and bounds.

    One field is one option of `histokit train METHOD`, one key of a config file and one row of
    the report. Write fields as ``lr: float = Field(1e-4, gt=0, description="Learning rate.")``.
    The core reads five fields by name where a config has them: `batch` (images a step), `tile`
    (side of a training window in pixels), `augment` (see `histokit.data.augment.Augment`),
    `channels` (3 for RGB images, 1 for grey ones) and `oversample` (share of a batch of labelled
    images whose windows lie around an object); see `TrainingWindows`. A method that tells the
    members of a pooled data set apart has a field `novel`, the names of the new ones joined by
    plus signs, and names in `arms` the presets that `histokit train METHOD --base … --novel …
    --novel-batches …` trains beside each other. A field with
    ``json_schema_extra={"later": True}`` is read only after training: `predict`, `translate` and
    `eval` take other values for it with ``--set``.
    """

    arms: ClassVar[tuple[str, ...]] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


@dataclass(frozen=True, slots=True)
class TrainingWindows:
    """What the core reads of a method's settings: how its training windows are made."""

    batch: int = 4
    tile: int = 256
    augment: str = "none"
    channels: int = 3
    oversample: float = 0.0

    @classmethod
    def of(cls, config: BaseModel) -> Self:
        """Those of the five that `config` has; defaults for the rest."""
        known = {field.name for field in fields(cls)} & set(type(config).model_fields)
        return cls(**{name: getattr(config, name) for name in known})
