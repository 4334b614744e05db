"""The method as a whole: its phases, what each path learns from, and what segments."""

from __future__ import annotations

import copy

import pytest
import torch

from histokit.errors import ConfigError, NonFiniteLoss
from histokit.interfaces import Adapter, Feed, Labelled, Translator
from histokit_syndiff_pl.check import MEASURES
from histokit_syndiff_pl.segmenters import Agreeing, Translated
from histokit_syndiff_pl.translation import SynDiff


@pytest.fixture
def labelled(batch):
    """The bright discs of the labelled domain with their labels, in two classes."""

    def go(seed=1):
        images = batch(seed).source.images
        ids = (images[:, 0] > 0.5).int()
        return Labelled(images, ids, ids.long(), (str(seed),))

    return go


def phase(method, name):
    return {one.name: one for one in method.phases()}[name]


def weights(method, path):
    return [p.detach().clone() for p in method.stateful()[f"student_{path}"].parameters()]


def changed(before, after):
    return any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_plan_and_roles(build):
    method = build(steps=7, check_steps=3, segment_steps=5)
    assert [(one.name, one.steps, one.feed) for one in method.phases()] == [
        ("translate", 7, Feed.UNPAIRED),
        ("check", 3, Feed.UNPAIRED),
        ("segment", 5, Feed.LABELLED),
    ]
    assert isinstance(method, Translator)
    assert isinstance(method, Adapter)


def test_what_never_learned_to_segment_finds_nothing_silently(build, batch):
    method = build(segment_steps=0)
    assert method.rehearsal() is None
    segmenter = method.segmenter()
    maps = segmenter.segment(batch(0).target.images)
    with pytest.raises(ConfigError, match="never to segment"):
        segmenter.decode(maps)


@pytest.mark.parametrize(
    ("path", "kinds"), [("tutoring", ["tutoring"]), ("adaptive", ["adaptive"]), ("both", None)]
)
def test_each_path_teaches_its_network(build, labelled, path, kinds):
    kinds = kinds or ["tutoring", "adaptive"]
    method = build(path=path)
    before = {kind: weights(method, kind) for kind in kinds}
    losses = phase(method, "segment").step(labelled())
    assert list(losses) == kinds
    assert all(changed(before[kind], weights(method, kind)) for kind in kinds)
    assert {f"student_{kind}" for kind in kinds} == {
        name for name in method.stateful() if name.startswith("student_")
    }


def test_what_the_networks_learn_from(build, labelled, monkeypatch):
    seen = []

    def translate(self, images, goal, *, seed=None):
        seen.append((goal, seed))
        return 1 - images

    monkeypatch.setattr(SynDiff, "translate", translate)
    method, batch = build(), labelled()
    for _ in range(2):
        phase(method, "segment").step(batch)
    kept = {
        path: method.stateful()[f"pool_{path}"].draw(1).images for path in ("tutoring", "adaptive")
    }
    torch.testing.assert_close(kept["tutoring"], 1 - batch.images, rtol=0, atol=1 / 255)
    torch.testing.assert_close(kept["adaptive"], batch.images, rtol=0, atol=1 / 255)
    assert [goal for goal, _ in seen] == ["u", "u"]
    assert seen[0][1] != seen[1][1]  # fresh noise


def test_teaching_leaves_the_translation_alone(build, labelled):
    method = build()
    own = {k: v for k, v in method.translation.stateful().items() if hasattr(v, "parameters")}
    before = [p.clone() for item in own.values() if callable(item.parameters)
              for p in item.parameters()]  # fmt: skip
    phase(method, "segment").step(labelled())
    after = [p for item in own.values() if callable(item.parameters) for p in item.parameters()]
    assert before
    assert not changed(before, after)


def test_a_resumed_teaching_equals_one_that_never_stopped(build, labelled):
    method, other = build(), build(seed=4)
    phase(method, "segment").step(labelled(1))
    for name, part in method.stateful().items():
        other.stateful()[name].load_state_dict(copy.deepcopy(part.state_dict()))
    for one in (method, other):
        torch.manual_seed(1)
        phase(one, "segment").step(labelled(2))
    for path in ("tutoring", "adaptive"):
        assert not changed(weights(method, path), weights(other, path))


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"path": "both"}, Agreeing),
        ({"path": "adaptive"}, Translated),
        ({"path": "both", "use": "adaptive"}, Translated),
    ],
)
def test_what_predicts(build, settings, kind):
    segmenter = build(**settings).segmenter()
    assert isinstance(segmenter, kind)
    assert segmenter.blend == "gaussian"
    assert segmenter.channels == 1


def logits(segmenter, images):
    with torch.inference_mode():
        return segmenter.segment(images).logits


def test_the_paths_look_at_what_they_should(build, batch, monkeypatch):
    def translate(self, images, goal, *, seed=None):
        return {"l": 1 - images, "u": images / 2}[goal]

    monkeypatch.setattr(SynDiff, "translate", translate)
    images = batch().target.images
    made = {}
    for use in ("tutoring", "adaptive", "unadapted"):
        method = build(use=use, mirror=False)
        for name, item in method.stateful().items():
            if name.startswith("student_"):
                item.eval()
        made[use] = logits(method.segmenter(), images)
    state = method.stateful()
    with torch.inference_mode():
        assert torch.equal(made["tutoring"], state["student_tutoring"](images))
        assert torch.equal(made["adaptive"], state["student_adaptive"](1 - images))
        assert torch.equal(made["unadapted"], state["student_adaptive"](images))
        method.stateful()["updater_tutoring"].count = 1
        method.stateful()["updater_adaptive"].count = 1
        both = method.rehearsal().segment(images)
        tutored = state["student_tutoring"](images / 2).sigmoid()
        plain = state["student_adaptive"](images).sigmoid()
    torch.testing.assert_close(both.logits.sigmoid(), (tutored + plain) / 2)


def test_nothing_is_validated_before_anything_is_learned(build, labelled):
    method = build(path="adaptive")
    assert method.rehearsal() is None
    phase(method, "segment").step(labelled())
    assert method.rehearsal() is not None


def test_the_check_becomes_facts_and_a_verdict(build, batch, labelled):
    method = build()
    assert method.facts() == {}
    losses = phase(method, "check").step(batch())
    assert set(losses) == {f"{way}_{name}" for way in ("l2u", "u2l") for name in MEASURES}
    assert all(value.ndim == 0 and torch.isfinite(value) for value in losses.values())
    facts = method.facts()
    assert set(facts["translation l2u"]) == set(MEASURES)
    assert set(facts["measures that favour a path"]) == {"tutoring", "adaptive"}
    assert method.warnings({name: 0.0 for name in losses}, 1) == ()
    assert "translation favours" in method.warnings({"tutoring": 0.5, "adaptive": 0.5}, 2)[0]


def test_classes_are_learned(build, labelled):
    method = build(classes=("axon", "myelin"), path="adaptive")
    phase(method, "segment").step(labelled())
    assert logits(method.segmenter(), torch.rand(1, 1, 64, 64)).shape == (1, 3, 64, 64)


def test_a_tile_that_the_segmenter_cannot_halve_is_told(build):
    with pytest.raises(ConfigError, match="without remainder"):
        build(tile=72)


def test_nan_in_a_critic_stops(build, batch):
    method = build()
    weight = next(method.stateful()["critic_l"].parameters())
    weight.data[:] = float("nan")
    with pytest.raises(NonFiniteLoss):
        phase(method, "translate").step(batch())
