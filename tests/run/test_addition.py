"""The addition of novel images: which trainings it is made of, and what it leaves behind."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field

from histokit.cli.addition import parse_counts
from histokit.config.base import MethodConfig
from histokit.errors import ConfigError, DataError, UnknownName, UsageError
from histokit.interfaces import Preset
from histokit.io.runs import RunFolder
from histokit.metrics.table import ImageScore, write_per_image_csv
from histokit.registry.methods import find_method
from histokit.run import sweep as module
from histokit.run.addition import Wanted, plan_addition
from histokit.run.events import Finished, Noted
from histokit.run.inputs import open_domains, open_feeds
from histokit.run.plan import make_plan
from toys import cpu

BASE, NOVEL = "synth-he@breast", "synth-he@kidney"


class Config(MethodConfig):
    """Settings of a method that tells base and novel images apart."""

    arms: ClassVar[tuple[str, ...]] = ("plain", "both")

    novel: str = Field("", description="New members.")
    strength: float = Field(1.0, description="Of something.")
    rate: float = Field(1.0, description="Of something else.")
    batch: int = Field(4, description="Images a step.")
    tile: int = Field(32, description="Side of a window.")


SPEC = replace(
    find_method("source-only"),
    name="toy",
    config=Config,
    presets={
        "plain": Preset(summary="without", overrides={"strength": 0.0}),
        "both": Preset(summary="with", overrides={"strength": 2.0}),
        "small": Preset(summary="all arms", overrides={"rate": 0.5, "strength": 9.0}),
    },
)


def wanted(tmp_path, counts=(2, 4), spec=SPEC, **more):
    run = {"runs": tmp_path, "device": "cpu", **more.pop("run_values", {})}
    return Wanted(spec, BASE, more.pop("novel", NOVEL), counts, run_values=run, **more)


def plans(addition):
    return {
        key: [addition.sweep.cells[place].plan for place in places]
        for key, places in addition.places.items()
    }


@pytest.fixture
def fakes(monkeypatch):
    """Training and scoring that leave the files a sweep looks for; names what was trained."""
    calls = []

    def train(plan):
        calls.append((plan.config.strength, plan.run.take, plan.run.seed))
        if plan.config.strength == 2.0 and plan.run.take.endswith("=4"):
            raise DataError("no <nuclei>")
        run = RunFolder.create(plan.run.runs, plan.spec.name, plan.digest())
        run.write_settings(plan.settings())
        run.last.parent.mkdir()
        run.last.write_bytes(b"state")
        run.write_state(status="finished")
        yield Finished(run.path, 1, 0.5, "last", 0.0)

    def evaluate(options):
        assert options.target == BASE
        run = RunFolder(Path(options.ref))
        how = run.settings()
        taken = how["run"]["take"]["value"].rpartition("=")[2] or 0
        dice = 0.5 + 0.01 * int(taken) + 0.02 * how["run"]["seed"]["value"]
        rows = [ImageScore(f"i{n}", f"p{n}", {"dice": dice + 0.1 * n}) for n in range(3)]
        write_per_image_csv(run.report / "per_image.csv", rows)
        yield Noted("scored")

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "evaluate", evaluate)
    return calls


def test_every_arm_number_and_seed_is_a_training(tmp_path):
    addition = plan_addition(wanted(tmp_path, run_values={"repeats": 3, "seed": 5}))
    found = plans(addition)
    assert list(found) == [(arm, count) for count in (2, 4) for arm in ("plain", "both")]
    for (arm, count), own in found.items():
        assert [plan.run.seed for plan in own] == [5, 6, 7]
        for plan in own:
            assert plan.config.strength == {"plain": 0.0, "both": 2.0}[arm]
            assert plan.config.novel == NOVEL
            assert (plan.run.source, plan.run.target) == (f"{BASE}+{NOVEL}", BASE)
            assert (plan.run.taken, plan.run.balanced) == ({NOVEL: count}, True)


def test_without_novel_images_it_is_the_base_alone(tmp_path):
    typed = {"novel": NOVEL}
    asked = wanted(tmp_path, (0,), arms=("both",), method_values=typed)
    (plan,) = plans(plan_addition(asked))["both", 0]
    assert (plan.run.source, plan.run.take, plan.run.balanced) == (BASE, "", False)
    assert plan.config.novel == ""


def test_presets_come_one_after_the_other(tmp_path):
    found = plans(plan_addition(wanted(tmp_path, (2,), preset="small")))
    assert [plan.config.rate for (plan,) in found.values()] == [0.5, 0.5]
    assert found["plain", 2][0].config.strength == 0.0
    assert found["plain", 2][0].preset == "small,plain"
    typed = plans(plan_addition(wanted(tmp_path, (2,), method_values={"strength": 3.0})))
    assert {plan.config.strength for (plan,) in typed.values()} == {3.0}


def test_a_method_without_arms_is_trained_as_it_is_set(tmp_path):
    class Armless(MethodConfig):
        novel: str = Field("", description="New members.")

    spec = replace(SPEC, config=Armless, presets={})
    assert list(plans(plan_addition(wanted(tmp_path, (2,), spec)))) == [("toy", 2)]


def test_what_does_not_fit_is_told(tmp_path):
    with pytest.raises(UsageError, match="apart"):
        plan_addition(wanted(tmp_path, spec=find_method("source-only")))
    with pytest.raises(UsageError, match="--source"):
        plan_addition(wanted(tmp_path, run_values={"source": BASE}))
    with pytest.raises(UsageError, match="cross-validate"):
        plan_addition(wanted(tmp_path, sets=("folds=2",)))
    with pytest.raises(UsageError, match="several"):
        plan_addition(wanted(tmp_path, novel=f"{NOVEL}+synth-he@colon"))
    with pytest.raises(UnknownName):
        plan_addition(wanted(tmp_path, arms=("nobody",)))
    for text in ("10,x", "-1", "1.5"):
        with pytest.raises(UsageError):
            parse_counts(text)
    assert parse_counts("10, 20,30") == (10, 20, 30)


def test_too_many_images_are_told_before_anything_is_trained(tmp_path, fakes):
    addition = plan_addition(wanted(tmp_path, (2, 999)))
    with pytest.raises(DataError, match="fewer images"):
        list(addition.go())
    assert fakes == []


def test_it_goes_on_where_it_stopped_and_tells_failures(tmp_path, fakes):
    first = plan_addition(wanted(tmp_path, run_values={"repeats": 2}))
    list(first.go())
    assert len(fakes) == 8
    assert sorted(first.sweep.failed.values()) == ["no <nuclei>"] * 2
    fakes.clear()
    again = plan_addition(wanted(tmp_path, run_values={"repeats": 2}))
    list(again.go())
    assert fakes == [(2.0, f"{NOVEL}=4", 0), (2.0, f"{NOVEL}=4", 1)]
    points = {(p.arm, p.added): p for p in again.points()}
    assert points["plain", 4].summaries["dice"].mean == pytest.approx(0.5 + 0.04 + 0.01 + 0.1)
    assert (points["plain", 4].seeds, points["plain", 4].n) == (2, 3)
    assert (points["both", 4].seeds, points["both", 4].asked) == (0, 2)
    page = again.write()
    html = page.read_text(encoding="utf-8")
    assert "no &lt;nuclei&gt;" in html
    assert "<svg" in html
    with (page.parent / "addition.csv").open() as handle:
        lines = list(csv.DictReader(handle))
    assert [(line["arm"], line["added"], line["n"]) for line in lines] == [
        ("plain", "2", "3"), ("both", "2", "3"), ("plain", "4", "3"), ("both", "4", "0"),
    ]  # fmt: skip
    assert float(lines[2]["mean"]) == points["plain", 4].summaries["dice"].mean
    assert (page.parent / "addition.png").read_bytes().startswith(b"\x89PNG")


def test_a_training_reads_what_its_plan_takes(tmp_path):
    """The base's parts are those that it has alone, and split.json names what was left out."""
    addition = plan_addition(wanted(tmp_path, (0, 2, 4), arms=("both",)))
    found = {
        count: open_domains(plan, None)[0]["source"].split
        for (_, count), (plan,) in plans(addition).items()
    }
    alone = found[0]
    for count in (2, 4):
        for part in ("val", "test"):
            own = [key.removeprefix(f"{BASE}/") for key in found[count][part]]
            assert own[: len(alone[part])] == alone[part]
        assert found[count]["val"] == [f"{BASE}/{key}" for key in alone["val"]]
        assert sum(key.startswith(NOVEL) for key in found[count]["train"]) == count
    assert set(found[2]["train"]) < set(found[4]["train"])


