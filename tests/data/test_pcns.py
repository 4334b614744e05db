import gzip

import numpy as np
import pytest
from PIL import Image

from histokit.data.cards_organs import CANCERS
from histokit.data.pcns import Pcns, read_packed
from histokit.errors import DataError
from histokit.testing.datasets_organs import make_pcns

FOLDER = "manual_segmentation_data"
README = "Pan-Cancer-Nuclei-Seg_1365patches_to_TCGA-ID_readme.txt"


def crop(root, name="1"):
    return root / FOLDER / f"{name}_crop.png"


def label_file(root, name="1"):
    return root / FOLDER / f"{name}_labeled_mask_corrected.png"


def told(data, level="warning"):
    return {f.where: f.message for f in data.verify() if f.level == level}


@pytest.mark.parametrize("packed", [False, True])
def test_patients_come_from_the_readme_packed_or_not(tmp_path, packed):
    records = Pcns.open(make_pcns(tmp_path, packed), "").records()
    assert [(record.key, record.group) for record in records] == [
        ("1", "TCGA-BR-4184"),
        ("2", "TCGA-BR-4184"),
        ("10", "TCGA-A2-A0CM"),
        ("20", "20"),
    ]
    assert {record.split for record in records} == {None}


@pytest.mark.parametrize("inner", [".", FOLDER])
@pytest.mark.parametrize(
    ("variant", "keys"),
    [("all", ["1", "2", "10", "20"]), ("stad", ["1", "2"]), ("brca", ["10"]), ("mani", ["1", "2"])],
)
def test_variants_choose_by_cancer_and_by_list(tmp_path, inner, variant, keys):
    records = Pcns.open(make_pcns(tmp_path) / inner, variant).records()
    assert [record.key for record in records] == keys
    assert [r.split for r in records] == (
        ["val", "train"] if variant == "mani" else [None] * len(keys)
    )


def test_there_are_fourteen_types_of_cancer():
    assert len(set(CANCERS)) == 14


def test_ids_are_numbered_whatever_their_depth(tmp_path):
    data = Pcns.open(make_pcns(tmp_path), "")
    for record in data.records()[:2]:
        with Image.open(record.labels[0]) as stored:
            raw = np.asarray(stored)
        ids = data.labels(record).ids
        top = 300 if record.key == "2" else 2
        np.testing.assert_array_equal(ids, (raw > 0) + (raw == top).astype(int))


def test_colours_are_ids_packed_in_three_channels(tmp_path):
    make_pcns(tmp_path)
    mask = np.zeros((40, 40, 3), np.uint8)
    mask[:5, :5], mask[10:15, :5], mask[20:25, :5] = (1, 0, 0), (0, 1, 0), (1, 1, 2)
    Image.fromarray(mask).save(label_file(tmp_path))
    assert np.unique(read_packed(label_file(tmp_path))).tolist() == [0, 1, 256, 1 + 256 + 131072]
    data = Pcns.open(tmp_path, "")
    assert data.labels(data.records()[0]).ids.max() == 3
    Image.fromarray(mask[..., :1].repeat(3, 2) * 9).save(label_file(tmp_path))
    assert np.unique(read_packed(label_file(tmp_path))).tolist() == [0, 9]


def test_verify_counts_and_tells_of_patches_of_unknown_origin(tmp_path):
    data = Pcns.open(make_pcns(tmp_path), "")
    assert told(data) == {str(crop(tmp_path, "20")): "is not in the readme"}
    assert told(data, "note")["images"] == "4 of 1365 images are here"
    listed = Pcns.open(tmp_path, "mani")
    assert (
        told(listed, "note")["tcia_split.csv"] == "the readme says that its patches are of stad 2"
    )
    assert "scores on it are not independent" in told(listed)["TCGA-BR-4184"]


def test_without_the_readme_patches_are_groups_and_cancers_unknown(tmp_path):
    make_pcns(tmp_path)
    (tmp_path / README).unlink()
    data = Pcns.open(tmp_path, "")
    assert [record.group for record in data.records()] == ["1", "2", "10", "20"]
    assert "is missing" in told(data)["Pan-Cancer-Nuclei-Seg readme"]
    with pytest.raises(DataError, match="which patches are of stad"):
        Pcns.open(tmp_path, "stad")


def test_rows_without_a_patient_are_told(tmp_path):
    make_pcns(tmp_path)
    (tmp_path / README).write_text("Patch-ID,CancerType\n1,STAD\n2,STAD\n10,BRCA\n")
    data = Pcns.open(tmp_path, "brca")
    assert [record.group for record in data.records()] == ["10"]
    assert told(data) == {str(crop(tmp_path, "10")): "has no patient in the readme"}


def test_choices_without_a_patch_or_a_list_are_refused(tmp_path):
    make_pcns(tmp_path)
    with pytest.raises(DataError, match="no pcns image"):
        Pcns.open(tmp_path, "uvm")
    (tmp_path / "tcia_split.csv").unlink()
    with pytest.raises(DataError, match=r"tcia_split\.csv"):
        Pcns.open(tmp_path, "mani")


def test_what_does_not_pair_is_told(tmp_path):
    make_pcns(tmp_path)
    crop(tmp_path, "1").unlink()
    label_file(tmp_path, "2").unlink()
    found = told(Pcns.open(tmp_path, ""))
    assert found[str(label_file(tmp_path, "1"))] == "has no image"
    assert found[str(crop(tmp_path, "2"))] == "has no labels"
    assert len(found) == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"only prose\n", "no such line"),
        (b"Patch-ID,x\n1,2\n", "none with a known type"),
        (gzip.compress(b"Patch-ID,x\n", mtime=0)[:-9], "EOFError|zlib"),
        (b"Patch-ID,\xff\n", "UnicodeDecodeError"),
    ],
)
def test_damaged_readmes_are_refused(tmp_path, content, reason):
    make_pcns(tmp_path)
    (tmp_path / README).write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        Pcns.open(tmp_path, "")
    assert README in str(caught.value)


def test_misfitting_and_damaged_maps_are_refused_and_found(tmp_path):
    make_pcns(tmp_path)
    Image.new("L", (30, 40)).save(label_file(tmp_path, "1"))
    whole = label_file(tmp_path, "2").read_bytes()
    label_file(tmp_path, "2").write_bytes(whole[: len(whole) // 2])
    data = Pcns.open(tmp_path, "")
    with pytest.raises(DataError, match="40x30"):
        data.labels(data.records()[0])
    assert set(told(data, "error")) == {str(label_file(tmp_path, name)) for name in "12"}


def test_two_copies_are_not_guessed_between(tmp_path):
    make_pcns(tmp_path / "a")
    make_pcns(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        Pcns.open(tmp_path, "")
