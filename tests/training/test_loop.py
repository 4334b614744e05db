"""The loop: order of phases, restoring, and what it refuses."""

from __future__ import annotations

from itertools import count

import pytest
import torch

from histokit.errors import ContractError, NonFiniteLoss
from histokit.interfaces import Feed, Phase, Unlabelled
from histokit.training.loop import fit
from histokit.training.updater import NonFiniteElsewhere


def _feed(feed, start):
    return (Unlabelled(torch.tensor([float(n)]), (f"{feed.value}/{n}",)) for n in count(start))


def _phases(log, steps=(2, 3)):
    def phase(name, number):
        return Phase(
            name,
            number,
            Feed.UNLABELLED,
            lambda batch: log.append((name, int(batch.images))) or {"loss": batch.images[0]},
            lambda: log.append((name, "before")),
        )

    return [phase("warmup", steps[0]), phase("adapt", steps[1])]


def test_phases_run_in_order_with_before_once():
    log = []
    records = list(fit(_phases(log), _feed))
    assert log == [
        ("warmup", "before"), ("warmup", 0), ("warmup", 1),
        ("adapt", "before"), ("adapt", 2), ("adapt", 3), ("adapt", 4),
    ]  # fmt: skip
    assert [r.step for r in records] == [1, 2, 3, 4, 5]
    assert {r.total for r in records} == {5}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (1, ["warmup before", "restore", "warmup 1", "adapt before", "adapt 2"]),
        (2, ["warmup before", "restore", "adapt before", "adapt 2"]),
        (3, ["warmup before", "adapt before", "restore", "adapt 3"]),
        (5, ["warmup before", "adapt before", "restore"]),
    ],
)
def test_restore_comes_after_the_begun_phase_and_before_the_next(start, expected):
    log = []
    list(fit(_phases(log), _feed, start=start, restore=lambda: log.append(("restore", ""))))
    words = [f"{name} {what}".strip() for name, what in log]
    assert words[: len(expected)] == expected


def test_a_phase_without_steps_is_skipped():
    log = []
    list(fit(_phases(log, steps=(0, 1)), _feed))
    assert log == [("adapt", "before"), ("adapt", 0)]


@pytest.mark.parametrize("check_every", [1, 3, 20])
def test_nan_names_step_phase_and_images(check_every):
    def step(batch):
        return {
            "fine": torch.tensor(1.0),
            "bad": torch.tensor(float("nan") if batch.images == 4 else 0),
        }

    phases = [Phase("adapt", 9, Feed.UNLABELLED, step)]
    with pytest.raises(NonFiniteLoss) as caught:
        list(fit(phases, _feed, check_every=check_every))
    assert "step 5" in str(caught.value)
    assert "adapt" in str(caught.value)
    assert "bad" in str(caught.value)
    assert "unlabelled/4" in str(caught.value)


@pytest.mark.parametrize("returned", [None, {"loss": 1.0}, {"loss": torch.ones(2)}])
def test_a_step_that_returns_anything_else_breaks_the_contract(returned):
    with pytest.raises(ContractError, match="scalar tensors"):
        list(fit([Phase("p", 1, Feed.UNLABELLED, lambda batch: returned)], _feed))


def test_a_loss_that_is_not_finite_in_another_process_stops_this_one():
    """Each process is asked at each look, whatever it found."""
    asked = []

    def anywhere(bad):
        asked.append(bad)
        return len(asked) == 2

    with pytest.raises(NonFiniteElsewhere):
        list(fit(_phases([]), _feed, anywhere=anywhere))
    assert asked == [False, False]
