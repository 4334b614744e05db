"""Tiny data sets in the layouts that many tools write, with their oddities."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from histokit.testing.datasets_classes import field, painted, save_image, save_mat

SHAPE = (120, 160)
"""Rows and columns of the images whose x and y must not be exchanged."""
SQUARE = (7, 3, 10)
"""Top row, left column and side of the square that makers of outlines draw first."""
NUCLEI = [(12, 12, 6, 5, 1), (40, 20, 7, 900, 2), (30, 50, 5, 70000, 1)]
"""Three nuclei of two classes, with gaps in their ids, one of them beyond 16 bits."""


def make_nnunet(root: Path, size: int = 64) -> Path:
    """Two training cases and a test case; gives the data set's folder.

    Classes ``tumour`` and ``stroma`` and pixels to ignore. ``case_001`` has two pieces of tumour,
    one of which touches the only piece of stroma; ``case_002`` lies in three grey files.
    """
    folder = root / "nnUNet_raw" / "Dataset042_Nuclei"
    rng = np.random.default_rng(21)
    labels = np.zeros((size, size), np.uint8)
    labels[4:12, 4:12], labels[4:12, 12:20], labels[30:40, 30:40] = 1, 2, 1
    labels[-4:] = 3
    for part, case in (("Tr", "case_001"), ("Tr", "case_002"), ("Ts", "case_101")):
        image = field((labels > 0) & (labels < 3), rng)
        name = folder / f"images{part}" / case
        if case == "case_002":
            for channel in range(3):
                save_image(Path(f"{name}_000{channel}.png"), image[..., channel])
        else:
            save_image(Path(f"{name}_0000.png"), image)
        save_image(folder / f"labels{part}" / f"{case}.png", labels)
    header = {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": {"background": 0, "tumour": 1, "stroma": 2, "ignore": 3},
        "numTraining": 2,
        "file_ending": ".png",
    }
    _write(folder / "dataset.json", header)
    return folder


def make_coco(root: Path) -> Path:
    """Two images and their annotations; gives `root`.

    ``slide 1/a.png``, whose name is written with ``%20``: a square of 100 pixels of category 7, an
    object of two parts of category 3, a block of 4 x 5 as run lengths of category 7, a crowd and
    a box alone. ``b.png``: nothing.
    """
    rng = np.random.default_rng(22)
    block = np.zeros(SHAPE, bool)
    block[60:64, 100:105] = True
    for name in ("slide 1/a.png", "b.png"):
        save_image(root / "images" / name, field(block, rng))
    first, second = square_ring(20, 20, 5), square_ring(20, 30, 5)
    objects: list[tuple[int, Any, int]] = [
        (7, [_flat(square_ring(*SQUARE))], 0),
        (3, [_flat(first), _flat(second)], 0),
        (7, {"size": list(SHAPE), "counts": run_lengths(block)}, 0),
        (7, {"size": list(SHAPE), "counts": run_lengths(~block)}, 1),
        (3, [], 0),
    ]
    sizes = {"height": SHAPE[0], "width": SHAPE[1]}
    value = {
        "images": [
            {"id": 11, "file_name": "slide%201/a.png", **sizes},
            {"id": 12, "file_name": "b.png", **sizes},
        ],
        "categories": [{"id": 7, "name": "lymphocyte"}, {"id": 3, "name": "epithelial"}],
        "annotations": [
            {
                "id": number,
                "image_id": 11,
                "category_id": category,
                "segmentation": outline,
                "bbox": [0, 0, 1, 1],
                "iscrowd": crowd,
            }
            for number, (category, outline, crowd) in enumerate(objects, start=1)
        ],
    }
    _write(root / "annotations.json", value)
    return root


def make_geojson(root: Path) -> Path:
    """Five images with GeoJSON of every form; gives `root`.

    ``whole``: a collection of the first square with a hole of 4 pixels (class by string), a point
    and a tile. ``array``: a list with a cell of 100 pixels whose nucleus has 16 (class by object).
    ``single``: one feature without class. ``packed``: gzipped, an object of two parts whose class
    has two names. ``plain``: an annotation, no object.
    """
    rng = np.random.default_rng(23)
    hole = square_ring(10, 6, 2)
    features = {
        "whole": [
            feature([[square_ring(*SQUARE), hole]], classification="Tumor"),
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [5, 5]}}
            | {"properties": {"objectType": "detection"}},
            feature([[square_ring(0, 0, 100)]], kind="tile"),
        ],
        "array": [
            feature(
                [[square_ring(40, 50, 10)]],
                kind="cell",
                classification={"name": "Stroma", "color": [1, 2, 3]},
            )
            | {"nucleusGeometry": polygon([[square_ring(43, 53, 4)]])}
        ],
        "single": [feature([[square_ring(30, 30, 10)]])],
        "packed": [
            feature(
                [[square_ring(5, 5, 3)], [square_ring(5, 15, 3)]],
                classification={"names": ["Tumor", "Positive"]},
            )
        ],
        "plain": [feature([[square_ring(0, 0, 50)]], kind="annotation", classification="ROI")],
    }
    for name, listed in features.items():
        save_image(root / "images" / f"{name}.png", field(np.zeros(SHAPE, bool), rng))
        collection: Any = {"type": "FeatureCollection", "features": listed}
        value = {"array": listed, "single": listed[0]}.get(name, collection)
        path = root / "geojson" / f"{name}.geojson"
        if name == "packed":
            path.with_name(f"{name}.png.geojson.gz").write_bytes(
                gzip.compress(json.dumps(value).encode())
            )
        else:
            _write(path, value)
    return root


def make_hovernet_out(root: Path) -> Path:
    """Two images with JSON and one of them with MATLAB output too; gives `root`.

    ``a`` (both): the squares of 100 and 16 pixels of the types 2 and 0, with the ids 3 and 70000;
    its JSON says other types, to be told apart. ``b`` (JSON): a square of 100 pixels of type 1,
    in a hole of which another of type 2 lies, and a triangle that leaves the image.
    """
    rng = np.random.default_rng(24)
    ids = np.zeros(SHAPE, np.int32)
    top, left, side = SQUARE
    ids[top : top + side, left : left + side], ids[40:44, 50:54] = 3, 70000
    for name in ("a", "b"):
        save_image(root / "images" / f"{name}.png", field(ids > 0, rng))
    save_mat(
        root / "mat" / "a.mat",
        inst_map=ids,
        inst_uid=np.array([[70000], [3]]),
        inst_type=np.array([[0], [2]]),
        inst_centroid=np.zeros((2, 2)),
    )
    rings = {"1": (pixel_ring(*SQUARE), 1), "4": (pixel_ring(top + 3, left + 3, 2), 2)}
    rings["9"] = [[150, 100], [170, 100], [150, 119]], 1
    nuclei = {
        key: {"bbox": [[0, 0], [1, 1]], "centroid": [0, 0], "contour": ring}
        | {"type_prob": 0.5, "type": kind}
        for key, (ring, kind) in rings.items()
    }
    _write(root / "json" / "b.json", {"mag": 40, "nuc": nuclei})
    _write(root / "json" / "a.json", {"mag": 40, "nuc": {"1": nuclei["1"]}})
    table = {"0": ["nolabe", [0, 0, 0]], "1": ["neopla", [255, 0, 0]], "2": ["inflam", [0, 255, 0]]}
    _write(root / "type_info.json", table)
    return root


def make_npy(root: Path, form: str = "stack", size: int = 64) -> Path:
    """Two images with `NUCLEI` as arrays; gives `root`.

    Args:
        root: a folder.
        form: ``stack`` (images.npy, labels.npy with classes), ``archive`` (data.npz of images,
            masks and type_map), ``patches`` (a.npy and b.npy of five channels) or ``binary``
            (images.npy and masks.npy of 0 and 1).
        size: rows and columns.
    """
    rng = np.random.default_rng(25)
    ids, kinds = painted((size, size), NUCLEI)
    images = np.stack([field(ids > 0, rng), field(ids > 0, rng)])
    both_ids, both_kinds = np.stack([ids, ids]), np.stack([kinds, kinds])
    root.mkdir(parents=True, exist_ok=True)
    if form == "stack":
        np.save(root / "images.npy", images)
        np.save(root / "labels.npy", np.stack([both_ids, both_kinds], axis=-1))
        (root / "classes.txt").write_text("tumour\nstroma\n")
    elif form == "archive":
        np.savez_compressed(root / "data.npz", X=images, masks=both_ids, type_map=both_kinds)
    elif form == "patches":
        for name, image in zip("ab", images, strict=True):
            np.save(root / f"{name}.npy", np.dstack([image, ids, kinds]).astype(np.int32))
    else:
        np.save(root / "images.npy", images.astype(np.float32) / 255)
        np.save(root / "masks.npy", (both_ids > 0).astype(np.uint8))
    return root


def make_tiles_h5(root: Path, size: int = 32) -> Path:
    """Bags of six and of no tiles, and a file of coordinates alone; gives `root`."""
    rng = np.random.default_rng(26)
    (root / "patches").mkdir(parents=True, exist_ok=True)
    tiles = rng.integers(0, 256, (6, size, size, 3), dtype=np.uint8)
    for name, some in (("slide_a", tiles), ("slide_b", tiles[:0])):
        with h5py.File(root / "patches" / f"{name}.h5", "w") as file:
            stored = file.create_dataset("imgs", data=some, maxshape=(None, *tiles.shape[1:]))
            stored.attrs["patch_level"] = 0
            file["coords"] = np.zeros((len(some), 2), np.int32)
    with h5py.File(root / "patches" / "slide_c.h5", "w") as file:
        file["coords"] = np.array([[0, 0], [256, 0]])
        file["coords"].attrs["patch_size_level0"] = 256
    return root


def square_ring(top: int, left: int, side: int) -> list[list[int]]:
    """The closed ring (x, y) around a square of pixels, along their edges."""
    bottom, right = top + side, left + side
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def pixel_ring(top: int, left: int, side: int) -> list[list[int]]:
    """The open ring (x, y) of the corner pixels of a square, as OpenCV gives it."""
    bottom, right = top + side - 1, left + side - 1
    return [[left, top], [left, bottom], [right, bottom], [right, top]]


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's run lengths of a mask: down the columns, background first."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [not mask[-1, -1]]])
    turns = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(run) for run in np.diff(np.concatenate([[0], turns]))]


def polygon(parts: list[list[list[list[int]]]]) -> dict[str, Any]:
    """A GeoJSON geometry of one part, or of several."""
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def feature(
    parts: list[list[list[list[int]]]],
    *,
    kind: str = "detection",
    classification: str | Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A GeoJSON feature as QuPath writes it."""
    properties: dict[str, Any] = {"objectType": kind}
    if classification is not None:
        properties["classification"] = classification
    return {"type": "Feature", "geometry": polygon(parts), "properties": properties}


def _flat(ring: list[list[int]]) -> list[int]:
    return [value for point in ring[:-1] for value in point]


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
