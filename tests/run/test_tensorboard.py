"""TensorBoard events: what metrics.csv holds, closed however the run ends."""

from __future__ import annotations

import sys

import pytest

from histokit.errors import PluginError
from histokit.io.runs import RunFolder
from histokit.run.tensorboard import require_tensorboard, tensorboard
from histokit.run.train import resume, train
from toys import plan, stopped_at, trained

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def _curves(folder):
    """Points of each curve, as TensorBoard reads them."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = events.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    read.Reload()
    return {
        name: [(point.step, point.value) for point in read.Scalars(name)]
        for name in read.Tags()["scalars"]
    }


def _of_metrics(run):
    curves = {}
    for step, phase, name, value in run.metrics():
        curves.setdefault(f"{phase}/{name}", []).append((step, pytest.approx(value, rel=1e-6)))
    return curves


def _long(pair, runs):
    return plan(
        "source-only", pair, runs, tensorboard=True, log_every=1, val_every=3, checkpoint_every=2,
        method_values={"steps": 6},
    )  # fmt: skip


def test_losses_and_scores_are_drawn_as_in_metrics_csv(pair, tmp_path):
    pytest.importorskip("tensorboard")
    path, _ = trained(_long(pair, tmp_path))
    curves = _curves(path / "tensorboard")
    assert {"train/seg", "validation/source validation dice"} <= curves.keys()
    assert curves == _of_metrics(RunFolder(path))


def test_a_run_that_is_stopped_and_resumed_draws_one_curve(pair, tmp_path):
    pytest.importorskip("tensorboard")
    run = RunFolder(stopped_at(3, _long(pair, tmp_path)))
    assert [step for step, _ in _curves(run.path / "tensorboard")["train/seg"]] == [1, 2, 3]
    list(resume(run.path))
    assert _curves(run.path / "tensorboard") == _of_metrics(run)


def test_points_past_the_saved_state_are_hidden(tmp_path):
    pytest.importorskip("tensorboard")
    with tensorboard(tmp_path) as draw:
        for step in (1, 2, 3):
            draw(step, "train", {"seg": float(step)})
    with tensorboard(tmp_path, start=1) as draw:
        draw(2, "train", {"seg": 20.0})
    assert _curves(tmp_path) == {"train/seg": [(1, 1.0), (2, 20.0)]}


def test_events_are_closed_when_the_block_fails(tmp_path):
    pytest.importorskip("tensorboard")

    def fail():
        with tensorboard(tmp_path) as draw:
            draw(1, "train", {"seg": 1.0})
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    assert _curves(tmp_path) == {"train/seg": [(1, 1.0)]}


@pytest.fixture
def _without_tensorboard(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


@pytest.mark.usefixtures("_without_tensorboard")
def test_without_the_package_the_command_says_what_to_install(pair, tmp_path):
    with pytest.raises(PluginError, match=r'pip install "histokit-core\[tensorboard\]"'):
        require_tensorboard()
    with pytest.raises(PluginError):
        list(train(_long(pair, tmp_path / "runs")))
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("_without_tensorboard")
def test_nobody_who_does_not_ask_needs_it(pair, tmp_path):
    path, _ = trained(plan("source-only", pair, tmp_path, selection="last"))
    assert not (path / "tensorboard").exists()
