"""`histokit data import`, typed; and training from what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

from command import TINY, histokit, pair
from histokit.cli.app import app
from histokit.io.stores import Store
from histokit.testing.datasets import make_folder
from histokit.testing.datasets_generic import make_coco

__all__ = ["histokit", "pair"]


FORMS = (("packed.h5", ()), ("raw.h5", ("--raw",)))


def type_(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["data", *map(str, words)], prog_name="histokit")
    assert done.exit_code == code, done.output
    return done


def test_the_result_and_the_file(tmp_path: Path) -> None:
    make_coco(tmp_path / "in")
    out = tmp_path / "a.h5"
    done = type_("import", f"coco:{tmp_path / 'in'}", "-o", out, "--json")
    assert json.loads(done.stdout) == {
        "out": str(out),
        "bytes": out.stat().st_size,
        "images": 2,
        "labelled": 2,
        "objects": 3,
        "classes": ["epithelial", "lymphocyte"],
        "failures": [],
    }
    assert "import 2/2" in done.stderr
    found = json.loads(type_("verify", f"h5:{out}", "--json").stdout)
    assert (found["images"], [f["level"] for f in found["findings"]]) == (2, ["note"])
    assert "--overwrite" in type_("import", f"coco:{tmp_path / 'in'}", "-o", out, code=3).stderr
    assert type_("import", f"h5:{out}", "-o", out, "--overwrite").stdout == f"{out}\n"


def test_raw_pixels_are_the_same_pixels(tmp_path: Path) -> None:
    source = f"folder:{make_folder(tmp_path / 'in')}"
    packed, raw = (Store(imported(source, tmp_path / n, *w)) for n, w in FORMS)
    assert raw.rows == packed.rows
    for place, row in enumerate(raw.rows):
        assert np.array_equal(raw.image(place), packed.image(place))
        if row.labelled:
            assert np.array_equal(raw.ids(place), packed.ids(place))
    assert raw.path.stat().st_size > packed.path.stat().st_size


def imported(source: str, out: Path, *words: str) -> Path:
    type_("import", source, "-o", out, *words)
    return out


def test_bad_images_are_listed_and_end_with_5(tmp_path: Path) -> None:
    source = f"folder:{make_folder(tmp_path / 'in')}"
    (tmp_path / "in" / "images" / "bit1.png").write_bytes(b"\x89PNG")
    out = tmp_path / "new" / "a.h5"
    done = type_("import", source, "-o", out, "--json", code=5)
    told = json.loads(done.stdout)
    assert [row["image"] for row in told["failures"]] == ["bit1"]
    assert told["images"] == 12
    assert "bit1  FAILED" in done.stderr
    listed = type_("import", source, "-o", out, "--overwrite", code=5).stdout
    assert "bit1" in listed
    assert "left out of the import" in type_("verify", f"h5:{out}").stdout


@pytest.mark.parametrize(
    ("source", "told"), [("coco", "no coco data"), ("coco/gone", "gone"), ("h5", "a folder")]
)
def test_a_wrong_root_ends_with_3_and_writes_nothing(
    tmp_path: Path, source: str, told: str
) -> None:
    name, _, rest = source.partition("/")
    done = type_("import", f"{name}:{tmp_path / rest}", "-o", tmp_path / "a.h5", code=3)
    assert told in done.stderr
    assert not list(tmp_path.iterdir())


def test_training_from_the_file_equals_training_from_the_folder(histokit, pair, tmp_path):
    """Bit for bit, where the file has the folder's name, from which random numbers are drawn."""
    type_("import", pair[1], "-o", tmp_path / "breast")
    found = []
    for source, workers in ((pair[1], "0"), ("h5:breast", "1")):
        steps = ("--steps", "2", "--val-every", "2", "--workers", workers, "--json")
        done = histokit("train", "source-only", "--source", source, *pair[4:], *TINY, *steps)
        run = tmp_path / json.loads(done.stdout)[0]["run"]
        split = json.loads((run / "split.json").read_text())["source"]["split"]
        found.append((split, load_file(run / "checkpoints" / "best.safetensors")))
    (split, weights), (other_split, other_weights) = found
    assert split == other_split
    assert weights.keys() == other_weights.keys()
    for name, values in weights.items():
        np.testing.assert_array_equal(values, other_weights[name])
