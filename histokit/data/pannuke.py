"""Reader of PanNuke: three folds of large arrays, of which only the asked patch is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.arrays import exact_bytes, exact_ids, open_array, read_words
from histokit.data.cards_classes import EXPECTED, PANNUKE
from histokit.data.checks import label_paths, orphan_findings, shared_findings
from histokit.data.layout import check_variant
from histokit.data.masks import levels, renumbered
from histokit.data.pannuke_folds import CHANNELS, Fold, Folds, find_folds
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record

TEST_FOLD: Mapping[str, int] = MappingProxyType({"split1": 3, "split2": 3, "split3": 1})


@final
@dataclass(frozen=True)
class PanNuke(Dataset):
    """PanNuke, opened. Each of the channels 0..4 numbers its own nuclei; where two channels cover
    a pixel the later one keeps it, as in most published code.

    A record is ``train`` in both folds that the paper trains and validates on, and its group is
    its fold, so a run trains on one of them and validates on the other; the split seed says
    which. Patients are not known. Copies in PNG or HDF5 files are not read.
    """

    folds: Folds
    found: tuple[Record, ...]
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The folds under `root`; `variant` says which one tests. Raises DataError."""
        variant = check_variant(PANNUKE, variant)
        folds = find_folds(root)
        found = [
            record
            for number, fold in folds.found.items()
            for record in _records(fold, "test" if number == TEST_FOLD[variant] else "train")
        ]
        opened = cls(folds, tuple(found), variant)
        try:
            tissues = opened.tissues()
        except DataError:  # images and nuclei are of use without; `verify` says what is wrong
            tissues = {}
        return replace(
            opened, found=tuple(replace(r, tissue=tissues.get(r.key, "")) for r in found)
        )

    def records(self) -> Sequence[Record]:
        """All patches, by fold and row; keys are ``fold1_0`` and so on."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The patch, uint8 [H W 3]. Raises DataError with the path."""
        fold, row = self._place(record)
        patch = open_array(fold.images, fold.count, None, None, 3)[row]
        return exact_bytes(f"{fold.images}[{row}]", patch)

    def labels(self, record: Record) -> Labels:
        """The nuclei of a patch and their classes. Raises DataError with the path."""
        fold, row = self._place(record)
        path = fold.masks or label_paths(record)[0]
        stack = open_array(path, fold.count, None, None, CHANNELS)[row]
        return merge_channels(f"{path}[{row}]", np.array(stack))

    def tissues(self) -> Mapping[str, str]:
        """The tissue of each patch by key, as spelt in the files; patches of folds without
        ``types.npy`` are not there. Raises DataError with the path.
        """
        tissues: dict[str, str] = {}
        for number, fold in self.folds.found.items():
            words = [] if fold.types is None else read_words(fold.types)
            if fold.types is not None and len(words) != fold.count:
                raise DataError(
                    f"{fold.types} is not of the same fold as {fold.images}",
                    expected=f"{fold.count} tissues",
                    found=f"{len(words)}",
                    hint="get the archive of this fold again",
                )
            tissues.update({f"fold{number}_{row}": word for row, word in enumerate(words)})
        return tissues

    def verify(self) -> Iterator[Finding]:
        """Names of folds, tissues, pixels of two classes, and the shared checks."""
        yield from orphan_findings(self.folds.orphans)
        for fold in self.folds.found.values():
            yield from _fold_findings(fold)
            yield from _overlap_findings(fold)
        try:
            self.tissues()
        except DataError as error:
            yield Finding("warning", "types.npy", str(error))
        named = replace(self, found=tuple(self._with_row(record) for record in self.found))
        yield from shared_findings(named, EXPECTED[f"pannuke@{self.variant}"])

    def _place(self, record: Record) -> tuple[Fold, int]:
        fold, _, row = record.key.removeprefix("fold").partition("_")
        return self.folds.found[int(fold)], int(row)

    def _with_row(self, record: Record) -> Record:
        """The record with the row in its file names, for findings."""
        fold, row = self._place(record)
        labels = tuple(Path(f"{path}[{row}]") for path in record.labels)
        return replace(record, image=Path(f"{fold.images}[{row}]"), labels=labels)


def merge_channels(where: str, stack: NDArray[Any]) -> Labels:
    """The nuclei of all class channels as one numbering.

    Args:
        where: what to name in errors.
        stack: [H W 6], ids by class; the last channel, the background, is not read.

    Raises DataError, naming `where`, for values that are no ids.
    """
    ids = np.zeros(stack.shape[:2], np.int32)
    kinds = [0]
    for channel in range(stack.shape[2] - 1):
        own = renumbered(exact_ids(where, stack[..., channel]))
        ids = np.where(own > 0, own + np.int32(len(kinds) - 1), ids)
        kinds += [channel + 1] * int(own.max(initial=0))
    kept = levels(ids)[1:] if (ids == 0).any() else levels(ids)
    classes = {number: kinds[old] for number, old in enumerate(kept.tolist(), start=1)}
    return Labels(renumbered(ids), classes)


def _records(fold: Fold, split: str) -> Iterator[Record]:
    name = f"fold{fold.number}"
    labels = () if fold.masks is None else (fold.masks,)
    for row in range(fold.count):
        yield Record(f"{name}_{row}", name, fold.images, labels, split, PANNUKE.mpp)


def _fold_findings(fold: Fold) -> Iterator[Finding]:
    if fold.named not in (None, fold.number):
        text = f"is called fold {fold.named} but has the patches of fold {fold.number}"
        yield Finding("warning", str(fold.images), text)
    if fold.types is None:
        yield Finding("note", str(fold.images), "has no types.npy; its tissues are not known")


def _overlap_findings(fold: Fold) -> Iterator[Finding]:
    """How many patches have pixels in two classes."""
    if fold.masks is None:
        return
    masks = open_array(fold.masks, fold.count, None, None, CHANNELS)
    rows = sum(
        bool((np.count_nonzero(masks[row, ..., :-1], axis=-1) > 1).any())
        for row in range(fold.count)
    )
    if rows:
        text = f"{rows} patches have pixels in two classes; the later class keeps them"
        yield Finding("note", str(fold.masks), text)
