"""A sweep does each cell once, goes on where it stopped, and reports what failed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from histokit.errors import DataError, Interrupted, PartialFailure, UnknownName, UsageError
from histokit.io.runs import RunFolder, list_runs
from histokit.metrics.table import ImageScore, write_per_image_csv
from histokit.run import sweep as module
from histokit.run.events import Finished, Noted
from histokit.run.leaderboard import over_seeds, standings, write_leaderboard
from histokit.run.sweep import parse_pairs, plan_sweep

PAIR = [("synth-he@breast", "synth-he@kidney")]


class Fakes:
    """Stand-ins for training and scoring that leave the files a sweep looks for."""

    def __init__(self, monkeypatch):
        self.calls, self.broken = [], {}
        for name in ("train", "resume", "evaluate"):
            monkeypatch.setattr(module, name, getattr(self, name))

    def _meet(self, what):
        self.calls.append(what)
        if what in self.broken:
            raise self.broken[what]

    def train(self, plan):
        run = RunFolder.create(plan.run.runs, plan.spec.name, plan.digest())
        run.write_settings(plan.settings())
        run.last.parent.mkdir()
        run.last.write_bytes(b"state")
        run.write_state(status="running")
        self._meet(f"train {plan.spec.name} {plan.run.seed}")
        run.write_state(status="finished")
        yield Finished(run.path, 1, 0.5, "last", 0.0)

    def resume(self, path):
        self._meet("resume")
        RunFolder(path).write_state(status="finished")
        yield Noted("resumed")

    def evaluate(self, options):
        run = RunFolder(Path(options.ref))
        method = run.settings()["method"]
        seed = run.settings()["run"]["seed"]["value"]
        self._meet(f"eval {method} {seed}")
        value = {"source-only": 0.4, "dann": 0.5, "oracle": 0.9}[method] + 0.02 * seed
        rows = [ImageScore(f"img-{i}", f"p{i}", {"dice": value + 0.01 * i}) for i in range(4)]
        write_per_image_csv(run.report / "per_image.csv", rows)
        yield Noted("scored")


@pytest.fixture
def fakes(monkeypatch):
    return Fakes(monkeypatch)


def grid(out, methods=("source-only", "dann"), *, seeds=2, **more):
    return plan_sweep(methods, PAIR, seeds=seeds, out=out, **more)


def finish(sweep):
    return [event for event in sweep.go() if isinstance(event, Noted)]


def test_every_cell_is_done_once_and_never_again(tmp_path, fakes):
    first = grid(tmp_path)
    finish(first)
    assert [str(cell) for cell in first.cells][:2] == [
        "source-only, synth-he@breast to synth-he@kidney, seed 0",
        "dann, synth-he@breast to synth-he@kidney, seed 0",
    ]
    assert sorted(first.done) == [0, 1, 2, 3]
    assert len(fakes.calls) == 8
    again = grid(tmp_path)
    finish(again)
    assert len(fakes.calls) == 8
    assert again.done == first.done
    wider = grid(tmp_path, ("source-only", "dann", "oracle"))
    finish(wider)
    assert [call for call in fakes.calls[8:] if call.startswith("train")] == [
        "train oracle 0", "train oracle 1",
    ]  # fmt: skip


def test_a_finished_cell_without_its_state_is_not_trained_again(tmp_path, fakes):
    fakes.broken = {"train dann 0": DataError("no nuclei"), "eval source-only 0": DataError("gone")}
    first = grid(tmp_path, seeds=1)
    finish(first)
    for run in list_runs(tmp_path / "runs"):
        run.last.unlink()
    fakes.broken, fakes.calls = {}, []
    again = grid(tmp_path, seeds=1)
    finish(again)
    assert fakes.calls == ["eval source-only 0", "train dann 0", "eval dann 0"]
    assert sorted(again.done) == [0, 1]


def test_a_cell_of_which_a_kill_left_the_state_before_alone_is_gone_on_with(tmp_path, fakes):
    fakes.broken["train dann 0"] = Interrupted("stopped")
    with pytest.raises(Interrupted):
        finish(grid(tmp_path, ("dann",), seeds=1))
    (run,) = list_runs(tmp_path / "runs")
    run.last.replace(run.previous)
    fakes.calls.clear()
    finish(grid(tmp_path, ("dann",), seeds=1))
    assert fakes.calls == ["resume", "eval dann 0"]


def test_a_failed_cell_is_reported_and_tried_again(tmp_path, fakes):
    fakes.broken = {"train dann 0": DataError("no nuclei"), "eval source-only 1": DataError("gone")}
    sweep = grid(tmp_path)
    told = finish(sweep)
    assert sweep.failed == {1: "no nuclei", 2: "gone"}
    assert sorted(sweep.done) == [0, 3]
    assert sum(event.warning for event in told) == 2
    fakes.broken = {}
    fakes.calls.clear()
    again = grid(tmp_path)
    finish(again)
    assert (again.failed, sorted(again.done)) == ({}, [0, 1, 2, 3])
    assert fakes.calls == ["resume", "eval dann 0", "eval source-only 1"]


def test_a_stop_stops_the_sweep_and_the_next_goes_on(tmp_path, fakes):
    fakes.broken = {"train source-only 1": Interrupted("stopped")}
    sweep = grid(tmp_path)
    with pytest.raises(Interrupted):
        finish(sweep)
    assert sorted(sweep.done) == [0, 1]
    fakes.broken, fakes.calls = {}, []
    finish(grid(tmp_path))
    assert fakes.calls == ["resume", "eval source-only 1", "train dann 1", "eval dann 1"]


def test_images_that_fail_do_not_fail_the_cell(tmp_path, fakes, monkeypatch):
    sweep = grid(tmp_path, ("dann",), seeds=1)
    scoring = module.evaluate

    def partly(options):
        yield from scoring(options)
        raise PartialFailure("1 of 4 images could not be scored")

    monkeypatch.setattr(module, "evaluate", partly)
    told = finish(sweep)
    assert sorted(sweep.done) == [0]
    assert told[-1].warning


def test_settings_reach_the_methods_they_name(tmp_path):
    sets = ("lr=0.5", "dann.warmup_steps=7", "source-only.steps=9")
    sweep = grid(tmp_path, seeds=1, preset="cpu", sets=sets)
    source_only, dann = (cell.plan for cell in sweep.cells)
    assert (source_only.config.steps, dann.config.warmup_steps) == (9, 7)
    assert source_only.config.lr == dann.config.lr == 0.5
    assert source_only.config.network == dann.config.network == "unet-small"
    assert [plan.run.seed for plan in (source_only, dann)] == [0, 0]
    typed = grid(tmp_path, ("adversarial-output:advent",), seeds=1, preset="cpu")
    assert typed.cells[0].plan.config.maps == "entropy"
    assert typed.cells[0].plan.preset == "advent"


def test_what_is_wrong_is_told_before_anything_is_trained(tmp_path, fakes):
    with pytest.raises(UsageError, match="twice"):
        grid(tmp_path, ("dann", "dann"))
    with pytest.raises(UnknownName):
        plan_sweep(("dann",), [("synth-he", "nowhere")], seeds=1, out=tmp_path)
    with pytest.raises(UsageError, match="no method of the sweep"):
        grid(tmp_path, sets=("mani.lr=1",))
    assert fakes.calls == []
    assert not (tmp_path / "runs").exists()


def test_pairs_as_typed():
    assert parse_pairs("a:b,c@x:d") == [("a", "b"), ("c@x", "d")]
    assert parse_pairs("folder:one to folder:two") == [("folder:one", "folder:two")]
    for wrong in ("a", "a:", ":b", "folder:one:folder:two", "a:b,"):
        with pytest.raises(UsageError, match="no pair"):
            parse_pairs(wrong)


# the leaderboard


def test_standings_average_seeds_and_rank_by_dice(tmp_path, fakes):
    fakes.broken = {"train oracle 1": DataError("no <nuclei>")}
    sweep = grid(tmp_path, ("source-only", "oracle", "dann"))
    finish(sweep)
    lines = standings(sweep)
    assert [(s.method, s.seeds, s.asked, s.n) for s in lines] == [
        ("oracle", 1, 2, 4), ("dann", 2, 2, 4), ("source-only", 2, 2, 4),
    ]  # fmt: skip
    assert lines[1].summaries["dice"].mean == pytest.approx(0.5 + 0.01 + 0.015)
    page = write_leaderboard(tmp_path, sweep, lines)
    html = page.read_text(encoding="utf-8")
    assert "dann (2 of 2 seeds)" in html
    assert "no &lt;nuclei&gt;" in html
    table = list(csv.DictReader((tmp_path / "leaderboard.csv").read_text().splitlines()))
    assert [row["method"] for row in table] == ["oracle", "dann", "source-only"]
    assert float(table[1]["mean"]) == lines[1].summaries["dice"].mean


def test_a_grid_of_failures_still_has_a_leaderboard(tmp_path, fakes):
    fakes.broken = {"train dann 0": DataError("no")}
    sweep = grid(tmp_path, ("dann",), seeds=1)
    finish(sweep)
    (line,) = standings(sweep)
    assert (line.seeds, line.n, line.summaries) == (0, 0, {})
    assert write_leaderboard(tmp_path, sweep, [line]).is_file()


def test_an_image_needs_every_seed():
    full = [ImageScore("a", "p", {"dice": 0.2}), ImageScore("b", "p", {"dice": 0.4})]
    other = [ImageScore("a", "p", {"dice": 0.4}), ImageScore("b", "p", {}, "broken")]
    found = {row.key: row for row in over_seeds([full, other])}
    assert found["a"].values == {"dice": pytest.approx(0.3)}
    assert found["b"].error == "broken"
    assert over_seeds([full, full[:1]])[1].error == "not scored with every seed"
    undefined = [ImageScore("a", "p", {"dice": None})]
    assert over_seeds([full[:1], undefined])[0].values == {"dice": None}


# typed


def test_a_real_sweep_with_a_cell_that_fails(histokit, tmp_path):
    """The second shift's folder is empty, so its cell fails; the first is trained and scored."""
    (tmp_path / "empty").mkdir()
    command = (
        "sweep", "source-only", "--seeds", "1", "--device", "cpu", "--set", "network=unet-small",
        "--set", "tile=32", "--set", "batch=2", "--set", "steps=1", "--set", "threads=1", "--json",
        "--pairs", "synth-he@breast:synth-he@kidney,synth-he@breast to folder:empty",
    )  # fmt: skip
    result = json.loads(histokit(*command, code=5).stdout)
    assert (result["cells"], len(result["runs"]), len(result["failed"])) == (2, 1, 1)
    assert "folder:empty" in result["failed"][0]["cell"]
    assert [line["seeds"] for line in result["standings"]] == [1, 0]
    assert (tmp_path / "sweep" / "leaderboard.html").is_file()
