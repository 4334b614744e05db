"""Training that runs out of memory: the message has a batch that fits, and nothing is spoilt."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from histokit.errors import DeviceError
from histokit.interfaces import Feed, Labelled, Pair, Phase, SourceTarget, Unlabelled
from histokit.io.checkpoints import load_state
from histokit.io.runs import RunFolder
from histokit.run.events import Progress, Started
from histokit.run.fitting import batch_that_fits
from histokit.run.train import train
from toys import plan


def _unlabelled(count):
    return Unlabelled(torch.zeros(count, 3, 4, 4), tuple(map(str, range(count))))


def _labelled(count):
    ids = torch.zeros(count, 4, 4, dtype=torch.int32)
    return Labelled(torch.zeros(count, 3, 4, 4), ids, None, tuple(map(str, range(count))))


BATCHES = {
    Feed.LABELLED: _labelled(12),
    Feed.UNLABELLED: _unlabelled(12),
    Feed.UNPAIRED: Pair(_unlabelled(12), _unlabelled(12)),
    Feed.SOURCE_TARGET: SourceTarget(_labelled(12), _unlabelled(12)),
}


def _count(batch):
    parts = [batch.source, batch.target] if hasattr(batch, "source") else [batch]
    (count,) = {len(value) for part in parts for value in (part.images, part.keys)}
    return count


@pytest.mark.parametrize("feed", BATCHES)
@pytest.mark.parametrize(("most", "fits"), [(11, 6), (6, 6), (5, 3), (1, 1), (0, 0)])
def test_the_largest_half_that_runs_is_found(feed, most, fits):
    def step(batch):
        if _count(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much")
        return {}

    phases = [Phase("a", 3, Feed.LABELLED, None), Phase("b", 2, feed, step)]
    found = batch_that_fits(phases, lambda f, _: iter([BATCHES[f]]), 3, nullcontext)
    assert found == fits


def test_a_step_that_takes_no_smaller_batch_finds_none():
    def step(batch):
        raise ValueError("expected more than 1 value per channel")

    phases = [Phase("a", 3, Feed.LABELLED, step)]
    assert batch_that_fits(phases, lambda f, _: iter([BATCHES[f]]), 0, nullcontext) == 0


@pytest.mark.parametrize(("most", "hint"), [(3, "--batch 2, with which"), (0, "lower --batch")])
def test_a_training_is_told_the_batch_and_keeps_its_state(pair, tmp_path, monkeypatch, most, hint):
    """From the third step on there is room for `most` images."""
    real, steps = torch.nn.Conv2d.forward, []

    def forward(layer, images):
        if layer.training and len(steps) > 1 and len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. And")
        return real(layer, images)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    how = {"log_every": 1, "checkpoint_every": 1, "val_every": 100}
    how["method_values"] = {"steps": 6, "batch": 4}
    events = train(plan("source-only", pair, tmp_path, **how))
    run = RunFolder(next(event.run for event in events if isinstance(event, Started)))
    with pytest.raises(DeviceError, match="ran out of memory") as caught:
        steps.extend(event.step for event in events if isinstance(event, Progress))
    assert hint in caught.value.hint
    assert "--tile" in caught.value.hint
    assert caught.value.found == "CUDA out of memory"
    assert load_state(run.last)["step"] == 2
    assert run.state()["status"] == "failed"
