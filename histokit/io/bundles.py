"""A trained model as one file to hand on: weights, what they are, and a page for people.

A bundle is a zip archive or a folder of

    weights.safetensors   with their card in the metadata
    model.json            the format, size and SHA-256 of the weights, and the card once more
    card.md               for people
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from histokit.errors import DataError
from histokit.io.files import atomic, write_json, write_text
from histokit.io.limits import MAX_CARD, MAX_WEIGHTS

FORMAT = 1
WEIGHTS, MODEL, PAGE = "weights.safetensors", "model.json", "card.md"
LARGEST: Mapping[str, int] = {WEIGHTS: MAX_WEIGHTS, MODEL: MAX_CARD, PAGE: MAX_CARD}
"""Most bytes of each part. Nothing else may lie in a bundle."""
PIECE = 2**20
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every part, so that the same model gives the same bytes."""
DAMAGED = (OSError, EOFError, ValueError, KeyError, RecursionError, zipfile.BadZipFile)


def write_bundle(out: Path, weights: Path, card: Mapping[str, Any], page: str) -> None:
    """Writes a bundle: an archive where the name ends in ``.zip``, else a folder.

    Raises DataError where it cannot be written.
    """
    about = {"format": FORMAT, **_fingerprint(weights), "card": dict(card)}
    if out.suffix.lower() != ".zip":
        with atomic(out / WEIGHTS) as temporary, temporary.open("wb") as target:
            _copy(weights, target)
        write_json(out / MODEL, about)
        write_text(out / PAGE, page)
        return
    with atomic(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        with archive.open(_part(WEIGHTS), "w", force_zip64=True) as target:
            _copy(weights, target)
        archive.writestr(_part(MODEL), json.dumps(about, indent=2, allow_nan=False))
        archive.writestr(_part(PAGE), page)


def read_bundle(path: Path, weights: Path) -> tuple[dict[str, Any], str]:
    """Copies the weights of a bundle to a new file and gives the card beside them and the page.

    Reads nothing but the three parts, and no more of each than `LARGEST`, whatever the archive
    says of itself. Raises DataError, naming `path`, for anything else that it holds, and where the
    weights are not those that its model.json tells of.
    """
    try:
        with _opened(path) as parts:
            about = json.loads(_text(path, parts, MODEL))
            page = _text(path, parts, PAGE)
            with weights.open("wb") as target:
                _copy_bounded(path, parts[WEIGHTS], target)
    except DAMAGED as error:
        raise DataError(
            f"cannot read {path}",
            expected="a bundle of `histokit models export`",
            found=f"{type(error).__name__}: {error}",
        ) from error
    _require_told(path, about, weights)
    return about["card"], page


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, IO[bytes]]]:
    """The parts of a bundle, open."""
    with ExitStack() as stack:
        if path.is_dir():
            names = sorted(p.name for p in path.iterdir() if not p.name.startswith("."))
            _require_parts(path, names)
            yield {name: stack.enter_context((path / name).open("rb")) for name in names}
            return
        archive = stack.enter_context(zipfile.ZipFile(path))
        _require_parts(path, [info.filename for info in archive.infolist()])
        for info in archive.infolist():
            if stat.S_ISLNK(info.external_attr >> 16) or info.flag_bits & 1:
                raise _strange(path, f"{info.filename}, a link or encrypted")
        yield {name: stack.enter_context(archive.open(name)) for name in LARGEST}


def _require_parts(path: Path, names: list[str]) -> None:
    if sorted(names) != sorted(LARGEST):
        strange = sorted(set(names) - set(LARGEST)) or ["parts missing or doubled: " + str(names)]
        raise _strange(path, strange[0])


def _strange(path: Path, found: str) -> DataError:
    return DataError(
        f"{path} is no bundle of a model",
        expected=", ".join(LARGEST) + " and nothing else",
        found=found,
        hint="ask where it comes from for a file of `histokit models export`",
    )


def _text(path: Path, parts: Mapping[str, IO[bytes]], name: str) -> str:
    data = parts[name].read(LARGEST[name] + 1)
    if len(data) > LARGEST[name]:
        raise _too_large(path, name)
    return data.decode("utf-8")


def _copy(weights: Path, target: IO[bytes]) -> None:
    with weights.open("rb") as source:
        shutil.copyfileobj(source, target, PIECE)


def _copy_bounded(path: Path, source: IO[bytes], target: IO[bytes]) -> None:
    """Copies weights to the end. Raises DataError where there are more than `LARGEST` allows."""
    copied = 0
    while piece := source.read(PIECE):
        copied += len(piece)
        if copied > LARGEST[WEIGHTS]:
            raise _too_large(path, WEIGHTS)
        target.write(piece)


def _too_large(path: Path, name: str) -> DataError:
    return DataError(
        f"{name} of {path} is too large",
        expected=f"at most {LARGEST[name]} bytes",
        hint="a model of this size does not come from histokit",
    )


def _require_told(path: Path, about: Any, weights: Path) -> None:
    """Raises DataError unless the weights are those that model.json tells of."""
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, dict) else type(about).__name__
        raise DataError(
            f"{path} is not a model of this version",
            expected=f"format {FORMAT}",
            found=f"format {found}",
            hint="pip install --upgrade histokit-core",
        )
    found = _fingerprint(weights)
    told = {key: about.get(key) for key in found}
    if told != found or not isinstance(about.get("card"), dict):
        raise DataError(
            f"the weights of {path} are not those that its {MODEL} tells of",
            expected=str(told),
            found=str(found),
            hint="get the file again; it is damaged or was changed",
        )


def _fingerprint(weights: Path) -> dict[str, Any]:
    with weights.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return {"size": weights.stat().st_size, "sha256": digest}


def _part(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.external_attr = 0o644 << 16
    return info
