"""Going on: in every phase, with loading processes, with several processes, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from histokit.errors import UsageError
from histokit.io.checkpoints import load_state, load_weights, save_state
from histokit.io.files import read_json
from histokit.io.runs import RunFolder
from histokit.run.events import Progress, Started, Validated
from histokit.run.train import resume, train
from toys import plan, stopped_at, trained

ADABN = {"method_values": {"steps": 3, "adabn_steps": 6}}


def _same(a, b, where=""):
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            _same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for n, (x, y) in enumerate(zip(a, b, strict=True)):
            _same(x, y, f"{where}[{n}]")
    else:
        assert a == b, where


def _same_runs(a, b):
    a, b = RunFolder(a), RunFolder(b)
    _same(load_state(a.last), load_state(b.last))
    _same(load_weights(a.best)[0], load_weights(b.best)[0])
    assert a.metrics() == b.metrics()


@pytest.mark.parametrize("step", [2, 3, 6])
def test_adabn_goes_on_in_each_phase(pair, tmp_path, step):
    """Step 3 is the border of the phases; step 6 is amid the statistics of the target."""
    straight, _ = trained(plan("adabn", pair, tmp_path / "a", log_every=1, **ADABN))
    run = stopped_at(step, plan("adabn", pair, tmp_path / "b", log_every=1, **ADABN))
    counts = _batches(load_state(RunFolder(run).last))
    assert counts == {step if step <= 3 else step - 3}
    list(resume(run))
    _same_runs(straight, run)
    assert _batches(load_state(RunFolder(run).last)) == {6}


def _batches(state):
    """What the BatchNorm layers of a saved state have counted."""
    network = state["stateful"]["network"]
    return {int(v) for key, v in network.items() if key.endswith("num_batches_tracked")}


def test_random_numbers_of_the_steps_go_on(pair, tmp_path):
    values = {"warmup_steps": 2, "adapt_steps": 4, "pool": "random"}
    how = {"log_every": 1, "method_values": values}
    straight, _ = trained(plan("mani", pair, tmp_path / "a", **how))
    run = stopped_at(4, plan("mani", pair, tmp_path / "b", **how))
    list(resume(run))
    _same_runs(straight, run)


@pytest.mark.parametrize("step", [2, 6])
def test_loading_processes_change_nothing_and_go_on(pair, tmp_path, step):
    how = {"log_every": 1, "checkpoint_every": 1, **ADABN}
    straight, _ = trained(plan("adabn", pair, tmp_path / "a", workers=0, **how))
    run = stopped_at(step, plan("adabn", pair, tmp_path / "b", workers=2, **how))
    list(resume(run))
    _same_runs(straight, run)


def test_a_resumed_run_keeps_how_it_began(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["histokit", "train", "adabn"])
    run = RunFolder(stopped_at(2, plan("adabn", pair, tmp_path, log_every=1, **ADABN)))
    assert run.state()["status"] == "interrupted"
    before = read_json(run.path / "env.json")
    monkeypatch.setattr(sys, "argv", ["histokit", "train", "--resume", "x"])
    list(resume(run.path))
    assert read_json(run.path / "env.json") == before
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    kinds = [e["event"] for e in events if e["event"] != "progress"]
    assert kinds == ["started", "interrupted", "resuming", "resumed", "finished"]
    (going_on,) = [event for event in events if event["event"] == "resuming"]
    assert going_on["environment"]["command"] == ["histokit", "train", "--resume", "x"]


def test_a_run_of_which_a_kill_left_the_state_before_alone_goes_on_from_it(pair, tmp_path):
    how = {"log_every": 1, "checkpoint_every": 1, **ADABN}
    straight, _ = trained(plan("adabn", pair, tmp_path / "a", **how))
    run = RunFolder(stopped_at(4, plan("adabn", pair, tmp_path / "b", **how)))
    before = load_state(run.previous)["step"]
    run.last.unlink()
    events = list(resume(run.path))
    assert [event.step for event in events if isinstance(event, Started)] == [before] == [3]
    assert any("last.ckpt cannot be used (missing)" in str(event) for event in events)
    _same_runs(straight, run.path)


def test_the_first_save_does_not_put_a_damaged_state_in_the_place_of_the_sound_one(pair, tmp_path):
    how = {"log_every": 1, "checkpoint_every": 1, **ADABN}
    run = RunFolder(stopped_at(4, plan("adabn", pair, tmp_path, **how)))
    before = load_state(run.previous)["step"]
    run.last.write_bytes(run.last.read_bytes()[:2000])
    events = resume(run.path)
    next(event for event in events if isinstance(event, Progress) and event.step == before + 2)
    events.close()
    assert load_state(run.last)["step"] == before + 1
    assert load_state(run.previous)["step"] == before
    assert len((run.last.with_name("damaged.ckpt")).read_bytes()) == 2000


def test_another_number_of_processes_is_refused(pair, tmp_path):
    run = RunFolder(stopped_at(2, plan("adabn", pair, tmp_path, log_every=1, **ADABN)))
    state = load_state(run.last)
    save_state(run.last, {**state, "generators": state["generators"] * 2})
    with pytest.raises(UsageError, match="trained by 2 processes"):
        list(resume(run.path))


def test_two_processes_agree_and_go_on(pair, tmp_path):
    """Two gloo processes: equal weights on both; a stop asked of one stops both after one step."""
    script = Path(__file__).with_name("two_processes.py")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
         str(script), str(tmp_path), pair[1], pair[3]],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(script.parents[1])},
        capture_output=True,
        text=True,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"rank{n}.json").read_text()) for n in (0, 1))
    assert [own["straight"] for own in (first, second)] == [first["resumed"], second["resumed"]]
    assert first["straight"][0] == second["straight"][0]
    assert first["straight"][1] != second["straight"][1]  # statistics of other batches
    assert (first["step"], first["run"]) == (second["step"], second["run"])
    assert 0 < first["step"] < 8
    generators = load_state(RunFolder(Path(first["run"])).last)["generators"]
    assert len(generators) == 2
    assert not torch.equal(generators[0]["torch"], generators[1]["torch"])


def test_deterministic_asks_torch_and_two_runs_are_equal(pair, tmp_path):
    runs = []
    for folder in ("a", "b"):
        how = plan("source-only", pair, tmp_path / folder, deterministic=True, seed=3)
        asked = [torch.are_deterministic_algorithms_enabled() for _ in train(how)]
        assert all(asked)
        runs += [path.parent for path in (tmp_path / folder).glob("*/run.yaml")]
    _same_runs(*runs)
    trained(plan("source-only", pair, tmp_path / "c"))
    assert not torch.are_deterministic_algorithms_enabled()


def test_threads_are_those_of_the_plan(pair, tmp_path):
    before = torch.get_num_threads()
    for _ in train(plan("source-only", pair, tmp_path, threads=2)):
        assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_without_steps_in_the_last_phase_the_first_keeps_weights(pair, tmp_path):
    values = {"method_values": {"warmup_steps": 2, "adapt_steps": 0}}
    path, events = trained(plan("mani", pair, tmp_path, **values))
    assert RunFolder(path).best.exists()
    assert events[-1].step == 2


def test_choosing_by_the_target_reads_its_validation_labels_and_says_so(pair, tmp_path):
    how = plan("source-only", pair, tmp_path, selection="target-val-oracle")
    path, events = trained(how)
    assert {e.what for e in events if isinstance(e, Validated)} == {"target validation dice"}
    assert "upper bound" in read_json(path / "env.json")["target_labels"]


def test_the_seed_counts_up_over_repeats(pair, tmp_path):
    runs = [e.run for e in train(plan("source-only", pair, tmp_path, repeats=2, seed=5))
            if isinstance(e, Started)]  # fmt: skip
    seeds = [RunFolder(run).settings()["run"]["seed"]["value"] for run in runs]
    assert seeds == [5, 6]
    weights = [load_weights(RunFolder(run).best)[0] for run in runs]
    assert not all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
