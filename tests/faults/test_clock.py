"""A clock that jumps, forth and back: no speed, no remaining time and no result depends on it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import cycle

import pytest

from faults.victims import contents
from histokit.errors import Interrupted
from histokit.io import runs as module
from histokit.run.events import Finished, Progress, Started
from histokit.run.train import resume, train
from toys import plan

LEAPS = (timedelta(days=400), timedelta(days=-400), timedelta(0))


@pytest.fixture
def leaping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the clock of the machine gets another year each time."""
    leaps, begun = cycle(LEAPS), datetime.now(UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return begun.astimezone(tz) + next(leaps)

    monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr(time, "time", lambda: Clock.now(UTC).timestamp())


def test_a_training_does_not_mind(pair, tmp_path, leaping):
    how = {"log_every": 1, "checkpoint_every": 1, "val_every": 4, "method_values": {"steps": 4}}
    whole = list(train(plan("source-only", pair, tmp_path / "a", **how)))
    stopped = train(plan("source-only", pair, tmp_path / "b", **how))
    path = next(event.run for event in stopped if isinstance(event, Started))
    next(event for event in stopped if isinstance(event, Progress) and event.step == 2)
    with pytest.raises(Interrupted):
        stopped.throw(Interrupted("stopped by the test"))
    list(resume(path))
    done = next(event for event in whole if isinstance(event, Finished))
    assert contents(path) == contents(done.run)
    assert 0 < done.seconds < 3600
    steps = [event for event in whole if isinstance(event, Progress)]
    assert [0 <= event.eta_seconds < 3600 for event in steps] == [True] * 4
    assert all(event.images_per_second > 0 and 0 <= event.waited <= 1 for event in steps)
