"""The cells of small Excel workbooks that come with data sets."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from xml.etree import ElementTree

from histokit.errors import DataError
from histokit.io.limits import MAX_SHEET, bounded

FIRST_SHEET, WORDS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
"""What zipfile raises on a file that is damaged, locked (RuntimeError) or packed in a way that it
does not know (NotImplementedError)."""


def read_sheet(path: Path) -> list[list[str]]:
    """The filled cells of the first sheet of an .xlsx file, row by row, as text without blanks at
    the ends. Empty cells are left out, so a cell is told by what stands in it, not by its column.

    Raises DataError, naming `path`.
    """
    try:
        with zipfile.ZipFile(path) as book:
            sheet = _xml(path, book, FIRST_SHEET)
            shared = _xml(path, book, WORDS) if WORDS in book.namelist() else None
    except (KeyError, *DAMAGED) as error:
        raise _broken(path, f"{type(error).__name__}: {error}") from error
    words = [] if shared is None else ["".join(item.itertext()) for item in shared]
    rows = [[_cell(path, cell, words) for cell in _named(row, "c")] for row in _named(sheet, "row")]
    return [[cell for cell in row if cell] for row in rows]


def _named(element: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    """The elements of a tag, of any namespace."""
    return [found for found in element.iter() if found.tag.rpartition("}")[2] == tag]


def _cell(path: Path, cell: ElementTree.Element, words: list[str]) -> str:
    text = "".join(part.text or "" for tag in "vt" for part in _named(cell, tag)).strip()
    if cell.get("t") != "s":
        return text
    if not text.isdecimal() or int(text) >= len(words):
        raise _broken(path, f"word {text!r} of {len(words)}")
    return words[int(text)].strip()


def _xml(path: Path, book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    with book.open(name) as handle:
        text = bounded(path, handle, MAX_SHEET)
    bare = text.replace(b"\0", b"")  # UTF-16 hides the words between zeros
    if b"<!DOCTYPE" in bare or b"<!ENTITY" in bare:
        raise _broken(path, "a document type or an entity, which may hide an attack")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, found: str) -> DataError:
    return DataError(
        f"cannot read {path}",
        expected="an Excel workbook (.xlsx)",
        found=found,
        hint="get the file again, or remove it",
    )
