import pytest
from PIL import Image

from histokit.data.cyclegan import CycleGan
from histokit.errors import DataError
from histokit.testing.datasets_pairs import make_cyclegan

KEYS = {
    "a": ["test-t", "train-a1", "train-x"],
    "b": ["test-t", "train-b1", "train-more-b2", "train-x"],
}


@pytest.mark.parametrize("variant", ["a", "b"])
@pytest.mark.parametrize("inner", [".", "data", "data/trainB"])
def test_a_variant_is_a_domain_with_its_parts(tmp_path, inner, variant):
    make_cyclegan(tmp_path / "data")
    records = CycleGan.open(tmp_path / inner, variant).records()
    assert [record.key for record in records] == KEYS[variant]
    assert [record.split for record in records] == [key.split("-")[0] for key in KEYS[variant]]


def test_equal_names_are_pairs_and_others_have_no_counterpart(tmp_path):
    data = CycleGan.open(make_cyclegan(tmp_path), "a")
    paired = dict(zip(KEYS["a"], data.records(), strict=True))
    assert data.counterpart(paired["train-x"]).mean() > data.image(paired["train-x"]).mean()
    with pytest.raises(DataError, match="no partner") as caught:
        data.counterpart(paired["train-a1"])
    assert str(tmp_path / "trainA" / "a1.png") in str(caught.value)
    assert "2 of 3" in str(caught.value)


@pytest.mark.parametrize("variant", ["a", "b"])
def test_verify_lists_what_has_no_partner(tmp_path, variant):
    found = list(CycleGan.open(make_cyclegan(tmp_path), variant).verify())
    assert {finding.level for finding in found} == {"note"}
    assert {f.where.rpartition("/")[2] for f in found} == {"a1.png", "b1.png", "b2.png"}


def test_domains_without_a_common_name_are_one_note(tmp_path):
    for name in ("trainA/a", "trainB/b"):
        (tmp_path / name).parent.mkdir()
        Image.effect_noise((8, 8), 9).save(tmp_path / f"{name}.png")
    (finding,) = CycleGan.open(tmp_path, "").verify()
    assert (finding.level, finding.where) == ("note", "pairs")


def test_half_a_part_and_no_image_are_refused(tmp_path):
    make_cyclegan(tmp_path / "one")
    (tmp_path / "one" / "valA").mkdir()
    with pytest.raises(DataError, match="half of the val part"):
        CycleGan.open(tmp_path / "one", "")
    (tmp_path / "two" / "trainA").mkdir(parents=True)
    (tmp_path / "two" / "trainB").mkdir()
    with pytest.raises(DataError, match="no image in"):
        CycleGan.open(tmp_path / "two", "")
    Image.new("L", (8, 8)).save(tmp_path / "two" / "trainB" / "b.png")
    with pytest.raises(DataError, match="no image of cyclegan"):
        CycleGan.open(tmp_path / "two", "a")
