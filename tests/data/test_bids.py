import json

import pytest

from histokit.data.bids import pixel_size
from histokit.errors import DataError


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "sub-1" / "micr" / "sub-1_sample-2_SEM.png"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def write(path, **content):
    path.write_text(json.dumps(content))
    return path


def test_the_most_specific_side_car_wins_key_by_key(tmp_path, image):
    write(tmp_path / "SEM.json", PixelSize=[9, 9], PixelSizeUnits="nm")
    subject = write(tmp_path / "sub-1" / "sub-1_SEM.json", PixelSize=[50, 70])
    write(image.parent / "sub-1_sample-2_SEM.json", BodyPart="CSPINE")
    size = pixel_size(tmp_path, image)
    assert (size.x, size.y, size.source) == (pytest.approx(0.05), pytest.approx(0.07), subject)


def test_in_one_folder_the_side_car_of_more_words_wins(tmp_path, image):
    write(image.parent / "sub-1_SEM.json", PixelSize=[1, 1])
    own = write(image.with_suffix(".json"), PixelSize=[2, 2])
    assert pixel_size(tmp_path, image).source == own


def test_side_cars_of_others_do_not_count(tmp_path, image):
    for name in ("sub-1_sample-3_SEM", "sub-1_sample-2_TEM", "sub-1_sample-2_acq-1_SEM"):
        write(image.parent / f"{name}.json", PixelSize=[1, 1])
    write(tmp_path / "samples.json", PixelSize=[1, 1])
    assert pixel_size(tmp_path, image) is None


@pytest.mark.parametrize(
    ("unit", "micrometres"), [("um", 2), ("µm", 2), ("nm", 0.002), ("mm", 2000)]
)
def test_units(tmp_path, image, unit, micrometres):
    write(image.with_suffix(".json"), PixelSize=[2, 2, 5], PixelSizeUnits=unit)
    assert pixel_size(tmp_path, image).x == pytest.approx(micrometres)


@pytest.mark.parametrize(
    "content",
    [
        {"PixelSize": [0, 1]},
        {"PixelSize": [1]},
        {"PixelSize": ["a", "b"]},
        {"PixelSize": [True, True]},
        {"PixelSize": [float("nan"), 1]},
        {"PixelSize": [1, 1], "PixelSizeUnits": "inch"},
        [1],
    ],
)
def test_side_cars_that_cannot_be_trusted_are_refused_by_name(tmp_path, image, content):
    path = image.with_suffix(".json")
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as caught:
        pixel_size(tmp_path, image)
    assert str(path) in str(caught.value)
