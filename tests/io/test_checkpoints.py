"""Saved states and weights: exact, refused when damaged, never executed."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from faults.mutations import mutated
from faults.victims import made_of
from histokit.errors import DataError
from histokit.io.checkpoints import (
    load_newest,
    load_state,
    load_weights,
    read_card,
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


STATE = {
    "step": 3,
    "best": {"score": 0.5, "what": "dice"},
    "stateful": {"network": {"w": torch.arange(12.0).reshape(3, 4), "b": torch.ones(3)}},
}
WEIGHTS = {
    "net.w": torch.arange(12.0).reshape(3, 4),
    "net.half": torch.ones((), dtype=torch.bfloat16),
    "net.none": torch.zeros(0, 3),
    "net.count": torch.tensor([7]),
}
CARD = {"method": "mani", "mpp": 0.25, "settings": {"tile": 32, "name": "é"}}


def _spoilt(path, kind, rng, number):
    """`path` with one bit of another value, or changed as a fault might, again and again."""
    whole = path.read_bytes()
    for place in rng.choice(8 * len(whole), number, replace=False):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(data if kind == "bit" else mutated(whole, rng))
        yield
    path.write_bytes(whole)


@pytest.mark.parametrize("kind", ["bit", "piece"])
def test_a_state_of_which_anything_changed_is_refused_or_the_same(tmp_path, kind):
    path = tmp_path / "last.ckpt"
    save_state(path, STATE)
    wanted, refused = dict(made_of({"format": 1, **STATE})), 0
    for _ in _spoilt(path, kind, np.random.default_rng(1), 300):
        try:
            assert dict(made_of(load_state(path))) == wanted
        except DataError:
            refused += 1
    assert refused > 100
    assert dict(made_of(load_state(path))) == wanted


def test_a_record_that_is_said_to_be_a_folder_is_refused(tmp_path):
    """Of which torch reads nothing: its tensor would be whatever was in memory."""
    path = tmp_path / "last.ckpt"
    save_state(path, STATE)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"archive/data/0") - 8] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(DataError, match="data/0 is not as it was written"):
        load_state(path)


@pytest.mark.parametrize("kind", ["bit", "piece"])
def test_weights_of_which_anything_changed_are_refused_or_the_same(tmp_path, kind):
    """But for the name of the checksum itself: a file without one is an older one."""
    path = tmp_path / "best.safetensors"
    save_weights(path, WEIGHTS, CARD)
    refused = 0
    for _ in _spoilt(path, kind, np.random.default_rng(2), 300):
        try:
            weights, card = load_weights(path)
        except DataError:
            refused += 1
        else:
            _are_whole(weights, card)
    assert refused > 200
    _are_whole(*load_weights(path))


def _are_whole(weights, card):
    assert weights.keys() == WEIGHTS.keys()
    for name, weight in WEIGHTS.items():
        assert weights[name].dtype == weight.dtype
        assert torch.equal(weights[name], weight)
    assert {key: card[key] for key in CARD} == CARD


def test_a_state_with_a_flipped_bit_gives_way_to_the_one_before(tmp_path):
    last, previous = tmp_path / "last.ckpt", tmp_path / "previous.ckpt"
    for step in (1, 2):
        save_state(last, {"step": step, "w": torch.full((64,), 1.5)}, previous=previous)
    data = bytearray(last.read_bytes())
    data[data.index(torch.full((2,), 1.5).numpy().tobytes()) + 9] ^= 1
    last.write_bytes(data)
    state, said = load_newest(last, previous)
    assert state["step"] == 1
    assert "last.ckpt cannot be used (BadZipFile: the record archive/data/0 is not as" in said


def test_weights_without_a_checksum_are_read(tmp_path):
    """Those of an older histokit."""
    path = tmp_path / "old.safetensors"
    save_file(WEIGHTS, path, {"histokit": json.dumps({"format": 1, **CARD})})
    _are_whole(*load_weights(path))


def test_the_checksum_is_no_part_of_the_card_and_the_bytes_are_always_the_same(tmp_path):
    path, written = tmp_path / "best.safetensors", set()
    for _ in range(8):
        save_weights(path, WEIGHTS, CARD)
        written.add(path.read_bytes())
    assert len(written) == 1
    assert load_weights(path)[1] == read_card(path) == {"format": 1, **CARD}


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
