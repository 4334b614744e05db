from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from histokit.config.files import load_file, parse_set
from histokit.errors import ConfigError


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_plain_values(tmp_path: Path) -> None:
    text = "lr: 1e-4\nbig: 2.5E3\nn: 3\nnorm: no\non: yes\nflip: true\nx: null\nw: [1, 2]\n"
    assert load_file(write(tmp_path, text)) == {
        "lr": 1e-4,
        "big": 2500.0,
        "n": 3,
        "norm": "no",
        "on": "yes",
        "flip": True,
        "x": None,
        "w": [1, 2],
    }


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert load_file(write(tmp_path, "# nothing\n")) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: a stands twice, first in line 1"),
        ("a: 1\nb: [1, 2\n", "line 3"),
        ("- 1\n- 2\n", "expected `key: value` lines, found a list"),
        ("just words\n", "found a str"),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1: could not determine a constructor"),
        ("when: 2024-13-45\n", "month must be in 1..12"),
        (b"a: \xff\n", "cannot be read"),
        ("a: {b: 1, b: 2}\n", "line 1: b stands twice"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str | bytes, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_file(path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_file(tmp_path / "gone.yaml")


def test_set_reads_values_as_yaml() -> None:
    pairs = ["lr=1e-3", "w=[1, 2]", "name=a=b", "flip=false", "clip=null", "empty=", "lr=2"]
    assert parse_set(pairs) == {
        "lr": 2,
        "w": [1, 2],
        "name": "a=b",
        "flip": False,
        "clip": None,
        "empty": None,
    }


def test_set_tells_every_bad_pair() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_set(["lr", "=3", "w=[1", "ok=1"])
    assert len(caught.value.problems) == 3


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        st.booleans() | st.integers() | st.floats(allow_nan=False) | st.none() | st.text(),
    )
)
def test_whatever_yaml_writes_is_read_back(values: dict[str, object]) -> None:
    with TemporaryDirectory() as folder:
        assert load_file(write(Path(folder), yaml.safe_dump(values))) == values
