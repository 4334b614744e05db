"""`histokit runs`: what was trained here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from histokit.cli import completion, console
from histokit.cli.lazy import Command, Group

if TYPE_CHECKING:
    from histokit.io.runs import RunFolder

app = typer.Typer(
    cls=Group,
    help="List and show run folders.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="The result as JSON.", show_default=False)]


@app.command("list", cls=Command)
def list_(
    runs: Annotated[Path, typer.Option(help="Where run folders are.")] = Path("runs"),
    json: Json = False,
) -> None:
    """Run folders, newest first."""
    from histokit.io.runs import list_runs

    found = [_summary(run) for run in list_runs(runs)]
    if json:
        console.result_json(found)
    elif not found:
        console.say(f"no runs in {runs}\n  try: histokit train METHOD --source DATASET")
    else:
        columns = ["run", "method", "source", "target", "status", "step", "score"]
        console.table([[row[name] for name in columns] for row in found], columns)


@app.command(cls=Command)
def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", autocompletion=completion.runs)],
    json: Json = False,
) -> None:
    """Settings with their origins, state and files of a run."""
    from histokit.io.runs import RunFolder

    folder = RunFolder.open(run)
    settings, state = folder.settings(), folder.state()
    if json:
        console.result_json({"folder": folder.path, "state": state, **settings})
        return
    summary = _summary(folder)
    console.result("  ".join(f"{name}: {value}" for name, value in summary.items() if value))
    rows = [
        [name, item["value"], item["origin"]]
        for part in ("settings", "run")
        for name, item in settings[part].items()
    ]
    console.table(rows, ["setting", "value", "from"])
    files = sorted(str(p.relative_to(folder.path)) for p in folder.path.rglob("*") if p.is_file())
    console.result("\n" + "\n".join(name for name in files if not name.startswith(".")))


def _summary(run: RunFolder) -> dict[str, Any]:
    """A row of the list; a damaged run is told, not left out."""
    from histokit.errors import DataError

    try:
        settings, state = run.settings(), run.state()
    except DataError as error:
        return {"run": str(run.path), "method": None, "source": None, "target": None,
                "status": f"damaged: {error.what}", "step": None, "score": None}  # fmt: skip
    best = state.get("best") or {}
    score = best.get("score")
    return {
        "run": str(run.path),
        "method": settings["method"],
        "source": settings["run"].get("source", {}).get("value"),
        "target": settings["run"].get("target", {}).get("value"),
        "status": state.get("status", "not begun"),
        "step": state.get("step"),
        "score": None if score is None else round(score, 4),
    }
