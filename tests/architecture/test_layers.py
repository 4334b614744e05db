"""The import contracts of pyproject.toml hold."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = [
    "Layers of the core",
    "Light layers name no heavy library",
    "Plugins do not know each other",
    "The core imports no plugin",
    "Plugins use only the public rooms",
]


def test_every_contract_is_kept() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    missing = [name for name in settings["root_packages"] if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} installed: pip install -e plugins/…")
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    for contract in CONTRACTS:
        assert re.search(rf"{contract}\s.*KEPT", done.stdout), done.stdout


def test_every_layer_is_a_package_and_every_package_a_layer() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    lines = next(c for c in settings["contracts"] if c["type"] == "layers")["layers"]
    layers = {name.strip() for line in lines for name in line.split("|")}
    core = ROOT / "histokit"
    packages = {path.parent.name for path in core.glob("*/__init__.py")}
    assert packages | {"api", "errors"} == layers


def test_only_discovery_names_the_entry_point_scanner() -> None:
    naming = [
        path.relative_to(ROOT).as_posix()
        for folder in ("histokit", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"^\s*(import|from) entrypoints\b", path.read_text(), re.MULTILINE)
    ]
    assert naming == ["histokit/registry/discovery.py"]
