"""The base of every method's settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class MethodConfig(BaseModel):
    """Settings of a method: flat, frozen, each field with a default, a help text and bounds.

    One field is one option of `histokit train METHOD`, one key of a config file and one row of
    the report. Write fields as ``lr: float = Field(1e-4, gt=0, description="Learning rate.")``.
    The core reads three fields by name where a config has them: `batch` (images a step), `tile`
    (side of a training window in pixels) and `augment` (see `histokit.data.augment.Augment`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
