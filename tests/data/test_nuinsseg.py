import numpy as np
import pytest
import tifffile
from PIL import Image

from histokit.data.nuinsseg import NuInsSeg, fold_keys
from histokit.errors import DataError
from histokit.interfaces.dataset import Record
from histokit.testing.datasets_organs import make_nuinsseg

BLADDER = [f"human_bladder_0{n}" for n in (1, 2, 3)]
LIVER = ["mouse_liver_01", "mouse_liver_02"]


def maps(root, organ="human bladder"):
    return root / organ / "label masks modify"


def told(data, level="warning"):
    return {f.where: f.message for f in data.verify() if f.level == level}


def test_images_are_grouped_by_organ(tmp_path):
    records = NuInsSeg.open(make_nuinsseg(tmp_path), "").records()
    assert [record.key for record in records] == BLADDER + LIVER
    assert [record.group for record in records] == ["human bladder"] * 3 + ["mouse liver"] * 2
    assert {record.split for record in records} == {None}


@pytest.mark.parametrize(
    ("inner", "count"),
    [(".", 5), ("set", 5), ("set/human bladder", 3), ("set/mouse liver/label masks modify", 2)],
)
def test_roots_are_tolerant_and_one_organ_is_enough(tmp_path, inner, count):
    make_nuinsseg(tmp_path / "set")
    assert len(NuInsSeg.open(tmp_path / inner, "").records()) == count


def test_labels_are_those_without_sums(tmp_path):
    data = NuInsSeg.open(make_nuinsseg(tmp_path), "")
    raw = tifffile.imread(maps(tmp_path) / f"{BLADDER[0]}.tif")
    ids = data.labels(data.records()[0]).ids
    np.testing.assert_array_equal(ids, (raw > 0) + (raw == 900).astype(int))


def test_images_lose_their_alpha(tmp_path):
    data = NuInsSeg.open(make_nuinsseg(tmp_path), "")
    record = data.records()[0]
    with Image.open(record.image) as stored:
        assert stored.mode == "RGBA"
        np.testing.assert_array_equal(data.image(record), np.asarray(stored)[..., :3])


def test_vague_areas_can_be_read_as_objects(tmp_path):
    data = NuInsSeg.open(make_nuinsseg(tmp_path), "vague")
    labelled = {record.key: record for record in data.records() if record.labels}
    assert list(labelled) == ["human_bladder_02", "mouse_liver_01"]
    ids = data.labels(labelled["human_bladder_02"]).ids
    with Image.open(labelled["human_bladder_02"].labels[0]) as stored:
        np.testing.assert_array_equal(ids, np.asarray(stored) // 255)
    assert data.labels(labelled["mouse_liver_01"]).ids.max() == 0


def test_verify_says_that_vague_areas_are_not_spared(tmp_path):
    data = NuInsSeg.open(make_nuinsseg(tmp_path), "")
    assert told(data, "note") == {
        "vague areas": "1 images have some; what is found there counts as false",
        "channels": "images differ: 1 RGB with alpha (such as human_bladder_01.png), "
        "4 RGB (such as human_bladder_02.png); all become RGB",
        "images": "5 of 665 images are here",
        "groups": "2 of 31 groups are here",
    }
    assert told(data) == {}


def test_five_folds_test_every_image_once(tmp_path):
    make_nuinsseg(tmp_path)
    tested = []
    for fold in range(1, 6):
        data = NuInsSeg.open(tmp_path, f"fold{fold}")
        assert {record.split for record in data.records()} == {"train", "test"}
        assert all(record.group == record.key for record in data.records())
        tested += [record.key for record in data.records() if record.split == "test"]
        assert "not those of all 665" in told(data)[f"fold{fold}"]
    assert sorted(tested) == BLADDER + LIVER


def test_folds_are_drawn_as_the_authors_draw_them(tmp_path):
    """Five nearly equal runs of the shuffled places, the first ones longer by one."""
    names = [f"human_x_{n:02}" for n in range(1, 8)]
    image = tmp_path / "human x" / "tissue images" / "a"
    records = [Record(name, "", image.with_name(f"{name}.png")) for name in reversed(names)]
    places = list(range(7))
    np.random.RandomState(19).shuffle(places)
    starts = [0, 2, 4, 5, 6, 7]
    for fold in range(1, 6):
        run = places[starts[fold - 1] : starts[fold]]
        assert fold_keys(records, fold) == {names[place] for place in run}


def test_what_does_not_pair_is_told(tmp_path):
    make_nuinsseg(tmp_path)
    (tmp_path / "human bladder" / "tissue images" / f"{BLADDER[0]}.png").unlink()
    lonely = maps(tmp_path, "mouse liver") / f"{LIVER[0]}.tif"
    lonely.unlink()
    data = NuInsSeg.open(tmp_path, "")
    assert told(data) == {
        str(maps(tmp_path) / f"{BLADDER[0]}.tif"): "has no image",
        str(tmp_path / "mouse liver" / "tissue images" / f"{LIVER[0]}.png"): "has no labels",
    }


def test_bad_files_are_refused_and_found(tmp_path):
    make_nuinsseg(tmp_path)
    small = maps(tmp_path) / f"{BLADDER[0]}.tif"
    vague = tmp_path / "human bladder" / "vague areas" / "mask binary" / f"{BLADDER[1]}.png"
    tifffile.imwrite(small, np.ones((64, 32), np.uint16))
    vague.write_bytes(b"\x89PNG")
    data = NuInsSeg.open(tmp_path, "")
    with pytest.raises(DataError, match="64x32"):
        data.labels(data.records()[0])
    assert set(told(data, "error")) == {str(small), str(vague)}


def test_two_copies_are_not_guessed_between(tmp_path):
    make_nuinsseg(tmp_path / "a")
    make_nuinsseg(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        NuInsSeg.open(tmp_path, "")
