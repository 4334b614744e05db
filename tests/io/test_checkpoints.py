"""Saved states and weights: exact, refused when damaged, never executed."""

from __future__ import annotations

import os
import pickle

import pytest
import torch

from histokit.errors import DataError
from histokit.io.checkpoints import (
    load_newest,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from histokit.training.seed import generator_state


def test_state_round_trip(tmp_path):
    state = {"step": 3, "deep": {"a": [torch.arange(3), 1.5, None, "x"]}, "rng": generator_state()}
    save_state(tmp_path / "last.ckpt", state)
    loaded = load_state(tmp_path / "last.ckpt")
    assert loaded["step"] == 3
    assert torch.equal(loaded["deep"]["a"][0], torch.arange(3))
    assert loaded["deep"]["a"][1:] == [1.5, None, "x"]
    assert torch.equal(loaded["rng"]["torch"], state["rng"]["torch"])


@pytest.mark.parametrize("bad", [torch.tensor([1.0, float("nan")]), float("inf")])
def test_non_finite_state_is_refused_and_the_old_file_kept(tmp_path, bad):
    path = tmp_path / "last.ckpt"
    save_state(path, {"step": 1})
    with pytest.raises(DataError, match=r"net\.w"):
        save_state(path, {"step": 2, "net": {"w": bad}})
    assert load_state(path)["step"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.ckpt"]


def test_truncated_and_missing_states_are_told(tmp_path):
    path = tmp_path / "last.ckpt"
    save_state(path, {"w": torch.ones(1000)})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"last\.ckpt"):
        load_state(path)
    with pytest.raises(DataError, match="no saved state"):
        load_state(tmp_path / "none.ckpt")


def test_the_state_before_the_last_is_kept_and_used_where_the_last_is_damaged(tmp_path):
    last, previous = tmp_path / "last.ckpt", tmp_path / "previous.ckpt"
    for step in (1, 2, 3):
        save_state(last, {"step": step}, previous=previous)
    assert (load_state(last)["step"], load_state(previous)["step"]) == (3, 2)
    state, said = load_newest(last, previous)
    assert (state["step"], said) == (3, "")
    last.write_bytes(last.read_bytes()[:-200])
    state, said = load_newest(last, previous)
    assert state["step"] == 2
    assert "last.ckpt cannot be used (" in said
    assert "going on from" in said
    last.unlink()
    state, said = load_newest(last, previous)
    assert state["step"] == 2
    assert "(missing)" in said
    previous.write_bytes(b"")
    with pytest.raises(DataError, match=r"no saved state at .*last\.ckpt"):
        load_newest(last, previous)


class _Gadget:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    path, canary = tmp_path / "evil.ckpt", tmp_path / "canary"
    torch.save({"format": 1, "x": _Gadget(canary)}, path)
    with pytest.raises(DataError):
        load_state(path)
    path.write_bytes(pickle.dumps(_Gadget(canary)))
    with pytest.raises(DataError):
        load_state(path)
    assert not canary.exists()


def test_weights_round_trip_with_card(tmp_path):
    path = tmp_path / "best.safetensors"
    save_weights(path, {"net.w": torch.eye(2)}, {"method": "mani", "mpp": 0.25})
    weights, card = load_weights(path)
    assert torch.equal(weights["net.w"], torch.eye(2))
    assert card["method"] == "mani"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(DataError, match=r"best\.safetensors"):
        load_weights(path)
