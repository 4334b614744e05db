"""nnU-Net's raw folders: what is written is read by the reader, and what does not fit is told."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from histokit.data.nnunet import NnUnet
from histokit.errors import DataError
from histokit.interfaces.dataset import Labels
from histokit.io.nnunet_raw import Case, kinds_of, read_predictions, write_raw

RNG = np.random.default_rng(0)
KINDS = np.zeros((20, 30), np.uint8)
KINDS[2:8, 2:8] = 1
KINDS[2:8, 8:14] = 2


def image(channels=3):
    shape = (20, 30, channels) if channels > 1 else (20, 30)
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def cases(channels=3, kinds=KINDS):
    return [
        Case("rat/1", image(channels), kinds),
        Case("rat/2", image(channels), kinds),
        Case("mouse/1", image(channels), None, test=True),
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read(tmp_path, channels):
    written = cases(channels)
    assert write_raw(tmp_path / "Dataset042_A", written, class_names=("myelin", "axon")) == 2
    data = NnUnet.open(tmp_path / "Dataset042_A", "")
    records = data.records()
    assert data.class_names == ("myelin", "axon")
    assert [(r.key, r.split) for r in records] == [
        ("case_00000", "train"),
        ("case_00001", "train"),
        ("case_00002", "test"),
    ]
    for record, case in zip(records, written, strict=True):
        same = case.image if channels == 3 else np.repeat(case.image[..., None], 3, 2)
        np.testing.assert_array_equal(data.image(record), same)
    labels = data.labels(records[0])
    assert labels.classes == {1: 1, 2: 2}
    np.testing.assert_array_equal(labels.ids, KINDS)
    assert [(f.level, f.message) for f in data.verify()] == [("warning", "has no labels")]


def test_header_is_as_nnunet_wants_it(tmp_path):
    ignored = KINDS.copy()
    ignored[0, 0] = 3
    write_raw(tmp_path, cases(1, ignored), class_names=("myelin", "axon"))
    assert json.loads((tmp_path / "dataset.json").read_text()) == {
        "channel_names": {"0": "rescale_to_0_1"},
        "labels": {"background": 0, "myelin": 1, "axon": 2, "ignore": 3},
        "numTraining": 2,
        "file_ending": ".png",
    }
    names = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png")}
    assert names == {
        "imagesTr/case_00000_0000.png",
        "imagesTr/case_00001_0000.png",
        "labelsTr/case_00000.png",
        "labelsTr/case_00001.png",
        "imagesTs/case_00002_0000.png",
    }


def test_rgb_has_three_channels_in_one_file(tmp_path):
    write_raw(tmp_path, cases(), normalisation="zscore")
    header = json.loads((tmp_path / "dataset.json").read_text())
    assert header["channel_names"] == {"0": "zscore", "1": "zscore", "2": "zscore"}


def test_objects_become_classes():
    ids = np.array([[0, 1, 2, 5]], np.int32)
    assert kinds_of(Labels(ids, {1: 2, 2: 1}), 2).tolist() == [[0, 2, 1, 3]]
    assert kinds_of(Labels(ids, {1: 2}), 0).tolist() == [[0, 1, 1, 1]]
    assert kinds_of(Labels(np.zeros((1, 2), np.int32)), 2).tolist() == [[0, 0]]
    with pytest.raises(DataError, match="beyond the table"):
        kinds_of(Labels(ids, {1: 3}), 2)


def test_predictions_are_read_by_their_keys(tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    write_raw(raw, cases(), class_names=("myelin", "axon"))
    out.mkdir()
    with pytest.raises(DataError, match=r"no prediction for mouse/1"):
        list(read_predictions(out, raw))
    path = out / "case_00002.png"
    Image.fromarray(KINDS).save(path)
    ((key, found),) = read_predictions(out, raw)
    assert key == "mouse/1"
    np.testing.assert_array_equal(found, KINDS)
    Image.fromarray(KINDS + np.uint8(1)).save(path)
    with pytest.raises(DataError, match="beyond the table"):
        list(read_predictions(out, raw))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Case("x", image(), None), "cannot be trained on"),
        (Case("x", image(), KINDS[:5]), "cannot be trained on"),
        (Case("x", image(), KINDS + np.uint8(9)), "beyond the table"),
        (Case("x", image(1), KINDS), "has 1 channels"),
        (Case("x", RNG.integers(0, 9, (20, 30, 2), np.uint8), KINDS), "has 2 channels"),
    ],
)
def test_what_does_not_fit_is_told_and_leaves_no_header(tmp_path, wrong, told):
    with pytest.raises(DataError, match=told):
        write_raw(tmp_path, [*cases(), wrong], class_names=("myelin", "axon"))
    assert not (tmp_path / "dataset.json").exists()


def test_a_data_set_is_not_written_over(tmp_path):
    write_raw(tmp_path, cases(), class_names=("a", "b"))
    with pytest.raises(DataError, match="already"):
        write_raw(tmp_path, cases())
