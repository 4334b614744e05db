"""`synth-he-ihc`: the tissue of synth-he again, brown where nuclei are large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.registration import phase_cross_correlation

from histokit.data.cards import SYNTH_HE_IHC
from histokit.data.synth.domains import DOMAINS, patient
from histokit.data.synth.ihc import APART, marker, paint_ihc
from histokit.data.synth.scene import grow, seed
from histokit.data.synth_he import SynthHE
from histokit.data.synth_he_ihc import SynthHeIhc
from histokit.errors import DataError, UnknownName
from histokit.interfaces.dataset import Record
from histokit.metrics.images import densities, positive_fraction

NAMES = ("breast", "kidney", "colon")
SIDE = 128


def made(name, **how):
    return SynthHeIhc(name, n_patients=3, images_per_patient=1, side=SIDE, **how)


def test_the_card_names_what_can_be_opened():
    assert SYNTH_HE_IHC.load() is SynthHeIhc
    assert SYNTH_HE_IHC.task == "pairs"
    for variant in SYNTH_HE_IHC.variants:
        record = SynthHeIhc.open(Path("nowhere"), variant).records()[0]
        assert record.key.startswith(variant.removesuffix("-apart"))
    with pytest.raises(UnknownName, match="sideways"):
        SynthHeIhc.open(Path(), "sideways")


@pytest.mark.parametrize("name", NAMES)
def test_the_first_stain_is_synth_he_to_the_byte(name):
    data, alone = made(name), SynthHE(name, n_patients=3, images_per_patient=1, side=SIDE)
    assert data.records() == alone.records()
    for record in data.records():
        assert np.array_equal(data.image(record), alone.image(record))
        assert np.array_equal(data.labels(record).ids, alone.labels(record).ids)


def test_the_same_bytes_each_time_and_others_for_others():
    data, (first, second, _) = made("breast"), made("breast").records()
    picture = data.counterpart(first)
    assert (picture.dtype, picture.shape) == (np.uint8, (SIDE, SIDE, 3))
    assert np.array_equal(picture, paint_ihc("breast", 0, first.key, SIDE, apart=False))
    assert not np.array_equal(picture, data.counterpart(second))
    picture[:] = 0
    assert data.counterpart(first).any()


@pytest.mark.parametrize("name", NAMES)
def test_large_nuclei_are_brown_and_small_ones_blue(name):
    """What decides can be seen in H&E, so a translator can learn it."""
    data = made(name)
    brown, plain, blue, ground, shares = [], [], [], [], []
    for number, record in enumerate(data.records()):
        tissue = grow(seed(name, record.key), name, number, SIDE)
        strength = np.array([0.0, *(marker(n, tissue.domain) for n in tissue.field.nuclei)])
        ids = tissue.field.ids[tissue.inner, tissue.inner]
        stains = densities(data.counterpart(record), "IHC")
        positive, negative = strength[ids] > 0, (strength[ids] == 0) & (ids > 0)
        brown += stains.other[positive].tolist()
        plain += stains.other[negative].tolist()
        blue += stains.haematoxylin[negative].tolist()
        ground += stains.haematoxylin[ids == 0].tolist()
        shares.append(positive_fraction(stains))
    assert np.mean(brown) > 3 * np.mean(plain)
    assert np.mean(blue) > 2 * np.mean(ground)
    assert 0.03 < np.mean(shares) < 0.6


def test_the_marker_grows_with_the_nucleus():
    domain = patient(DOMAINS["breast"], 0)
    tissue = grow(seed("breast", "x"), "breast", 0, SIDE)
    ranked = sorted(tissue.field.nuclei, key=lambda n: n.half[0] * n.half[1])
    found = [marker(nucleus, domain) for nucleus in ranked]
    assert found == sorted(found)
    assert found[0] == 0 < found[-1] <= 1
    assert min(value for value in found if value) >= 0.5


def test_sections_apart_are_a_few_pixels_off():
    data, apart = made("breast"), made("breast", apart=True)
    shifts = []
    for record in data.records():
        pictures = (d.counterpart(record).mean(2) for d in (data, apart))
        shifts.append(phase_cross_correlation(*pictures, upsample_factor=10)[0])
        assert np.array_equal(apart.image(record), data.image(record))
    assert 0.3 < np.abs(shifts).max() < APART + 3
    assert np.ptp(shifts, axis=0).max() > 0.3


def test_strange_records_are_refused():
    with pytest.raises(DataError, match="synth-he@breast has no image 'x'"):
        made("breast").counterpart(Record("x", "p00"))
