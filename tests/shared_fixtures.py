"""Fixtures of all tests, the plugins' included: where real images and reference values lie."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _shared(*parts: str) -> Path:
    path = ROOT.parent.joinpath("shared", *parts)
    if not path.exists():
        pytest.skip(f"needs {Path('../shared', *parts)}, which is not on this machine")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images; HISTOKIT_TEST_DATA overrides it."""
    override = os.environ.get("HISTOKIT_TEST_DATA")
    return Path(override) if override else _shared("data")


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """Reads reference values: `vectors("mani")`."""

    def read(name: str) -> Any:
        return json.loads(_shared("vectors", f"{name}.json").read_text())

    return read
