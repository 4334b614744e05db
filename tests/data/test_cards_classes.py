"""What every card of data with classes promises, on the fixture of its data set."""

import pickle

import numpy as np
import pytest

from histokit.data import cards_classes
from histokit.data.layout import check_variant
from histokit.errors import DataError
from histokit.interfaces.spec import DatasetSpec
from histokit.testing import datasets_classes as kit

CARDS = {c.name: c for c in vars(cards_classes).values() if isinstance(c, DatasetSpec)}
MAKERS = {
    "consep": kit.make_consep,
    "pannuke": kit.make_pannuke,
    "conic": kit.make_conic,
    "lizard": kit.make_lizard,
    "monusac": kit.make_monusac,
    "kumar": kit.make_kumar,
    "cpm15": kit.make_cpm15,
    "cpm17": kit.make_cpm17,
    "nucls": kit.make_nucls,
}
OTHER_CLASSES = {"consep@raw7": 7, "consep@binary": 0, "nucls@main": 7}
CASES = [(name, v) for name in MAKERS for v in ["", *filter(None, CARDS[name].variants)]]


def test_every_card_has_a_fixture():
    assert set(CARDS) == set(MAKERS)


@pytest.mark.parametrize("name", CARDS)
def test_cards_say_where_from_and_how(name):
    card = CARDS[name]
    assert card.licence
    assert card.homepage
    assert card.reference.count("{") == card.reference.count("}") > 0
    assert "http" not in card.homepage
    assert check_variant(card, "") == next(iter(card.variants), "")


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_readers_keep_the_promises_of_the_interface(tmp_path, name, variant):
    card = CARDS[name]
    data = card.load().open(MAKERS[name](tmp_path), variant)
    keys = [record.key for record in data.records()]
    assert len(keys) == len(set(keys)) > 0
    classes = OTHER_CLASSES.get(f"{name}@{variant}", len(card.classes))
    seen = set()
    for record in data.records():
        image, labels = data.image(record), data.labels(record)
        assert image.dtype == np.uint8
        assert image.shape == (*labels.ids.shape, 3)
        assert labels.ids.dtype == np.int32
        ids = np.unique(labels.ids)
        assert ids[ids > 0].tolist() == list(range(1, int(ids.max()) + 1))
        assert set(labels.classes) <= set(ids[ids > 0].tolist())
        seen |= set(labels.classes.values())
    assert seen <= set(range(1, classes + 1))
    assert (len(seen) > 0) == (classes > 0)
    assert not [finding for finding in data.verify() if finding.level == "error"]


@pytest.mark.parametrize("other", ["consep", "kumar", "cpm15", "cpm17"])
@pytest.mark.parametrize("name", ["consep", "kumar", "cpm15", "cpm17"])
def test_sets_of_one_layout_are_not_taken_for_each_other(tmp_path, name, other):
    if other == "kumar":
        kit.make_kumar(tmp_path, prepared=True)
    else:
        MAKERS[other](tmp_path)
    reader = CARDS[name].load()
    if name == other:
        assert reader.open(tmp_path, "").records()
        return
    with pytest.raises(DataError, match=f"no {name}"):
        reader.open(tmp_path, "")


@pytest.mark.parametrize("name", CARDS)
def test_an_opened_set_travels_to_loading_processes_without_its_pixels(tmp_path, name):
    data = CARDS[name].load().open(MAKERS[name](tmp_path), "")
    sent = pickle.dumps(data)
    assert len(sent) < 10_000
    record = data.records()[0]
    np.testing.assert_array_equal(pickle.loads(sent).image(record), data.image(record))
