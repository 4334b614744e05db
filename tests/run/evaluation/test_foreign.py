"""Files of predictions and the images they are named after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import io

from histokit.errors import DataError, UsageError
from histokit.interfaces import Instances, Record
from histokit.io.geojson import write_geojson
from histokit.io.labels import write_label_tiff
from histokit.run.evaluation.foreign import find_predictions

IDS = np.zeros((8, 9), np.int32)
IDS[2:5, 2:5] = 1
RECORDS = [Record("p1/a", "p1", Path("images/slide-a.png")), Record("p1_a", "p1"), Record("b", "b")]


def mats(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        io.savemat(folder / f"{name}.mat", {"inst_map": IDS})
    return folder


def keys(found):
    return {key: path.name for key, path in found.files.items()}


def test_a_file_is_named_after_key_part_of_it_or_image(tmp_path):
    found = find_predictions(mats(tmp_path, "slide-a", "p1_a", "x"), "auto", RECORDS)
    assert found.kind == "hovernet-mat"
    assert keys(found) == {"p1/a": "slide-a.mat", "p1_a": "p1_a.mat"}
    assert [path.name for path in found.strangers] == ["x.mat"]
    assert found.origin == f"2 predictions of kind hovernet-mat in {tmp_path}"
    assert found.strange == "1 files belong to no image of the data set: x.mat"


def test_folders_of_files_may_spell_the_key(tmp_path):
    for key in ("p1/a", "p1_a"):
        write_label_tiff(tmp_path / "predictions" / f"{key}.tif", IDS)
    found = find_predictions(tmp_path, "auto", RECORDS)
    assert found.kind == "histokit"
    assert keys(found) == {"p1/a": "a.tif", "p1_a": "p1_a.tif"}


def test_a_name_of_several_images_belongs_to_none(tmp_path):
    records = [Record(f"fold1_{n}", "fold1", Path("images.npy")) for n in range(2)]
    found = find_predictions(mats(tmp_path, "images", "fold1_1"), "auto", records)
    assert keys(found) == {"fold1_1": "fold1_1.mat"}


def test_two_files_for_one_image_are_told(tmp_path):
    with pytest.raises(DataError, match="two files hold a prediction for p1/a"):
        find_predictions(mats(tmp_path, "a", "slide-a"), "auto", RECORDS)


def test_hovernet_s_output_folder_is_known(tmp_path):
    mats(tmp_path / "mat", "b")
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "b.png").write_bytes(b"")
    found = find_predictions(tmp_path, "auto", RECORDS)
    assert found.folder == tmp_path / "mat"
    assert keys(found) == {"b": "b.mat"}


def test_several_kinds_want_a_word(tmp_path):
    write_geojson(mats(tmp_path, "b") / "b.geojson", Instances(IDS))
    with pytest.raises(UsageError, match="--format"):
        find_predictions(tmp_path, "auto", RECORDS)
    assert find_predictions(tmp_path, "geojson", RECORDS).kind == "geojson"
    assert keys(find_predictions(tmp_path, "hovernet-mat", RECORDS)) == {"b": "b.mat"}


def test_no_folder_and_no_files(tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        find_predictions(tmp_path / "x", "auto", RECORDS)
    with pytest.raises(DataError, match="no predictions"):
        find_predictions(tmp_path, "auto", RECORDS)
    with pytest.raises(DataError, match=r"ending in \.mat"):
        find_predictions(tmp_path, "hovernet-mat", RECORDS)


def test_a_missing_prediction_says_which_names_would_do(tmp_path):
    found = find_predictions(mats(tmp_path, "b"), "auto", RECORDS)
    assert found.read(RECORDS[2], IDS.shape, ()).ids.any()
    with pytest.raises(DataError, match="no prediction for p1/a") as error:
        found.read(RECORDS[0], IDS.shape, ())
    assert "slide-a" in str(error.value)
    assert ".mat" in str(error.value)
