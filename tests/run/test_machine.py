"""The machine: threads, number formats, processes, and memory that runs out."""

from __future__ import annotations

import os

import pytest
import torch

from histokit.errors import DeviceError, UsageError
from histokit.run.machine import (
    cores,
    free_threads,
    launched,
    open_machine,
    speaks,
    told_out_of_memory,
)


@pytest.fixture(autouse=True)
def _same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_are_those_asked_for_or_all_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    open_machine("cpu", threads=2)
    assert torch.get_num_threads() == 2
    open_machine("cpu")
    assert torch.get_num_threads() == cores() >= 1


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3", "LOCAL_WORLD_SIZE": "1"}, cores()),
        ({"OMP_NUM_THREADS": "few"}, cores()),
    ],
)
def test_threads_that_the_user_set_elsewhere_are_left(monkeypatch, environment, expected):
    for name in ("OMP_NUM_THREADS", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert free_threads(1) == expected
    assert free_threads(10**6) == (3 if expected == 3 else 1)


@pytest.mark.parametrize(
    ("precision", "name", "dtype"),
    [
        ("32", "32-true", torch.float32),
        ("bf16", "bf16-mixed", torch.bfloat16),
        ("auto", "32-true", torch.float32),
    ],
)
def test_precision_is_that_of_a_matrix_product(precision, name, dtype):
    machine = open_machine("cpu", precision, threads=1)
    with machine.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    assert machine.precision == name
    assert name in machine.describe()


def test_one_process_is_its_own_rank():
    machine = open_machine("cpu", threads=1)
    assert (machine.rank, machine.world) == (0, 1)
    assert machine.gathered({"a": 1}) == [{"a": 1}]
    assert torch.equal(machine.mean(torch.ones(3)), torch.ones(3))
    assert machine.means({"a": 2.0}) == {"a": 2.0}
    assert (machine.anywhere(True), machine.anywhere(False)) == (True, False)
    assert speaks()


def test_more_processes_than_gpus_are_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match="--devices 2"):
        open_machine("cuda", devices=8)


def test_one_process_has_nobody_to_spread_weights_over():
    with pytest.raises(UsageError, match="leave out --strategy"):
        open_machine("cpu", strategy="fsdp")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (3, 2)),
        ({"LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "4"}, (4, 1)),
        ({"LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "12"}, (4, 3)),
    ],
)
def test_torchrun_says_how_many(monkeypatch, environment, expected):
    for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched(3, 2) == expected


def test_cores_are_known_without_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores() == os.cpu_count()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told():
    with pytest.raises(DeviceError, match="--device cpu"):
        open_machine("cuda")


def test_memory_of_the_cpu_that_runs_out_is_told():
    with pytest.raises(DeviceError, match="lower --batch"), told_out_of_memory("lower --batch"):
        torch.empty(2**50)
    with pytest.raises(DeviceError), told_out_of_memory(""):
        raise MemoryError


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="size"), told_out_of_memory(""):
        torch.ones(2) + torch.ones(3)
