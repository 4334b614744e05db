from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from histokit.errors import DataError
from histokit.io.probabilities import read_probabilities, write_probabilities

maps = arrays(
    np.float32,
    array_shapes(min_dims=3, max_dims=3, max_side=5),
    elements=st.floats(0, 1, width=32),
)


@settings(deadline=None)
@given(maps)
def test_write_then_read_keeps_float16(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "p.h5"
    write_probabilities(path, values)
    found = read_probabilities(path).values
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values.astype(np.float16).astype(np.float32))
    np.testing.assert_allclose(found, values, atol=0.00025)


def test_attributes_come_back(tmp_path):
    attributes = {
        "run": "2024µ",
        "mpp": 0.25,
        "threshold": 1,
        "blended": True,
        "classes": ["a", "b"],
        "origin": [3, 4],
    }
    write_probabilities(tmp_path / "p.h5", np.zeros((1, 2, 3)), attributes=attributes)
    assert read_probabilities(tmp_path / "p.h5").attributes == attributes


def test_other_programs_find_a_chunked_compressed_dataset(tmp_path):
    write_probabilities(tmp_path / "p.h5", np.zeros((2, 300, 100)))
    with h5py.File(tmp_path / "p.h5") as file:
        stored = file["probabilities"]
        assert (stored.dtype, stored.shape) == (np.float16, (2, 300, 100))
        assert stored.chunks == (1, 256, 100)
        assert stored.compression == "gzip"


def test_the_same_maps_give_the_same_bytes(tmp_path):
    values = np.random.default_rng(0).random((1, 50, 60))
    for name in ("a.h5", "b.h5"):
        write_probabilities(tmp_path / name, values, attributes={"run": "7"})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 2)),
        np.zeros((1, 0, 2)),
        np.full((1, 2, 2), 1.5),
        np.full((1, 2, 2), -0.5),
        np.full((1, 2, 2), np.nan),
    ],
)
def test_what_is_no_probability_is_refused(tmp_path, values):
    with pytest.raises(DataError, match="no probabilities"):
        write_probabilities(tmp_path / "p.h5", values)
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_are_refused_by_name(tmp_path):
    path = tmp_path / "p.h5"
    with pytest.raises(DataError, match=r"cannot read .*p\.h5"):
        read_probabilities(path)
    path.write_bytes(b"no hdf5")
    with pytest.raises(DataError, match=r"cannot read .*p\.h5"):
        read_probabilities(path)
    with h5py.File(path, "w"):
        pass
    with pytest.raises(DataError, match=r"cannot read .*p\.h5"):
        read_probabilities(path)
