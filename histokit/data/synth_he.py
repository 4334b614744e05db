"""`synth-he`: H&E-like images with nuclei, computed on demand, in three organs and scanners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.synth.domains import DOMAINS, MPP
from histokit.data.synth.scene import Scene, paint
from histokit.errors import ConfigError, DataError, UnknownName
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record

DEFAULT = "breast"
_SMALLEST_SIDE = 32
_remembered = lru_cache(maxsize=16)(paint)


@final
class SynthHE(Dataset):
    """Images of one domain; the same domain, key and side always give the same bytes.

    Args:
        domain: ``breast``, ``kidney`` or ``colon``.
        n_patients: patients; the images of one share its stain strength and nuclear size.
        images_per_patient: images of each.
        side: rows and columns of an image, at least 32.

    Raises UnknownName for another domain, ConfigError for numbers that give no image.
    """

    def __init__(
        self,
        domain: str = DEFAULT,
        *,
        n_patients: int = 12,
        images_per_patient: int = 4,
        side: int = 256,
    ) -> None:
        if domain not in DOMAINS:
            raise UnknownName("variant of synth-he", domain, DOMAINS)
        _check_numbers(n_patients, images_per_patient, side)
        self._domain = domain
        self._side = side
        self._patients: dict[str, int] = {}
        self._records = []
        for number in range(n_patients):
            for index in range(images_per_patient):
                key = f"{domain}/p{number:02d}_{index}"
                self._patients[key] = number
                self._records.append(Record(key=key, group=f"p{number:02d}", mpp=MPP))

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The domain named by `variant` (empty: breast); `root` is not looked at."""
        return cls(variant or DEFAULT)

    def records(self) -> Sequence[Record]:
        """All images, patient by patient; keys like ``breast/p03_2``."""
        return tuple(self._records)

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [side side 3]. Raises DataError for a record of another data set."""
        return self._scene(record).image.copy()

    def labels(self, record: Record) -> Labels:
        """The nuclei, without classes. Raises DataError for a record of another data set."""
        return Labels(self._scene(record).ids.copy())

    def verify(self) -> Iterator[Finding]:
        """Nothing: what is computed cannot be damaged."""
        return iter(())

    def patient(self, record: Record) -> int:
        """The number of the patient of an image. Raises DataError for a record of another set."""
        if record.key not in self._patients:
            raise DataError(
                f"synth-he@{self._domain} has no image {record.key!r}",
                expected=f"one of its {len(self._records)} keys, such as {self._records[0].key}",
                hint="take the records from the data set that you read them with",
            )
        return self._patients[record.key]

    def _scene(self, record: Record) -> Scene:
        return _remembered(self._domain, self.patient(record), record.key, self._side)


def _check_numbers(n_patients: int, images_per_patient: int, side: int) -> None:
    least = {"n_patients": 1, "images_per_patient": 1, "side": _SMALLEST_SIDE}
    given = {"n_patients": n_patients, "images_per_patient": images_per_patient, "side": side}
    wrong = [
        f"{name} = {value}: must be at least {least[name]}"
        for name, value in given.items()
        if value < least[name]
    ]
    if wrong:
        raise ConfigError(wrong, hint="the default is 12 patients of 4 images of 256 pixels")
