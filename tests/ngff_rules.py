"""The rules of OME-NGFF 0.5 that an image and a label image must keep, asked of the files alone."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

TYPES = ("time", "channel", "space")


def require_image(path: Path) -> list[dict[str, Any]]:
    """Fails where a group is no image of version 0.5; gives the metadata of its arrays."""
    document = json.loads((path / "zarr.json").read_text())
    assert (document["zarr_format"], document["node_type"]) == (3, "group")
    ome = document["attributes"]["ome"]
    assert ome["version"] == "0.5"
    assert ome["multiscales"]
    return [array for one in ome["multiscales"] for array in _multiscale(path, one)]


def require_label(path: Path) -> None:
    """Fails where a group is no label image of version 0.5."""
    arrays = require_image(path)
    assert all(array["data_type"].lstrip("u").startswith("int") for array in arrays)
    label = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["image-label"]
    assert label.get("version", "0.5") == "0.5"
    for name in ("colors", "properties"):
        values = [item["label-value"] for item in label.get(name, [])]
        assert len(values) == len(set(values))
        assert all(isinstance(value, int) for value in values)


def _multiscale(path: Path, multiscale: dict[str, Any]) -> list[dict[str, Any]]:
    axes = multiscale["axes"]
    names = [axis["name"] for axis in axes]
    kinds = [axis.get("type") for axis in axes]
    assert 2 <= len(axes) <= 5
    assert len(set(names)) == len(names)
    assert 2 <= kinds.count("space") <= 3
    assert kinds.count("time") <= 1
    assert kinds == sorted(kinds, key=TYPES.index)
    assert [name for name in names if name in "zyx"] == sorted(set(names) & set("zyx"))[::-1]
    arrays, scales = [], []
    for dataset in multiscale["datasets"]:
        first, *rest = dataset["coordinateTransformations"]
        assert first["type"] == "scale"
        assert [one["type"] for one in rest] in ([], ["translation"])
        assert all(len(one[one["type"]]) == len(axes) for one in (first, *rest))
        array = json.loads((path / dataset["path"] / "zarr.json").read_text())
        assert (array["zarr_format"], array["node_type"]) == (3, "array")
        assert array["dimension_names"] == names
        assert len(array["shape"]) == len(axes)
        arrays.append(array)
        scales.append(first["scale"])
    assert all(a["shape"] >= b["shape"] for a, b in pairwise(arrays))
    assert all(one <= other for one, other in pairwise(scales))
    assert len({array["data_type"] for array in arrays}) == 1
    return arrays
