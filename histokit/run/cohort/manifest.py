"""Tables that say which images are worked on, under which names, and what is known of each."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from histokit.errors import DataError
from histokit.io.files import refuse_pipe
from histokit.io.slides_open import is_slide
from histokit.io.tables import PARQUET, require_parquet
from histokit.run.cohort.item import Item, Naming
from histokit.run.slide.mask import EVERYWHERE

ENDINGS = (".csv", PARQUET)
"""Of files that are manifests."""
PATHS = ("path", "image", "file", "filename")
"""Headings under which paths are looked for, in this order."""
READ = ("mpp", "mask", "name")
"""Headings of other columns that are read; the rest is carried into summary.csv."""
UNNAMED = PurePath()
Table = tuple[list[str], list[tuple[str, list[str]]]]
"""The headings, and each row with the word for its place."""


def read_manifest(table: Path, naming: Naming) -> list[Item]:
    """The items of a CSV or Parquet file, in its order.

    It has a column ``path``, of files by their place beside the table, and perhaps ``mpp``
    (micrometres a pixel), ``mask`` (of a slide: a file, or ``none``) and ``name`` (in the output,
    without a suffix); whatever else it has is carried along. Empty rows are left out.

    Args:
        table: its file.
        naming: names the items that the table does not.

    Raises DataError with all that is wrong, by lines, and PluginError where pyarrow is missing.
    """
    refuse_pipe(table)
    headings, rows = (_parquet if table.suffix.lower() == PARQUET else _csv)(table)
    columns, problems = _columns(headings)
    if "path" not in columns:
        raise _wrong(table, problems)
    items, places = [], []
    for place, cells in rows:
        item, wrong = _item(table.parent, headings, columns, cells)
        items.append(item)
        places.append(place)
        problems += [f"{place}: {problem}" for problem in wrong]
    given = naming([item.path for item in items])
    items = [
        item if item.name != UNNAMED else replace(item, name=name)
        for item, name in zip(items, given, strict=True)
    ]
    problems += _doubles(items, places)
    if problems or not items:
        raise _wrong(table, problems or ["no rows below the headings"])
    return items


def _columns(headings: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """The places of the columns that are read, and what is wrong with the headings."""
    words = [heading.lower() for heading in headings]
    known = {word: words.index(word) for word in READ if word in words}
    path = next((word for word in PATHS if word in words), None)
    problems = [
        f"two columns are called {word}" for word, n in Counter(words).items() if word and n > 1
    ]
    if path is not None:
        known["path"] = words.index(path)
    lacking = [word for word in ("path", *READ) if word not in known]
    near = {word: [h for h in headings if _is_typo(h.lower(), word)] for word in lacking}
    if path is None:
        meant = f"; is it {near['path'][0]!r}?" if near["path"] else ""
        problems.append(
            f"no column of paths: a heading {' or '.join(PATHS)} among "
            f"{', '.join(filter(None, headings)) or 'no headings'}{meant}"
        )
    problems += [
        f"column {heading!r}: did you mean {word!r}? Call it so, or something else"
        for word in READ
        for heading in near.get(word, ())
    ]
    return known, problems


def _is_typo(heading: str, word: str) -> bool:
    """Whether a heading is one slip away from a word: two letters swapped, or one left out, put in
    or another, but not the first.
    """
    if heading[:1] != word[:1] or heading == word:
        return False
    short, long = sorted((heading, word), key=len)
    cut = _less_one(long)
    return short in cut or (len(short) == len(long) and bool(cut & _less_one(short)))


def _less_one(word: str) -> set[str]:
    """The word without each of its letters but the first."""
    return {word[:place] + word[place + 1 :] for place in range(1, len(word))}


def _item(
    folder: Path, headings: Sequence[str], columns: Mapping[str, int], cells: Sequence[str]
) -> tuple[Item, list[str]]:
    """The item of a row, and what is wrong with it."""
    told = dict(enumerate(cells[: len(headings)]))
    path, mpp, mask, name = (told.get(columns.get(word, -1), "") for word in ("path", *READ))
    read = {columns[word] for word in ("path", "mpp", "mask") if word in columns}
    carried = {
        heading: told.get(place, "")
        for place, heading in enumerate(headings)
        if heading and place not in read
    }
    mask = mask if mask in ("", EVERYWHERE) else str(folder / mask)
    item = Item(folder / path, PurePath(name), _number(mpp), mask, carried)
    wrong = list(_of_path(item, path)) + list(_of_name(name))
    if any(cells[len(headings) :]):
        wrong.append(f"{len(cells)} cells, where there are {len(headings)} headings")
    if mpp and item.mpp is None:
        wrong.append(f"mpp is {mpp!r}, not a number above 0")
    return item, wrong


def _of_path(item: Item, typed: str) -> Iterator[str]:
    """What is wrong with the files of an item."""
    if not typed:
        yield "no path"
    elif not item.path.exists():
        yield f"there is no {item.path}"
    elif item.path.is_dir() and not is_slide(item.path):
        yield f"{item.path} is a folder"
    elif item.mask and not is_slide(item.path):
        yield f"a mask, which only slides have, and {item.path} is a plain image"
    if item.mask not in ("", EVERYWHERE) and not Path(item.mask).is_file():
        yield f"there is no mask {item.mask}"


def _of_name(name: str) -> Iterator[str]:
    parts = PurePath(name).parts
    if name and (not parts or PurePath(name).is_absolute() or ".." in parts or "\0" in name):
        yield f"{name!r} is no name within the output folder"


def _number(text: str) -> float | None:
    """A number above 0; None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value > 0 and math.isfinite(value) else None


def _doubles(items: Sequence[Item], places: Sequence[str]) -> Iterator[str]:
    """The items whose names others have, too; capitals make no difference."""
    first: dict[str, str] = {}
    for item, place in zip(items, places, strict=True):
        before = first.setdefault(item.key.lower(), place)
        if before != place and item.key != ".":
            yield f"{place}: {item.key!r} is the name of {before} as well; name it in a column name"


def _csv(table: Path) -> Table:
    try:
        with table.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle, skipinitialspace=True, strict=True)
            rows = [(f"line {reader.line_num}", [c.strip() for c in cells]) for cells in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"cannot read {table}", expected="a CSV table in UTF-8", found=str(error)
        ) from error
    filled = [row for row in rows if any(row[1])]
    return (filled[0][1] if filled else []), filled[1:]


def _parquet(table: Path) -> Table:
    arrow, parquet = require_parquet('pip install "histokit-core[parquet]", or give it as CSV')
    try:
        columns = parquet.read_table(str(table)).to_pydict()
    except (OSError, arrow.ArrowException) as error:
        raise DataError(
            f"cannot read {table}", expected="a Parquet table", found=str(error)
        ) from error
    rows = [[_text(value) for value in values] for values in zip(*columns.values(), strict=True)]
    named = [(f"row {number}", cells) for number, cells in enumerate(rows, 1)]
    return [str(name).strip() for name in columns], [row for row in named if any(row[1])]


def _text(value: object) -> str:
    """A cell as CSV would have it; nothing where it is missing."""
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value).strip()


def _wrong(table: Path, problems: Sequence[str]) -> DataError:
    count = "1 thing is" if len(problems) == 1 else f"{len(problems)} things are"
    return DataError(
        "\n".join([f"{count} wrong in {table}:", *(f"  {problem}" for problem in problems)]),
        expected="a column path, and perhaps mpp, mask and name; paths are relative to the table",
    )
