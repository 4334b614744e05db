"""Layout and compilation change the speed of a training and not what it learns."""

from __future__ import annotations

import csv

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from command import TINY, histokit, pair
from histokit.errors import DeviceError
from histokit.run.hasten import hasten

__all__ = ["histokit", "pair"]


def test_layout_and_names():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 1, 1))
    names = list(network.state_dict())
    images = torch.rand(2, 3, 9, 9)
    before = network(images)
    hasten([network], channels_last=True, compiled=True, backend="eager")
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network(images), before)


def test_a_system_without_compiler_is_told(monkeypatch):
    def refuse(*args, **options):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(nn.Module, "compile", refuse)
    with pytest.raises(DeviceError, match="leave out --compile"):
        hasten([nn.Identity()], channels_last=False, compiled=True)


def _losses(folder):
    (path,) = folder.glob("*/metrics.csv")
    with path.open() as handle:
        rows = [row for row in csv.DictReader(handle) if row["phase"] == "train"]
    return {(row["step"], row["name"]): float(row["value"]) for row in rows}


def _compared(histokit, pair, folder, option):
    """The losses of three steps with and without an option; the weights have the same names."""
    steps = ("--steps", "3", "--log-every", "1", "--selection", "last")
    for name, extra in (("plain", ()), ("fast", (option,))):
        histokit("train", "source-only", *pair, *TINY, *steps, *extra, "--runs", name)
    names = [
        list(load_file(path)) for path in sorted(folder.glob("*/*/checkpoints/best.safetensors"))
    ]
    assert names[0] == names[1]
    plain, fast = _losses(folder / "plain"), _losses(folder / "fast")
    assert len(plain) >= 3
    assert fast == pytest.approx(plain, rel=1e-4)


def test_training_in_channels_last_learns_the_same(histokit, pair, tmp_path):
    _compared(histokit, pair, tmp_path, "--channels-last")


@pytest.mark.slow
def test_compiled_training_learns_the_same(histokit, pair, tmp_path):
    _compared(histokit, pair, tmp_path, "--compile")
