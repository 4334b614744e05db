"""Stopping on request: the first signal asks, the second is as it was before."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from histokit.run.signals import stop_on_request

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def heard():
    """The signals that reach the handlers from before; they are put back afterwards."""
    before = {number: signal.getsignal(number) for number in BOTH}
    got = []
    for number in BOTH:
        signal.signal(number, lambda n, frame: got.append(n))
    yield got
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", BOTH)
def test_the_first_signal_asks_and_the_second_passes(heard, number):
    with stop_on_request() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.reason == number.name
        assert heard == []
        os.kill(os.getpid(), signal.SIGINT)
        assert heard == [signal.SIGINT]
    os.kill(os.getpid(), number)
    assert heard == [signal.SIGINT, number]


def test_handlers_come_back_after_an_error(heard):
    before = signal.getsignal(signal.SIGINT)

    def fail():
        with stop_on_request():
            assert signal.getsignal(signal.SIGINT) is not before
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    assert signal.getsignal(signal.SIGINT) is before


def test_beside_the_main_thread_nobody_asks():
    seen = []

    def work():
        with stop_on_request() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
