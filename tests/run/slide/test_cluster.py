"""Blocks that several processes work out, with a stand-in for Ray; the real one is killed in
``tests/faults/test_kill_slides.py``.
"""

from __future__ import annotations

import platform
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
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

    def __init__(self, deaths=0, nodes=({"CPU": 4.0},)):
        self.deaths, self.begun, self.ended, self.asked = deaths, 0, 0, []
        self.free = [dict(node) for node in nodes]
        self.lent = {}

    def is_initialized(self):
        return True

    def available_resources(self):
        return {"CPU": sum(node.get("CPU", 0) for node in self.free)}

    def nodes(self):
        gone = {"Alive": False, "Resources": {"CPU": 1000.0, "GPU": 1000.0}}
        return [{"Alive": True, "Resources": dict(node)} for node in self.free] + [gone]

    def remote(self, **share):
        self.asked.append(share)
        return lambda kind: _Remote(lambda *given: _Actor(self, kind(*given), share))

    def place(self, actor, share):
        """Puts an actor on a node that has its share; it waits for ever where none has."""
        needs = {name.removeprefix("num_").upper()[:-1]: wanted for name, wanted in share.items()}
        for node in self.free:
            if all(node.get(name, 0) >= wanted for name, wanted in needs.items()):
                self.lent[actor] = [(node, name, wanted) for name, wanted in needs.items()]
                for name, wanted in needs.items():
                    node[name] -= wanted
                return

    def wait(self, tasks, num_returns, timeout=None):
        ready = [task for task in tasks if task.actor in self.lent][-num_returns:]
        assert ready or timeout, "it would wait for ever"
        return ready, [task for task in tasks if task not in ready]  # the last one first

    def get(self, task):
        if self.deaths and task.given:  # one that works
            self.deaths -= 1
            raise self.exceptions.RayError("The actor died\nof something")
        try:
            return task.call(*task.given)
        except Exception as error:
            raise self.exceptions.RayTaskError(error) from error

    def kill(self, actor):
        self.ended += 1
        for node, name, wanted in self.lent.pop(actor, ()):
            node[name] += wanted


class _Remote:
    def __init__(self, call):
        self.remote = call


class _Task:
    def __init__(self, actor, call, *given):
        self.actor, self.call, self.given = actor, call, given


class _Actor:
    def __init__(self, ray, worker, share):
        ray.begun += 1
        self.worker = worker
        self.begun = _Remote(partial(_Task, self, worker.begun))
        self.work_out = _Remote(partial(_Task, self, worker.work_out))
        ray.place(self, share)


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


@pytest.mark.parametrize(
    ("nodes", "workers", "device", "share", "begun"),
    [
        ([{"CPU": 8.0}, {"CPU": 8.0}], 0, "cpu", {"num_cpus": 8}, 2),
        ([{"CPU": 2.0}, {"CPU": 3.0}], 0, "cpu", {"num_cpus": 2}, 2),
        ([{"CPU": 1.0}, {"CPU": 8.0}, {"CPU": 1.0}], 4, "cpu", {"num_cpus": 2}, 4),
        ([{"CPU": 1.0}, {"CPU": 8.0}, {"CPU": 1.0}], 0, "cpu", {"num_cpus": 2}, 3),
        ([{"CPU": 1.0}, {"CPU": 8.0}, {"CPU": 1.0}], 1, "cpu", {"num_cpus": 8}, 1),
        ([{"CPU": 3.0}, {"CPU": 3.0}], 3, "cpu", {"num_cpus": 1}, 3),
        ([{"CPU": 2.0}, {}], 9, "cpu", {"num_cpus": 1}, 2),
        ([{"CPU": 2.0, "GPU": 3.0}, {"CPU": 8.0}], 0, "auto", {"num_gpus": 1}, 3),
        ([{"CPU": 2.0, "GPU": 3.0}, {"CPU": 8.0}], 2, "auto", {"num_gpus": 1}, 2),
    ],
)
def test_every_process_fits_on_a_machine(slide, ray, nodes, workers, device, share, begun):
    ray.free = nodes
    work = replace(job(slide.parent, workers=workers), recipe=replace(RECIPE, device=device))
    list(predict_slide(slide, work))
    assert (ray.asked, ray.begun) == ([share], begun)
    assert len(ray.lent) == 0


def test_processes_that_get_no_room_are_done_without(slide, ray, monkeypatch):
    """As where others work on the cluster: one of three gets a machine."""
    ray.nodes = lambda: [{"Alive": True, "Resources": {"CPU": 3.0}}]
    ray.free = [{"CPU": 1.0}]
    list(predict_slide(slide, job(slide.parent)))
    assert (ray.begun, ray.ended) == (3, 3)
    ray.free = [{"CPU": 0.0}]
    with pytest.raises(DeviceError, match="no process of Ray has begun") as caught:
        list(predict_slide(slide, job(slide.parent)))
    assert "num_cpus=1" in caught.value.expected
    assert ray.ended == ray.begun == 6


def test_a_machine_without_the_folder_is_named(slide, ray):
    gone = slide.parent / "nowhere"
    with pytest.raises(DataError, match=f"{platform.node()} has no folder {gone}") as caught:
        list(predict_slide(slide, replace(job(slide.parent), recipe=replace(RECIPE, folder=gone))))
    assert "same paths" in caught.value.hint


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
