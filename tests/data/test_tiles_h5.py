import h5py
import numpy as np
import pytest

from histokit.data.tiles_h5 import TilesH5
from histokit.errors import DataError
from histokit.testing.datasets_generic import make_tiles_h5


def test_tiles_by_slide(tmp_path):
    data = TilesH5.open(make_tiles_h5(tmp_path), "")
    assert [(r.key, r.group) for r in data.records()] == [
        (f"slide_a/{row}", "slide_a") for row in range(6)
    ]
    with h5py.File(tmp_path / "patches" / "slide_a.h5") as file:
        np.testing.assert_array_equal(data.image(data.records()[4]), file["imgs"][4])


def test_there_are_no_labels(tmp_path):
    data = TilesH5.open(make_tiles_h5(tmp_path), "")
    with pytest.raises(DataError, match="has no labels"):
        data.labels(data.records()[0])
    told = {(f.level, f.message) for f in data.verify()}
    assert ("warning", "holds no pixels and is not read") in told
    assert not [level for level, _ in told if level == "error"]


def test_coordinates_alone_need_the_slide(tmp_path):
    path = make_tiles_h5(tmp_path) / "patches" / "slide_c.h5"
    with pytest.raises(DataError, match=r"slide_c\.h5 holds no pixels") as caught:
        TilesH5.open(path, "")
    assert "coords" in str(caught.value)
    assert "slide's own file" in str(caught.value)


def test_slides_of_one_name_keep_apart(tmp_path):
    for name in ("x", "y"):
        make_tiles_h5(tmp_path / name)
        (tmp_path / name / "patches").rename(tmp_path / name / name)
    groups = {r.group for r in TilesH5.open(tmp_path, "").records()}
    assert groups == {"x/slide_a", "y/slide_a"}


def test_truncated_files_other_forms_and_nothing(tmp_path):
    with pytest.raises(DataError, match="no tiles-h5 data"):
        TilesH5.open(tmp_path, "")
    path = make_tiles_h5(tmp_path) / "patches" / "slide_a.h5"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"cannot read .*slide_a\.h5"):
        TilesH5.open(tmp_path, "")
    with h5py.File(path, "w") as file:
        file["imgs"] = np.zeros((2, 3, 4))
    with pytest.raises(DataError, match=r"float64 \[2, 3, 4\]"):
        TilesH5.open(tmp_path, "")
