"""What flows from the data into a training step: batches, and the kinds of feed that make them.

Shapes: B batch, C image channels (3 = RGB, 1 = grey), H and W pixels. All tensors of one batch
are on the same device.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    Images: TypeAlias = Tensor
    """float32 [B C H W] in 0..1; RGB when C = 3, grey when C = 1."""
    Ids: TypeAlias = Tensor
    """int32 [B H W]; 0 = background, 1..N one object each."""
    Classes: TypeAlias = Tensor
    """int64 [B H W]; 0 = background."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images with their truth: `images` float32 [B C H W] in 0..1, `ids` int32 [B H W], `classes`
    int64 [B H W] (all 0 where objects have no classes) or None, and one key an image.
    """

    images: Images
    ids: Ids
    classes: Classes | None
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """Images without truth. There is no field for labels, so a step cannot read any."""

    images: Images
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two image batches: the same places in two stains (`Feed.PAIRED`) or independent draws
    (`Feed.UNPAIRED`).
    """

    source: Unlabelled
    target: Unlabelled


@dataclass(frozen=True, slots=True)
class SourceTarget:
    """A labelled source batch and an unlabelled target batch of the same size, drawn
    independently.
    """

    source: Labelled
    target: Unlabelled


Batch: TypeAlias = Labelled | Unlabelled | Pair | SourceTarget


class Feed(Enum):
    """Which data a phase draws its batches from."""

    LABELLED = "labelled"
    """`Labelled` batches of the source (of the target for a method that declares
    `Access.TARGET_LABELS`)."""
    UNLABELLED = "unlabelled"
    """`Unlabelled` batches of the target."""
    PAIRED = "paired"
    """`Pair` batches: the same place in two stains."""
    UNPAIRED = "unpaired"
    """`Pair` batches: independent draws from source and target."""
    SOURCE_TARGET = "source_target"
    """`SourceTarget` batches."""
