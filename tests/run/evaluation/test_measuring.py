"""What a method measures of images is the mean over windows that cover them, and no more."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from histokit.errors import ContractError
from histokit.interfaces import Method, Segmenter, Sizes
from histokit.metrics.table import read_per_image_csv
from histokit.registry.methods import find_method
from histokit.run.domains import open_domain
from histokit.run.evaluate import EvalOptions, evaluate
from histokit.run.evaluation.measuring import facts_of, measured_by
from histokit.run.events import Evaluated
from histokit.run.infer import Windows
from toys import Toy, cpu, darkness


class Measuring(Method, Segmenter):
    """A method that segments dark pixels and measures by a function of the batch."""

    def __init__(self, measure, facts=None, sizes=None):
        self.toy = Toy(darkness, sizes)
        self.measure, self.told = measure, facts or {}
        self.seen = []

    @classmethod
    def build(cls, config, context):
        return cls(lambda batch: {})

    @property
    def sizes(self):
        return self.toy.sizes

    def stateful(self):
        return {}

    def phases(self):
        return ()

    def segment(self, images):
        return self.toy.segment(images)

    def decode(self, maps):
        return self.toy.decode(maps)

    def measures(self, batch):
        self.seen.append(batch)
        return self.measure(batch)

    def facts(self):
        return self.told


class Plain(Measuring):
    """One that leaves both hooks alone."""

    measures = Method.measures
    facts = Method.facts


def share(batch):
    """The share of foreground and the mean grey of each window."""
    return {
        "share": (batch.ids > 0).float().mean((1, 2)),
        "grey": batch.images.mean((1, 2, 3)),
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder of six images of 64 pixels with one dark square each, in which a spot is paler."""
    root = tmp_path_factory.mktemp("tiny")
    for part in ("images", "masks"):
        (root / part).mkdir()
    for n in range(6):
        ids = np.zeros((64, 64), np.uint16)
        ids[8 : 20 + 6 * n, 8:52] = 1
        image = np.where(ids[..., None] > 0, 60, 220) + np.zeros((1, 1, 3), int)
        image[8:18, 8 : 10 + 7 * n] = 220
        Image.fromarray(image.astype(np.uint8)).save(root / "images" / f"{n}.png")
        Image.fromarray(ids).save(root / "masks" / f"{n}.png")
    return f"folder:{root}"


@pytest.fixture(scope="module")
def domain(tiny):
    return open_domain(tiny, split={})


def measuring(method, domain, *, side=64, batch=2, scores=("dice",)):
    return measured_by(method, method, domain, cpu(), Windows(side, 0, batch), scores)


def test_windows_that_tile_an_image_give_its_mean(domain):
    record = domain.part("all")[0]
    side = domain.image(record).shape[0] // 2
    method = Measuring(share)
    found = measuring(method, domain, side=side, batch=3)(record)
    assert found["share"] == pytest.approx((domain.labels(record).ids > 0).mean(), abs=1e-6)
    assert found["grey"] == pytest.approx(domain.image(record).mean() / 255, abs=1e-5)
    assert [len(seen.keys) for seen in method.seen] == [3, 1]
    seen = method.seen[0]
    assert (seen.images.dtype, seen.ids.dtype, seen.classes.dtype) == (
        torch.float32, torch.int32, torch.int64,
    )  # fmt: skip
    whole = domain.labels(record).ids
    np.testing.assert_array_equal(seen.ids[1].numpy(), whole[:side, side:])


def test_windows_are_of_legal_sizes_and_gradient_is_off(domain):
    method = Measuring(
        lambda batch: {"grad": torch.full((len(batch.keys),), float(torch.is_grad_enabled()))},
        sizes=Sizes(32, 32),
    )
    assert measuring(method, domain, side=50)(domain.part("all")[0]) == {"grad": 0.0}
    assert {seen.images.shape[-1] for seen in method.seen} == {64}


