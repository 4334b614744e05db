"""`synth-he-ihc`: the images of `synth-he` with the same tissue in IHC, computed on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards import SYNTH_HE_IHC
from histokit.data.layout import check_variant
from histokit.data.synth.ihc import paint_ihc
from histokit.data.synth_he import DEFAULT, SynthHE
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record

APART = "-apart"
"""End of the variants whose two sections do not lie exactly on each other."""
_remembered = lru_cache(maxsize=16)(paint_ihc)


@final
class SynthHeIhc(Dataset):
    """Pairs of one domain; the same domain, key and side always give the same bytes.

    Args:
        domain: ``breast``, ``kidney`` or ``colon``.
        apart: whether the IHC is shifted and bent a little, as a neighbouring section is.
        n_patients: patients.
        images_per_patient: pairs of each.
        side: rows and columns of an image, at least 32.

    Raises what `SynthHE` raises.
    """

    def __init__(
        self,
        domain: str = DEFAULT,
        *,
        apart: bool = False,
        n_patients: int = 12,
        images_per_patient: int = 4,
        side: int = 256,
    ) -> None:
        self._he = SynthHE(
            domain, n_patients=n_patients, images_per_patient=images_per_patient, side=side
        )
        self._domain, self._apart, self._side = domain, apart, side

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The pairs named by `variant` (empty: breast); `root` is not looked at.

        Raises UnknownName for another variant.
        """
        del root
        variant = check_variant(SYNTH_HE_IHC, variant)
        return cls(variant.removesuffix(APART), apart=variant.endswith(APART))

    def records(self) -> Sequence[Record]:
        """All pairs, patient by patient, with the keys of `synth-he`."""
        return self._he.records()

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The H&E image, that of `synth-he`, uint8 [side side 3].

        Raises DataError for a record of another data set.
        """
        return self._he.image(record)

    def counterpart(self, record: Record) -> NDArray[np.uint8]:
        """The IHC image, uint8 [side side 3]. Raises DataError as `image`."""
        number = self._he.patient(record)
        made = _remembered(self._domain, number, record.key, self._side, apart=self._apart)
        return made.copy()

    def labels(self, record: Record) -> Labels:
        """The nuclei of the H&E image, without classes. Raises DataError as `image`."""
        return self._he.labels(record)

    def verify(self) -> Iterator[Finding]:
        """Nothing: what is computed cannot be damaged."""
        return iter(())
