"""What all data sets of pairs share, through the user's own pairs."""

import pytest
from PIL import Image

from histokit.data.pairs import Pairs
from histokit.data.pix2pix import Pix2Pix
from histokit.errors import DataError
from histokit.testing.datasets_pairs import make_pairs, make_pix2pix


def findings(data):
    return {(f.level, f.where.rpartition("/")[2]): f.message for f in data.verify()}


def test_pairs_of_different_size_are_refused_and_found_with_both_sizes(tmp_path):
    make_pairs(tmp_path)
    Image.new("RGB", (40, 30)).save(tmp_path / "IHC" / "2.png")
    data = Pairs.open(tmp_path, "")
    with pytest.raises(DataError, match="differ in size") as caught:
        data.counterpart(data.records()[1])
    for part in ("48x48", "30x40", str(tmp_path / "HE/2.png"), str(tmp_path / "IHC/2.png")):
        assert part in str(caught.value)
    assert "30x40" in findings(data)["error", "2.png"]


@pytest.mark.parametrize("stain", ["HE", "IHC"])
def test_damaged_files_are_found_with_their_path(tmp_path, stain):
    make_pairs(tmp_path)
    path = tmp_path / stain / "2.png"
    path.write_bytes(path.read_bytes()[:90])
    found = findings(Pairs.open(tmp_path, ""))
    assert str(path) in found["error", "2.png"]


def test_odd_pairs_and_files_are_told(tmp_path):
    make_pairs(tmp_path)
    for stain in ("HE", "IHC"):
        (tmp_path / stain / "20.png").write_bytes((tmp_path / stain / "2.png").read_bytes())
    (tmp_path / "IHC" / "10.png").write_bytes((tmp_path / "HE" / "10.png").read_bytes())
    found = findings(Pairs.open(tmp_path, ""))
    assert f"the same pixels as {tmp_path / 'HE' / '2.png'}, which" in found["warning", "20.png"]
    assert found["warning", "10.png"] == "is the same image in both stains"
    assert found["note", "notes.txt"] == "is not read"
    assert "3 RGB (such as 1.tif), 1 RGB with alpha (such as 10.png)" in found["note", "channels"]
    assert len(found) == 4


def test_halves_need_an_even_width(tmp_path):
    make_pix2pix(tmp_path)
    Image.new("RGB", (65, 32)).save(tmp_path / "train" / "1.png")
    data = Pix2Pix.open(tmp_path, "")
    record = next(r for r in data.records() if r.key == "train-1")
    for read in (data.image, data.counterpart):
        with pytest.raises(DataError, match="65 columns"):
            read(record)
    assert findings(data).keys() == {("error", "1.png")}


def test_composites_of_many_images_are_warned_of(tmp_path):
    make_pix2pix(tmp_path)
    Image.effect_noise((192, 32), 20).convert("RGB").save(tmp_path / "test" / "1.png")
    assert "32x96" in findings(Pix2Pix.open(tmp_path, ""))["warning", "1.png"]
