"""Chunks give back what was written, or say that they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from histokit.errors import DataError
from histokit.io.chunks import ABOUT, Chunks

KINDS = st.sampled_from([np.uint8, np.uint16, np.int32, np.int64, np.float32, np.float64, np.bool_])


@pytest.fixture(scope="module")
def chunks(tmp_path_factory):
    found = Chunks(tmp_path_factory.mktemp("chunks") / "ä b.work")
    found.begin({"of": "a test"})
    return found


@given(arrays(KINDS, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=7)))
def test_arrays_come_back_bit_for_bit(chunks, values):
    chunks.write(3, {"a": values, "b": values[::-1]})
    back = chunks.read(3)
    assert list(back) == ["a", "b"]
    for name, expected in (("a", values), ("b", values[::-1])):
        assert back[name].dtype == expected.dtype
        assert back[name].shape == expected.shape
        assert back[name].tobytes() == expected.tobytes()


def test_what_they_belong_to_comes_back(tmp_path):
    chunks = Chunks(tmp_path / "x")
    assert chunks.about() is None
    chunks.begin({"key": [1, "ä"]})
    assert chunks.about() == {"key": [1, "ä"]}
    chunks.write(0, {"a": np.arange(3)})
    chunks.begin({"key": 2})
    assert chunks.about() == {"key": 2}
    assert chunks.sound() == (set(), [])
    (tmp_path / "x" / ABOUT).write_text("{")
    assert chunks.about() is None
    chunks.remove()
    assert not (tmp_path / "x").exists()
    chunks.remove()


def _cut(data):
    return data[:-1]


def _flipped(data):
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


@pytest.mark.parametrize(
    "damage",
    [_cut, _flipped, lambda data: b"", lambda data: data[:20], lambda data: b"x" + data[1:],
     lambda data: data + b"x"],
    ids=["cut", "flipped", "empty", "head only", "other kind", "longer"],
)  # fmt: skip
def test_damage_is_seen_and_such_a_chunk_removed(tmp_path, damage):
    chunks = Chunks(tmp_path)
    for number in range(3):
        chunks.write(number, {"a": np.arange(number * 1000)})
    (path,) = tmp_path.glob("*1.chunk")
    path.write_bytes(damage(path.read_bytes()))
    (tmp_path / ".000002.chunk.1.part").write_bytes(b"half")
    with pytest.raises(DataError, match=r"000001\.chunk"):
        chunks.read(1)
    assert chunks.sound() == ({0, 2}, [1])
    assert sorted(left.name for left in tmp_path.iterdir()) == ["000000.chunk", "000002.chunk"]


def test_nothing_but_numbers_is_read(tmp_path):
    chunks = Chunks(tmp_path)
    chunks.write(0, {"a": np.array(["text"])})
    with pytest.raises(DataError, match="cannot use"):
        chunks.read(0)


def test_label_maps_and_pictures_become_small(tmp_path):
    chunks, (rows, cols) = Chunks(tmp_path), np.mgrid[:512, :512]
    ids = (rows // 16 * 32 + cols // 16 + 1).astype(np.int32)
    chunks.write(0, {"ids": ids})
    smooth = ((rows + 2 * cols) // 8)[..., None].repeat(3, 2).astype(np.uint8)
    chunks.write(1, {"pixels": smooth})
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert sizes[0] < ids.nbytes / 40
    assert sizes[1] < smooth.nbytes / 50
