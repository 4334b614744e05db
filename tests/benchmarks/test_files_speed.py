"""Checkpoints beside what torch and safetensors write by themselves; goals are 1 over a ratio."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import save_file

from histokit.io.checkpoints import load_state, load_weights, save_state, save_weights
from histokit.nn.unet import UNet


@pytest.fixture(scope="module")
def trained():
    """A network of 31 million weights and the state of Adam."""
    network = UNet(3, 1)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.zeros(1, 3, 64, 64)).sum().backward()
    optimiser.step()
    return {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": 1}


@pytest.mark.parametrize("synced", [True, False])
@pytest.mark.parametrize("part", ["network", "all"])
def test_saving_a_state(beside, trained, tmp_path, part, synced):
    """As a training does it, which keeps the state before; 120 MiB, and three times as much."""
    state = trained if part == "all" else {"network": trained["network"], "step": 1}
    ours, before = tmp_path / "ours.ckpt", tmp_path / "before.ckpt"

    def theirs():
        with (tmp_path / "theirs.ckpt").open("wb") as handle:
            torch.save(state, handle)
            if synced:
                os.fsync(handle.fileno())

    beside(
        lambda: save_state(ours, state, previous=before),
        theirs,
        name="torch.save, synced to disk" if synced else "torch.save",
        goal=0.5,
        rounds=5,
        missed="" if part == "network" else "a new file takes memory that an old one has already",
    )


def test_loading_a_state(beside, trained, tmp_path):
    save_state(tmp_path / "ours.ckpt", trained)
    beside(
        lambda: load_state(tmp_path / "ours.ckpt"),
        lambda: torch.load(tmp_path / "ours.ckpt", weights_only=True),
        name="torch.load",
        goal=0.9,
        rounds=5,
        missed="every record is held against its checksum first, which torch does not do",
    )


def test_saving_weights(beside, trained, tmp_path):
    weights = trained["network"]
    beside(
        lambda: save_weights(tmp_path / "ours.safetensors", weights, {"card": 1}),
        lambda: save_file(weights, tmp_path / "theirs.safetensors"),
        name="safetensors",
        goal=0.5,
        rounds=5,
    )


def test_loading_weights(beside, trained, tmp_path):
    from safetensors.torch import load_file

    path = tmp_path / "weights.safetensors"
    save_weights(path, trained["network"], {"card": 1})
    beside(
        lambda: load_weights(path),
        lambda: load_file(path),
        name="safetensors",
        goal=0.5,
        rounds=5,
        missed="all is read and held against its checksum; safetensors reads what is used, later",
    )
