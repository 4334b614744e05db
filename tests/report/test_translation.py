"""The trust picture shows four views of one place and counts what was lost and invented."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from histokit.errors import DataError
from histokit.report.data import TrustPanel
from histokit.report.translation import trust_pictures


def decoded(address):
    head, _, data = address.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)


def panel(source, output, reference, *ids):
    return TrustPanel("best", "x", 0.5, "psnr", source, output, reference, "otsu-hed", *ids)


def plain(colour, shape=(80, 100)):
    return np.full((*shape, 3), colour, np.uint8)


@pytest.fixture
def ids():
    """Two nuclei in the reference; the translation keeps one, loses one and invents two."""
    reference, output = np.zeros((80, 100), np.int32), np.zeros((80, 100), np.int32)
    reference[10:30, 10:30], reference[50:70, 10:30] = 1, 2
    output[10:30, 11:30], output[10:30, 60:80], output[50:70, 60:80] = 1, 2, 3
    return output, reference


def test_counts_and_views(ids):
    found = trust_pictures(panel(plain(200), plain(150), plain(100), *ids), side=400)
    assert (found.kept, found.lost, found.invented) == (1, 1, 2)
    assert found.caption == (
        "3 nuclei in the translation, 2 in the reference: 1 in both, 1 lost, 2 invented"
    )
    source, output, reference, wrong = (
        decoded(a) for a in (found.source, found.output, found.reference, found.disagreement)
    )
    assert source.shape == output.shape == reference.shape == wrong.shape
    assert np.abs(source - 200).max() < 12
    assert np.abs(output[0, 0] - 150).max() < 12
    assert np.abs(reference[0, 0] - 100).max() < 12
    assert np.ptp(output) > 50  # outlines
    lost, invented, both = wrong[240, 80], wrong[240, 280], wrong[80, 80]
    assert lost[0] > lost[2] + 40  # orange
    assert invented[2] > invented[0] + 40  # blue
    assert np.ptp(both) < 12
    assert found.where == ""


def test_large_images_show_the_same_part_in_each_picture():
    shape = (400, 700)
    rows, columns = np.mgrid[:400, :700]
    image = np.stack([rows % 256, columns % 256, rows * 0], -1).astype(np.uint8)
    output, reference = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    output[300:320, 600:620] = 1
    found = trust_pictures(panel(image, image, image, output, reference))
    assert found.where == "320 × 320 of 700 × 400 px"
    source, real = decoded(found.source), decoded(found.reference)
    assert np.abs(source - real).max() < 12


def test_sizes_must_agree(ids):
    with pytest.raises(DataError, match="differ in size"):
        panel(plain(1), plain(1, (80, 99)), plain(1), *ids)


def test_without_nuclei_nothing_is_outlined():
    found = trust_pictures(panel(plain(200), plain(150), plain(100)))
    assert np.ptp(decoded(found.output)) < 12
    assert (found.kept, found.lost, found.invented) == (0, 0, 0)