def test_the_feed_is_balanced_only_where_it_is_asked(tmp_path):
    (plan,) = plans(plan_addition(wanted(tmp_path, (1,), arms=("both",))))["both", 1]
    domains, _ = open_domains(plan, None)
    pool = open_feeds(plan, cpu(), domains).pools["source"]
    few = [pool._place(number, 0) for number in range(8)]
    novel = {n for n, record in enumerate(pool.records) if record.key.startswith(NOVEL)}
    assert sum(place in novel for place in few) == 4
    plain = replace(plan, run=plan.run.model_copy(update={"balanced": False}))
    pool = open_feeds(plain, cpu(), domains).pools["source"]
    assert sum(pool._place(number, 0) in novel for number in range(8)) <= 1


def test_take_and_balanced_want_a_pool():
    for values, found in (
        ({"take": "synth-he=2"}, "no member"),
        ({"take": f"{NOVEL}=2", "source": f"{BASE}+synth-he@colon"}, "no member"),
    ):
        plan = make_plan(SPEC, run_values={"source": BASE, **values})
        with pytest.raises(UsageError, match=found):
            open_domains(plan, None)
    plan = make_plan(SPEC, run_values={"source": BASE, "balanced": True})
    with pytest.raises(UsageError, match="balanced"):
        open_feeds(plan, cpu(), open_domains(plan, None)[0])
    for take in ("new", "new=0", "new=x", "=3"):
        with pytest.raises(ConfigError, match="member=number"):
            make_plan(SPEC, run_values={"source": BASE, "take": take})


def test_what_is_taken_is_in_the_digest():
    taken = [make_plan(SPEC, run_values={"source": BASE, "take": f"x={n}"}) for n in (1, 2)]
    assert taken[0].digest() != taken[1].digest()
