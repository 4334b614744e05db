"""Manifests: what they say, and everything that is wrong with one at once."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
import pytest
from PIL import Image

from histokit.errors import DataError
from histokit.run.cohort.manifest import read_manifest
from histokit.run.items import as_files, below_root, find_flat, find_items
from slides import nuclei, write_pyramid


@pytest.fixture
def folder(tmp_path):
    """A slide and two plain images, in folders."""
    for name in ("a.png", "day 1/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name)
    write_pyramid(tmp_path / "s.tif", nuclei(200, 200), levels=2)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "mask.png")
    return tmp_path


def table(folder, text, name="list.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def wrong(folder, text):
    """What is told of a table: its lines."""
    with pytest.raises(DataError) as error:
        read_manifest(table(folder, text), as_files)
    return [line.strip() for line in error.value.what.splitlines()[1:]]


def test_what_a_table_says(folder):
    text = (
        "\ufeffPath, MPP ,mask,name,case, site\n"
        "a.png,0.5,,first,7, Basel\n\n"
        ',,,,,\n"day 1/b.png",,,,8,\n'
        "s.tif,.25,mask.png,deep/slide,,\n"
    )
    a, b, s = read_manifest(table(folder, text), below_root)
    assert (a.path, a.name, a.mpp, a.mask) == (folder / "a.png", PurePath("first"), 0.5, "")
    assert a.carried == {"name": "first", "case": "7", "site": "Basel"}
    assert (b.key, b.mpp, b.carried["case"]) == ("day 1/b", None, "8")
    assert (s.key, s.mpp, s.mask) == ("deep/slide", 0.25, str(folder / "mask.png"))
    _, b, s = read_manifest(table(folder, text), as_files)
    assert (b.key, s.key) == ("b", "deep/slide")


@pytest.mark.parametrize("heading", ["path", "Image", "file", "filename"])
def test_the_headings_of_paths(folder, heading):
    (item,) = read_manifest(table(folder, f"id,{heading}\n1,a.png\n"), as_files)
    assert item.path == folder / "a.png"
    assert item.carried == {"id": "1"}


def test_a_column_that_may_be_something_else_is_carried(folder):
    text = "path,image,task,mean,patch\na.png,7,x,1,y\n"
    (item,) = read_manifest(table(folder, text), as_files)
    assert item.carried == {"image": "7", "task": "x", "mean": "1", "patch": "y"}


def test_all_that_is_wrong_at_once(folder):
    text = (
        "path,mpp,mask,name\n"
        "a.png,half,,a\n"
        "gone.png,0.5,,\n"
        "s.tif,-1,gone mask.png,../up\n"
        "day 1/b.png,inf,mask.png,A\n"
        ",0.5,,c\n"
        "a.png,,,d,surplus\n"
        "day 1,,,e\n"
    )
    told = wrong(folder, text)
    expected = [
        "line 2: mpp is 'half'",
        "line 3: there is no ",
        "line 4: there is no mask ",
        "line 4: '../up' is no name",
        "line 4: mpp is '-1'",
        "line 5: a mask, which only slides have",
        "line 5: mpp is 'inf'",
        "line 6: no path",
        "line 7: 5 cells",
        "line 8: ",
        "line 5: 'A' is the name of line 2 as well",
    ]
    assert len(told) == len(expected), told
    for line, begin in zip(told, expected, strict=True):
        assert line.startswith(begin), told


@pytest.mark.parametrize(
    ("headings", "word"),
    [
        ("path,mmp", "mpp"),
        ("path,mp", "mpp"),
        ("path,nmae", "name"),
        ("path,maskk", "mask"),
        ("path,mpp,mapp,mak", "mask"),
    ],
)
def test_a_slip_in_a_heading_is_told(folder, headings, word):
    (line,) = wrong(folder, f"{headings}\na.png{',' * headings.count(',')}\n")
    assert f"did you mean '{word}'?" in line


def test_headings_that_cannot_be_read(folder):
    assert "is it 'paht'" in wrong(folder, "paht\na.png\n")[0]
    assert wrong(folder, "path,mpp,MPP\na.png,1,2\n") == ["two columns are called mpp"]
    assert wrong(folder, "path\n") == ["no rows below the headings"]
    assert "among no headings" in wrong(folder, "")[0]
    with pytest.raises(DataError, match="cannot read"):
        read_manifest(folder / "a.png", as_files)


def test_files_of_one_name(folder):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "day 1" / "a.png")
    text = "path\na.png\nday 1/a.png\n"
    with pytest.raises(DataError, match="line 3: 'a' is the name of line 2"):
        read_manifest(table(folder, text), as_files)
    names = [item.key for item in read_manifest(table(folder, text), below_root)]
    assert names == ["a", "day 1/a"]
    named = find_flat([table(folder, "path,name\na.png,\nday 1/a.png,other\n")], folder / "out")
    assert [item.key for item in named] == ["a", "other"]


def test_tables_stand_beside_other_inputs(folder, tmp_path):
    listed = table(folder, "path,case\ns.tif,7\n")
    items = find_items([listed, folder / "day 1"], tmp_path / "out", [".png"])
    assert [(item.key, dict(item.carried)) for item in items] == [("s", {"case": "7"}), ("b", {})]
    with pytest.raises(DataError, match="under one name"):
        find_flat([listed, folder / "s.tif"], tmp_path / "out")


def test_parquet_says_the_same(folder):
    arrow = pytest.importorskip("pyarrow", reason="the extra parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"path": ["a.png", "s.tif"], "mpp": [0.5, None], "case": [7, 8]}
    parquet.write_table(arrow.table(columns), folder / "list.parquet")
    a, s = read_manifest(folder / "list.parquet", as_files)
    assert (a.mpp, a.carried, s.mpp, s.carried) == (0.5, {"case": "7"}, None, {"case": "8"})
    columns["path"][1] = "gone.tif"
    parquet.write_table(arrow.table(columns), folder / "list.parquet")
    with pytest.raises(DataError, match="row 2: there is no"):
        read_manifest(folder / "list.parquet", as_files)
    (folder / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot read"):
        read_manifest(folder / "bad.parquet", as_files)


def test_a_path_from_the_root_is_taken_as_it_is(folder):
    (item,) = read_manifest(table(folder, f"path\n{folder / 'a.png'}\n"), as_files)
    assert item.path == folder / "a.png"
