"""Loading processes that die: started again without a trace, or told with the images at fault."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch

from histokit.data import loading as module
from histokit.data.draws import FeedSettings, Steps
from histokit.data.loading import RESTARTS, load
from histokit.data.pool import Pool
from histokit.errors import DataError
from histokit.interfaces import Record

SETTINGS = FeedSettings(batch=2, side=8, augment="none", seed=3)
KEYS = "abcdef"


def _steps(read):
    return Steps([Pool("set", [Record(key, key) for key in KEYS], read)], SETTINGS)


def _image(record):
    return np.full((8, 8, 3), ord(record.key), np.uint8)


def _taken(steps, number, workers):
    loaded = load(steps, 0, workers, pinned=False)
    taken = [next(loaded)[0] for _ in range(number)]
    loaded.close()
    return taken


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_is_killed_is_started_again(tmp_path, workers):
    died = tmp_path / "died"

    def read(record):
        if record.key == "e" and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return _image(record)

    found = _taken(_steps(read), 5, workers)
    assert died.exists()
    wanted = _taken(_steps(_image), 5, 0)
    assert [draws.keys for draws in found] == [draws.keys for draws in wanted]
    assert all(torch.equal(a.images, b.images) for a, b in zip(found, wanted, strict=True))


def test_images_that_kill_every_process_are_named(tmp_path):

    def read(record):
        if record.key == "e":
            (tmp_path / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return _image(record)

    steps = _steps(read)
    first = next(step for step in range(9) if "set/e" in steps.keys(step))
    with pytest.raises(DataError, match=f"died {RESTARTS + 1} times") as caught:
        _taken(steps, 9, 2)
    deaths = list(tmp_path.iterdir())
    assert len(deaths) > RESTARTS
    assert ", ".join(steps.keys(first)) in caught.value.found


@pytest.mark.parametrize("kind", [DataError, FileNotFoundError, EOFError, RuntimeError])
@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_process_is_no_death(kind, workers):
    def read(record):
        raise kind("it is broken")

    with pytest.raises(kind, match="is broken"):
        _taken(_steps(read), 1, workers)


@pytest.mark.parametrize("error", [EOFError(), ConnectionResetError(104, "reset")])
def test_a_batch_whose_sender_is_gone_is_loaded_again(monkeypatch, error):
    made = []

    def loader(steps, step, *_):
        made.append(step)
        yield steps[step]
        if len(made) <= RESTARTS:
            raise error
        while True:
            step += 1
            yield steps[step]

    monkeypatch.setattr(module, "_loader", loader)
    steps = _steps(_image)
    found = _taken(steps, 5, 1)
    assert [draws.keys for draws in found] == [tuple(steps.keys(step)) for step in range(5)]
    assert made == [0, 1, 2]
