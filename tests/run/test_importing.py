from __future__ import annotations

import os
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from histokit import __version__
from histokit.data.cards_generic import H5
from histokit.data.h5 import H5Store
from histokit.data.synth_he import SynthHE
from histokit.errors import DataError, PartialFailure
from histokit.interfaces import Dataset, DatasetSpec, Labels, Record
from histokit.io.stores import Failure, Store
from histokit.registry import find_dataset, open_source, parse_source
from histokit.run import importing
from histokit.run.importing import Copying, Imported, import_dataset
from histokit.testing.datasets import make_folder, make_tnbc
from histokit.testing.datasets_classes import make_conic, make_consep

MAKERS = {
    "consep": make_consep,
    "conic": make_conic,
    "tnbc@brain": make_tnbc,
    "folder": make_folder,
}


@pytest.fixture
def small_synth(monkeypatch):
    """`synth-he` with few small images."""

    def open_(cls, root, variant):
        return cls(variant, n_patients=2, images_per_patient=2, side=64)

    monkeypatch.setattr(SynthHE, "open", classmethod(open_))


class Toys(Dataset):
    """Two images of unlike sizes with huge ids; `broken` of them fail."""

    broken: frozenset[str] = frozenset()
    odd: str = ""

    @classmethod
    def open(cls, root, variant):
        return cls()

    def records(self):
        return [Record("b", "p", split="val", mpp=0.3), Record("a", "q")]

    def image(self, record):
        if record.key in self.broken:
            raise DataError(f"{record.key} is torn")
        return np.full((5 + len(record.group), 7, 3), ord(record.key), np.uint8)

    def labels(self, record):
        ids = np.zeros(self.image(record).shape[:2], np.int32)
        ids[0, 0], ids[1, 1] = 1, 70001
        return Labels(ids[:3] if self.odd == "size" else ids, {70001: 2})

    def counterpart(self, record):
        return 255 - self.image(record)

    def verify(self):
        return iter(())


@pytest.fixture
def toys(monkeypatch):
    """`import_dataset` reads `Toys`; call with changes of its card and of itself."""

    def use(broken=(), odd="", **card):
        said = {"task": "instances", "classes": ("x", "y"), "mpp": 0.5, **card}
        spec = DatasetSpec("toys", "", "", licence="CC0", homepage="here", tree="", **said)
        data = Toys()
        data.broken, data.odd = frozenset(broken), odd
        monkeypatch.setattr(importing, "find_dataset", lambda name: spec)
        monkeypatch.setattr(importing, "open_source", lambda ref, root: data)
        return data

    return use


def opened(source):
    ref = parse_source(source)
    return find_dataset(ref.name), open_source(ref)


@pytest.mark.parametrize("name", [*MAKERS, "synth-he@kidney"])
@pytest.mark.usefixtures("small_synth")
def test_an_import_reads_as_what_it_was_made_from(tmp_path, name):
    made = MAKERS.get(name)
    source = f"{name}:{made(tmp_path / 'in')}" if made else name
    spec, data = opened(source)
    steps = list(import_dataset(source, tmp_path / "out.h5"))
    copy = H5Store.open(tmp_path / "out.h5", "")
    assert isinstance(steps[-1], Imported)
    assert steps[-1].images == len(data.records()) == len(copy.records())
    for old, new in zip(data.records(), copy.records(), strict=True):
        mpp = spec.mpp if old.mpp is None else old.mpp
        assert (new.key, new.group, new.split, new.mpp) == (old.key, old.group, old.split, mpp)
        np.testing.assert_array_equal(copy.image(new), data.image(old))
        labelled = bool(old.labels) or old.image is None
        assert bool(new.labels) == labelled
        if labelled:
            before, after = data.labels(old), copy.labels(new)
            assert after.ids.dtype == before.ids.dtype == np.int32
            np.testing.assert_array_equal(after.ids, before.ids)
            assert after.classes == before.classes
    variant = parse_source(source).variant
    assert copy.class_names == spec.class_names(variant)


def test_where_it_comes_from_is_kept(tmp_path, toys):
    toys(reference="@a", group="patient")
    list(import_dataset("toys@v:x", tmp_path / "a.h5"))
    about = Store(tmp_path / "a.h5").about
    assert (about.source, about.licence, about.homepage) == ("toys@v:x", "CC0", "here")
    assert (about.reference, about.group, about.histokit) == ("@a", "patient", __version__)


