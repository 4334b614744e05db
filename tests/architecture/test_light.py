"""What a light command may import: neither torch nor NumPy, nor a plugin's heavy half."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.fakes import THIRD_PARTY

HEAVY = {
    "torch", "numpy", "scipy", "skimage", "h5py", "PIL", "tifffile", "timm", "ot", "matplotlib",
    "lightning", "lightning_fabric", "shapely", "imagecodecs",
}  # fmt: skip
UNNEEDED_FOR_HELP = {"pydantic", "yaml", "rich", "packaging", "entrypoints", "third_party"}
ROOT = Path(__file__).resolve().parents[2]


def loaded(script: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after `script`, whatever it does."""
    probe = (
        "import sys, atexit\n"
        "atexit.register(lambda: sys.stderr.write(\n"
        "    '\\nLOADED ' + ' '.join({m.partition('.')[0] for m in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe + script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(THIRD_PARTY)},
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return set(done.stderr.rpartition("LOADED ")[2].split())


def typed(*words: str) -> set[str]:
    return loaded(f"from histokit.cli.app import main\nmain({list(words)!r})\n")


def test_the_probe_sees_what_is_loaded() -> None:
    assert "numpy" in loaded("import numpy")


@pytest.mark.parametrize(
    "words", [(), ("--help",), ("--version",), ("trian",), ("methods", "--help")]
)
def test_help_imports_next_to_nothing(words: tuple[str, ...]) -> None:
    assert typed(*words) & (HEAVY | UNNEEDED_FOR_HELP) == set()


def test_listing_plugins_imports_none() -> None:
    assert typed("plugins", "list") & (HEAVY | {"pydantic", "yaml", "third_party"}) == set()


@pytest.mark.parametrize(
    "words",
    [
        ("methods", "list"),
        ("methods", "info", "dull"),
        ("methods", "cite", "dull"),
        ("data", "info", "pebbles"),
        ("plugins", "show", "third-party"),
        ("doctor", "--help"),
        ("train", "--help"),
        ("train", "dull", "--help"),
        ("predict", "--help"),
        ("eval", "--help"),
        ("demo", "--help"),
        ("compare", "--help"),
        ("sweep", "--help"),
    ],
)
def test_no_torch_before_a_command_works(words: tuple[str, ...]) -> None:
    assert typed(*words) & HEAVY == set()


@pytest.mark.parametrize("module", ["cli.app", "registry", "config", "interfaces", "errors"])
def test_light_packages_import_light(module: str) -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "histokit" / module.partition(".")[0]).rglob("*.py")
    ] or [f"histokit.{module}"]
    assert loaded("\n".join(f"import {name}" for name in names)) & HEAVY == set()


def test_the_card_of_a_plugin_is_light() -> None:
    assert loaded("import third_party") & HEAVY == set()
