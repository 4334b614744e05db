"""What the classes of a data set are called: by its files, or else by its card."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from histokit.interfaces.dataset import Dataset
from histokit.interfaces.spec import DatasetSpec


@runtime_checkable
class NamesClasses(Protocol):
    """A data set whose files name the classes of its objects."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes 1, 2, …; empty where objects have none."""
        ...


def class_names(spec: DatasetSpec, variant: str, data: Dataset) -> tuple[str, ...]:
    """Names of the classes 1, 2, … of an opened data set."""
    return data.class_names if isinstance(data, NamesClasses) else spec.class_names(variant)
