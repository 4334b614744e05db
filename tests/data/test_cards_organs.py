"""What every card of nuclei, lesions and plaques promises, on the fixture of its data set."""

import pickle

import numpy as np
import pytest

from histokit.data import cards_organs
from histokit.data.layout import check_variant
from histokit.errors import DataError, UnknownName
from histokit.interfaces.spec import DatasetSpec
from histokit.testing import datasets_organs as kit

CARDS = {c.name: c for c in vars(cards_organs).values() if isinstance(c, DatasetSpec)}
MAKERS = {
    "kirc": kit.make_kirc,
    "pcns": kit.make_pcns,
    "cryonuseg": kit.make_cryonuseg,
    "nuinsseg": kit.make_nuinsseg,
    "udiat": kit.make_udiat,
    "busi": kit.make_busi,
    "us-tnbc": kit.make_us_tnbc,
    "adtau": kit.make_adtau,
}
EXTRA = {
    "pcns": ["stad", "brca", "mani"],
    "cryonuseg": ["1b", "2"],
    "nuinsseg": ["fold1", "fold5"],
    "busi": ["unique", "all"],
    "adtau": ["128-old", "256-new", "256-test0-cv0"],
}
CASES = [(name, variant) for name in MAKERS for variant in ["", *EXTRA.get(name, [])]]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A folder with every fixture in a folder of its own; tests only read it."""
    root = tmp_path_factory.mktemp("sets")
    for name, make in MAKERS.items():
        make(root / name)
    return root


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


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("kirc", "could not be verified"),
        ("pcns", "could not be verified"),
        ("cryonuseg", "not verified"),
        ("busi", "not verified"),
        ("us-tnbc", "no public layout"),
    ],
)
def test_cards_own_up_to_what_is_not_verified(name, word):
    assert word in CARDS[name].homepage + CARDS[name].licence


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_readers_keep_the_promises_of_the_interface(sets, name, variant):
    card = CARDS[name]
    data = card.load().open(sets / name, variant)
    keys = [record.key for record in data.records()]
    assert len(keys) == len(set(keys)) > 0
    seen = set()
    for record in data.records():
        image, labels = data.image(record), data.labels(record)
        assert image.dtype == np.uint8
        assert image.shape == (*labels.ids.shape, 3)
        assert labels.ids.dtype == np.int32
        assert record.split in (None, "train", "val", "test")
        ids = np.unique(labels.ids)
        assert ids[ids > 0].tolist() == list(range(1, int(ids.max()) + 1))
        assert set(labels.classes) <= set(ids[ids > 0].tolist())
        seen |= set(labels.classes.values())
    assert seen == set(range(1, len(card.classes) + 1)) - ({2} if variant == "unique" else set())
    assert not [finding for finding in data.verify() if finding.level == "error"]


@pytest.mark.parametrize("name", CARDS)
def test_variants_that_do_not_exist_are_refused(sets, name):
    with pytest.raises(UnknownName):
        CARDS[name].load().open(sets / name, "none-such")


@pytest.mark.parametrize("name", CARDS)
def test_nothing_there_is_told_with_the_expected_tree(tmp_path, name):
    archive = tmp_path / "archive.zip"
    archive.write_bytes(b"PK")
    line = CARDS[name].tree.strip().splitlines()[0].strip()
    for root in (tmp_path, tmp_path / "absent", archive):
        with pytest.raises(DataError, match=f"no {name} data") as caught:
            CARDS[name].load().open(root, "")
        assert line in str(caught.value)
        assert str(root) in str(caught.value)


@pytest.mark.parametrize("name", sorted(set(CARDS) - {"us-tnbc"}))
@pytest.mark.parametrize("other", CARDS)
def test_sets_are_not_taken_for_each_other(sets, name, other):
    """But for us-tnbc, whose layout is unknown and which takes any pair of folders."""
    reader = CARDS[name].load()
    if name == other:
        assert reader.open(sets / other, "").records()
        return
    with pytest.raises(DataError, match=f"no {name} data"):
        reader.open(sets / other, "")


@pytest.mark.parametrize("name", CARDS)
def test_an_opened_set_travels_to_loading_processes_without_its_pixels(sets, name):
    data = CARDS[name].load().open(sets / name, "")
    sent = pickle.dumps(data)
    assert len(sent) < 10_000
    record = data.records()[0]
    np.testing.assert_array_equal(pickle.loads(sent).image(record), data.image(record))


@pytest.mark.parametrize("name", CARDS)
def test_fixtures_are_the_same_every_time(sets, tmp_path, name):
    MAKERS[name](tmp_path)
    first = [path for path in (sets / name).rglob("*") if path.is_file()]
    assert first
    for path in first:
        inner = path.relative_to(sets / name)
        assert (tmp_path / inner).read_bytes() == path.read_bytes(), inner
