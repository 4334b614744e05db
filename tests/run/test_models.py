"""Trained things by name: which weights are taken, and weights that do not fit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch

from histokit.errors import DataError, UnknownName, UsageError, VerificationFailed
from histokit.interfaces import Access
from histokit.io.checkpoints import load_weights, save_weights
from histokit.io.runs import RunFolder
from histokit.run import models
from histokit.run import published as published_
from histokit.run.models import load_segmenter, load_trained, load_translator
from toys import cpu, plan, trained


@pytest.fixture(scope="module")
def made(pair, tmp_path_factory):
    """A finished run of source-only."""
    runs = tmp_path_factory.mktemp("made") / "runs"
    path, _ = trained(plan("source-only", pair, runs))
    return path


@pytest.fixture
def runs(made, tmp_path):
    """A folder with copies of that run, the later ones newer: 1 finished, 2 finished with the
    preset cpu, 3 unfinished, 4 of another method."""
    for number in range(1, 5):
        shutil.copytree(made, tmp_path / "runs" / f"2020010{number}T000000_x")
    folder = tmp_path / "runs"
    _rewrite(_run(folder, 2), preset="cpu")
    _run(folder, 3).write_state(status="interrupted")
    _rewrite(_run(folder, 4), method="oracle")
    return folder


def _run(runs, number):
    return RunFolder(runs / f"2020010{number}T000000_x")


def _rewrite(run, **changes):
    run.write_settings({**run.settings(), **changes})


def _loaded(ref, runs, **how):
    return load_trained(ref, cpu(), runs, **how)


def test_the_newest_finished_run_of_the_method_is_taken_and_named(runs):
    found = _loaded("source-only", runs)
    assert found.run == _run(runs, 2)
    assert str(found.run.path) in found.note
    _run(runs, 3).write_state(status="finished")
    assert _loaded("source-only", runs).run == _run(runs, 3)


def test_a_preset_that_is_named_must_be_that_of_the_run(runs):
    _run(runs, 3).write_state(status="finished")
    assert _loaded("source-only:cpu", runs).run == _run(runs, 2)
    _rewrite(_run(runs, 2), preset="short,cpu")
    assert _loaded("source-only:cpu", runs).run == _run(runs, 2)
    _rewrite(_run(runs, 2), preset="")
    with pytest.raises(UsageError, match="histokit train source-only --preset cpu"):
        _loaded("source-only:cpu", runs)
    with pytest.raises(UnknownName, match="preset of source-only"):
        _loaded("source-only:cup", runs)


def test_no_run_at_all_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match="histokit train source-only --source"):
        _loaded("source-only", tmp_path)


def test_weights_come_back_at_rest_with_their_card(made):
    found = _loaded(str(made), made.parent)
    (network,) = models.networks_of(found.method.stateful()).values()
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    weights, card = load_weights(made / "checkpoints" / "best.safetensors")
    assert found.card == card
    assert all(
        torch.equal(weights[f"network.{key}"], value) for key, value in network.state_dict().items()
    )
    file = _loaded(str(RunFolder(made).best), made.parent)
    assert (file.run, file.card) == (None, card)


def test_a_run_of_another_method_is_refused(made, runs):
    with pytest.raises(UsageError, match="does not hold mani") as error:
        _loaded("mani", runs, run=made)
    assert "source-only" in str(error.value)
    assert _loaded("source-only", runs, run=_run(runs, 1).path).run == _run(runs, 1)


def test_two_sets_of_weights_are_refused(made, runs):
    with pytest.raises(UsageError, match="two sets of weights"):
        _loaded(str(made), runs, run=_run(runs, 1).path)


def test_an_unfinished_run_without_weights_says_how_to_go_on(made, tmp_path):
    shutil.copytree(made, tmp_path / "run")
    RunFolder(tmp_path / "run").best.unlink()
    with pytest.raises(DataError, match="train source-only --resume"):
        _loaded(str(tmp_path / "run"), tmp_path)


def _damaged(made, tmp_path, change):
    weights, card = load_weights(RunFolder(made).best)
    change(weights, card)
    save_weights(tmp_path / "x.safetensors", weights, card)
    return _loaded(str(tmp_path / "x.safetensors"), tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda w, c: w.update({next(iter(w)): torch.ones(3)}),
        lambda w, c: w.pop(next(iter(w))),
        lambda w, c: w.update({"network.more": torch.ones(3)}),
        lambda w, c: w.update({"critic.weight": torch.ones(3)}),
        lambda w, c: c.pop("tile"),
        lambda w, c: c.update(format=99),
    ],
    ids=["shape", "missing", "unexpected", "unknown network", "card", "format"],
)
def test_weights_that_do_not_fit_are_told_with_their_file(made, tmp_path, change):
    with pytest.raises(DataError, match=r"x\.safetensors"):
        _damaged(made, tmp_path, change)


def test_weights_that_behave_otherwise_fail_the_verification(made, tmp_path):
    def change(weights, card):
        key = next(key for key in reversed(weights) if weights[key].is_floating_point())
        weights[key] += 10

    with pytest.raises(VerificationFailed, match="does not behave") as error:
        _damaged(made, tmp_path, change)
    assert error.value.exit_code == 7


@pytest.fixture
def published(made, monkeypatch, tmp_path):
    """A method whose preset cpu has published weights called ``cpu.safetensors``."""
    spec = models.find_method("source-only")
    preset = replace(spec.presets["cpu"], weights="cpu.safetensors", hub="lab/nuclei")
    shipping = replace(spec, presets={"cpu": preset})
    monkeypatch.setattr(models, "find_method", lambda name: shipping)
    plugin = tmp_path / "plugin" / "__init__.py"
    monkeypatch.setattr(
        published_, "import_module", lambda name: type("M", (), {"__file__": plugin})
    )
    monkeypatch.delenv("HISTOKIT_WEIGHTS", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return RunFolder(made).best, plugin.parent / "weights"


def _put(file, folder):
    folder.mkdir(parents=True)
    return shutil.copy(file, folder / "cpu.safetensors")


def test_published_weights_lie_beside_the_plugin(published, tmp_path):
    file, beside = published
    with pytest.raises(UsageError, match="no trained weights"):
        _loaded("source-only:cpu", tmp_path / "runs")
    placed = _put(file, beside)
    found = _loaded("source-only:cpu", tmp_path / "runs")
    assert str(placed) in found.note
    assert found.run is None


def test_the_folder_of_the_environment_wins(published, tmp_path, monkeypatch):
    file, beside = published
    _put(file, beside)
    placed = _put(file, tmp_path / "own")
    monkeypatch.setenv("HISTOKIT_WEIGHTS", str(tmp_path / "own"))
    assert str(placed) in _loaded("source-only:cpu", tmp_path / "runs").note


def test_what_was_fetched_from_the_hub_comes_last(published, tmp_path):
    file, beside = published
    with pytest.raises(UsageError) as caught:
        _loaded("source-only:cpu", tmp_path / "runs")
    fetch, _, train = caught.value.hint.partition(", or ")
    assert fetch == "hf download lab/nuclei cpu.safetensors"
    assert train.startswith("histokit train source-only --preset cpu")
    folder = tmp_path / "hub" / "models--lab--nuclei"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("c0ffee\n")
    fetched = _put(file, folder / "snapshots" / "c0ffee")
    assert str(fetched) in _loaded("source-only:cpu", tmp_path / "runs").note
    placed = _put(file, beside)
    assert str(placed) in _loaded("source-only:cpu", tmp_path / "runs").note


def test_a_method_without_training_needs_no_weights(tmp_path):
    found = _loaded("otsu-hed", tmp_path)
    assert found.spec.access is Access.NOTHING
    assert found.card == {}
    assert "needs no training" in found.note


def test_what_a_method_is_not_is_told(made):
    assert load_segmenter(str(made), cpu(), made.parent).sizes.multiple_of == 16
    with pytest.raises(UsageError, match="does not translate"):
        load_translator(str(made), cpu(), made.parent)


def test_a_card_is_what_json_can_hold(made):
    card = json.loads((made / "checkpoints" / "best.json").read_text())
    assert card == {k: v for k, v in load_weights(RunFolder(made).best)[1].items() if k != "format"}


def test_settings_read_after_training_can_be_chosen_anew(made, monkeypatch):
    with pytest.raises(UsageError, match="keep the settings"):
        _loaded(str(made), made.parent, settings={"lr": 0.5})
    monkeypatch.setattr("histokit.run.later.later_settings", lambda config: frozenset({"lr"}))
    as_kept = _loaded("source-only", made.parent, run=made)
    found = _loaded("source-only", made.parent, run=made, settings={"lr": 0.5})
    assert (as_kept.method.config.lr, found.method.config.lr) == (plan_lr(made), 0.5)
    assert found.note.endswith("(lr 0.5)")
    kept, again = (models.weights_of(one.method.stateful()) for one in (as_kept, found))
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def plan_lr(run):
    return RunFolder(run).settings()["settings"]["lr"]["value"]
