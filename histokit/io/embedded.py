"""What an output says of itself: the record that lies inside the file."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
from PIL.PngImagePlugin import PngImageFile

from histokit.errors import DataError
from histokit.io.bundles import LARGEST, MODEL
from histokit.io.checkpoints import read_card
from histokit.io.decode import read_description
from histokit.io.files import refuse_pipe
from histokit.io.limits import MAX_JSON, MAX_NOTE
from histokit.io.pictures import KEY
from histokit.io.probabilities import NAME

OURS = frozenset({"histokit", "mpp", "weights"})
"""What a description has some of, if it is a record of histokit."""
BROKEN = (
    *(OSError, EOFError, ValueError, LookupError, AttributeError, RecursionError),
    *(zlib.error, zipfile.BadZipFile),
)
"""What readers raise on damaged files."""


def embedded(path: Path) -> dict[str, Any]:
    """The record inside of a file, by the ending of its name; empty where it holds none.

    Raises DataError, naming `path`, where the file cannot be read.
    """
    name = path.name.lower()
    read = next((reader for ending, reader in _READERS.items() if name.endswith(ending)), None)
    if read is None:
        return {}
    refuse_pipe(path)
    try:
        found = read(path)
    except (*BROKEN, ElementTree.ParseError) as error:
        raise DataError(
            f"cannot read {path}",
            expected="a whole file, as histokit wrote it",
            found=f"{type(error).__name__}: {error}",
        ) from error
    return found if isinstance(found, dict) else {}


def _of_png(path: Path) -> Any:
    with PngImageFile(path) as picture:
        return json.loads(picture.info.get(KEY, "{}"))


def _of_tiff(path: Path) -> Any:
    """The description as JSON; in an OME-TIFF, that of its image."""
    text = read_description(path).strip()
    if text.startswith("<"):
        described = (e.text for e in ElementTree.fromstring(text).iter() if _is(e, "Description"))
        text = next(filter(None, described), "").strip()
    return _ours(json.loads(text)) if text.startswith("{") else {}


def _ours(value: Any) -> Any:
    """The value where it is a record of histokit; else nothing."""
    return value if isinstance(value, dict) and value.keys() & OURS else {}


def _is(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name


def _of_geojson(path: Path) -> Any:
    """The member ``histokit`` at the head of a collection, which may be far too long to read."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as handle:
        head = handle.read(MAX_NOTE)
    _, mark, rest = head.partition('"histokit":')
    return json.JSONDecoder().raw_decode(rest.lstrip())[0] if mark else {}


def _of_hdf5(path: Path) -> Any:
    """The attributes of probabilities, or what a data set in one file says of itself."""
    with h5py.File(path, "r") as file:
        if "about" in file.attrs:
            return json.loads(file.attrs["about"])
        stored = file[NAME].attrs if NAME in file else {}
        return {key: getattr(value, "tolist", lambda v=value: v)() for key, value in stored.items()}


def _of_json(path: Path) -> Any:
    if path.stat().st_size > MAX_JSON:
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    return _ours(value.get("provenance", value)) if isinstance(value, dict) else {}


def _of_bundle(path: Path) -> Any:
    """The card of an exported model."""
    with zipfile.ZipFile(path) as archive, archive.open(MODEL) as part:
        return json.loads(part.read(LARGEST[MODEL])).get("card", {})


_READERS: Mapping[str, Callable[[Path], Any]] = {
    ".safetensors": read_card,
    ".png": _of_png,
    ".tif": _of_tiff,
    ".tiff": _of_tiff,
    ".geojson": _of_geojson,
    ".geojson.gz": _of_geojson,
    ".h5": _of_hdf5,
    ".json": _of_json,
    ".zip": _of_bundle,
}
