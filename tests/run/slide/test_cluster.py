"""Blocks that several processes work out, with a stand-in for Ray; the real one is killed in
``tests/faults/test_kill_slides.py``.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histokit.errors import ContractError, DataError, DeviceError, PluginError
from histokit.interfaces import Sizes
from histokit.io.slides_open import open_slide
from histokit.postprocess.tissue import Tissue
from histokit.run.infer import Windows
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide import cluster, task
from histokit.run.slide.cluster import DEATHS, clustered, strips
from histokit.run.slide.kept import OBJECTS
from histokit.run.slide.plan import Block, make_plan
from histokit.run.slide.task import segmenting_elsewhere
from histokit.run.slide.walk import predict_slide
from histokit.run.slide.work import Recipe, SlideOptions, SlideWork
from histokit.run.translators import load_with
from slides import nuclei, write_pyramid
from toys import cpu

WINDOWS = Windows(64, 12, 2)
RECIPE = Recipe("otsu-hed", "cpu", "32")


class FakeRay:
    """Processes that are none, some of which die."""

    class exceptions:  # as the library calls it
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            def __init__(self, cause):
                self.cause = cause

    def __init__(self, deaths=0):
        self.deaths, self.begun, self.ended, self.asked = deaths, 0, 0, []

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return {"CPU": 4.0}

    def nodes(self):
        return [{"Alive": True}, {"Alive": False}]

    def remote(self, **share):
        self.asked.append(share)
        return lambda kind: _Remote(lambda *given: _Actor(self, kind(*given)))

    def wait(self, tasks, num_returns):
        return tasks[-num_returns:], tasks[:-num_returns]  # the last one first

    def get(self, task):
        if self.deaths:
            self.deaths -= 1
            raise self.exceptions.RayError("The actor died\nof something")
        try:
            return task()
        except Exception as error:
            raise self.exceptions.RayTaskError(error) from error

    def kill(self, actor):
        self.ended += 1


class _Remote:
    def __init__(self, call):
        self.remote = call


class _Actor:
    def __init__(self, ray, worker):
        ray.begun += 1
        self.work_out = _Remote(lambda strip: lambda: worker.work_out(strip))


@pytest.fixture
def ray(monkeypatch):
    found = FakeRay()
    monkeypatch.setattr(cluster, "require_ray", lambda: found)
    with ExitStack() as slides:  # the end of a process closes its slide, and these have none
        monkeypatch.setattr(task, "open_slide", lambda path: slides.enter_context(open_slide(path)))
        yield found


def job(out, **options):
    trained = load_with("otsu-hed", cpu(), Path("runs"))
    given = {"mask": "none", "core": 75, "margin": 20, "engine": "ray", "workers": 3} | options
    return SlideWork(
        trained.method, cpu(), {}, out, None, ("geojson",), WINDOWS,
        options=SlideOptions(**given), recipe=RECIPE,
    )  # fmt: skip


@pytest.fixture
def slide(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(210, 280))
    return tmp_path / "s.tif"


@pytest.mark.parametrize("deaths", [0, DEATHS])
def test_the_same_is_written_as_by_one_process(slide, ray, deaths):
    out = slide.parent
    list(predict_slide(slide, job(out / "one", engine="local")))
    ray.deaths = deaths
    list(predict_slide(slide, job(out / "many")))
    files = [(out / name / "geojson" / "s.geojson").read_bytes() for name in ("one", "many")]
    assert files[0] == files[1]
    assert ray.asked == [{"num_cpus": 1}]
    assert ray.begun == 3 + deaths
    assert ray.ended == ray.begun


def test_too_many_deaths_end_the_work_and_what_came_is_kept(slide, ray):
    ray.deaths = DEATHS + 1
    with pytest.raises(DeviceError, match="4 processes died") as caught:
        list(predict_slide(slide, job(slide.parent / "out")))
    assert caught.value.found == "The actor died"
    assert ray.ended == ray.begun
    list(predict_slide(slide, job(slide.parent / "out", resume=True, engine="local")))


def test_what_a_process_raises_is_raised(slide, ray):
    def make(recipe, task):
        raise DataError("no weights there")

    with open_slide(slide) as opened:
        plan = make_plan(
            opened.view(1.0), Sizes(), WINDOWS, Tissue(np.ones((1, 1), bool)), core=75, margin=20
        )
        engine = clustered(plan, job(slide.parent), 1, make, OBJECTS)
        with closing(engine(plan.blocks)) as made, pytest.raises(DataError, match="no weights"):
            next(made)
        assert ray.ended == ray.begun


def test_closing_ends_the_processes(slide, ray):
    def make(recipe, task):
        return segmenting_elsewhere(recipe, task, 0.0)

    with open_slide(slide) as opened:
        plan = make_plan(
            opened.view(1.0), Sizes(), WINDOWS, Tissue(np.ones((1, 1), bool)), core=75, margin=20
        )
        made = clustered(plan, job(slide.parent), 1, make, OBJECTS)(plan.blocks)
        next(made)
        assert ray.ended == 0
        made.close()
    assert ray.ended == 3


def test_without_a_recipe_nothing_can_be_sent(slide, ray):
    with pytest.raises(ContractError, match="recipe"):
        clustered(None, SlideWork(None, cpu(), {}, slide, None, (), WINDOWS), 1, None, OBJECTS)


def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    options = SlideOptions(engine="ray")
    with pytest.raises(PluginError) as caught:
        list(predict(PredictOptions("otsu-hed", [tmp_path], tmp_path / "out", slides=options)))
    assert 'pip install "histokit-core[ray]"' in caught.value.hint


@given(st.sets(st.integers(0, 40)), st.integers(1, 9), st.integers(0, 5))
def test_strips_are_neighbours_in_a_row(numbers, across, longest):
    blocks = [Block(number, ((0, 1), (0, 1)), ((0, 1), (0, 1))) for number in sorted(numbers)]
    found = list(strips(blocks, across, longest))
    assert [block for strip in found for block in strip] == blocks
    for strip in found:
        first = strip[0].number
        assert [block.number for block in strip] == list(range(first, first + len(strip)))
        assert len({block.number // across for block in strip}) == 1
        assert len(strip) <= max(longest, 1)
