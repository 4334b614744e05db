"""`eval --perturb`: level 0 is the plain evaluation, higher levels are scored on changed images."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

from histokit.data.perturb import Perturbations, perturb
from histokit.errors import PartialFailure, UsageError
from histokit.io.labels import read_label_tiff
from histokit.metrics.scores import score
from histokit.run.domains import open_domain
from histokit.run.evaluate import EvalOptions, evaluate
from histokit.run.evaluation import robustness
from histokit.run.events import Evaluated, ItemFailed


def options(pair, out, *kinds, levels=2, **how):
    perturbing = Perturbations(kinds, levels)
    return EvalOptions(
        ref="otsu-hed", target=pair[3], part="test", out=out, split=(0.5, 0.25, 0.25),
        device="cpu", perturb=perturbing, **how,
    )  # fmt: skip


def evaluated(how):
    events = []
    try:
        events.extend(evaluate(how))
    except PartialFailure as error:
        events.append(error)
    (found,) = [event for event in events if isinstance(event, Evaluated)]
    return found, events


@pytest.fixture(scope="module")
def both(pair, tmp_path_factory):
    """The same evaluation, plain and with perturbations, and the folder of the second."""
    root = tmp_path_factory.mktemp("robust")
    plain, _ = evaluated(options(pair, root / "plain"))
    found, _ = evaluated(options(pair, root / "both", "blur", "stain"))
    return plain, found, root / "both"


def test_level_0_is_the_plain_evaluation_bit_for_bit(both):
    plain, found, _ = both
    assert plain.report.robustness is None
    assert found.summaries == plain.summaries
    for levels in found.report.robustness.kinds.values():
        assert list(levels[0].summaries.values()) == list(plain.summaries)
    for name in ("per_image.csv", "tails.csv"):
        files = [(one.page.parent / name).read_bytes() for one in (plain, found)]
        assert files[0] == files[1]


def test_a_level_is_scored_on_the_perturbed_images(both, pair):
    """The written predictions have the scores that are told."""
    _, found, out = both
    domain = open_domain(pair[3], split={})
    labels = {record.key: domain.data.labels(record).ids for record in domain.part("all")}
    for kind, levels in found.report.robustness.kinds.items():
        for one in levels[1:]:
            files = sorted((out / "robustness" / f"{kind}-{one.level}" / "predictions").iterdir())
            dice = [score(labels[f.stem], read_label_tiff(f)).values()["dice"] for f in files]
            assert len(files) == found.total
            assert one.summaries["dice"].mean == pytest.approx(np.mean(dice))
            assert one.summaries["dice"].low <= one.summaries["dice"].mean


def test_the_images_are_those_of_perturb(pair):
    data = open_domain(pair[3], split={}).data
    record = data.records()[0]
    seen = robustness._Perturbed(data, "jpeg", 0.5, seed=3)
    expected = perturb(data.image(record), "jpeg", 0.5, key=record.key, seed=3)
    assert np.array_equal(seen.image(record), expected)
    assert np.array_equal(seen.labels(record).ids, data.labels(record).ids)
    assert [r.key for r in seen.records()] == [r.key for r in data.records()]
    assert not [f for f in seen.verify() if f.level == "error"]


def test_files_and_page_say_the_same(both):
    _, found, out = both
    rows = list(csv.DictReader((out / "robustness.csv").read_text().splitlines()))
    kinds = json.loads((out / "robustness.json").read_text())["perturbations"]
    metrics = len(found.summaries)
    assert len(rows) == 2 * 3 * metrics
    for row in rows:
        level = kinds[row["perturbation"]]["levels"][int(row["level"])]
        (one,) = [m for m in level["metrics"] if m["metric"] == row["metric"]]
        assert row["change"] == level["change"]
        assert float(row["mean"]) == one["mean"]
        assert float(row["relative_drop"]) == one["relative_drop"]
        assert float(row["area"]) == kinds[row["perturbation"]]["area"][row["metric"]]
    page = found.page.read_text()
    assert 'id="robustness"' in page
    assert "sigma 1.5 px" in page
    assert re.search(r'<svg[^>]*aria-label="Scores over levels of each perturbation"', page)


def test_images_that_fail_are_counted_level_by_level(pair, tmp_path, monkeypatch):
    whole = robustness.perturb

    def fails(image, kind, share, **how):
        if how["key"].endswith("0_0") or share < 1:
            return whole(image, kind, share, **how)
        from histokit.errors import DataError

        raise DataError("no such luck")

    monkeypatch.setattr(robustness, "perturb", fails)
    found, events = evaluated(options(pair, tmp_path, "blur"))
    failed = [e for e in events if isinstance(e, ItemFailed)]
    last = found.report.robustness.kinds["blur"][-1].summaries["dice"]
    assert last.n_failed == len(failed) > 0
    assert all("blur 2/2" in e.key for e in failed)
    assert f"blur: sigma 3 px ({len(failed)} failed)" in found.page.read_text()


def test_grey_images_have_no_stain_to_perturb(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        for number in range(4):
            pixels = np.full((32, 32), 100 * (part == "images"), np.uint8)
            pixels[8:16, 8:16] = 30 if part == "images" else 1
            Image.fromarray(pixels).save(tmp_path / part / f"{number}.png")
    pair = ("", "", "", f"folder:{tmp_path}")
    with pytest.raises(UsageError, match=r"no stain to perturb: the images of .* are grey"):
        evaluated(options(pair, tmp_path / "out", "stain"))
    assert evaluated(options(pair, tmp_path / "out", "blur", levels=1))[0].report.robustness


def test_only_a_segmenter_s_images_can_be_perturbed(pair, tmp_path):
    how = Perturbations(("blur",))
    with pytest.raises(UsageError, match="not the predictions of another tool"):
        list(evaluate(EvalOptions(predictions=tmp_path, target=pair[3], perturb=how)))
    with pytest.raises(UsageError, match="not translations"):
        list(evaluate(EvalOptions(ref="identity", target=pair[3], perturb=how)))
