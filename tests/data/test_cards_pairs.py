"""What every card of pairs promises, on the fixture of its data set."""

import pickle

import numpy as np
import pytest

from histokit.data import cards_pairs
from histokit.data.layout import check_variant
from histokit.errors import DataError, UnknownName
from histokit.interfaces.spec import DatasetSpec
from histokit.testing import datasets_pairs as kit

CARDS = {c.name: c for c in vars(cards_pairs).values() if isinstance(c, DatasetSpec)}
MAKERS = {
    "bci": kit.make_bci,
    "mist": kit.make_mist,
    "pairs": kit.make_pairs,
    "pix2pix": kit.make_pix2pix,
    "cyclegan": kit.make_cyclegan,
}
ABSENT = {"mist@er", "mist@pr", "mist@er-slides", "mist@pr-slides"}
CASES = [
    (name, variant)
    for name in MAKERS
    for variant in ["", *CARDS[name].variants]
    if f"{name}@{variant}" not in ABSENT
]


def test_every_card_has_a_fixture():
    assert set(CARDS) == set(MAKERS)


@pytest.mark.parametrize("name", CARDS)
def test_cards_say_where_from_and_how(name):
    card = CARDS[name]
    assert card.task == "pairs"
    assert card.licence
    assert card.homepage
    assert "http" not in card.homepage
    assert card.reference.count("{") == card.reference.count("}")
    assert bool(card.reference) or card.own
    assert check_variant(card, "") == next(iter(card.variants), "")


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_readers_keep_the_promises_of_the_interface(tmp_path, name, variant):
    data = CARDS[name].load().open(MAKERS[name](tmp_path), variant)
    keys = [record.key for record in data.records()]
    assert len(keys) == len(set(keys)) > 0
    for record in data.records():
        image = data.image(record)
        assert image.dtype == np.uint8
        assert image.ndim == image.shape[2] == 3
        if record.key in data.others:
            other = data.counterpart(record)
            assert (other.dtype, other.shape) == (image.dtype, image.shape)
            assert (other != image).any()
    with pytest.raises(DataError, match=f"{name} has no labels") as caught:
        data.labels(record)
    assert str(record.image) in str(caught.value)
    assert not [finding for finding in data.verify() if finding.level == "error"]


@pytest.mark.parametrize("name", CARDS)
def test_an_opened_set_travels_to_loading_processes(tmp_path, name):
    data = CARDS[name].load().open(MAKERS[name](tmp_path), "")
    record = data.records()[-1]
    sent = pickle.loads(pickle.dumps((data, CARDS[name])))[0]
    np.testing.assert_array_equal(sent.counterpart(record), data.counterpart(record))


@pytest.mark.parametrize("name", CARDS)
def test_wrong_roots_and_variants_are_refused(tmp_path, name):
    reader = CARDS[name].load()
    with pytest.raises(DataError, match=f"no {name} data in") as caught:
        reader.open(tmp_path, "")
    assert CARDS[name].tree.strip().splitlines()[-1] in str(caught.value)
    with pytest.raises(DataError, match="no such folder"):
        reader.open(tmp_path / "gone", "")
    with pytest.raises(UnknownName):
        reader.open(MAKERS[name](tmp_path), "sideways")
