"""Evaluation: the scores are those of the files that it leaves behind."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histokit.errors import UsageError
from histokit.io.labels import read_label_tiff
from histokit.metrics.scores import score
from histokit.metrics.table import read_per_image_csv
from histokit.run.domains import open_domain
from histokit.run.evaluate import EvalOptions, evaluate
from histokit.run.events import Evaluated, ItemDone, Noted
from toys import plan, trained


def _evaluated(ref, **how):
    events = list(evaluate(EvalOptions(ref=str(ref), device="cpu", **how)))
    return events[-1], events


def _check(evaluated, target):
    """Every row of the report against the written prediction and the data set's labels."""
    domain = open_domain(target, split={})
    rows = read_per_image_csv(evaluated.page.parent / "per_image.csv")
    records = {record.key: record for record in domain.part("all")}
    for row in rows:
        name = row.key.replace("/", "_") + ".tif"
        ids = read_label_tiff(evaluated.page.parent / "predictions" / name)
        truth = domain.data.labels(records[row.key]).ids
        assert ids.shape == truth.shape
        for metric, value in score(truth, ids).values().items():
            found = row.values[metric]
            assert (found is None) == (value is None)
            assert value is None or found == pytest.approx(value, abs=1e-9)
    return rows


def test_scores_are_those_of_the_written_predictions(tmp_path):
    target = "synth-he@breast"
    evaluated, events = _evaluated("otsu-hed", target=target, out=tmp_path)
    assert isinstance(evaluated, Evaluated)
    rows = _check(evaluated, target)
    assert evaluated.total == len(rows) == sum(isinstance(e, ItemDone) for e in events)
    assert max(row.values["dice"] for row in rows) > 0.3


@pytest.fixture(scope="module")
def made(pair, tmp_path_factory):
    """A run of source-only on copies of the two folders, which a test may change."""
    root = tmp_path_factory.mktemp("made")
    copies = []
    for ref in (pair[1], pair[3]):
        path = Path(ref.partition(":")[2])
        copies.append(f"folder:{shutil.copytree(path, root / path.name)}")
    path, _ = trained(plan("source-only", ("", copies[0], "", copies[1]), root / "runs"))
    return path, copies


def test_a_trained_method_is_scored_on_the_run_s_target(made):
    path, (_, target) = made
    evaluated, _ = _evaluated(path)
    assert evaluated.part == "test"
    assert len(_check(evaluated, target)) == 2
    assert evaluated.page.is_relative_to(path / "report")


def test_scores_hold_where_images_are_resampled(made, monkeypatch, tmp_path):
    """Predictions are made at the pixel size of the weights and scored at that of the labels."""
    from histokit.run import evaluate as module

    path, (_, target) = made
    load = module.load_trained

    def coarse(*args, **how):
        found = load(*args, **how)
        return replace(found, card={**found.card, "mpp": 0.5})

    monkeypatch.setattr(module, "load_trained", coarse)
    opened = module.open_domain

    def fine(*args, **how):
        domain = opened(*args, **how)
        return replace(domain, spec=replace(domain.spec, mpp=0.25))

    monkeypatch.setattr(module, "open_domain", fine)
    evaluated, events = _evaluated(path, out=tmp_path)
    assert len(_check(evaluated, target)) == 2
    assert any("resampled to 0.5" in e.text for e in events if isinstance(e, Noted))


def test_a_data_set_that_the_run_never_saw_is_split_by_itself(made, tmp_path):
    path, _ = made
    evaluated, events = _evaluated(path, target="synth-he@colon", out=tmp_path)
    assert evaluated.total == 12
    assert not any("changed" in e.text for e in events if isinstance(e, Noted))


def test_images_that_came_later_never_move_training_images_into_the_test(made, pair, tmp_path):
    path, (source, _) = made
    folder = Path(source.partition(":")[2])
    before, _ = _evaluated(path, target=source, out=tmp_path / "before")
    tested = {row.key for row in read_per_image_csv(tmp_path / "before" / "per_image.csv")}
    for part in ("images", "masks"):
        pixels = np.asarray(Image.open(next(iter(sorted((folder / part).iterdir())))))
        Image.fromarray(pixels).save(folder / part / "zz_new.png")
    _, events = _evaluated(path, target=source, out=tmp_path / "after")
    after = {row.key for row in read_per_image_csv(tmp_path / "after" / "per_image.csv")}
    assert after == tested
    assert any("1 new ones belong to no part" in e.text for e in events if isinstance(e, Noted))
    assert before.total == len(tested)


def test_all_needs_no_split(pair, tmp_path):
    source = Path(pair[1].partition(":")[2])
    name = sorted(path.name for path in (source / "images").iterdir())[0]
    for part in ("images", "masks"):
        (tmp_path / "one" / part).mkdir(parents=True)
        shutil.copy(source / part / name, tmp_path / "one" / part / name)
    evaluated, _ = _evaluated(
        "otsu-hed", target=f"folder:{tmp_path / 'one'}", part="all", out=tmp_path / "out"
    )
    assert evaluated.total == 1


def test_a_part_without_images_is_told(made, tmp_path):
    with pytest.raises(UsageError, match="which data set"):
        _evaluated("otsu-hed", out=tmp_path)
