"""Parts of a long piece of work, each in a file of its own, to go on from after a stop."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.io.files import PART, atomic, read_json, remove, write_json

Arrays = Mapping[str, NDArray[Any]]
ABOUT, SUFFIX = "about.json", ".chunk"
MAGIC = b"histokit chunk 1"
_HEAD = struct.Struct("<16sQ32s")
"""`MAGIC`, the bytes of the body, and their SHA-256."""
LEVEL = 1
"""Of Zstandard: more makes label maps and pictures no smaller, only slower."""
NUMBERS = "biuf"
"""Kinds of arrays: truth values and numbers."""


@final
class Chunks:
    """Arrays by number and name, in files of a folder of their own, and what they belong to.

    A file that is there is whole, and its checksum shows when it was changed later. Its body is a
    line of JSON, which says name, type, shape and packed bytes of each array, and the arrays,
    packed by Zstandard; pictures, uint8 [h w c], as differences along their rows.

    Args:
        folder: made by `begin`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def about(self) -> Any:
        """What was said by `begin`; None where nobody did, or it cannot be read."""
        if not (self.folder / ABOUT).exists():
            return None
        try:
            return read_json(self.folder / ABOUT)
        except DataError:
            return None

    def begin(self, about: Any) -> None:
        """Empties the folder and says what its chunks belong to, as JSON has it."""
        self.remove()
        write_json(self.folder / ABOUT, about)

    def remove(self) -> None:
        """Removes the folder and all in it. Raises DataError where that cannot be."""
        try:
            remove(self.folder)
        except OSError as error:
            raise DataError(
                f"cannot remove {self.folder}",
                found=error.strerror or str(error),
                hint="remove it by hand; it holds what an earlier command left",
            ) from error

    def sound(self) -> tuple[set[int], list[int]]:
        """The numbers of the chunks that are whole, and of those that were damaged; these, and
        what a killed process left half-written, are removed.
        """
        for left_over in self.folder.glob(f".*{PART}"):
            left_over.unlink(missing_ok=True)
        whole, damaged = set(), []
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                _body(path)
                whole.add(int(path.stem))
            except (DataError, ValueError):
                path.unlink(missing_ok=True)
                damaged += [int(path.stem)] if path.stem.isdecimal() else []
        return whole, damaged

    def write(self, number: int, arrays: Arrays) -> None:
        """Writes a chunk, whole or not at all. Raises DataError, naming its file."""
        packed = [_packed(np.ascontiguousarray(values)) for values in arrays.values()]
        told = [
            (name, values.dtype.str, values.shape, len(data))
            for (name, values), data in zip(arrays.items(), packed, strict=True)
        ]
        body = b"".join((json.dumps(told).encode(), b"\n", *packed))
        with atomic(self._path(number)) as temporary, temporary.open("wb") as handle:
            handle.write(_HEAD.pack(MAGIC, len(body), hashlib.sha256(body).digest()))
            handle.write(body)

    def read(self, number: int) -> dict[str, NDArray[Any]]:
        """The arrays of a chunk. Raises DataError, naming its file, where it is damaged."""
        path = self._path(number)
        head, _, data = _body(path).partition(b"\n")
        arrays, start = {}, 0
        for name, kind, shape, size in json.loads(head):
            if np.dtype(kind).kind not in NUMBERS:
                raise _damaged(path, f"an array of {kind}")
            arrays[name] = _unpacked(data[start : start + size], np.dtype(kind), tuple(shape))
            start += size
        return arrays

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}{SUFFIX}"


def _body(path: Path) -> bytes:
    """What is behind the head of a chunk's file. Raises DataError where it is not what was
    written.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    if len(data) < _HEAD.size:
        raise _damaged(path, f"{len(data)} bytes")
    magic, size, digest = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if magic != MAGIC:
        raise _damaged(path, "another kind of file")
    if len(body) != size:
        raise _damaged(path, f"{len(body)} of {size} bytes")
    if hashlib.sha256(body).digest() != digest:
        raise _damaged(path, "other bytes than were written")
    return body


def _packed(values: NDArray[Any]) -> bytes:
    if _is_picture(values.dtype, values.shape):
        values = imagecodecs.delta_encode(values, axis=1)
    return bytes(imagecodecs.zstd_encode(values.tobytes(), level=LEVEL))


def _unpacked(data: bytes, kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    flat = np.frombuffer(imagecodecs.zstd_decode(data), kind)
    values = flat.reshape(shape)
    return np.asarray(
        imagecodecs.delta_decode(values, axis=1) if _is_picture(kind, shape) else values
    )


def _is_picture(kind: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    return kind == np.uint8 and len(shape) == 3 and 0 not in shape


def _damaged(path: Path, found: str) -> DataError:
    return DataError(
        f"cannot use {path}",
        expected="a part of an earlier command's work, as it was written",
        found=found,
        hint="leave --resume out to begin anew",
    )
