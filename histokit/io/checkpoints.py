"""Saved states of a run and weights for others; neither can carry code, nor a byte that changed."""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from histokit.errors import DataError
from histokit.io.files import atomic

CARD = "histokit"
"""Key of the JSON card in a weights file's metadata."""
CHECK = "crc32"
"""Key, in that card, of the checksum of the weights and of all else that the card says."""
FORMAT = 1
"""Version of both file formats."""
FOLDER = 0x10
"""Attribute of a folder in a zip archive; of a record that has it torch reads nothing, and gives
whatever was in memory.
"""


def save_state(path: Path, state: Mapping[str, Any], *, previous: Path | None = None) -> None:
    """Writes a nested mapping of tensors and plain numbers, whole or not at all.

    What `path` held before is kept as `previous`, if that is given. At every moment one of the two
    is whole.

    Raises DataError when a tensor holds NaN or infinity: such a state is no use to anybody.
    """
    bad = _non_finite(state, "")
    if bad:
        raise DataError(f"refused to save {path}", found=f"non-finite numbers in {bad}")
    with atomic(path) as temporary:
        with _told_by_system(), temporary.open("wb") as handle:
            torch.save({"format": FORMAT, **state}, handle)
            os.fsync(handle.fileno())
            _forget(handle)
        if previous is not None and path.exists():
            path.replace(previous)


def _forget(handle: BinaryIO) -> None:
    """Gives back the memory in which the system keeps a file that is on the disk. A state is read
    after a stop only, and other files are written in less time where that memory is free.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # not every file system takes advice
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def load_newest(path: Path, previous: Path) -> tuple[dict[str, Any], str]:
    """What `save_state` left at `path` or, where that is damaged or missing, at `previous`; and a
    line that says so, empty where nothing is amiss.

    Raises the DataError of `path` where neither can be read.
    """
    try:
        return load_state(path), ""
    except DataError as error:
        if not previous.exists():
            raise
        try:
            state = load_state(previous)
        except DataError:
            raise error from None
        why = error.found or "missing"
        return state, f"{path} cannot be used ({why}); going on from {previous}, saved before it"


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote, on the CPU. Nothing in the file is ever executed.

    Raises DataError, naming `path`, when it is missing, damaged, or of a newer format. A byte that
    changed is damage: torch notes the CRC-32 of each record, though it does not look at it again.
    """
    try:
        _require_unchanged(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"there is no saved state at {path}") from error
    except Exception as error:  # torch raises a wide family on damaged or hostile files
        raise DataError(
            f"{path} cannot be read as a saved state",
            expected="a file written by `histokit train`, with tensors and numbers only",
            found=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise DataError(
            f"{path} is not a saved state of this version",
            expected=f"format {FORMAT}",
            found=f"format {state.get('format') if isinstance(state, dict) else 'unknown'}",
        )
    return state


def _require_unchanged(path: Path) -> None:
    """Raises BadZipFile where a record of a state is not what was written."""
    with zipfile.ZipFile(path) as archive:
        folders = (info.filename for info in archive.infolist() if info.external_attr & FOLDER)
        changed = archive.testzip() or next(folders, None)
    if changed is not None:
        raise zipfile.BadZipFile(f"the record {changed} is not as it was written")


def save_weights(path: Path, weights: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Writes weights as safetensors with a JSON card, and a checksum in it, in its metadata."""
    bad = _non_finite(weights, "")
    if bad:
        raise DataError(f"refused to save {path}", found=f"non-finite weights in {bad}")
    tensors, told = dict(_apart(weights)), {"format": FORMAT, **card}
    text = json.dumps({**told, CHECK: _checksum(tensors, told)})
    with atomic(path) as temporary, _told_by_system():
        save_file(tensors, temporary, {CARD: text})


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights and the card of a file.

    Raises DataError, naming `path`, when it is not one, or no longer what was written; a file
    without a checksum, of an older histokit, is taken as it is.
    """
    with _weights_file(path) as handle:
        weights = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 - not a dict
        card, noted = _card(path, handle)
    if noted is not None and noted != _checksum(weights, card):
        raise DataError(
            f"{path} is damaged",
            expected=f"weights and a card of CRC-32 {noted}, as they were written",
            found=f"CRC-32 {_checksum(weights, card)}",
            hint="copy it again from where it came, or train again",
        )
    return weights, card


def _checksum(weights: Mapping[str, Tensor], card: Mapping[str, Any]) -> str:
    """CRC-32 of a card and of weights in the order of their names, as eight hexadecimal digits."""
    found = zlib.crc32(json.dumps(card).encode())
    for name in sorted(weights):
        tensor = weights[name]
        found = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, found)
    return f"{found:08x}"


def read_card(path: Path) -> dict[str, Any]:
    """The card alone, as it stands there. Raises DataError, naming `path`, when it is no weights
    file.
    """
    with _weights_file(path) as handle:
        return _card(path, handle)[0]


@contextmanager
def _weights_file(path: Path) -> Iterator[Any]:
    """An open weights file. Raises DataError where it, or what is read of it, is damaged."""
    try:
        with safe_open(path, framework="pt", device="cpu") as handle:
            yield handle
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} cannot be read as weights",
            expected="a .safetensors file written by histokit, with its card",
            found=f"{type(error).__name__}: {error}",
        ) from error


def _card(path: Path, handle: Any) -> tuple[dict[str, Any], Any]:
    """The card, and the checksum that it notes; None in older files."""
    card = json.loads((handle.metadata() or {})[CARD])
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise DataError(
            f"{path} does not hold weights of this version",
            expected=f"format {FORMAT}",
            found=f"format {card.get('format') if isinstance(card, dict) else 'unknown'}",
        )
    return card, card.pop(CHECK, None)


@contextmanager
def _told_by_system() -> Iterator[None]:
    """Raises, in place of what torch and safetensors make of it, the OSError of a full disk."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(str(error)) from error
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def _apart(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The weights on the CPU; copies of those that lie in the memory of others, which safetensors
    refuses, or not in one piece.
    """
    taken: set[int] = set()
    for name, weight in weights.items():
        tensor = weight.detach().cpu()
        memory = tensor.untyped_storage()
        alone = memory.nbytes() == tensor.nbytes and memory.data_ptr() not in taken
        taken.add(memory.data_ptr())
        yield (
            name,
            tensor
            if alone and tensor.is_contiguous()
            else tensor.clone(memory_format=torch.contiguous_format),
        )


def _finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite. NaN and infinity never leave a sum again, so that a finite
    one, which takes an eighth of the time, says yes; a sum may overflow by itself.
    """
    return bool(torch.isfinite(tensor.sum()) or torch.isfinite(tensor).all())


def _non_finite(value: Any, where: str) -> str:
    """The place of the first NaN or infinite number; empty where all are finite."""
    if isinstance(value, Tensor):
        sound = not value.is_floating_point() or _finite(value)
        return "" if sound else where or "a tensor"
    if isinstance(value, float):
        return "" if math.isfinite(value) else where
    if isinstance(value, Mapping):
        items = ((f"{where}.{key}" if where else str(key), item) for key, item in value.items())
        return next((bad for place, item in items if (bad := _non_finite(item, place))), "")
    if isinstance(value, list | tuple):
        numbered = ((f"{where}[{i}]", item) for i, item in enumerate(value))
        return next((bad for place, item in numbered if (bad := _non_finite(item, place))), "")
    return ""
