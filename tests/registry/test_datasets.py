from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.fakes import THIRD_PARTY
from histokit.errors import DataError, UnknownName
from histokit.registry import SourceRef, find_dataset, find_root, open_source, parse_source


@pytest.fixture(autouse=True)
def third(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(THIRD_PARTY))
    monkeypatch.delenv("HISTOKIT_DATA", raising=False)


def place(folder: Path, text: str = "a whole\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pebbles.txt").write_text(text)
    return folder


def test_an_explicit_folder_wins(tmp_path: Path) -> None:
    spec = find_dataset("pebbles")
    here, there = place(tmp_path / "here"), place(tmp_path / "there" / "pebbles")
    assert find_root(spec, here, there.parent, {"HISTOKIT_DATA": str(there)}) == here


@pytest.mark.parametrize("name", ["pebbles", "Pebbles", "PEB-BLES v1.2", "the_pebbles_2024"])
def test_a_folder_by_its_normalised_name(tmp_path: Path, name: str) -> None:
    spec = find_dataset("pebbles")
    folder = place(tmp_path / name)
    (tmp_path / "other").mkdir()
    assert find_root(spec, data_root=tmp_path, environ={}) == folder
    assert find_root(spec, environ={"HISTOKIT_DATA": str(tmp_path)}) == folder


def test_the_closest_name_wins(tmp_path: Path) -> None:
    place(tmp_path / "pebbles-old-copy")
    best = place(tmp_path / "Pebbles")
    assert find_root(find_dataset("pebbles"), data_root=tmp_path, environ={}) == best


def test_the_data_root_itself(tmp_path: Path) -> None:
    root = place(tmp_path / "anything")
    assert find_root(find_dataset("pebbles"), data_root=root, environ={}) == root
    assert len(open_source(SourceRef("pebbles"), root).records()) == 1


@pytest.mark.parametrize("case", ["nothing", "no-root", "no-folder", "not-in-root"])
def test_a_missing_data_set_says_how_to_get_it(tmp_path: Path, case: str) -> None:
    path = tmp_path / "gone" if case == "no-folder" else None
    root = {"no-root": tmp_path / "gone", "not-in-root": tmp_path}.get(case)
    with pytest.raises(DataError) as caught:
        open_source(SourceRef("pebbles", path=path), root)
    message = str(caught.value)
    for part in ("pebbles.txt", "Pebble archive, record 7", "CC0", "--data-root", "HISTOKIT_DATA"):
        assert part in message
    assert "pebbles:FOLDER" in message
    assert caught.value.exit_code == 3


def test_a_named_folder_without_the_tree_is_the_readers_word(tmp_path: Path) -> None:
    (tmp_path / "pebbles").mkdir()
    with pytest.raises(DataError, match="no pebbles here"):
        open_source(SourceRef("pebbles"), tmp_path)


def test_an_unknown_variant() -> None:
    with pytest.raises(UnknownName, match="did you mean round"):
        open_source(parse_source("pebbles@rond:."))
