"""`histokit data`: which data sets can be read, where to get them, whether they are sound; and
any of them as one file.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from histokit.cli import completion, console
from histokit.cli.events import shown
from histokit.cli.lazy import Command, Group

if TYPE_CHECKING:
    from histokit.interfaces.dataset import Finding
    from histokit.interfaces.spec import DatasetSpec
    from histokit.registry import Entry
    from histokit.run.importing import Imported

app = typer.Typer(
    cls=Group,
    help="List, describe, verify and import data sets.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="The result as JSON.", show_default=False)]
Root = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="FOLDER",
        help="Folder that holds data sets; HISTOKIT_DATA if not given.",
        show_default=False,
    ),
]

Source = Annotated[
    str,
    typer.Argument(metavar="NAME[@VARIANT][:FOLDER]", autocompletion=completion.datasets),
]


@app.command("list", cls=Command)
def list_(data_root: Root = None, json: Json = False) -> None:
    """Data sets that can be read, and which are found on this machine."""
    from histokit.registry import list_datasets

    entries = list_datasets()
    lines = [_line(entry, data_root) for entry in entries]
    if json:
        console.result_json(lines)
        return
    columns = ["name", "task", "classes", "mpp", "licence", "found"]
    counted = [{**line, "classes": len(line["classes"]) or None} for line in lines]
    rows = [[line[column] for column in columns] for line in counted]
    broken = [number for number, entry in enumerate(entries) if entry.status == "broken"]
    console.table(rows, columns, dimmed=broken)


def _line(entry: Entry, data_root: Path | None) -> dict[str, Any]:
    common = {"name": entry.typed, "status": entry.status, "reason": entry.reason}
    if entry.card is None:
        found = f"broken: {entry.reason}"
        nothing: dict[str, Any] = {"task": None, "classes": [], "mpp": None, "licence": None}
        return {**common, **nothing, "found": found}
    spec = entry.card
    found_at = located(spec, data_root)
    return {
        **common,
        "task": spec.task,
        "classes": list(spec.classes),
        "mpp": spec.mpp,
        "licence": spec.licence,
        "found": found_at,
    }


def located(spec: DatasetSpec, data_root: Path | None) -> str | None:
    """Where a data set lies: a folder named after it, ``made`` where it is made; else None."""
    from histokit.registry.datasets import base_folder, named_folder

    if not spec.on_disk:
        return "made"
    base = base_folder(data_root)
    folder = named_folder(spec, base) if base is not None and base.is_dir() else None
    return str(folder) if folder is not None else None


@app.command(cls=Command)
def info(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=completion.datasets)],
    data_root: Root = None,
    json: Json = False,
) -> None:
    """Expected folders, where to get it, licence and citation of a data set."""
    from histokit.registry import find_dataset

    spec = find_dataset(name)
    card = _card(spec, data_root)
    if json:
        console.result_json(card)
        return
    console.result(f"{spec.name}: {spec.summary}\n")
    for key in ("task", "mpp", "classes", "group", "variants", "licence", "from", "found"):
        console.result(f"{key:<9} {_shown(card[key])}")
    console.result(f"\nExpected folders and files\n{spec.tree.strip()}")
    console.result(f"\nReference\n{spec.reference or 'none'}")


def _card(spec: DatasetSpec, data_root: Path | None) -> dict[str, Any]:
    return {
        "name": spec.name,
        "summary": spec.summary,
        "task": spec.task,
        "mpp": spec.mpp,
        "classes": list(spec.classes),
        "group": spec.group,
        "variants": dict(spec.variants),
        "licence": spec.licence,
        "from": spec.homepage,
        "found": located(spec, data_root),
        "tree": spec.tree,
        "reference": spec.reference,
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {text}" for key, text in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(value) or "-"
    return "-" if value is None else str(value)


@app.command(cls=Command)
def verify(
    source: Source,
    data_root: Root = None,
    json: Json = False,
) -> None:
    """Reads a data set file by file and tells everything that is odd. Exit code 7 on an error."""
    from histokit.errors import VerificationFailed
    from histokit.registry import open_source, parse_source

    dataset = open_source(parse_source(source), data_root)
    images = len(dataset.records())
    findings = list(dataset.verify())
    _show_findings(source, images, findings, json)
    errors = sum(finding.level == "error" for finding in findings)
    if errors:
        raise VerificationFailed(
            f"data set {source!r} has {errors} error{'s' if errors > 1 else ''}",
            hint="mend or remove the files listed, or get the data set again",
        )


def _show_findings(source: str, images: int, findings: list[Finding], json: bool) -> None:
    if json:
        rows = [{"level": f.level, "where": f.where, "message": f.message} for f in findings]
        console.result_json({"source": source, "images": images, "findings": rows})
        return
    if findings:
        rows_text = [[f.level, f.where, f.message] for f in findings]
        console.table(rows_text, ["level", "where", "what"])
    counts = Counter(finding.level for finding in findings)
    told = ", ".join(f"{counts[level]} {level}s" for level in ("error", "warning", "note"))
    console.say(f"{images} images: {told}")


@app.command("import", cls=Command)
def import_(
    source: Source,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="File to write, such as tnbc.h5.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file where it is there already.")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Leave pixels uncompressed: a larger file, read faster."),
    ] = False,
    data_root: Root = None,
    json: Json = False,
) -> None:
    """Writes a data set as one file that every method trains from: --source h5:FILE.

    Images, objects, classes, groups, official parts and pixel sizes are kept exactly. An image
    that cannot be read is listed, the others are done, and the exit code is 5.
    """
    from histokit.run.importing import Imported, import_dataset

    how: dict[str, Any] = {"data_root": data_root, "overwrite": overwrite, "raw": raw}
    for step in shown(import_dataset(source, out, **how)):
        if isinstance(step, Imported):
            _tell_import(step, json)


def _tell_import(done: Imported, json: bool) -> None:
    failures = [{"image": failure.key, "reason": failure.reason} for failure in done.failures]
    if json:
        counts = {name: getattr(done, name) for name in ("bytes", "images", "labelled", "objects")}
        told = {"out": done.out, **counts, "classes": done.classes, "failures": failures}
        console.result_json(told)
        return
    console.result(str(done.out))
    if failures:
        console.table([list(failure.values()) for failure in failures], ["image", "reason"])
    size = f"{done.bytes / 1e6:.1f} MB"
    console.say(f"{done.images} images, {done.labelled} labelled, {done.objects} objects, {size}")
