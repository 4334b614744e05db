"""A slide in blocks says what it says as one image: no object doubled, cut, lost or moved."""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest
import torch
from shapely.geometry import shape
from shapely.ops import unary_union

from histokit.errors import DataError
from histokit.interfaces import Instances, Maps, Sizes
from histokit.io.geojson import write_geojson
from histokit.run.infer import Windows, decode, segment_image
from histokit.run.slide.ahead import ahead
from histokit.run.slide.memory import core_side
from histokit.run.slide.walk import predict_slide
from histokit.run.slide.work import SlideOptions, SlideWork
from slides import nuclei, write_pyramid
from toys import Toy, cpu, darkness

WINDOWS = Windows(96, 24, 2)


def work(out, segmenter=None, *, expected=None, formats=("geojson",), mpp=None, **options):
    given = {"core": 200, "margin": 48, "mask": "none"} | options
    return SlideWork(
        segmenter or Toy(darkness),
        cpu(),
        {"mpp": expected, "classes": ("nucleus",)},
        out,
        mpp,
        formats,
        WINDOWS,
        options=SlideOptions(**given),
    )


def run(path, job):
    """The number of objects, and the lines that were told."""
    events, walk = [], predict_slide(path, job)
    while True:
        try:
            events.append(next(walk).text)
        except StopIteration as end:
            return end.value, events


def outlines(path):
    data = path.read_bytes()
    value = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    return value, [feature["geometry"] for feature in value["features"]]


def as_one_image(picture, folder, segmenter, windows=WINDOWS):
    found = decode(segmenter, segment_image(segmenter, picture, cpu(), windows))
    write_geojson(folder / "whole.geojson", found, class_names=("nucleus",))
    return outlines(folder / "whole.geojson")[1]


def texts(geometries):
    return sorted(json.dumps(geometry) for geometry in geometries)


@pytest.mark.parametrize("core", [150, 256, 4096])
@pytest.mark.parametrize("sizes", [Sizes(), Sizes(32, 16, shrink=8)], ids=["same", "shrinks"])
def test_blocks_give_what_one_image_gives(tmp_path, core, sizes):
    def answer(images):
        maps, cut = darkness(images), sizes.shrink // 2
        return Maps(torch.nn.functional.pad(maps.logits, [-cut] * 4), "sigmoid")

    picture = nuclei(610, 730)
    write_pyramid(tmp_path / "ä b.tif", picture, levels=2)
    segmenter = Toy(answer, sizes)
    count, _ = run(tmp_path / "ä b.tif", work(tmp_path, segmenter, core=core))
    about, found = outlines(tmp_path / "geojson" / "ä b.geojson")
    assert count == len(found) > 100
    assert texts(found) == texts(as_one_image(picture, tmp_path, segmenter))
    keys = [feature["properties"]["metadata"]["id"] for feature in about["features"]]
    assert sorted(map(int, keys)) == list(range(1, count + 1))


def test_softmax_and_classes_and_scores_survive(tmp_path):
    class Two(Toy):
        def decode(self, maps):
            found = super().decode(Maps(maps.logits[:, 1:2] - maps.logits[:, :1], "sigmoid"))
            sides = np.bincount(found.ids.ravel())[1:] % 2 + 1
            return Instances(found.ids, dict(enumerate(sides.tolist(), 1)), found.scores)

    def answer(images):
        dark = darkness(images).logits
        return Maps(torch.cat([-dark / 2, dark / 2], 1), "softmax", {"more": images})

    picture = nuclei(400, 500)
    write_pyramid(tmp_path / "s.tif", picture)
    run(tmp_path / "s.tif", work(tmp_path, Two(answer)))
    found = decode(Two(answer), segment_image(Two(answer), picture, cpu(), WINDOWS))
    write_geojson(tmp_path / "whole.geojson", found, class_names=("nucleus",))
    facts = [
        sorted(
            (
                json.dumps(f["geometry"]),
                json.dumps(f["properties"]["measurements"]),
                f["properties"]["classification"]["name"],
            )
            for f in outlines(path)[0]["features"]
        )
        for path in (tmp_path / "geojson" / "s.geojson", tmp_path / "whole.geojson")
    ]
    assert facts[0] == facts[1]
    assert {name for *_, name in facts[0]} == {"nucleus", "Class 2"}


