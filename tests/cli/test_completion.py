from __future__ import annotations

from pathlib import Path

import pytest

from histokit.cli import completion
from histokit.config.options import Setting

pytestmark = pytest.mark.usefixtures("third")


def test_run_folders_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("runs/2023_a", "runs/2024_b", "old/2022_c"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "run.yaml").write_text("")
    (tmp_path / "runs" / "not-a-run").mkdir()
    assert [word for word, _ in completion.runs("runs/")] == ["runs/2024_b", "runs/2023_a"]
    assert [word for word, _ in completion.runs("old/2")] == ["old/2022_c"]
    assert [word for word, _ in completion.runs_or_methods("dul")] == ["dull"]


def test_values_of_settings() -> None:
    pool = completion.of_setting(Setting("pool", "a|b", "a", choices=("mean", "max")))
    assert pool is not None
    assert [word for word, _ in pool("ma")] == ["max"]
    source = completion.of_setting(Setting("source", "text", ""))
    assert source is not None
    assert [word for word, _ in source("pebb")] == ["pebbles"]
    network = completion.of_setting(Setting("network", "text", ""))
    assert network is not None
    assert network("pinh") == [("pinhole", "third-party")]
    assert completion.of_setting(Setting("lr", "number", 1.0)) is None
