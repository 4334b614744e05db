"""What is measured is the code of others: whatever it does, there is a reason in plain words."""

from __future__ import annotations

import resource

import pytest
import torch
from torch import nn

from histokit.errors import DataError, DeviceError, PluginError
from histokit.run.costs import bounds
from histokit.run.costs.bounds import bounded_memory, free_memory
from histokit.run.costs.measure import measured, told_why
from histokit.run.costs.tasks import Job, Task

CPU = torch.device("cpu")
linux = pytest.mark.skipif(free_memory() is None, reason="needs Linux's /proc")


def test_a_task_is_built_once_and_draws_only_where_asked():
    done = []

    def opened():
        done.append("built")
        return Job(
            lambda: done.append("call"), [nn.Linear(2, 3)], 4, draw=lambda: done.append("draw")
        )

    task = Task("made", "train", 32, opened)
    found = measured(task, CPU, warmup=1, repeats=2)
    assert done == ["built", *["call"] * 5]
    assert (found.job.parameters, found.took.waited) == (9, 0)
    assert found.memory >= 4 * 9
    done.clear()
    measured(task, CPU, warmup=1, repeats=2, draw=True)
    assert done[3:] == ["draw", *["draw", "call"] * 3]


def test_every_failure_is_told():
    with pytest.raises(PluginError, match="ValueError: sizes of 3 and 5"), told_why(CPU):
        raise ValueError("sizes of 3 and 5\nand a long tale")
    with pytest.raises(PluginError, match=r"^KeyError$"), told_why(CPU):
        raise KeyError
    with pytest.raises(DataError, match="as it was"), told_why(CPU):
        raise DataError("as it was")


@linux
def test_what_needs_more_memory_than_is_free_fails_and_nothing_else_does(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_AS)
    monkeypatch.setattr(bounds, "free_memory", lambda: 256 * 2**20)
    with pytest.raises(DeviceError, match="out of memory"), told_why(CPU):
        torch.zeros(2**30)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    with told_why(CPU):
        assert torch.zeros(2**10).sum() == 0


@linux
def test_a_gpu_and_an_unknown_amount_bound_nothing(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_AS)
    with bounded_memory(torch.device("cuda")):
        assert resource.getrlimit(resource.RLIMIT_AS) == before
    monkeypatch.setattr(bounds, "free_memory", lambda: None)
    with bounded_memory(CPU):
        assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_free_memory_is_the_least_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(bounds, "GROUP", tmp_path)
    assert free_memory() is None
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemAvailable:    500 kB\n")
    assert free_memory() == 500 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() == 500 * 1024
    (tmp_path / "memory.max").write_text("9000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert free_memory() == 8000
