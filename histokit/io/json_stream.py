"""JSON files that are written member by member, so that nothing is kept in memory."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any, BinaryIO, cast

from histokit.errors import DataError
from histokit.io.files import atomic

ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@contextmanager
def json_stream(path: Path, head: str, tail: str) -> Iterator[Callable[[str], None]]:
    """A function that adds the text of a member, a line each with commas between, to a file that
    is there when the block ends well.

    Args:
        path: compressed when the name ends in ``.gz``. The same members give the same bytes.
        head: what comes before the members.
        tail: what comes after.
    """
    with atomic(path) as temporary, _writer(temporary, path.name.endswith(".gz")) as out:
        out.write(f"{head}\n".encode())
        separators = chain([b""], repeat(b",\n"))

        def add(member: str) -> None:
            out.write(next(separators) + member.encode())

        yield add
        out.write(f"\n{tail}\n".encode())


@contextmanager
def _writer(path: Path, compressed: bool) -> Iterator[BinaryIO]:
    """An open file; compressed ones carry neither name nor time."""
    with path.open("wb") as raw:
        if not compressed:
            yield raw
            return
        with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
            yield cast(BinaryIO, packed)


def json_text(value: Any) -> str:
    """Compact JSON. Raises DataError for NaN and infinity."""
    try:
        return ENCODER.encode(value)
    except ValueError as error:
        raise DataError(
            "a value cannot be written as JSON", expected="finite numbers", found=repr(value)
        ) from error
