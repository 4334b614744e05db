import json
import os
import pickle
from multiprocessing import get_context
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from histokit.errors import DataError
from histokit.interfaces import Labels
from histokit.io import stores
from histokit.io.stores import About, Failure, Row, Store, new_store

RNG = np.random.default_rng(0)
BIG = RNG.integers(0, 256, (40, 30, 3), dtype=np.uint8)
SMALL = RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)
IDS = np.zeros((40, 30), np.int32)
IDS[3:9, 2:5], IDS[20, 20] = 1, 70000
ABOUT = About("toys:here", "instances", ("a", "b"), "CC0", group="patient", histokit="1")


def write(path, *, raw=False):
    with new_store(path, raw=raw) as store:
        store.add(Row("x", "p1", "train", 0.25, True), BIG, Labels(IDS, {70000: 2}))
        store.add(Row("y ✓", "p2"), SMALL, counterpart=SMALL[::-1])
        store.add(Row("z", "p2", None, 0.5, True), SMALL, Labels(IDS[:7, :9], {1: 1}))
        store.leave_out(Failure("w", "torn"))
        store.finish(ABOUT)
    return path


@pytest.mark.parametrize("raw", [False, True])
def test_everything_comes_back_as_it_was(tmp_path, raw):
    store = Store(write(tmp_path / "a.h5", raw=raw))
    assert store.about == ABOUT
    assert store.rows == (
        Row("x", "p1", "train", 0.25, True),
        Row("y ✓", "p2", None, None, False),
        Row("z", "p2", None, 0.5, True),
    )
    assert store.failures == (Failure("w", "torn"),)
    np.testing.assert_array_equal(store.image(0), BIG)
    np.testing.assert_array_equal(store.ids(0), IDS)
    assert store.ids(0).dtype == np.int32
    assert [store.classes(place) for place in range(3)] == [{70000: 2}, {}, {1: 1}]
    np.testing.assert_array_equal(store.counterpart(1), SMALL[::-1])


def test_what_is_not_there_is_an_error_with_the_key(tmp_path):
    store = Store(write(tmp_path / "a.h5"))
    with pytest.raises(DataError, match=r"a\.h5\[y ✓\]"):
        store.ids(1)
    with pytest.raises(DataError, match="counterparts/0"):
        store.counterpart(0)


@pytest.mark.parametrize(("raw", "form"), [(False, ("gzip", 1)), (True, (None, None))])
def test_an_image_is_one_chunk_with_a_checksum_that_any_library_reads(tmp_path, raw, form):
    with h5py.File(write(tmp_path / "a.h5", raw=raw)) as file:
        image = file["images/0"]
        assert image.chunks == image.shape
        assert (image.compression, image.compression_opts) == form
        assert image.fletcher32


def shorten(file, name):
    values = file[name][:-1]
    del file[name]
    file[name] = values


def _read(store, queue):
    sums = store.image(0).sum(), store.ids(0).sum()
    queue.put((store._owner == os.getpid(), *sums))


def test_each_process_opens_the_file_for_itself(tmp_path):
    store = Store(write(tmp_path / "a.h5"))
    wanted = BIG.sum(), IDS.sum()
    assert (store.image(0).sum(), store.ids(0).sum()) == wanted
    context = get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=_read, args=(store, queue)) for _ in range(2)]
    for child in children:
        child.start()
    found = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join(60)
    assert found == [(True, *wanted)] * 2
    assert (store.image(0).sum(), store.ids(0).sum()) == wanted


def test_a_pickled_store_carries_no_open_file(tmp_path):
    store = Store(write(tmp_path / "a.h5"))
    store.image(0)
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.image(1), SMALL)


def test_a_block_that_fails_leaves_nothing(tmp_path):
    path = write(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(TypeError), new_store(path) as store:
        store.finish("no such thing")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.h5"]


def test_where_nothing_can_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"), new_store(tmp_path / "file" / "a.h5"):
        pass


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "disk_usage", lambda _: SimpleNamespace(free=stores.SPARE + 2000))
    with pytest.raises(DataError, match="no room"):
        write(tmp_path / "a.h5")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_file_is_told(tmp_path, share):
    path = write(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=r"cannot read .*a\.h5"):
        Store(path)


@pytest.mark.parametrize("raw", [False, True])
def test_a_flipped_byte_of_an_image_is_told(tmp_path, raw):
    path = write(tmp_path / "a.h5", raw=raw)
    with h5py.File(path) as file:
        where = file["images/0"].id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[where + 50] ^= 255
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.h5\[x\]"):
        Store(path).image(0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: file.attrs.update(format="other"), "not a data set of histokit"),
        (lambda file: file.attrs.update(version=2), "later histokit"),
        (lambda file: file.attrs.update(about=json.dumps({"task": 1})), "cannot read"),
        (lambda file: file.pop("records/mpp"), "cannot read"),
        (lambda file: shorten(file, "records/mpp"), "cannot read"),
        (lambda file: shorten(file, "records/objects"), "cannot read"),
        (lambda file: shorten(file, "objects/class"), "cannot read"),
    ],
)
def test_other_files_are_told(tmp_path, change, told):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(DataError, match=told):
        Store(path)
