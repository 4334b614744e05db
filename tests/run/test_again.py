"""Where outputs come from, and the commands that make them once more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from histokit.cli.app import app
from histokit.errors import DataError, UsageError, VerificationFailed
from histokit.interfaces import Instances
from histokit.io.files import write_json
from histokit.io.geojson import write_geojson
from histokit.io.labels import write_label_tiff
from histokit.io.pictures import write_picture
from histokit.io.probabilities import write_probabilities
from histokit.io.pyramid import ome_pyramid
from histokit.io.runs import RunFolder
from histokit.run.again import again, compare, train_words
from histokit.run.origin import origin_of
from histokit.run.plan import make_plan
from histokit.run.planned import ORIGIN
from histokit.run.provenance import environment, typed
from toys import cpu

ABOUT = {"weights": {"run": "r1", "mpp": 0.5}}
COMMAND = ["histokit", "--quiet", "predict", "otsu-hed", "img", "-o", "out", "--window", "64"]


def record(folder, command=COMMAND, **more):
    """A folder with a record of how it was made."""
    told = {**environment(cpu()), "command": command, "folder": str(folder.parent), **more}
    write_json(folder / "provenance.json", told)
    return folder


def dry(*words):
    done = CliRunner().invoke(app, [*words, "--dry-run", "--json"], prog_name="histokit")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("mani", {"preset": "cpu", "sets": ["mi_weight=0.25"]}),
        ("source-only", {"run_values": {"split": "0.6,0.2,0.2", "workers": -1, "types": True}}),
        ("source-only", {"run_values": {"data_root": "a b", "mpp": 0.5, "folds": 3, "fold": 1}}),
        ("mdcl", {"run_values": {"pairs": "synth-he-ihc", "runs": "elsewhere"}}),
    ],
)
def test_a_training_is_typed_as_it_was_planned(method, options):
    values = {"source": "synth-he@breast", "target": "synth-he@kidney"}
    options["run_values"] = {**values, **options.get("run_values", {})}
    plan = make_plan(method, **options)
    settings = json.loads(json.dumps(plan.settings()))
    found = dry(*train_words(settings))
    assert found["digest"] == settings["digest"]
    for part in ("settings", "run"):
        told = {name: item["value"] for name, item in found[part].items()}
        expected = {name: item["value"] for name, item in settings[part].items()}
        assert {**told, "runs": ""} == {**expected, "runs": ""}


def test_what_was_planned_from_the_data_is_planned_again():
    plan = make_plan("source-only", sets=["tile=64"], run_values={"source": "synth-he"})
    settings = json.loads(json.dumps(plan.settings()))
    assert "--tile" in train_words(settings)
    settings["settings"]["tile"]["origin"] = ORIGIN
    assert "--tile" not in train_words(settings)


def test_a_default_that_has_changed_since_is_typed():
    plan = make_plan("source-only", run_values={"source": "synth-he"})
    settings = json.loads(json.dumps(plan.settings()))
    settings["settings"]["lr"]["value"] = 0.125
    words = train_words(settings)
    assert words[words.index("--lr") + 1] == "0.125"


def test_a_run_and_what_lies_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = make_plan("source-only", run_values={"source": "synth-he"})
    run = RunFolder.create(Path("runs"), "source-only", "0" * 64)
    run.write_settings(plan.settings())
    write_json(run.environment, {**environment(cpu()), "command": ["histokit", "train", "x"]})
    (run.path / "checkpoints").mkdir()
    inside = run.path / "checkpoints" / "notes.txt"
    inside.write_text("x")
    for path in (run.path, inside):
        found = origin_of(path)
        assert found.run == run.path.resolve()
        assert found.command == ["histokit", "train", "x"]
        assert again(path).words[:2] == ("train", "source-only")
    line = again(run.path, tmp_path / "new runs").line
    assert line.endswith(f"--runs '{tmp_path}/new runs'")


def test_what_files_say_of_themselves(tmp_path):
    ids = np.zeros((8, 8), np.int32)
    ids[2:5, 2:5] = 1
    picture = np.zeros((8, 8, 3), np.uint8)
    write_label_tiff(tmp_path / "a.tif", ids, provenance=ABOUT)
    write_picture(tmp_path / "a.png", picture, "png", provenance=ABOUT)
    write_picture(tmp_path / "b.tif", picture, "tiff", provenance=ABOUT)
    for name in ("a.geojson", "a.geojson.gz"):
        write_geojson(tmp_path / name, Instances(ids, {}, {}), provenance=ABOUT)
    with ome_pyramid(tmp_path / "c.ome.tif", (40, 40), mpp=(0.5, 0.5), provenance=ABOUT) as put:
        put(0, 0, np.zeros((40, 40, 3), np.uint8))
    for path in sorted(tmp_path.iterdir()):
        assert origin_of(path).embedded["weights"] == ABOUT["weights"], path
    write_probabilities(tmp_path / "a.h5", ids[None] / 1.0, attributes={"scale": 2.0})
    assert origin_of(tmp_path / "a.h5").embedded == {"scale": 2.0}


def test_files_of_others_say_nothing(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.json").write_text('{"name": "x"}')
    (tmp_path / "c.txt").write_text("x")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(DataError, match="nothing says where"):
            origin_of(path)
    (tmp_path / "d.tif").write_bytes(b"II*\0broken")
    with pytest.raises(DataError, match="cannot read"):
        origin_of(tmp_path / "d.tif")
    with pytest.raises(DataError, match="there is no"):
        origin_of(tmp_path / "e.tif")


def test_a_file_that_was_changed_after_its_record_is_doubted(tmp_path):
    out = record(tmp_path / "out")
    for name, later in (("old.csv", 0), ("new.csv", 60)):
        (out / name).write_text("x")
        then = (out / "provenance.json").stat().st_mtime + later
        os.utime(out / name, (then, then))
    assert origin_of(out / "old.csv").notes == ()
    assert "changed after" in origin_of(out / "new.csv").notes[0]


def test_outputs_go_into_a_folder_of_their_own(tmp_path):
    out = record(tmp_path / "out")
    (tmp_path / "out-again").mkdir()
    found = again(out)
    assert found.out == tmp_path / "out-again1"
    assert found.words == (
        "predict", "--out", str(found.out), "otsu-hed", "img", "--window", "64",
    )  # fmt: skip
    assert found.line.startswith(f"cd {tmp_path} && histokit predict")
    for form in (["-oout"], ["--out=out"], ["--out", "out"]):
        record(out, ["histokit", "eval", *form, "mani"])
        assert again(out, tmp_path / "b").words == ("eval", "--out", str(tmp_path / "b"), "mani")


def test_the_recorded_weights_are_named(tmp_path):
    run = tmp_path / "runs" / "r1"
    run.mkdir(parents=True)
    (run / "run.yaml").write_text("format: 1")
    out = record(tmp_path / "out", **ABOUT)
    assert again(out).words[1:3] == ("--run", str(run))
    record(out, ["histokit", "predict", "runs/r1", "img"], **ABOUT)
    assert "--run" not in again(out).words
    record(out, weights={"run": "../../r1"})
    with pytest.raises(DataError, match="refused"):
        again(out)


@pytest.mark.parametrize("verb", ["plugins", "data", "rerun", "models", ""])
def test_no_other_command_is_run_because_a_file_says_so(tmp_path, verb):
    out = record(tmp_path / "out", ["histokit", verb, "install", "evil"])
    with pytest.raises(UsageError, match="no command that is repeated"):
        again(out)


def test_without_a_command(tmp_path):
    out = record(tmp_path / "out", [])
    with pytest.raises(DataError, match="no command is recorded"):
        again(out)
    write_json(out / "provenance.json", {"command": COMMAND, "folder": str(tmp_path / "gone")})
    with pytest.raises(DataError, match="is gone"):
        again(out)


def test_other_weights_are_told_and_differing_files_counted(tmp_path):
    old = record(tmp_path / "out", weights={"run": "a"})
    (old / "a.csv").write_text("1")
    (old / "b.csv").write_text("1")
    found = again(old)
    shutil.copytree(old, found.out)
    assert compare(found) == "2 of 2 files are the same, byte by byte"
    (found.out / "b.csv").write_text("2")
    assert compare(found) == "1 of 2 files are the same, byte by byte; not b.csv"
    record(found.out, weights={"run": "b"})
    with pytest.raises(VerificationFailed, match="other weights"):
        compare(found)


def test_a_command_is_recorded_only_where_one_was_typed(monkeypatch):
    for program in ("/usr/bin/histokit", "/x/histokit/__main__.py"):
        monkeypatch.setattr(sys, "argv", [program, "predict", "x"])
        assert typed() == ["histokit", "predict", "x"]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/ipython", "predict", "x"])
    assert typed() == []


def test_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("img").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save("img/a.png")
    words = ["predict", "otsu-hed", "img", "-o", "out", "--device", "cpu", "--formats", "labels"]
    monkeypatch.setattr(sys, "argv", ["histokit", *words])
    assert CliRunner().invoke(app, words).exit_code == 0
    shown = CliRunner().invoke(app, ["provenance", "out/labels/a.tif"])
    assert "histokit predict otsu-hed img" in shown.stdout
    line = CliRunner().invoke(app, ["rerun", "out", "--dry-run"]).stdout
    assert line.startswith("histokit predict --out")

    def within(command, cwd, check):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["histokit", *command[3:]])
        return SimpleNamespace(returncode=CliRunner().invoke(app, command[3:]).exit_code)

    monkeypatch.setattr(subprocess, "run", within)
    done = CliRunner().invoke(app, ["rerun", "out/labels/a.tif"])
    assert done.exit_code == 0, done.output
    assert "1 of 1 files are the same" in done.stderr
