"""What a data set reader does: list its records, read their images and labels, check itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from histokit.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Record:
    """One image of a data set, not yet read.

    Attributes:
        key: unique within the data set.
        group: what must not be split between training and test: patient, slide, or the image.
        image: the image file; None where the image is made.
        labels: the label files; empty where there are none.
        split: the official part (``train``, ``val`` or ``test``) or None.
        mpp: micrometres a pixel, or None where it is unknown.
        tissue: kind of tissue, as the data set spells it; empty where it does not say.
    """

    key: str
    group: str
    image: Path | None = None
    labels: tuple[Path, ...] = ()
    split: str | None = None
    mpp: float | None = None
    tissue: str = ""


@dataclass(frozen=True, slots=True)
class Labels:
    """The truth of one image: `ids` int32 [H W] (0 = background, 1..N without gaps) and the class
    of each object by its id (empty where there are no classes).
    """

    ids: NDArray[np.int32]
    classes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something `verify` noticed: how bad, which file, what and what to do about it."""

    level: Literal["error", "warning", "note"]
    where: str
    message: str


class Dataset(ABC):
    """A data set on disk (or made on the fly), opened."""

    @classmethod
    @abstractmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`.

        Args:
            root: the folder the user named, or a folder above or below it that holds the tree.
            variant: what stood after ``@``; empty for the default.

        Raises DataError, naming the expected tree, when it is not there.
        """

    @abstractmethod
    def records(self) -> Sequence[Record]:
        """All images, in natural order of their keys."""

    @abstractmethod
    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3] RGB. Raises DataError with the path."""

    @abstractmethod
    def labels(self, record: Record) -> Labels:
        """The truth of an image. Raises DataError with the path."""

    def counterpart(self, record: Record) -> NDArray[np.uint8]:
        """The same place in the other stain, uint8 [H W 3], of a data set of pairs.

        Raises DataError with the path, and where a data set has no pairs.
        """
        raise DataError(
            f"{record.key} has no counterpart in another stain",
            expected="a data set of image pairs",
            found=f"single images, such as {record.image or record.key}",
            hint="see `histokit data list` for data sets whose task is pairs",
        )

    @abstractmethod
    def verify(self) -> Iterator[Finding]:
        """Everything that is odd or wrong, file by file; yields nothing on a sound data set."""
