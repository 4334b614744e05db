from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2hed
from skimage.filters import threshold_otsu

from histokit.data.synth.domains import DOMAINS, MPP, patient
from histokit.data.synth.layout import plan
from histokit.data.synth.noise import band_noise, generator
from histokit.data.synth.nuclei import MOST_HIDDEN, place, tidy
from histokit.data.synth.optics import transmittance
from histokit.data.synth_he import SynthHE
from histokit.errors import ConfigError, DataError, UnknownName
from histokit.interfaces.dataset import Record

NAMES = ("breast", "kidney", "colon")
EIGHT = np.ones((3, 3), dtype=int)


def digest(name: str, side: int = 128) -> str:
    data = SynthHE(name, n_patients=2, images_per_patient=2, side=side)
    record = data.records()[3]
    both = data.image(record).tobytes() + data.labels(record).ids.tobytes()
    return hashlib.sha256(both).hexdigest()


def check_ids(ids: NDArray[np.int32]) -> None:
    assert ids.dtype == np.int32
    present = np.unique(ids[ids > 0])
    np.testing.assert_array_equal(present, np.arange(1, present.size + 1))
    for one in present:
        assert ndimage.label(ids == one, structure=EIGHT)[1] == 1


@pytest.fixture(scope="module")
def samples() -> dict[str, list[tuple[NDArray[np.uint8], NDArray[np.int32]]]]:
    """One image of each of the twelve patients, by domain."""
    found = {}
    for name in NAMES:
        data = SynthHE.open(Path(), name)
        records = data.records()[::4]
        found[name] = [(data.image(record), data.labels(record).ids) for record in records]
    return found


def test_records_are_twelve_patients_of_four() -> None:
    records = SynthHE.open(Path("nowhere"), "").records()
    assert len(records) == len({record.key for record in records}) == 48
    assert len({record.group for record in records}) == 12
    assert records[14] == Record(key="breast/p03_2", group="p03", mpp=0.25)
    assert list(SynthHE().verify()) == []


def test_three_domains() -> None:
    assert tuple(DOMAINS) == NAMES
    for name in NAMES:
        assert SynthHE.open(Path(), name).records()[0].key == f"{name}/p00_0"


@pytest.mark.parametrize("name", NAMES)
def test_another_process_makes_the_same_bytes(name: str) -> None:
    code = (
        "import hashlib; from histokit.data.synth_he import SynthHE;"
        f"d = SynthHE({name!r}, n_patients=2, images_per_patient=2, side=128); r = d.records()[3];"
        "b = d.image(r).tobytes() + d.labels(r).ids.tobytes();"
        "print(hashlib.sha256(b).hexdigest())"
    )
    for seed in ("1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == digest(name)


def test_number_of_patients_does_not_change_an_image() -> None:
    few, many = SynthHE(n_patients=1, side=64), SynthHE(n_patients=3, side=64)
    for left, right in zip(few.records(), many.records(), strict=False):
        np.testing.assert_array_equal(few.image(left), many.image(right))


def test_a_caller_may_write_into_what_it_gets() -> None:
    data = SynthHE(side=64)
    record = data.records()[0]
    image, ids = data.image(record), data.labels(record).ids
    before = image.copy()
    image[:] = 0
    ids[:] = -1
    np.testing.assert_array_equal(data.image(record), before)
    assert data.labels(record).ids.min() == 0


@pytest.mark.parametrize("name", NAMES)
def test_ids_and_sizes_are_those_of_nuclei(name: str, samples) -> None:
    for image, ids in samples[name]:
        assert image.shape == (256, 256, 3)
        assert image.dtype == np.uint8
        check_ids(ids)
        assert 5 <= ids.max() <= 80
        cut = np.unique(np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]]))
        area = np.bincount(ids.ravel()) * MPP**2
        inner = np.setdiff1d(np.arange(1, ids.max() + 1), cut)
        assert area[inner].min() > 8
        assert area[inner].max() < 180
        assert area[1:].min() >= 1.25


@pytest.mark.parametrize("name", NAMES)
def test_no_nucleus_hides_more_than_a_quarter_of_another(name: str) -> None:
    touching = 0
    for seed in range(3):
        domain, rng = patient(DOMAINS[name], seed), generator("test", seed)
        field = place(rng, plan(rng, domain.architecture, 304), domain.populations, domain.size)
        seen = np.bincount(field.ids.ravel(), minlength=len(field.nuclei) + 1)[1:]
        np.testing.assert_array_equal(seen, field.seen)
        assert (seen >= (1 - MOST_HIDDEN) * np.array(field.whole)).all()
        wide = ndimage.maximum_filter(field.ids, 3)
        touching += np.count_nonzero((field.ids > 0) & (wide != field.ids))
    assert touching > 50


