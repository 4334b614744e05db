"""Processes end together: each in a thread here, with a store between them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from histokit import errors
from histokit.errors import ConfigError, DataError, HistokitError, Interrupted, NonFiniteLoss
from histokit.run import ranks
from histokit.run.ranks import Failure, ending_together
from histokit.training.updater import NonFiniteElsewhere

LOST = RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:1")
DAMAGED = DataError("a.png is damaged", expected="an image", found="noise", hint="remove it")


@pytest.fixture
def ends(monkeypatch):
    """What each process ends with, where these errors (None: all is well) end its block."""
    store = torch.distributed.HashStore()
    monkeypatch.setattr(ranks, "_get_default_store", lambda: store)
    monkeypatch.setattr(ranks, "_leave", lambda: None)
    monkeypatch.setattr(ranks, "WAIT", 4.0)

    def run(*raised, killed=None):
        def one(rank):
            end = (lambda: None) if killed is None else (lambda: killed.append(rank))
            try:
                with ending_together(SimpleNamespace(rank=rank, world=len(raised), end_others=end)):
                    if raised[rank] is not None:
                        raise raised[rank]
            except BaseException as error:  # also what ends a process
                return error
            return None

        with ThreadPoolExecutor(len(raised)) as threads:
            return list(threads.map(one, range(len(raised))))

    return run


def test_the_first_tells_what_another_met_and_the_others_are_quiet(ends):
    first, second, third = ends(LOST, DAMAGED, LOST)
    assert type(first) is DataError
    assert first.what == "process 1: a.png is damaged"
    assert (first.expected, first.found, first.hint) == ("an image", "noise", "remove it")
    assert [type(other) for other in (second, third)] == [SystemExit, SystemExit]
    assert (second.code, third.code) == (0, 0)


def test_the_first_tells_its_own(ends):
    first, second = ends(DAMAGED, LOST)
    assert first is DAMAGED
    assert (type(second), second.code) == (SystemExit, 0)


def test_the_first_ends_those_that_do_not_hear_it(ends):
    killed = []
    assert ends(DAMAGED, None, killed=killed)[0] is DAMAGED
    assert killed == [0]


def test_what_all_meet_is_told_as_it_is(ends):
    first, second = ends(DAMAGED, DAMAGED)
    assert first is DAMAGED
    assert type(second) is SystemExit


def test_a_loss_that_is_not_finite_elsewhere_names_images_and_the_state(ends):
    here = NonFiniteElsewhere("elsewhere", found="state saved in failed.ckpt")
    met = NonFiniteLoss("the loss became nan", found="a batch of x")
    first, _ = ends(here, met)
    assert type(first) is NonFiniteLoss
    assert first.found == "a batch of x; state saved in failed.ckpt"


def test_an_unforeseen_error_names_its_place(ends):
    first, second = ends(LOST, ZeroDivisionError("oh"))
    assert type(first) is HistokitError
    assert first.what == "process 1: internal error: ZeroDivisionError: oh"
    assert "test_ranks.py:" in first.found
    assert type(second) is SystemExit


def test_a_process_that_is_gone_without_a_word_is_told_by_all(ends, monkeypatch):
    monkeypatch.setattr(ranks, "WAIT", 0.2)
    for error in ends(LOST, LOST):
        assert type(error) is HistokitError
        assert "without a word" in error.what


def test_a_process_that_nobody_hears_tells_its_own(ends, monkeypatch):
    monkeypatch.setattr(ranks, "WAIT", 0.2)
    assert ends(None, DAMAGED) == [None, DAMAGED]


def test_a_stop_ends_the_others_at_once(ends):
    stop = Interrupted("stopped")
    first, second = ends(stop, stop)
    assert first is stop
    assert (type(second), second.code) == (SystemExit, 0)


def test_one_process_raises_what_it_met(ends):
    assert ends(LOST) == [LOST]


KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, HistokitError)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if ranks._plain(kind)])
def test_errors_keep_their_class(kind):
    told = Failure.of(kind("x", hint="y"), 2).told()
    assert (type(told), told.what, told.hint) == (kind, "process 2: x", "y")


def test_errors_of_another_form_keep_their_exit_code():
    told = Failure.of(ConfigError(["lr: too large"]), 1).told()
    assert told.exit_code == ConfigError.exit_code
    assert "lr: too large" in told.what
    stopped = Failure.of(KeyboardInterrupt(), 1).told()
    assert type(stopped) is Interrupted
