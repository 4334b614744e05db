"""The table of objects: the same from blocks as from one image, with stable columns."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from histokit.interfaces import Instances
from histokit.run.nuclei_table import nuclei_table


def rows(path):
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def scene():
    ids = np.zeros((120, 160), np.int32)
    ids[7:17, 3:13] = 1
    ids[50:54, 100:140] = 3
    image = np.full((120, 160, 3), 250, np.uint8)
    image[7:17, 3:13] = (60, 40, 120)
    image[50:54, 100:140] = (230, 120, 180)
    return Instances(ids, {1: 2, 3: 1}, {1: 0.91234, 3: 0.5}), image


def test_values_and_columns(tmp_path):
    found, image = scene()
    names = ("epithelium, e", "lymphocyte")
    with nuclei_table(tmp_path / "a.csv", "a é", mpp=(0.5, 0.5), class_names=names) as add:
        add(found, image, (1000, 2000), 10)
    one, two = rows(tmp_path / "a.csv")
    assert (one["slide_id"], one["nucleus_id"], two["nucleus_id"]) == ("a é", "11", "13")
    assert [float(one[key]) for key in ("x_px", "y_px", "area_px")] == [1008, 2012, 100]
    assert [float(one[f"bbox_{key}"]) for key in ("xmin", "ymin", "xmax", "ymax")] == [
        1003, 2007, 1013, 2017,
    ]  # fmt: skip
    assert [float(one[key]) for key in ("x_um", "y_um", "area_um2")] == [504, 1006, 25]
    assert (one["type"], one["type_name"], one["prob"]) == ("2", "lymphocyte", "0.9123")
    assert two["type_name"] == "epithelium, e"
    assert float(one["mean_h"]) > 2 * float(two["mean_h"])
    assert float(one["circularity"]) == pytest.approx(4 / np.pi, abs=1e-3)
    assert float(two["eccentricity"]) > 0.9
    assert float(two["orientation_rad"]) == 0


def test_without_a_pixel_size_there_are_no_micrometres(tmp_path):
    found, image = scene()
    with nuclei_table(tmp_path / "a.csv", "a") as add:
        add(found, image, (0, 0), 0)
    assert not [name for name in rows(tmp_path / "a.csv")[0] if name.split("_")[-1][:2] == "um"]


def test_maps_of_another_pixel_size(tmp_path):
    found, image = scene()
    with nuclei_table(tmp_path / "a.csv", "a", scale=(2, 2), mpp=(0.25, 0.25)) as add:
        add(found, image, (0, 0), 0)
    one = rows(tmp_path / "a.csv")[0]
    assert [float(one[key]) for key in ("x_px", "area_px", "x_um", "area_um2")] == [16, 400, 4, 25]


def test_no_objects_leave_the_heading(tmp_path):
    with nuclei_table(tmp_path / "a.csv", "a") as add:
        add(Instances(np.zeros((4, 5), np.int32)), np.zeros((4, 5, 3), np.uint8), (0, 0), 0)
    assert rows(tmp_path / "a.csv") == []
    assert (tmp_path / "a.csv").read_text().startswith("slide_id,nucleus_id,x_px")
