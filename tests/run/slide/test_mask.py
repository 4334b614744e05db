"""A mask of the user's says where the tissue is; one of another slide is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from histokit.errors import DataError
from histokit.io.slides_open import open_slide
from histokit.run.slide.mask import tissue_of
from slides import nuclei, write_pyramid


@pytest.fixture
def slide(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(300, 400))
    with open_slide(tmp_path / "s.tif") as opened:
        yield opened


def polygons(path, *rings):
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"objectType": "annotation"},
        }
        for ring in rings
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return str(path)


def test_an_image_of_any_size(tmp_path, slide):
    mask = np.zeros((30, 40), np.uint8)
    mask[10:20, 5:15] = 255
    Image.fromarray(mask).save(tmp_path / "mask é.png")
    assert np.array_equal(tissue_of(slide, str(tmp_path / "mask é.png")).mask, mask > 0)


def test_outlines_in_pixels_of_the_slide(tmp_path, slide):
    path = polygons(
        tmp_path / "m.geojson",
        [[40, 30], [140, 30], [140, 90], [40, 90], [40, 30]],
        [[100, 50], [200, 50], [200, 250], [100, 250], [100, 50]],
    )
    mask = tissue_of(slide, path).mask
    truth = np.zeros((300, 400), bool)
    truth[30:90, 40:140] = truth[50:250, 100:200] = True
    assert np.array_equal(mask, truth)


def test_a_mask_of_another_slide_is_refused(tmp_path, slide):
    Image.fromarray(np.full((40, 30), 255, np.uint8)).save(tmp_path / "tall.png")
    far = polygons(tmp_path / "far.geojson", [[10, 10], [900, 10], [900, 90], [10, 10]])
    for mask in (str(tmp_path / "tall.png"), far):
        with pytest.raises(DataError, match="not a mask of") as error:
            tissue_of(slide, mask)
        assert "s.tif" in str(error.value)


def test_masks_that_cannot_be_read(tmp_path, slide):
    (tmp_path / "text.png").write_text("no")
    with pytest.raises(DataError, match=r"text\.png"):
        tissue_of(slide, str(tmp_path / "text.png"))
    with pytest.raises(DataError, match="nothing"):
        tissue_of(slide, polygons(tmp_path / "none.geojson"))
    with pytest.raises(DataError, match=r"gone\.png"):
        tissue_of(slide, str(tmp_path / "gone.png"))


def test_no_mask_looks_for_tissue_and_none_takes_all(slide):
    assert tissue_of(slide, "").mask.any()
    assert tissue_of(slide, "none").share == 1.0