def test_tidy_keeps_the_largest_piece_and_counts_without_gaps() -> None:
    ids = np.zeros((20, 20), dtype=np.int32)
    ids[:2, :3], ids[4:10, :6] = 4, 4
    ids[10:15, 10:16] = 9
    ids[19, 19] = 7
    expected = np.zeros_like(ids)
    expected[4:10, :6], expected[10:15, 10:16] = 1, 2
    np.testing.assert_array_equal(tidy(ids), expected)


@pytest.mark.parametrize("name", NAMES)
def test_beer_and_lambert(name: str) -> None:
    stains = DOMAINS[name].stains
    np.testing.assert_allclose(np.linalg.norm(stains, axis=1), 1)
    densities = np.random.default_rng(0).uniform(0, 1.2, (3, 8, 9)).astype(np.float32)
    light = transmittance(densities, stains)
    np.testing.assert_array_equal(transmittance(np.zeros_like(densities), stains), 1)
    np.testing.assert_allclose(transmittance(2 * densities, stains), light**2, rtol=1e-5)
    by_hand = 10.0 ** -np.einsum("shw,sc->hwc", densities.astype(float), np.array(stains))
    np.testing.assert_allclose(light, by_hand, rtol=1e-5)


def test_domains_lie_further_apart_than_patients(samples) -> None:
    means = {
        name: np.array([image.reshape(-1, 3).mean(axis=0) for image, _ in images])
        for name, images in samples.items()
    }
    centres = {name: rgb.mean(axis=0) for name, rgb in means.items()}
    apart = min(np.linalg.norm(centres[a] - centres[b]) for a, b in combinations(NAMES, 2))
    spread = max(np.linalg.norm(rgb - centres[name], axis=1).mean() for name, rgb in means.items())
    assert apart > 30
    assert spread < apart / 2


def test_contrast_differs_between_domains(samples) -> None:
    contrast = {}
    for name, images in samples.items():
        grey = [(image.mean(axis=2), ids > 0) for image, ids in images]
        contrast[name] = np.mean([g[~n].mean() - g[n].mean() for g, n in grey])
    assert contrast["kidney"] < 0.75 * min(contrast["breast"], contrast["colon"])


@pytest.mark.parametrize("name", NAMES)
def test_otsu_on_haematoxylin_finds_nuclei_but_not_all(name: str, samples) -> None:
    scores = []
    for image, ids in samples[name]:
        dye = rgb2hed(image)[..., 0]
        found, true = dye > threshold_otsu(dye), ids > 0
        scores.append(2 * (found & true).sum() / (found.sum() + true.sum()))
    assert 0.6 < np.mean(scores) < 0.87


def test_patients_share_their_stain_and_differ_from_each_other() -> None:
    first, again, other = (patient(DOMAINS["breast"], number) for number in (0, 0, 1))
    assert first == again
    assert first.stains != other.stains
    assert first.size != other.size


def test_noise_has_the_promised_scale() -> None:
    fine = band_noise(generator("a"), 200, 1.0, 4.0)
    slow = band_noise(generator("a"), 200, 12.0)
    assert abs(fine.std() - 1) < 0.1
    assert np.abs(np.diff(fine, axis=0)).mean() > 4 * np.abs(np.diff(slow, axis=0)).mean()


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    side=st.integers(32, 200),
    pick=st.integers(0, 3),
)
def test_every_size_gives_a_sound_image(name: str, side: int, pick: int) -> None:
    data = SynthHE(name, n_patients=2, images_per_patient=2, side=side)
    record = data.records()[pick]
    image, labels = data.image(record), data.labels(record)
    assert image.shape == (side, side, 3)
    assert labels.ids.shape == (side, side)
    assert labels.classes == {}
    check_ids(labels.ids)


def test_mistakes_are_told() -> None:
    with pytest.raises(UnknownName, match="colno") as caught:
        SynthHE.open(Path(), "colno")
    assert caught.value.near == ["colon"]
    with pytest.raises(ConfigError, match=r"n_patients = 0(.|\n)*side = 8"):
        SynthHE(n_patients=0, side=8)
    with pytest.raises(DataError, match="kidney/p00_0"):
        SynthHE().image(SynthHE("kidney").records()[0])
