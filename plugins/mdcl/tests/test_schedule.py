"""What changes from epoch to epoch, by reference values."""

from __future__ import annotations

import pytest

from histokit_mdcl.config import MdclConfig
from histokit_mdcl.schedule import Plan

PLAN = Plan(epochs=30, decay_epochs=10, epoch_steps=7)


def first_steps(plan):
    return range(0, plan.steps, plan.epoch_steps)


def test_learning_rate(vectors):
    expected = vectors("mdcl")["lr_schedule"]["expected"]
    base = MdclConfig().lr
    assert [base * PLAN.rate(done) for done in first_steps(PLAN)] == pytest.approx(expected)
    assert base * PLAN.rate(PLAN.steps - 1) == pytest.approx(expected[-1])


def test_uniform_share(vectors):
    expected = vectors("mdcl")["asp_schedule"]["p"]
    assert [PLAN.uniform(done) for done in first_steps(PLAN)] == pytest.approx(expected)


def test_nothing_changes_within_an_epoch():
    for done in range(PLAN.steps):
        first = done - done % 7
        assert PLAN.rate(done) == PLAN.rate(first)
        assert PLAN.uniform(done) == PLAN.uniform(first)


def test_length():
    assert MdclConfig().plan.steps == 185_680
    assert (PLAN.epoch(0), PLAN.epoch(6), PLAN.epoch(7)) == (1, 1, 2)


def test_without_decay_nothing_changes():
    plan = Plan(epochs=3, decay_epochs=0, epoch_steps=2)
    assert {plan.rate(d) for d in range(6)} == {plan.uniform(d) for d in range(6)} == {1.0}
