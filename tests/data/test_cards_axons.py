"""What every card of axons promises, on the fixture of its data set."""

import pickle

import numpy as np
import pytest

from histokit.data import cards_axons
from histokit.errors import DataError, UnknownName
from histokit.interfaces.spec import DatasetSpec
from histokit.testing import datasets_axons as kit

CARDS = {c.name: c for c in vars(cards_axons).values() if isinstance(c, DatasetSpec)}
MAKERS = {
    "ads-sem": kit.make_ads_sem,
    "ads-tem": kit.make_ads_tem,
    "ads-bf": kit.make_ads_bf,
    "ads-macaque": kit.make_ads_macaque,
}


def test_every_card_has_a_fixture():
    assert set(CARDS) == set(MAKERS)


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("variant", ["", "both", "axon", "myelin", "inverted"])
def test_readers_keep_the_promises_of_the_interface(tmp_path, name, variant):
    card = CARDS[name]
    data = card.load().open(MAKERS[name](tmp_path), variant)
    keys = [record.key for record in data.records()]
    assert len(keys) == len(set(keys)) > 1
    for record in data.records():
        image, labels = data.image(record), data.labels(record)
        assert (image.dtype, image.shape) == (np.uint8, (64, 96, 3))
        assert (labels.ids.dtype, labels.ids.shape) == (np.int32, (64, 96))
        count = 2 if card.class_names(variant) == () else 4
        assert np.unique(labels.ids).tolist() == list(range(count + 1))
        assert labels.classes == ({1: 1, 2: 1, 3: 2, 4: 2} if count == 4 else {})
        in_axon, in_sheath = int(labels.ids[20, 20]), int(labels.ids[20, 28])
        if count == 4:
            assert (labels.classes[in_axon], labels.classes[in_sheath]) == (1, 2)
        else:
            assert (in_axon > 0, in_sheath > 0) == (variant == "axon", variant == "myelin")
    assert not [finding for finding in data.verify() if finding.level == "error"]


@pytest.mark.parametrize("name", CARDS)
def test_an_opened_set_and_its_card_travel_to_loading_processes(tmp_path, name):
    data = CARDS[name].load().open(MAKERS[name](tmp_path), "")
    sent, card = pickle.loads(pickle.dumps((data, CARDS[name])))
    assert (sent, card) == (data, CARDS[name])


@pytest.mark.parametrize("name", CARDS)
def test_other_roots_and_variants_are_refused(tmp_path, name):
    reader = CARDS[name].load()
    for other, make in MAKERS.items():
        if other != name:
            make(tmp_path)
    with pytest.raises(DataError, match=f"no {name} data in") as caught:
        reader.open(tmp_path, "")
    assert CARDS[name].tree.strip().splitlines()[-1] in str(caught.value)
    with pytest.raises(UnknownName):
        reader.open(MAKERS[name](tmp_path), "nuclei")