def test_nothing_is_doubled_or_lost_where_blocks_disagree(tmp_path):
    """Objects larger than the margin: each block sees its own part of them."""
    picture = np.full((500, 700, 3), 240, np.uint8)
    picture[190:215, 20:680] = 20
    picture[30:470, 395:410] = 20
    picture[300:420, 90:230] = 20
    write_pyramid(tmp_path / "s.tif", picture)
    count, lines = run(tmp_path / "s.tif", work(tmp_path, core=200, margin=32))
    areas = [shape(geometry) for geometry in outlines(tmp_path / "geojson" / "s.geojson")[1]]
    assert count == len(areas)
    assert any("may be cut" in line for line in lines)
    whole = unary_union([shape(g) for g in as_one_image(picture, tmp_path, Toy(darkness))])
    assert sum(area.area for area in areas) == pytest.approx(unary_union(areas).area)
    assert unary_union(areas).area <= whole.area
    assert unary_union(areas).area > 0.9 * whole.area


def test_only_tissue_runs_and_all_of_it(tmp_path):
    picture = np.full((900, 1200, 3), 245, np.uint8)
    picture[100:400, 100:420] = nuclei(300, 320)
    picture[600:860, 700:1180] = nuclei(260, 480, seed=1)
    write_pyramid(tmp_path / "s.tif", picture, levels=2)
    seen = []

    def answer(images):
        seen.append(len(images))
        return darkness(images)

    count, lines = run(tmp_path / "s.tif", work(tmp_path, Toy(answer), mask=""))
    whole = as_one_image(picture, tmp_path, Toy(darkness))
    assert texts(outlines(tmp_path / "geojson" / "s.geojson")[1]) == texts(whole)
    assert count == len(whole)
    total = int(lines[1].partition(" of ")[2].split()[0])
    assert sum(seen) < 0.6 * total


def test_coordinates_are_those_of_the_full_size(tmp_path):
    picture = np.full((640, 800, 3), 250, np.uint8)
    picture[200:240, 400:480] = 10
    write_pyramid(tmp_path / "s.tif", picture, levels=3, mpp=0.25)
    _, lines = run(tmp_path / "s.tif", work(tmp_path, expected=0.5))
    assert lines[0] == "s.tif: weights 0.5 µm/px, slide 0.25: level 1 as it is"
    about, (found,) = outlines(tmp_path / "geojson" / "s.geojson")
    assert shape(found).bounds == (400, 200, 480, 240)
    measured = about["features"][0]["properties"]["measurements"]
    assert measured["Area px"] == 3200
    assert measured["Area µm^2"] == 200
    assert about["histokit"]["mpp"] == [0.25, 0.25]
    _, lines = run(tmp_path / "s.tif", work(tmp_path, expected=0.4))
    assert lines[0].endswith("resampled from level 0")
    (found,) = outlines(tmp_path / "geojson" / "s.geojson")[1]
    assert shape(found).bounds == pytest.approx((400, 200, 480, 240), abs=1)
    _, lines = run(tmp_path / "s.tif", work(tmp_path, expected=0.5, mpp=0.5))
    assert "slide 0.5: level 0 as it is" in lines[0]


def test_an_unknown_pixel_size_is_an_error(tmp_path, shared_data):
    path = shared_data / "WSI" / "TCGA-CR-7395-01A-01-TS1.svs"
    with pytest.raises(DataError, match="pixel size") as error:
        run(path, work(tmp_path, expected=0.5))
    assert "--mpp" in error.value.hint


def test_the_compressed_file_holds_the_same(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(300, 300))
    run(tmp_path / "s.tif", work(tmp_path, formats=("geojson", "geojson.gz", "overlay")))
    plain = (tmp_path / "geojson" / "s.geojson").read_bytes()
    assert gzip.decompress((tmp_path / "geojson" / "s.geojson.gz").read_bytes()) == plain
    assert (tmp_path / "overlay" / "s.png").exists()


