"""Speed, waiting and time left, with a clock by hand."""

from __future__ import annotations

import pytest

from histokit.run.meter import Meter
from histokit.training.loop import Step


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def _steps(meter, clock, numbers, *, seconds=2.0, waited=0.5, images=4):
    for number in numbers:
        clock.now += seconds
        record = Step(number, 100, "train", {}, ("a",) * images, waited, seconds)
        meter.add(record)
    return meter.progress(record, {"seg": 1.0})


@pytest.fixture
def clock():
    return Clock()


def test_speed_waiting_and_time_left(clock):
    found = _steps(Meter(clock=clock), clock, range(1, 11))
    assert (found.step, found.total, found.phase, found.losses) == (10, 100, "train", {"seg": 1.0})
    assert found.images_per_second == pytest.approx(2.0)
    assert found.waited == pytest.approx(0.25)
    assert found.eta_seconds == pytest.approx(180)


def test_every_process_counts_its_images(clock):
    assert _steps(Meter(3, clock), clock, range(1, 5)).images_per_second == pytest.approx(6.0)


def test_each_look_begins_anew(clock):
    meter = Meter(clock=clock)
    _steps(meter, clock, range(1, 11))
    found = _steps(meter, clock, range(11, 21), seconds=1.0, waited=0.9)
    assert found.images_per_second == pytest.approx(4.0)
    assert found.waited == pytest.approx(0.9)
    assert found.eta_seconds == pytest.approx(80)
    assert meter.waited == pytest.approx((10 * 0.5 + 10 * 0.9) / 30)


def test_pauses_are_no_part_of_the_speed_but_of_the_time_left(clock):
    meter = Meter(clock=clock)
    _steps(meter, clock, range(1, 11))
    with meter.paused():
        clock.now += 30
    found = _steps(meter, clock, range(11, 21))
    assert found.images_per_second == pytest.approx(2.0)
    assert found.waited == pytest.approx(0.25)
    assert found.eta_seconds == pytest.approx(80 * (2.0 + 30 / 20))
    assert meter.waited == pytest.approx(0.25)


def test_a_pause_between_two_looks_forgets_no_waiting(clock):
    meter = Meter(clock=clock)
    clock.now += 4
    meter.add(Step(1, 100, "train", {}, ("a",), 3.0, 4.0))
    with meter.paused():
        clock.now += 10
    found = _steps(meter, clock, [2], seconds=4.0, waited=1.0)
    assert found.waited == pytest.approx(0.25)
    assert meter.waited == pytest.approx(4 / 8)
