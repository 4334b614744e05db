"""Perturbed images: what each kind does, and that the same is done again."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import hed2rgb, rgb2hed

from histokit.data.perturb import KINDS, Perturbations, in_words, perturb
from histokit.data.synth_he import SynthHE
from histokit.errors import DataError, UnknownName, UsageError


@pytest.fixture(scope="module")
def tissue():
    made = SynthHE("breast", n_patients=1, images_per_patient=1, side=64)
    return made.image(made.records()[0])


@pytest.mark.parametrize("kind", KINDS)
def test_level_0_is_the_image_and_higher_levels_go_further_from_it(tissue, kind):
    levels = [perturb(tissue, kind, share, key="a") for share in (0, 0.2, 0.6, 1)]
    assert np.array_equal(levels[0], tissue)
    assert {(image.shape, str(image.dtype)) for image in levels} == {(tissue.shape, "uint8")}
    moved = [np.abs(image.astype(int) - tissue).mean() for image in levels]
    assert moved == sorted(moved)
    assert moved[1] > 0.3
    assert in_words(kind, 0) == "unchanged"


@given(st.sampled_from(KINDS), st.text(max_size=5), st.integers(0, 9), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_the_same_key_and_seed_give_the_same_image(kind, key, seed, share):
    image = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    before = image.copy()
    first, again = (perturb(image, kind, share, key=key, seed=seed) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("kind", ["stain", "brightness"])
def test_images_go_different_ways_and_each_keeps_its_own(tissue, kind):
    ways = [
        tuple(np.sign((perturb(tissue, kind, s, key=key).astype(int) - tissue).mean())
              for s in (0.4, 1))
        for key in "abcdefgh"
    ]  # fmt: skip
    assert all(first == second for first, second in ways)
    assert len(set(ways)) == 2
    others = [perturb(tissue, kind, 1, key="a", seed=seed) for seed in range(8)]
    assert len({image.tobytes() for image in others}) > 1


def test_stain_scales_haematoxylin_and_eosin_and_leaves_the_residue():
    """Against skimage, on amounts that stay within the colours of a picture."""
    rng = np.random.default_rng(3)
    amounts = np.stack([*rng.uniform(0.02, 0.05, (2, 8, 8)), np.full((8, 8), 0.01)], -1)
    image = (hed2rgb(amounts) * 255).round().astype(np.uint8)
    for key in "abcd":
        before, after = rgb2hed(image), rgb2hed(perturb(image, "stain", 0.5, key=key))
        ratios = np.median(after / before, axis=(0, 1))
        for ratio in ratios[:2]:
            assert min(abs(ratio / 2**0.5 - 1), abs(ratio * 2**0.5 - 1)) < 0.05
        assert ratios[2] == pytest.approx(1, abs=0.05)


def test_jpeg_is_the_file_of_that_quality(tissue):
    with io.BytesIO() as file:
        Image.fromarray(tissue).save(file, "JPEG", quality=10, subsampling="4:2:0")
        expected = np.asarray(Image.open(file))
    assert np.array_equal(perturb(tissue, "jpeg", 1), expected)
    assert in_words("jpeg", 1) == "quality 10"


def test_blur_and_brightness_of_known_images():
    flat = np.full((9, 9, 3), (200, 100, 40), np.uint8)
    assert np.array_equal(perturb(flat, "blur", 1), flat)
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    spread = perturb(point, "blur", 1 / 3).astype(float)[..., 0]  # sigma 1
    assert spread[20, 20] == pytest.approx(255 / (2 * np.pi), abs=1)
    darker, brighter = sorted(
        ({perturb(flat, "brightness", 1, key=key)[0, 0].tobytes() for key in "abcdefgh"}),
        key=lambda pixel: pixel[2],
    )
    assert list(darker) == [100, 50, 20]
    assert list(brighter) == [255, 150, 60]


def test_grey_arrays_have_no_stains():
    grey = np.zeros((8, 8, 1), np.uint8)
    with pytest.raises(DataError, match="p1 has no stains") as caught:
        perturb(grey, "stain", 1, key="p1")
    assert "blur,jpeg,brightness" in caught.value.hint


def test_what_is_typed():
    assert Perturbations.typed("stain, jpeg,stain", 3, 1).kinds == ("stain", "jpeg")
    assert Perturbations.typed("", 5, 0).kinds == ()
    with pytest.raises(UnknownName, match="blurr") as caught:
        Perturbations.typed("blurr", 5, 0)
    assert "blur" in caught.value.near
    with pytest.raises(UsageError):
        Perturbations(("blur",), 0)
