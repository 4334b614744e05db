"""Files made to do harm: nothing in them is executed, leads elsewhere or fills the memory."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faults.gadgets import containers, gadgets
from faults.mutations import in_time
from faults.odd_files import GREY, npy, tiff
from histokit.errors import DataError
from histokit.interfaces import Record
from histokit.io.checkpoints import load_state, load_weights
from histokit.io.embedded import embedded
from histokit.io.features import read_features
from histokit.io.files import read_json, within
from histokit.io.geojson import read_geojson
from histokit.io.hovernet_files import read_hovernet_json
from histokit.io.images import read_image, read_mask
from histokit.io.runs import RunFolder
from histokit.nn.backbones import read_state
from histokit.run.cohort.manifest import read_manifest
from histokit.run.evaluation.scoring import prediction_path
from histokit.run.items import as_files

DEEP = "[" * 100_000
NAMES = (
    *("builtins.eval", "builtins.exec", "inner pickle", "operator", "os.mkdir"),
    *("os.system", "pathlib", "runpy", "shutil", "subprocess"),
)


def refused(read: Any, path: Path, *args: Any) -> bool:
    try:
        read(path, *args)
    except DataError as error:
        return str(path) in str(error)
    return False


@pytest.mark.parametrize("name", NAMES)
def test_no_gadget_is_run(tmp_path, name):
    canary = tmp_path / "canary"
    gadget = gadgets(canary)[name]
    for kind, data in containers(gadget).items():
        for ending in ("last.ckpt", "best.safetensors"):
            path = tmp_path / f"{kind} {ending}"
            path.write_bytes(data)
            assert refused(load_state, path), kind
            assert refused(load_weights, path), kind
            assert refused(read_state, path), kind
    objects = tmp_path / "a.npy"
    objects.write_bytes(npy(np.array([[gadget]], dtype=object)))
    assert refused(read_image, objects)
    assert refused(read_mask, objects)
    assert not canary.exists()
    pickle.loads(containers(gadget)["pickle"])
    assert canary.exists()  # it would have worked


def test_there_are_ten_gadgets(tmp_path):
    assert sorted(gadgets(tmp_path / "canary")) == list(NAMES)
    assert len(NAMES) == 10


def header(text: bytes, *, length: int | None = None, data: int = 16) -> bytes:
    """A safetensors file with a header as it is given."""
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(data)


def tensor(**changes: Any) -> bytes:
    said = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16], **changes}
    return json.dumps({"a": said}).encode()


TWO = b'"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
HEADERS = {
    "a header of 1 GB": header(tensor(), length=2**30),
    "a header of 2^63 bytes": header(tensor(), length=2**63),
    "a header longer than the file": header(tensor(), length=5000),
    "a shape with NaN": header(tensor(shape=["NaN", 2])),
    "a bare NaN": header(tensor().replace(b"[2, 2]", b"[NaN, 2]")),
    "a negative shape": header(tensor(shape=[-2, -2])),
    "a shape that overflows": header(tensor(shape=[2**33, 2**33])),
    "a shape larger than the data": header(tensor(shape=[4096, 4096])),
    "an offset behind the file": header(tensor(data_offsets=[0, 2**40])),
    "a negative offset": header(tensor(data_offsets=[-16, 0])),
    "an unknown dtype": header(tensor(dtype="X9")),
    "no JSON": header(b"\xff" * 60),
    "deep JSON": header(DEEP.encode()),
    "a name twice": header(b"{" + TWO + b"," + TWO.replace(b"0,8", b"8,16") + b"}"),
    "overlapping tensors": header(b"{" + TWO + b"," + TWO.replace(b'"a"', b'"b"') + b"}"),
    "a hole between tensors": header(tensor(data_offsets=[16, 32]), data=32),
    "no card": header(tensor()),
    "a deep card": header(
        json.dumps({"__metadata__": {"histokit": DEEP}, **json.loads(tensor())}).encode()
    ),
    "a card that is a list": header(
        json.dumps({"__metadata__": {"histokit": "[]"}, **json.loads(tensor())}).encode()
    ),
}


@pytest.mark.parametrize("what", HEADERS)
def test_hostile_headers_are_refused(tmp_path, what):
    path = tmp_path / "best.safetensors"
    path.write_bytes(HEADERS[what])
    with in_time():
        assert refused(load_weights, path)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "..", "\0", "a\0b"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="refused to use the name"):
        within(tmp_path / "out", name)
    if name != "..":  # which is a name of its own with an ending
        with pytest.raises(DataError, match="refused to use the name"):
            prediction_path(tmp_path, Record(name, None))


def test_names_within_are_taken(tmp_path):
    for name in ("a", "a/b c", "..a", "a..", "a/../b"):
        assert within(tmp_path, name) == tmp_path / name


def test_a_link_out_of_the_folder_is_no_way_out(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path)
    with pytest.raises(DataError, match="a way out"):
        within(tmp_path / "out", "link/x")


def test_deep_and_far_values_are_refused(tmp_path):
    shape = (8, 8)
    deep = tmp_path / "deep.json"
    deep.write_text(DEEP)
    for read in (read_json, read_hovernet_json, lambda path: read_geojson(path, shape)):
        assert refused(read, deep)
    for far in ("1e300", "NaN", "1e999", "9" * 400):
        path = tmp_path / "far.json"
        ring = f"[[0,0],[{far},0],[0,5]]"
        path.write_text('{"nuc":{"1":{"contour":' + ring + "}}}")
        assert refused(read_hovernet_json, path)
        polygon = '{"type":"Polygon","coordinates":[' + ring + "]}"
        path.write_text('{"type":"Feature","geometry":' + polygon + "}")
        assert refused(lambda path: read_geojson(path, shape), path)
    ring = "[[0,0],[3,0],[0,3]]"
    polygon = '{"type":"Polygon","coordinates":[' + ring + "]}"
    for properties, sound in (('{"metadata":[1]}', True), ("[1]", False), ('"x"', False)):
        path.write_text('{"geometry":' + polygon + ',"properties":' + properties + "}")
        assert sound is not refused(lambda path: read_geojson(path, shape), path)


@pytest.mark.parametrize(
    "text",
    [b"\xff\xfe\x00", b"a: [", b"2026-13-45", b"[" * 3000, b"!!python/object/apply:os.mkdir [x]"],
)
def test_hostile_settings_are_refused(tmp_path, text):
    (tmp_path / "run.yaml").write_bytes(b"format: 1\nmethod: mani\nrun: " + text + b"\n")
    with in_time():
        assert refused(lambda path: RunFolder(path.parent).settings(), tmp_path / "run.yaml")


def test_a_circle_of_tiff_pages_ends(tmp_path):
    data = bytearray(tiff(GREY, photometric="minisblack"))
    (first,) = struct.unpack("<I", data[4:8])
    (entries,) = struct.unpack("<H", data[first : first + 2])
    place = first + 2 + 12 * entries
    assert data[place : place + 4] == bytes(4)
    data[place : place + 4] = struct.pack("<I", first)
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    with in_time():
        assert refused(read_mask, path) or np.array_equal(read_mask(path), GREY)


TEXTS = (
    *(("a.json", read_json), ("b.json", embedded), ("a.geojson", read_features)),
    ("a.csv", lambda path: read_manifest(path, as_files)),
)


@pytest.mark.parametrize(("name", "read"), TEXTS)
def test_a_pipe_in_place_of_a_text_is_not_waited_for(tmp_path, name, read):
    os.mkfifo(tmp_path / name)
    with in_time(wait=20):
        assert refused(read, tmp_path / name)


def test_a_pipe_in_place_of_an_image_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with in_time():
        assert refused(read_image, tmp_path / "a.png")
