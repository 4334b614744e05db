"""Data sets written as nnU-Net v2 wants them, and its predictions read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.interfaces.dataset import Labels
from histokit.io.files import read_json, write_json
from histokit.io.images import read_mask
from histokit.io.pictures import write_picture

JSON = "dataset.json"
KEYS = "histokit.json"
"""Beside `JSON`: the key of each case, which may hold what a file name may not."""
ENDING = ".png"
Normalisation: TypeAlias = Literal["rescale_to_0_1", "rgb_to_0_1", "zscore"]
"""Channel name by which nnU-Net chooses: by minimum and maximum of each image (as AxonDeepSynth
has it), by 255, or by mean and spread."""


@dataclass(frozen=True, slots=True)
class Case:
    """One image to write: `image` uint8 [H W 3] or [H W]; `kinds` uint8 [H W], the class of each
    pixel, or None; whether it belongs to the `test` part, of which no labels are written.
    """

    key: str
    image: NDArray[np.uint8]
    kinds: NDArray[np.uint8] | None
    test: bool = False


def kinds_of(labels: Labels, classes: int) -> NDArray[np.uint8]:
    """The class of each pixel, uint8 [H W], as `write_raw` wants it.

    With classes 1..K an object without one becomes K + 1, which nnU-Net ignores; with 0 classes
    every object becomes 1. Which pixels belong to one object is lost, as nnU-Net knows no objects.

    Raises DataError for a class above K, and for more than 254 classes.
    """
    largest = max(labels.classes.values(), default=0)
    if classes and (largest > classes or classes > 254):
        raise DataError(
            "the labels have a class beyond the table",
            expected=f"at most {min(classes, 254)} classes",
            found=f"{max(largest, classes)}",
        )
    table = np.ones(int(labels.ids.max(initial=0)) + 1, np.uint8)
    if classes:
        table[:] = classes + 1
        for number, kind in labels.classes.items():
            if kind and number < table.size:
                table[number] = kind
    table[0] = 0
    return table[labels.ids]


def write_raw(
    folder: Path,
    cases: Iterable[Case],
    *,
    class_names: Sequence[str] = (),
    normalisation: Normalisation = "rescale_to_0_1",
) -> int:
    """Writes a data set of nnU-Net v2: imagesTr, labelsTr, imagesTs and `dataset.json`.

    Args:
        folder: named as nnU-Net wants it, ``Dataset042_Name``; it holds no data set yet.
        cases: all grey or all RGB.
        class_names: of the classes 1..K; empty where objects are only told from background.
        normalisation: what nnU-Net does to the values of each channel.

    Gives the number of training images. Raises DataError where the folder is taken or a case does
    not fit; then the folder is left without `dataset.json`.
    """
    if (folder / JSON).exists():
        raise DataError(
            f"{folder} holds a data set already",
            expected="a folder without " + JSON,
            hint="choose another number or name",
        )
    names = tuple(class_names) or ("object",)
    keys: dict[str, str] = {}
    channels, training, ignored = 0, 0, False
    for number, case in enumerate(cases):
        name = f"case_{number:05d}"
        keys[name] = case.key
        channels = _require_same_channels(case, channels)
        part = "Ts" if case.test else "Tr"
        write_picture(folder / f"images{part}" / f"{name}_0000{ENDING}", case.image, "png")
        if not case.test:
            kinds = _require_kinds(case, len(names))
            write_picture(folder / "labelsTr" / f"{name}{ENDING}", kinds, "png")
            ignored = ignored or bool((kinds > len(names)).any())
            training += 1
    labels = {"background": 0, **{name: n for n, name in enumerate(names, start=1)}}
    if ignored:
        labels["ignore"] = len(names) + 1
    write_json(folder / KEYS, keys)
    header = {
        "channel_names": {str(channel): normalisation for channel in range(channels)},
        "labels": labels,
        "numTraining": training,
        "file_ending": ENDING,
    }
    write_json(folder / JSON, header)
    return training


def read_predictions(folder: Path, raw: Path) -> Iterator[tuple[str, NDArray[np.int32]]]:
    """The key and the class of each pixel, int32 [H W], of the test cases that nnU-Net predicted.

    Args:
        folder: what ``nnUNetv2_predict`` wrote.
        raw: the data set, as `write_raw` wrote it.

    Raises DataError for a missing file and for a value that stands for no class.
    """
    keys: Mapping[str, str] = read_json(raw / KEYS)
    labels: Mapping[str, Any] = read_json(raw / JSON)["labels"]
    highest = max(number for name, number in labels.items() if name != "ignore")
    for image in sorted((raw / "imagesTs").glob(f"*_0000{ENDING}")):
        name = image.stem.removesuffix("_0000")
        path = folder / f"{name}{ENDING}"
        if not path.is_file():
            raise DataError(
                f"there is no prediction for {keys[name]}",
                expected=str(path),
                hint="run nnUNetv2_predict on the whole of imagesTs",
            )
        kinds = read_mask(path)
        if int(kinds.max(initial=0)) > highest:
            raise DataError(
                f"{path} has a class beyond the table",
                expected=f"0 to {highest}, as in {raw / JSON}",
                found=str(kinds.max()),
            )
        yield keys[name], kinds


def _require_same_channels(case: Case, before: int) -> int:
    channels = case.image.shape[2] if case.image.ndim == 3 else 1
    if channels not in (1, 3) or before not in (0, channels):
        raise DataError(
            f"{case.key} has {channels} channels",
            expected=f"{before}, as the images before it" if before else "1 or 3",
            hint="write grey and RGB images as two data sets",
        )
    return channels


def _require_kinds(case: Case, classes: int) -> NDArray[np.uint8]:
    """The labels of a training case. Raises DataError."""
    if case.kinds is None or case.kinds.shape != case.image.shape[:2]:
        found = "none" if case.kinds is None else f"labels of {list(case.kinds.shape)}"
        raise DataError(
            f"{case.key} cannot be trained on",
            expected=f"a class for each of {list(case.image.shape[:2])} pixels",
            found=found,
        )
    if int(case.kinds.max(initial=0)) > classes + 1:
        raise DataError(
            f"{case.key} has a class beyond the table",
            expected=f"0 to {classes}, or {classes + 1} for pixels to ignore",
            found=str(case.kinds.max()),
        )
    return case.kinds
