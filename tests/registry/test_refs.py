from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.fakes import THIRD_PARTY
from histokit.errors import DataError, UsageError
from histokit.registry.refs import Ref, SourceRef, parse_ref, parse_source


@pytest.fixture(autouse=True)
def third(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(THIRD_PARTY))
    monkeypatch.chdir(tmp_path)


def test_names_and_presets() -> None:
    assert parse_ref("dull") == Ref("method", "dull")
    assert parse_ref("dull:wide") == Ref("method", "dull", "wide")
    assert parse_ref("nobody:knows") == Ref("method", "nobody", "knows")


def test_an_installed_distribution_wins() -> None:
    assert parse_ref("third-party:dull") == Ref("method", "third-party:dull")
    assert parse_ref("Third_Party:dull:wide") == Ref("method", "third-party:dull", "wide")
    assert parse_source("third-party:pebbles@round:x") == SourceRef(
        "third-party:pebbles", "round", Path("x")
    )


def test_run_folders_and_weights(tmp_path: Path) -> None:
    run = tmp_path / "2024_dull"
    run.mkdir()
    (run / "run.yaml").write_text("")
    weights = tmp_path / "best.safetensors"
    weights.write_text("")
    assert parse_ref(str(run)) == Ref("run", path=run)
    assert parse_ref("2024_dull") == Ref("run", path=Path("2024_dull"))
    assert parse_ref("2024_dull/run.yaml") == Ref("run", path=Path("2024_dull"))
    assert parse_ref(str(weights)) == Ref("weights", path=weights)


def test_a_method_wins_over_a_folder_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "dull").mkdir()
    (tmp_path / "dull" / "run.yaml").write_text("")
    assert parse_ref("dull").kind == "method"
    assert parse_ref("./dull").kind == "run"


@pytest.mark.parametrize("text", ["./nothing", "some/where", "gone.ckpt", "~/no-such-run"])
def test_a_path_that_leads_nowhere(text: str) -> None:
    with pytest.raises(DataError, match="neither a run nor weights") as caught:
        parse_ref(text)
    assert "run.yaml" in caught.value.expected


@pytest.mark.parametrize("text", ["", "  ", ":wide"])
def test_no_reference_at_all(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ref(text)


@pytest.mark.parametrize("text", ["", "@round", ":folder"])
def test_no_data_set_at_all(text: str) -> None:
    with pytest.raises(UsageError, match="histokit data list"):
        parse_source(text)


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


@given(names, names | st.just(""), st.none() | names)
def test_sources_round_trip(name: str, variant: str, folder: str | None) -> None:
    source = SourceRef(name, variant, Path(folder) if folder else None)
    if name != "third-party" and name != "histokit-core":
        assert parse_source(str(source)) == source


def test_a_folder_may_hold_colons_and_ats() -> None:
    assert parse_source("pebbles:/a:b@c").path == Path("/a:b@c")
