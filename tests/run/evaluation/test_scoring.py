"""One image judged: its counts, its file, and what makes it fail."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.errors import DataError, DeviceError
from histokit.interfaces import Instances, Record
from histokit.io.labels import read_label_tiff
from histokit.run.domains import open_domain
from histokit.run.evaluation.scoring import (
    Contest,
    class_note,
    judge,
    prediction_path,
    without_gaps,
)

GAPPY = np.array([[0, 4, 4], [9, 0, 2]], np.int32)


def test_ids_lose_their_gaps_and_take_class_and_score_along():
    found = without_gaps(Instances(GAPPY, {4: 1, 9: 2, 7: 3}, {2: 0.5}))
    np.testing.assert_array_equal(found.ids, [[0, 2, 2], [3, 0, 1]])
    assert found.ids.dtype == np.int32
    assert (found.classes, found.scores) == ({2: 1, 3: 2}, {1: 0.5})
    full = np.array([[3, 5]], np.int32)
    np.testing.assert_array_equal(without_gaps(Instances(full)).ids, [[1, 2]])
    whole = Instances(np.array([[0, 1, 2]], np.int32))
    assert without_gaps(whole) is whole


def test_files_of_two_keys_never_meet(tmp_path):
    assert prediction_path(tmp_path, Record("a/b", "")) != prediction_path(
        tmp_path, Record("a_b", "")
    )


@pytest.fixture
def domain():
    return open_domain("synth-he", split={})


def test_what_is_wrong_with_one_image_is_its_own(domain, tmp_path):
    def broken(record, size):
        raise DataError(f"no file for {record.key}")

    record = domain.part("all")[0]
    judged = judge(Contest(domain, broken, (), tmp_path), record)
    assert judged.tally is None
    assert f"no file for {record.key}" in judged.row().error
    assert not list(tmp_path.iterdir())


def test_what_concerns_all_images_goes_on(domain, tmp_path):
    def broken(record, size):
        raise DeviceError("out of memory")

    with pytest.raises(DeviceError):
        judge(Contest(domain, broken, (), tmp_path), domain.part("all")[0])


def test_the_written_prediction_is_the_scored_one(domain, tmp_path):
    record = domain.part("all")[0]
    truth = domain.data.labels(record).ids
    found = Instances(truth * 7)
    judged = judge(Contest(domain, lambda *_: found, (), tmp_path), record)
    assert judged.row().values["dice"] == 1
    np.testing.assert_array_equal(read_label_tiff(prediction_path(tmp_path, record)), truth)


def test_why_classes_are_not_scored():
    assert class_note(("a", "b"), ("a", "b")) == class_note(("a",), None) == ""
    assert "data set has no classes" in class_note((), ("a",))
    assert "predictions have no classes" in class_note(("a",), ())
    assert "other classes (b)" in class_note(("a",), ("b",))
