import pytest

from histokit.data.macaque import AdsMacaque
from histokit.errors import DataError
from histokit.testing.datasets_axons import make_ads_macaque


@pytest.mark.parametrize("inner", [".", "data/macaque/data", "data/macaque/data/sample1"])
def test_samples_pixel_sizes_and_a_misspelt_folder(tmp_path, inner):
    make_ads_macaque(tmp_path)
    records = AdsMacaque.open(tmp_path / inner, "").records()
    assert [(r.key, r.group, r.split, r.mpp, len(r.labels)) for r in records] == [
        ("sample1-01", "sample1", None, 0.009144, 3),
        ("sample2-05", "sample2", None, 0.0101, 3),
    ]


def test_verify_counts_and_tells_of_missing_sizes_and_masks(tmp_path):
    folder = make_ads_macaque(tmp_path)
    (folder / "sample1" / "01_corrections" / "pixel_size_in_micrometer.txt").unlink()
    (folder / "sample2" / "05_correctioins").rename(folder / "sample2" / "old")
    (folder / "sample2" / "07_corrections").mkdir()
    findings = list(AdsMacaque.open(folder, "").verify())
    found = [finding.message for finding in findings]
    assert "2 of 24 images are here" in found
    orphans = [finding.where for finding in findings if finding.message == "has no image"]
    assert orphans == [str(folder / "sample2" / "07_corrections")]
    assert found.count("no file says its pixel size") == 2
    assert "has no labels" in found


@pytest.mark.parametrize("text", ["", "a", "0", "nan", "-1"])
def test_sizes_that_cannot_be_read_are_refused(tmp_path, text):
    folder = make_ads_macaque(tmp_path)
    path = folder / "sample1" / "01_corrections" / "pixel_size_in_micrometer.txt"
    path.write_text(text)
    with pytest.raises(DataError, match="pixel size") as caught:
        AdsMacaque.open(folder, "")
    assert str(path) in str(caught.value)


def test_two_folders_of_masks_are_not_guessed_between(tmp_path):
    folder = make_ads_macaque(tmp_path)
    (folder / "sample1" / "01_corrected").mkdir()
    with pytest.raises(DataError, match="not clear"):
        AdsMacaque.open(folder, "")
