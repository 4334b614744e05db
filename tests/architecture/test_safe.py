"""Nothing in the code runs what it reads, unpacks archives, asks the network or measures by a clock
that can be set; only the command line prints.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for folder in ("histokit", "plugins")
    for path in (ROOT / folder).rglob("*.py")
    if not {"tests", "build", ".venv"} & set(path.relative_to(ROOT).parts)
)
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
NETWORK_MODULES = {
    *("urllib.request", "urllib3", "requests", "httpx", "aiohttp", "http.client", "http.server"),
    *("ftplib", "socket", "huggingface_hub", "torch.hub"),
}
UNSAFE_CALLS = {
    *("eval", "exec", "os.system", "os.popen"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.unsafe_load_all"),
}
SET_CLOCKS = {"time.time", "time.time_ns"}
"""They jump when the clock of the machine is set; durations are of clocks that do not."""
UNPACKING = {"extractall", "unpack_archive"}
"""Methods of archives that write wherever the archive says."""


def sins(source: str, *, may_print: bool = False) -> list[str]:
    """What in `source` this project does not do, as ``line: what``."""
    return [f"{node.lineno}: {what}" for node, what in _found(ast.parse(source), may_print)]


def _found(tree: ast.AST, may_print: bool) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, f"import {a.name}") for a in node.names if _unsafe(a.name))
        elif isinstance(node, ast.ImportFrom) and _unsafe(node.module or ""):
            yield node, f"from {node.module} import"
        elif isinstance(node, ast.Call):
            yield from ((node, what) for what in _call(node, may_print))


def _unsafe(module: str) -> bool:
    return module.partition(".")[0] in UNSAFE_MODULES or module in NETWORK_MODULES


def _call(node: ast.Call, may_print: bool) -> Iterator[str]:
    name = ast.unparse(node.func)
    words = {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
    if name in UNSAFE_CALLS | SET_CLOCKS or name.rpartition(".")[2] in UNPACKING:
        yield name
    if name.endswith("torch.load") and words.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if words.get("shell") not in {None, "False"}:
        yield "shell=True"
    if words.get("allow_pickle") not in {None, "False"}:
        yield "allow_pickle"
    if name == "print" and not may_print:
        yield "print"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_runs_what_it_reads(path: Path) -> None:
    in_cli = path.is_relative_to(ROOT / "histokit" / "cli")
    assert sins(path.read_text(encoding="utf-8"), may_print=in_cli) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.externals",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "eval(text)",
        "exec(text)",
        "yaml.load(text, Loader=L)",
        "yaml.full_load(text)",
        "archive.extractall(folder)",
        "shutil.unpack_archive(path)",
        "import urllib.request",
        "from requests import get",
        "subprocess.run(line, shell=True)",
        "np.load(path, allow_pickle=True)",
        "os.system(line)",
        "time.time()",
        "print(1)",
    ],
)
def test_the_scan_sees_each_sin(source: str) -> None:
    assert len(sins(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "yaml.safe_load(text)",
        "from urllib.parse import unquote",
        "network.eval()",
        "np.load(path, allow_pickle=False)",
        "subprocess.run([a, b])",
    ],
)
def test_the_scan_lets_sound_code_pass(source: str) -> None:
    assert sins(source) == []
