"""Label images in OME-Zarr: what is put in comes out, and the metadata keep the specification."""

from __future__ import annotations

import json
import sys
from itertools import pairwise

import numpy as np
import pytest

from histokit.errors import DataError, PluginError
from histokit.io import label_zarr as module
from histokit.io.label_zarr import label_zarr
from ngff_rules import require_image, require_label

zarr = pytest.importorskip("zarr", minversion="3", reason="the extra zarr")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Chunks of 16 pixels."""
    monkeypatch.setattr(module, "CHUNK", 16)


def levels(path):
    group = zarr.open_group(path, mode="r")
    paths = [d["path"] for d in group.attrs["ome"]["multiscales"][0]["datasets"]]
    return [np.asarray(group[name][:]) for name in paths]


def spots(height, width):
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 2**31, (height // 5 + 1, width // 5 + 1)).astype(np.uint32)
    ids[rng.random(ids.shape) < 0.4] = 0
    return np.kron(ids, np.ones((5, 5), np.uint32))[:height, :width]


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 40), (70, 33)])
def test_parts_that_overlap_become_one_image_and_its_levels(tmp_path, size):
    ids, path = spots(*size), tmp_path / "deep" / "a.ome.zarr"
    parts = np.random.default_rng(1).integers(0, 3, size)
    with label_zarr(path, size, mpp=(0.25, 0.5), provenance={"method": "m"}) as put:
        for part in range(3):
            for top in range(0, size[0], 20):
                mine = np.where(parts == part, ids, 0)[top : top + 25]
                put(top, 0, mine)
        assert not path.exists()
    found = levels(path)
    assert np.array_equal(found[0], ids)
    assert max(found[-1].shape) <= 16
    for large, one in pairwise(found):
        assert np.array_equal(one, large[::2, ::2])
    assert not list(tmp_path.rglob("*.part"))


def test_the_metadata_keep_the_specification(tmp_path):
    path = tmp_path / "a.ome.zarr"
    with label_zarr(path, (70, 33), mpp=(0.25, 0.5), provenance={"method": "m"}) as put:
        put(0, 0, spots(70, 33))
    require_label(path)
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    assert attributes["histokit"] == {"method": "m"}
    (multiscale,) = attributes["ome"]["multiscales"]
    assert [axis["unit"] for axis in multiscale["axes"]] == ["micrometer"] * 2
    scales = [d["coordinateTransformations"][0]["scale"] for d in multiscale["datasets"]]
    assert scales == [[0.5, 0.25], [1.0, 0.5], [2.0, 1.0], [4.0, 2.0]]
    with label_zarr(tmp_path / "b.ome.zarr", (5, 5)):
        pass
    require_label(tmp_path / "b.ome.zarr")


@pytest.mark.parametrize(
    "harm",
    [
        lambda ome: ome.pop("version"),
        lambda ome: ome["multiscales"][0]["axes"].reverse(),
        lambda ome: ome["multiscales"][0]["datasets"].reverse(),
        lambda ome: ome["multiscales"][0]["datasets"][0].update(path="9"),
        lambda ome: ome["multiscales"][0]["datasets"][0].pop("coordinateTransformations"),
        lambda ome: ome.pop("image-label"),
    ],
)
def test_the_rules_find_what_breaks_them(tmp_path, harm):
    path = tmp_path / "a.ome.zarr"
    with label_zarr(path, (70, 33)) as put:
        put(0, 0, spots(70, 33))
    document = json.loads((path / "zarr.json").read_text())
    harm(document["attributes"]["ome"])
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises((AssertionError, KeyError, FileNotFoundError)):
        require_label(path)


def test_empty_chunks_are_not_written(tmp_path):
    ids = np.zeros((64, 64), np.uint32)
    ids[40:44, 40:44] = 7
    with label_zarr(tmp_path / "a.ome.zarr", ids.shape) as put:
        put(0, 0, ids)
    assert len([p for p in (tmp_path / "a.ome.zarr/0/c").rglob("*") if p.is_file()]) == 1
    require_image(tmp_path / "a.ome.zarr")


def stopped(path, ids):
    """Is stopped after a part."""
    with label_zarr(path, ids.shape) as put:
        put(0, 0, ids + 1)
        raise DataError("stop")


def test_a_folder_is_whole_or_the_old_one(tmp_path):
    path, ids = tmp_path / "a.ome.zarr", spots(20, 20)
    with label_zarr(path, ids.shape) as put:
        put(0, 0, ids)
    with pytest.raises(DataError, match="stop"):
        stopped(path, ids)
    assert np.array_equal(levels(path)[0], ids)
    with label_zarr(path, (8, 8)) as put:
        put(0, 0, ids[:8, :8])
    assert levels(path)[0].shape == (8, 8)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


@pytest.mark.parametrize("version", ["", "2.18.3"])
def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch, version):
    if version:
        monkeypatch.setattr(zarr, "__version__", version)
    else:
        monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(PluginError, match="zarr") as error, label_zarr(tmp_path / "a", (4, 4)):
        pass
    assert "histokit-core[zarr]" in error.value.hint
