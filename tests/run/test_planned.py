"""Windows planned from the data."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.interfaces import Segmenter, Sizes
from histokit.nn.nnunet.plan import plan as plan_windows
from histokit.run.domains import at_mpp, open_domain
from histokit.run.inputs import open_domains
from histokit.run.plan import make_plan, plan_of_run
from histokit.run.planned import narrow_windows, planned, scaled, settled


class Toy:
    """A domain of 30 images, half of them small."""

    classes = ()

    def part(self, part):
        assert part == "train"
        return list(range(30))

    def image(self, record):
        return np.zeros((400 if record % 2 else 100, 520, 3), np.uint8)


@pytest.fixture
def domains():
    return {"source": Toy()}


def plan(**values):
    return make_plan("nnunet-plain", method_values=values, run_values={"source": "synth-he"})


def test_what_is_open_is_planned_told_and_recorded(domains):
    expected = plan_windows(250, 520, 30, outputs=1)
    found, note = planned(plan(tile=0, batch=0), domains)
    assert (found.config.tile, found.config.batch) == (expected.side, expected.batch)
    assert f"tile {expected.side}, batch {expected.batch}: planned" in note
    assert "from 30 training images of 250 x 520" in note
    again = plan_of_run(found.settings())
    assert (again.config.tile, again.origins["tile"]) == (expected.side, "planned")
    assert planned(again, domains) == (again, "")


def test_a_given_batch_stays(domains):
    found, note = planned(plan(tile=0, batch=3), domains)
    assert found.config.batch == 3
    assert found.config.tile > 0
    assert "batch" not in note


def test_given_windows_stay(domains):
    given = plan(tile=64)
    assert planned(given, domains) == (given, "")


@pytest.fixture
def two():
    source, _ = at_mpp(open_domain("synth-he"), 0.25)
    return {"source": source, "target": source}


def test_an_estimated_scale_is_applied_told_and_recorded(two, monkeypatch):
    monkeypatch.setattr(
        "histokit.run.planned.target_scale", lambda source, target: (0.5, "target scale 0.5: so")
    )
    given = make_plan(
        "mani", run_values={"source": "synth-he", "target": "synth-he", "target_scale": 0}
    )
    found, domains, notes = settled(given, two)
    assert notes == ["target scale 0.5: so"]
    assert (domains["source"].mpp, domains["target"].mpp) == (0.25, 0.5)
    assert plan_of_run(found.settings()).run.target_scale == 0.5
    assert scaled(found, two) == (found, two, "")


def test_a_given_scale_is_that_of_the_target_alone():
    values = {"source": "synth-he", "target": "synth-he", "mpp": 0.5, "target_scale": 2.0}
    domains, _ = open_domains(make_plan("mani", run_values=values), None)
    assert (domains["source"].mpp, domains["target"].mpp) == (0.5, 0.25)


class Shrinking(Segmenter):
    """Its maps are 92 pixels smaller than its images."""

    sizes = Sizes(min=96, multiple_of=8, shrink=92)

    def segment(self, images):
        raise AssertionError

    def decode(self, maps):
        raise AssertionError


@pytest.mark.parametrize(("tile", "told"), [(128, True), (184, False), (256, False)])
def test_windows_of_which_little_is_learned_are_told(tile, told):
    lines = narrow_windows(Shrinking(), tile)
    assert bool(lines) is told
    if told:
        assert "the middle 36 x 36 px" in lines[0]
        assert "184 or more" in lines[0]