def test_nuclei_as_hovernet_writes_them(tmp_path):
    """In pixels of the full size, whatever the pixel size of the weights."""
    picture = np.full((640, 800, 3), 250, np.uint8)
    picture[200:240, 400:480] = picture[400:420, 100:110] = 10
    write_pyramid(tmp_path / "s.tif", picture, levels=3, mpp=0.25)
    job = work(tmp_path, formats=("hovernet-json",), expected=0.5)
    count, _ = run(tmp_path / "s.tif", job)
    value = json.loads((tmp_path / "json" / "s.json").read_text())
    assert (value["mpp"], value["coord_level"], value["mag"]) == ([0.25, 0.25], 0, None)
    assert value["nuc"].keys() == {str(number) for number in range(1, count + 1)} == {"1", "2"}
    large = max(value["nuc"].values(), key=lambda nucleus: nucleus["bbox"][1][1])
    assert large["bbox"] == [[200, 400], [240, 480]]
    assert large["centroid"] == [439.5, 219.5]
    # the outline runs through the middles of pixels of level 1, between two of level 0
    assert np.abs(np.ptp(large["contour"], axis=0) - [78, 38]).max() <= 1


def test_the_table_has_a_row_an_object(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(400, 500), mpp=0.25)
    count, _ = run(tmp_path / "s.tif", work(tmp_path, formats=("geojson", "table"), expected=0.25))
    about, _ = outlines(tmp_path / "geojson" / "s.geojson")
    with (tmp_path / "tables" / "s.csv").open() as handle:
        rows = {row["nucleus_id"]: row for row in csv.DictReader(handle)}
    assert len(rows) == count
    for feature in about["features"]:
        row, properties = rows[feature["properties"]["metadata"]["id"]], feature["properties"]
        assert float(row["area_px"]) == properties["measurements"]["Area px"]
        assert float(row["area_um2"]) == properties["measurements"]["Area µm^2"]
        left, top, right, bottom = shape(feature["geometry"]).bounds
        assert left < float(row["x_px"]) < right
        assert top < float(row["y_px"]) < bottom


def test_a_preview_runs_nothing(tmp_path):
    def never(images):
        raise AssertionError("it ran")

    write_pyramid(tmp_path / "s.tif", nuclei(300, 400), mpp=0.5)
    count, lines = run(tmp_path / "s.tif", work(tmp_path, Toy(never), preview=True))
    assert count == 0
    assert (tmp_path / "preview" / "s.png").exists()
    assert str(tmp_path / "preview" / "s.png") in lines[-1]
    assert not (tmp_path / "geojson").exists()


def test_a_slide_without_tissue_is_told(tmp_path):
    write_pyramid(tmp_path / "s.tif", np.full((400, 300, 3), 243, np.uint8))
    with pytest.raises(DataError, match="no tissue"):
        run(tmp_path / "s.tif", work(tmp_path, mask=""))
    assert not (tmp_path / "geojson").exists()


def test_a_failure_leaves_no_file(tmp_path):
    calls = []

    def answer(images):
        calls.append(1)
        if len(calls) > 6:
            raise DataError("the reader broke")
        return darkness(images)

    write_pyramid(tmp_path / "s.tif", nuclei(600, 600))
    with pytest.raises(DataError, match="the reader broke"):
        run(tmp_path / "s.tif", work(tmp_path, Toy(answer)))
    assert not list((tmp_path / "geojson").iterdir())


def test_memory_decides_how_large_blocks_are():
    sides = [
        core_side(gib * 2**30, 2**29, Windows(512, 64), 224, Sizes(), 128) for gib in (1, 2, 4, 64)
    ]
    assert sides == sorted(sides)
    assert sides[0] < sides[2] < sides[3] == 4096
    with pytest.raises(DataError, match="--max-memory"):
        core_side(2**29, 2**29, Windows(512, 64), 224, Sizes(), 128)


def test_work_ahead_keeps_order_and_tells_errors():
    def broken():
        yield 1
        raise ValueError("two")

    assert list(ahead(range(50), 3)) == list(range(50))
    walk = ahead(broken())
    assert next(walk) == 1
    with pytest.raises(ValueError, match="two"):
        next(walk)
    closed = []

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    walk = ahead(endless())
    next(walk)
    walk.close()
    assert closed == [True]
