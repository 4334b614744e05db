"""``kill -9`` in the middle of a slide: the rest is worked out, and the files are the same."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest

from faults.slide_victims import BLOCKS, command, slide_for, spread, working
from faults.victims import Life

KILLS = 2
PLACES = [".work", ".state", "summary.csv", "provenance.json"]
"""Parts of the names of files that say when, or how long."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def results(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file()]
    names = {path.relative_to(out).as_posix(): path for path in files}
    return {
        name: path.read_bytes()
        for name, path in names.items()
        if not any(place in name for place in PLACES)
    }


@pytest.mark.parametrize("verb", ["predict", "translate"])
def test_a_slide_killed_twice_ends_as_if_it_never_was(tmp_path, verb):
    slide_for(verb, tmp_path)
    command(verb, tmp_path, "straight")
    chance, written = random.Random(11), 0
    for number in range(KILLS):
        life = Life(working, verb, tmp_path, resume=number > 0)
        assert life.reaches(chance.randrange(1, BLOCKS // KILLS - 1))
        time.sleep(chance.uniform(0, 0.03))
        assert life.kill()
        written += life.told.value
    last = Life(working, verb, tmp_path, resume=True)
    last.end()
    assert BLOCKS <= written + last.told.value <= BLOCKS + KILLS
    assert last.told.value < BLOCKS
    assert results(tmp_path / "out") == results(tmp_path / "straight")
    assert len(results(tmp_path / "out")) == (2 if verb == "predict" else 1)
    assert not list((tmp_path / "out").glob(".*.work"))


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["predict", "translate"])
def test_a_process_of_ray_that_is_killed_changes_nothing(tmp_path, verb):
    pytest.importorskip("ray", reason="an extra")
    slide_for(verb, tmp_path)
    command(verb, tmp_path, "straight")
    life = Life(spread, verb, tmp_path)
    life.end()
    assert life.told.value == 1
    assert results(tmp_path / "out") == results(tmp_path / "straight")