def test_undefined_windows_are_left_out_of_the_mean(domain):
    values = iter([1.0, math.nan, 3.0, math.nan, *[math.nan] * 4])
    side = domain.image(domain.part("all")[0]).shape[0] // 2
    measure = measuring(Measuring(lambda b: {"x": torch.tensor([next(values)])}), domain,
                        side=side, batch=1)  # fmt: skip
    first, second = domain.part("all")[:2]
    assert measure(first) == {"x": 2.0}
    assert measure(second) == {"x": None}


@pytest.mark.parametrize(
    ("measure", "found"),
    [
        (lambda b: {"dice": torch.zeros(len(b.keys))}, "dice"),
        (lambda b: {"x": torch.zeros(7)}, r"\[7\]"),
        (lambda b: {"x": torch.full((len(b.keys),), math.inf)}, "infinite"),
        (lambda b: {b.keys[0]: torch.zeros(len(b.keys))}, "after"),
    ],
)
def test_broken_promises_are_told(domain, measure, found):
    measure = measuring(Measuring(measure), domain)
    first, second = domain.part("all")[:2]
    with pytest.raises(ContractError, match=found):
        assert measure(first) == measure(second)


def test_a_method_without_them_costs_nothing(domain):
    assert measuring(Plain(share), domain) is None
    assert facts_of(Plain(share)) == {}


def test_facts_are_finite():
    assert facts_of(Measuring(share, {"alpha": {"enc1": 0.5}})) == {"alpha": {"enc1": 0.5}}
    with pytest.raises(ContractError, match="alpha"):
        facts_of(Measuring(share, {"alpha": {"enc1": math.nan}}))


def test_the_report_has_columns_correlations_facts_and_tails(tiny, tmp_path, monkeypatch):
    otsu = find_method("otsu-hed").load()
    monkeypatch.setattr(otsu, "measures", lambda self, batch: share(batch))
    told = {"weights <l>": {"enc1": 0.25, "enc2": -1.0}}
    monkeypatch.setattr(otsu, "facts", lambda self: told)
    options = EvalOptions("otsu-hed", tiny, "all", tmp_path, device="cpu", tails=2)
    *_, event = evaluate(options)
    assert isinstance(event, Evaluated)
    rows = read_per_image_csv(tmp_path / "per_image.csv")
    assert all(0 < row.values["share"] < 1 for row in rows)
    assert "share" not in {s.metric for s in event.summaries}
    dice, values = zip(*[(r.values["dice"], r.values["share"]) for r in rows], strict=True)
    lines = (tmp_path / "correlation.csv").read_text().splitlines()
    name, score, n, pearson, *_ = lines[1].split(",")
    assert (name, score, int(n)) == ("share", "dice", len(rows))
    assert float(pearson) == pytest.approx(np.corrcoef(values, dice)[0, 1], abs=1e-9)
    facts = (tmp_path / "facts.csv").read_text().splitlines()
    assert facts[1:] == ["weights <l>,enc1,0.25", "weights <l>,enc2,-1.0"]
    tail = (tmp_path / "tails.csv").read_text().splitlines()
    worst = float(next(line for line in tail if line.startswith("worst-off,dice")).split(",")[2])
    assert worst == pytest.approx(np.mean(sorted(dice)[:2]))
    html = event.page.read_text(encoding="utf-8")
    for part in ('id="tails"', 'id="correlation"', 'id="facts"', "weights &lt;l&gt;"):
        assert part in html
    assert "weights <l>" not in html


def test_tails_are_told_by_the_command(histokit, tiny):
    command = ("eval", "otsu-hed", "--target", tiny, "--part", "all", "-o", "out")
    told = json.loads(histokit(*command, "--device", "cpu", "--tails", "3", "--json").stdout)
    assert [len(part["images"]) for part in told["tails"]["parts"]] == [6, 3, 3]
    assert (told["correlations"], told["facts"]) == ([], {})


def test_no_tails_where_none_are_wanted(tiny, tmp_path):
    *_, event = evaluate(EvalOptions("otsu-hed", tiny, "all", tmp_path, device="cpu", tails=0))
    assert event.report.tails is None
    assert 'id="tails"' not in event.page.read_text(encoding="utf-8")
    assert not (tmp_path / "tails.csv").exists()
