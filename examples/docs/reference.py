"""Writes cli.md, the help of every command, and the table of methods.md:
``python examples/docs/reference.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from histokit.cli.app import VERBS, app
from histokit.cli.lazy import load_command
from histokit.interfaces import MethodSpec
from histokit.registry import list_methods

PAGE = Path(__file__).with_name("cli.md")
METHODS = Path(__file__).with_name("methods.md")
OURS = {f"histokit-{path.parent.name}" for path in PAGE.parents[2].glob("plugins/*/pyproject.toml")}
"""The distributions of this repository, whatever else is installed."""
MARKS = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end -->)", re.DOTALL)
LENGTHS = (
    *("steps", "warmup_steps", "adapt_steps", "penalised_steps", "segment_steps", "adabn_steps"),
    *("epochs", "decay_steps", "decay_epochs"),
)
WIDTH = 100
METHOD = "source-only"
"""The method whose help stands for all: each has settings of its own beside those of the run."""
HEAD = f"""# Commands

What `--help` says, command by command; written by `python examples/docs/reference.py`, and a test
holds it equal to the real help. `histokit train METHOD` has the settings of each method: its help
is shown for `{METHOD}`.

The global options (`--debug`, `--quiet`, `--progress auto|plain|json`) may stand anywhere. With
`--progress json` every line of stderr is a JSON object; `--json` prints the result on stdout.
`histokit schema list` names the schemas of both.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command, groups before their members."""
    yield ()
    for verb, (module, _) in VERBS.items():
        if verb == "train":
            yield (verb, METHOD)
            continue
        yield (verb,)
        members = getattr(load_command(module, verb), "commands", {})
        yield from ((verb, name) for name in members)


def shown(words: tuple[str, ...]) -> str:
    """The help of a command, as a terminal of `WIDTH` columns shows it."""
    typed = [*words, "--help"]
    done = CliRunner().invoke(app, typed, prog_name="histokit", terminal_width=WIDTH)
    if done.exit_code:
        raise RuntimeError(f"histokit {' '.join(typed)}: {done.output}")
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for words in sorted(commands()):
        parts.append(f"## {' '.join(('histokit', *words))}\n\n```text\n{shown(words)}\n```\n")
    return "\n".join(parts)


def methods() -> str:
    """The page of methods with the table that the cards give."""
    rows = ["| method | what it does | reads | length | presets |", "|---|---|---|---|---|"]
    for entry in list_methods():
        if isinstance(entry.card, MethodSpec) and entry.offer.distribution in OURS:
            rows.append(row(entry.card))
    text = METHODS.read_text(encoding="utf-8")
    return MARKS.sub(lambda _: "\n".join(rows) + "\n", text)


def row(spec: MethodSpec) -> str:
    """A method as a line of the table."""
    fields = spec.config.model_fields
    length = ", ".join(
        f"{n.replace('_', ' ')} {fields[n].default:,}" for n in LENGTHS if n in fields
    )
    cells = [f"`{spec.name}`", f"{spec.summary}{year(spec)}", spec.access.value]
    cells += [length or "–", ", ".join(f"`{name}`" for name in spec.presets) or "–"]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def year(spec: MethodSpec) -> str:
    """The year of the paper, in brackets; empty without one."""
    found = re.search(r"year\s*=\s*[{\"]?(\d{4})", spec.reference)
    return f" ({found[1]})" if found else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    METHODS.write_text(methods(), encoding="utf-8")
