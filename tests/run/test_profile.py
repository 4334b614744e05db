"""What methods and networks cost, on windows small enough for a test."""

from __future__ import annotations

import csv

import pytest
import torch

from histokit.errors import ConfigError, DataError, NonFiniteLoss, PartialFailure, UnknownName
from histokit.interfaces import Feed, Phase
from histokit.run.context import RunContext
from histokit.run.costs import tasks as profile_tasks
from histokit.run.events import ItemFailed, Noted
from histokit.run.profile import Profiled, ProfileOptions, profile
from histokit_baselines.supervised import Supervised
from toys import cpu

FAST = {"size": 32, "repeats": 2, "warmup": 0, "device": "cpu"}


def profiled(*refs, **how):
    """All events, and the last of them that is a result."""
    events = []
    try:
        for event in profile(ProfileOptions(refs=refs, **FAST | how)):
            events.append(event)
    except (PartialFailure, DataError) as error:
        events.append(error)
    (found,) = [event for event in events if isinstance(event, Profiled)]
    return found, events


def test_a_network_has_the_weights_that_it_is_built_with():
    found, _ = profiled("unet-small", batch=2)
    (cost,) = found.costs
    module = RunContext(cpu()).network("unet-small", 3, 1).module
    assert cost.parameters == sum(p.numel() for p in module.parameters())
    assert (cost.task, cost.side, cost.batch) == ("forward", 32, 2)
    assert cost.memory_bytes > 4 * cost.parameters
    assert cost.lower_ms <= cost.median_ms <= cost.upper_ms
    assert cost.windows_per_s == pytest.approx(2000 / cost.median_ms)
    (double,) = profiled("unet-small", batch=4)[0].costs
    assert double.flops == 2 * cost.flops


def test_a_method_has_a_line_for_each_role_and_phase():
    costs = profiled("dann:cpu")[0].costs
    assert [cost.task for cost in costs] == ["segment", "train warmup", "train adapt"]
    inference, warmup, adapt = costs
    assert inference.flops < warmup.flops < adapt.flops
    # Adam keeps two numbers a weight, and the gradients are a third
    assert warmup.memory_bytes > inference.memory_bytes + 12 * 1_000_000
    assert [c.task for c in profiled("dann:cpu", train=False)[0].costs] == ["segment"]


def test_translators_and_methods_without_training():
    costs = profiled("reinhard", "otsu-hed")[0].costs
    assert [(c.subject, c.task) for c in costs] == [
        ("reinhard", "translate"),
        ("otsu-hed", "segment"),
    ]
    assert {(c.parameters, c.flops) for c in costs} == {(0, 0)}


def test_what_takes_no_such_window_gets_the_next_and_says_so():
    found, events = profiled("unet-small", size=33, train=False)
    assert found.costs[0].side > 33
    assert any("33 px" in event.text for event in events if isinstance(event, Noted))


def test_names(tmp_path):
    with pytest.raises(UnknownName, match="unet-smal") as caught:
        list(profile(ProfileOptions(refs=["unet-smal"])))
    assert "unet-small" in caught.value.hint
    with pytest.raises(UnknownName, match="preset"):
        list(profile(ProfileOptions(refs=["dann:none"])))
    with pytest.raises(ConfigError, match="--size and --batch"):
        list(profile(ProfileOptions(refs=["dann"], size=8)))
    how = profile_tasks.Conditions(cpu(), 32, 1)
    assert [task.name for task in profile_tasks.tasks_of("network:nnunet-plain", how)] == [
        "forward"
    ]


def test_a_task_that_fails_is_a_line_and_the_others_go_on(tmp_path, monkeypatch):
    def phases(self):
        def step(batch):
            raise NonFiniteLoss("the loss became nan")

        return (Phase("train", 1, Feed.LABELLED, step),)

    monkeypatch.setattr(Supervised, "phases", phases)
    table = tmp_path / "new" / "costs.csv"
    found, events = profiled("source-only:cpu", out=table)
    assert [cost.error for cost in found.costs] == ["", "the loss became nan"]
    assert isinstance(events[-1], PartialFailure)
    assert any(isinstance(event, ItemFailed) for event in events)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["task"] for row in rows] == ["segment", "train train"]
    assert float(rows[0]["median_ms"]) == found.costs[0].median_ms
    assert rows[1]["flops"] == ""
    assert rows[1]["error"] == "the loss became nan"
    assert {row["precision"] for row in rows} == {"32-true"}


def test_phases_begin_as_in_training(monkeypatch):
    begun = []

    def phases(self):
        def step(batch):
            begun.append("step")
            return {"loss": torch.zeros(())}

        return (
            Phase("one", 1, Feed.LABELLED, step, lambda: begun.append("one")),
            Phase("none", 0, Feed.LABELLED, step, lambda: begun.append("none")),
            Phase("two", 1, Feed.LABELLED, step, lambda: begun.append("two")),
        )

    monkeypatch.setattr(Supervised, "phases", phases)
    how = profile_tasks.Conditions(cpu(), 32, 1)
    tasks = profile_tasks.tasks_of("source-only:cpu", how)
    assert [task.name for task in tasks] == ["segment", "train one", "train two"]
    tasks[2].open().call()
    assert begun == ["one", "two", "step"]
