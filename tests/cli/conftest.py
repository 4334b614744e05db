from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fixtures.fakes import THIRD_PARTY


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of installed distributions, first on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hand-made plugin of the fixtures, as if installed."""
    monkeypatch.syspath_prepend(str(THIRD_PARTY))