def test_ids_beyond_16_bits_and_unlike_sizes(tmp_path, toys):
    toys()
    *steps, done = import_dataset("toys", tmp_path / "a.h5")
    assert [(s.step, s.total, s.failed) for s in steps] == [(1, 2, False), (2, 2, False)]
    data = H5Store.open(tmp_path / "a.h5", "")
    assert [(r.split, r.mpp) for r in data.records()] == [("val", 0.3), (None, 0.5)]
    assert data.labels(data.records()[0]).ids[1, 1] == 70001
    assert data.labels(data.records()[0]).classes == {70001: 2}
    assert (done.images, done.labelled, done.failures) == (2, 2, ())


def test_classes_without_names_are_called_by_their_numbers(tmp_path, toys):
    toys(classes=())
    *_, done = import_dataset("toys", tmp_path / "a.h5")
    assert done.classes == Store(tmp_path / "a.h5").about.classes == ("class 1", "class 2")


def test_pairs_keep_their_counterparts_and_no_labels(tmp_path, toys):
    source = toys(task="pairs", classes=())
    list(import_dataset("toys", tmp_path / "a.h5"))
    data = H5Store.open(tmp_path / "a.h5", "")
    for old, new in zip(source.records(), data.records(), strict=True):
        assert new.labels == ()
        np.testing.assert_array_equal(data.counterpart(new), source.counterpart(old))


def test_a_copy_of_a_copy_is_one_of_the_original(tmp_path, toys, monkeypatch):
    toys(task="pairs", classes=("x",))
    list(import_dataset("toys", tmp_path / "a.h5"))
    monkeypatch.setattr(importing, "find_dataset", lambda name: H5)
    monkeypatch.setattr(importing, "open_source", lambda ref, root: H5Store.open(ref.path, ""))
    list(import_dataset(f"h5:{tmp_path / 'a.h5'}", tmp_path / "b.h5"))
    first, second = Store(tmp_path / "a.h5"), Store(tmp_path / "b.h5")
    assert (second.about, second.rows) == (first.about, first.rows)
    np.testing.assert_array_equal(second.counterpart(1), first.counterpart(1))


def test_a_bad_image_is_told_and_the_others_are_kept(tmp_path, toys):
    toys(broken="b")
    with pytest.raises(PartialFailure, match="1 of 2 images"):
        list(import_dataset("toys", tmp_path / "a.h5"))
    store = Store(tmp_path / "a.h5")
    assert [row.key for row in store.rows] == ["a"]
    assert store.failures == (Failure("b", "b is torn"),)


def test_failures_are_told_as_they_happen(tmp_path, toys):
    toys(broken="a")
    steps = import_dataset("toys", tmp_path / "a.h5")
    first, failure, second, done = islice(steps, 4)
    assert isinstance(first, Copying)
    assert isinstance(second, Copying)
    assert failure == Failure("a", "a is torn")
    assert done.failures == (failure,)
    with pytest.raises(PartialFailure):
        next(steps)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"broken": "ab"}, "torn"), ({"odd": "size"}, "size"), ({"classes": ("x",)}, "class beyond")],
)
def test_where_nothing_is_left_nothing_is_written(tmp_path, toys, changes, told):
    toys(**changes)
    with pytest.raises(DataError, match="nothing is written") as caught:
        list(import_dataset("toys", tmp_path / "a.h5"))
    assert told in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_there_is_replaced_only_on_request(tmp_path, toys):
    toys()
    out = tmp_path / "a.h5"
    out.write_text("mine")
    with pytest.raises(DataError, match="--overwrite"):
        list(import_dataset("toys", out))
    assert out.read_text() == "mine"
    with pytest.raises(DataError, match="a folder"):
        list(import_dataset("toys", tmp_path, overwrite=True))
    list(import_dataset("toys", out, overwrite=True))
    assert len(Store(out).rows) == 2


def test_stopping_half_way_leaves_nothing(tmp_path, toys):
    toys()
    steps = import_dataset("toys", tmp_path / "a.h5")
    next(steps)
    steps.close()
    assert os.listdir(tmp_path) == []


def test_a_damaged_file_of_a_real_reader_is_left_out(tmp_path):
    root = make_folder(tmp_path / "in")
    (root / "images" / "bit1.png").write_bytes(b"\x89PNG")
    Image.new("RGB", (3, 3)).save(root / "masks" / "id1.png")
    with pytest.raises(PartialFailure, match="2 of 13"):
        list(import_dataset(f"folder:{root}", tmp_path / "a.h5"))
    assert {f.key for f in Store(tmp_path / "a.h5").failures} == {"bit1", "id1"}
