import numpy as np
import pytest

from histokit.data.kirc import Kirc
from histokit.errors import DataError
from histokit.testing.datasets_organs import make_kirc

NAMES = ["8500_3000", "9300_12400", "38200_36200"]


def array(root, name=NAMES[0]):
    return root / "kirc" / f"{name}.npy"


def rewrite(path, change):
    values = np.load(path)
    np.save(path, change(values))


def messages(data, level="warning"):
    return {f.where: f.message for f in data.verify() if f.level == level}


def test_parts_come_from_the_list_as_it_stands(tmp_path):
    records = Kirc.open(make_kirc(tmp_path), "").records()
    assert [r.key for r in records] == [r.group for r in records] == NAMES
    assert [record.split for record in records] == ["train", "val", "test"]


@pytest.mark.parametrize("inner", [".", "kirc"])
def test_roots_are_tolerant(tmp_path, inner):
    make_kirc(tmp_path)
    assert len(Kirc.open(tmp_path / inner, "").records()) == 3


@pytest.mark.parametrize("inner", [".", "images", "masks"])
def test_paired_folders_are_read_without_parts(tmp_path, inner):
    data = Kirc.open(make_kirc(tmp_path, paired=True) / inner, "")
    assert [record.split for record in data.records()] == [None] * 3
    assert "parts are not known" in messages(data)["kric_split.csv"]


def test_both_layouts_give_the_same_pixels_and_nuclei(tmp_path):
    arrays = Kirc.open(make_kirc(tmp_path / "a"), "")
    paired = Kirc.open(make_kirc(tmp_path / "b", paired=True), "")
    for one, other in zip(arrays.records(), paired.records(), strict=True):
        np.testing.assert_array_equal(arrays.image(one), paired.image(other))
        np.testing.assert_array_equal(arrays.labels(one).ids, paired.labels(other).ids)
        raw = np.load(one.image)
        np.testing.assert_array_equal(arrays.image(one), raw[..., :3])
        np.testing.assert_array_equal(arrays.labels(one).ids > 0, raw[..., 3] > 0)
        assert arrays.labels(one).ids.max() == 2


def test_touching_nuclei_are_one_in_a_binary_mask_and_two_by_ids(tmp_path):
    make_kirc(tmp_path)
    mask = np.zeros((64, 64))
    mask[10:20, 10:20], mask[20:30, 20:30] = 4, 70_000
    rewrite(array(tmp_path), lambda v: np.dstack([v[..., :3].astype(np.uint32), mask > 0]))
    rewrite(array(tmp_path, NAMES[2]), lambda v: np.dstack([v[..., :3], mask]))
    data = Kirc.open(tmp_path, "")
    ids = [data.labels(record).ids for record in data.records()]
    assert [int(ids[0].max()), int(ids[2].max())] == [1, 2]
    np.testing.assert_array_equal(ids[2] == 2, mask == 70_000)


def test_verify_of_a_sound_copy_counts_what_is_missing(tmp_path):
    findings = list(Kirc.open(make_kirc(tmp_path), "").verify())
    assert {finding.level for finding in findings} == {"note"}
    assert [finding.message for finding in findings] == [
        "1 of 388 train images are here",
        "1 of 49 val images are here",
        "1 of 49 test images are here",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v[..., :3], "any any 4"),
        (lambda v: v / 255.0, "fractions"),
        (lambda v: v.astype(np.int64) * 300, "0..255"),
        (lambda v: np.full(v.shape, np.nan), "NaN|range"),
    ],
)
def test_arrays_of_another_form_are_refused_and_found(tmp_path, change, reason):
    make_kirc(tmp_path)
    rewrite(array(tmp_path), change)
    data = Kirc.open(tmp_path, "")
    with pytest.raises(DataError, match=reason) as caught, np.errstate(invalid="ignore"):
        data.image(data.records()[0])
    assert str(array(tmp_path)) in str(caught.value)
    assert str(array(tmp_path)) in messages(data, "error")


def test_masks_with_fractions_are_refused(tmp_path):
    make_kirc(tmp_path)
    rewrite(array(tmp_path), lambda v: np.dstack([v[..., :3], v[..., 3] + 0.5]))
    data = Kirc.open(tmp_path, "")
    with pytest.raises(DataError, match="fractions"):
        data.labels(data.records()[0])


def test_what_does_not_pair_is_told(tmp_path):
    make_kirc(tmp_path / "a")
    array(tmp_path / "a").unlink()
    np.save(array(tmp_path / "a", "100_200"), np.zeros((8, 8, 4), np.uint8))
    told = messages(Kirc.open(tmp_path / "a", ""))
    assert "1 listed images are not here, such as 8500_3000" in told.values()
    assert "is not in" in told[str(array(tmp_path / "a", "100_200"))]
    make_kirc(tmp_path / "b", paired=True)
    image = tmp_path / "b" / "images" / f"{NAMES[0]}.png"
    mask = tmp_path / "b" / "masks" / f"{NAMES[1]}.png"
    lonely = tmp_path / "b" / "masks" / f"{NAMES[0]}.png"
    image.unlink()
    mask.unlink()
    data = Kirc.open(tmp_path / "b", "")
    told = messages(data)
    assert told[str(lonely)] == "has no image"
    assert told[str(data.records()[0].image)] == "has no labels"
    with pytest.raises(DataError, match="has no labels"):
        data.labels(data.records()[0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (",fname,split\n1,8500_3000.npy,dev\n", "dev"),
        (",fname,split\n", "no image"),
        ("8500_3000.npy\n", "columns"),
    ],
)
def test_lists_are_checked(tmp_path, text, reason):
    make_kirc(tmp_path)
    (tmp_path / "data" / "kric_split.csv").write_text(text)
    with pytest.raises(DataError, match=reason):
        Kirc.open(tmp_path, "")


def test_two_copies_and_two_lists_are_not_guessed_between(tmp_path):
    make_kirc(tmp_path / "a")
    (tmp_path / "kirc_split.csv").write_text(",fname,split\n")
    with pytest.raises(DataError, match="several lists"):
        Kirc.open(tmp_path / "a", "")
    (tmp_path / "kirc_split.csv").unlink()
    (tmp_path / "b").mkdir()
    array(tmp_path / "a").rename(tmp_path / "b" / array(tmp_path).name)
    np.save(array(tmp_path / "a"), np.zeros((8, 8, 4)))
    with pytest.raises(DataError, match="twice"):
        Kirc.open(tmp_path, "")
