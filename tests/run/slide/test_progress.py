"""How long a network waited is told as it was."""

from __future__ import annotations

import time

import pytest

from histokit.run.slide.progress import Busy


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless it is moved."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_waiting_for_pixels_and_for_what_comes_after_is_idle(clock):
    def run(windows):
        for window in windows:
            clock[0] += 3.0
            yield -window

    busy, outputs = Busy(), []
    for windows in ([1, 2], [3]):
        for output in busy.timed(run)(iter(windows)):
            outputs.append(output)
            clock[0] += 1.0
    assert outputs == [-1, -2, -3]
    assert busy.idle() == pytest.approx(3 / 12)
    (line,) = busy.told("a.svs")
    assert line.text == "a.svs: the network waited 25% of the time"


def test_nothing_is_told_where_nothing_ran():
    assert list(Busy().told("a.svs")) == []
