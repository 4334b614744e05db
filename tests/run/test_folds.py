"""A cross-validation is one table, in which nobody scored what he was trained on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from histokit.data.split import fold_records
from histokit.errors import DataError, UsageError
from histokit.interfaces import Record
from histokit.io.files import read_json, write_json
from histokit.io.runs import RunFolder
from histokit.metrics.table import ImageScore, read_per_image_csv, write_per_image_csv
from histokit.run.compare import compare
from histokit.run.evaluate import EvalOptions, evaluate
from histokit.run.folds import pool_folds
from histokit.run.plan import make_plan
from toys import plan, trained

RECORDS = [Record(f"img-{n:02}", f"p{n // 2}") for n in range(12)]
DICE = dict(zip((r.key for r in RECORDS), np.linspace(0.3, 0.85, 12).round(3), strict=True))


def round_of(folder, fold, *, folds=3, scored=None, method="source-only", **run):
    """The run folder of a round, scored on its test part or on the keys `scored`."""
    made = make_plan(method, run_values={"source": "synth-he", "folds": folds, "fold": fold, **run})
    out = RunFolder(folder / f"{fold}-{run.get('seed', 0)}")
    out.path.mkdir(parents=True)
    out.write_settings(made.settings())
    split = fold_records(RECORDS, (0.8, 0.1, 0.1), 0, fold, folds)
    write_json(out.path / "split.json", {"source": {"ref": "synth-he", "split": split}})
    rows = [
        ImageScore(
            r.key, r.group, {"dice": DICE[r.key], "iou": DICE[r.key] / 2, "fd": 1 - DICE[r.key]}
        )
        for r in RECORDS
        if r.key in (split["test"] if scored is None else scored)
    ]
    write_per_image_csv(out.report / "per_image.csv", rows)
    return out.path


@pytest.fixture
def three(tmp_path):
    return [round_of(tmp_path, fold) for fold in range(3)]


def test_every_image_is_there_once(three, tmp_path):
    found = pool_folds(three, out=tmp_path / "out", wanted=2)
    assert (found.method, found.folds) == ("source-only", (3, 3))
    assert sorted(row.key for row in found.report.rows) == sorted(DICE)
    dice = found.report.summaries[0]
    assert (dice.mean, dice.n, dice.n_groups) == (
        pytest.approx(np.mean(list(DICE.values()))),
        12,
        6,
    )
    assert [one.metric for one in found.report.summaries] == ["dice", "iou"]
    (measure,) = found.report.correlations
    assert (measure.measure, measure.pearson) == ("fd", pytest.approx(-1))
    assert found.report.tails.parts[1].keys == ["img-00", "img-01"]
    rows = read_per_image_csv(tmp_path / "out" / "per_image.csv")
    assert {row.key: row.values["dice"] for row in rows} == DICE
    assert len(found.report.notes) == 1


def test_a_pooled_folder_can_be_compared(three, tmp_path):
    pool_folds(three, out=tmp_path / "out")
    found = compare([tmp_path / "out", tmp_path / "out"])
    assert found.n == 12


def test_missing_rounds_are_said(three):
    found = pool_folds(three[:2])
    assert found.folds == (2, 3)
    assert "2 of 3 rounds" in found.report.notes[0]
    assert "missing" in found.report.notes[1]


def test_overlapping_test_parts_are_refused(three, tmp_path):
    twin = round_of(tmp_path / "twin", 0)
    with pytest.raises(DataError, match="scored by two runs"):
        pool_folds([three[0], twin])


def test_what_was_learned_from_is_refused(tmp_path):
    for part in ("train", "val"):
        learned = fold_records(RECORDS, (0.8, 0.1, 0.1), 0, 1, 3)[part]
        first, second = (
            round_of(tmp_path / part, fold, scored=learned if fold else None) for fold in (0, 1)
        )
        with pytest.raises(DataError, match="trained on"):
            pool_folds([first, second])


def test_members_of_a_pool_are_known_by_their_own_keys(three):
    path = three[1] / "split.json"
    split = read_json(path)["source"]["split"]
    tested = split["test"][0]
    split = {part: [f"synth-he/{key}" for key in keys] for part, keys in split.items()}
    split["train"].append(f"synth-he/{tested}")
    pool = {"ref": "synth-he+synth-he@kidney", "split": split}
    write_json(path, {"source": pool})
    with pytest.raises(DataError, match=f"such as {tested}"):
        pool_folds(three)


def test_other_settings_are_refused_and_named(three, tmp_path):
    other = round_of(tmp_path / "other", 1, seed=4)
    with pytest.raises(UsageError) as told:
        pool_folds([three[0], other])
    assert told.value.found == "seed 0 and 4"
    dann = round_of(tmp_path / "dann", 1, method="dann", target="synth-he@kidney")
    with pytest.raises(UsageError, match="source-only and dann"):
        pool_folds([three[0], dann])


def test_plain_runs_and_single_rounds_are_refused(three):
    with pytest.raises(UsageError, match="several rounds"):
        pool_folds(three[:1])
    plain = RunFolder(three[0])
    settings = plain.settings()
    settings["run"]["folds"]["value"], settings["run"]["fold"]["value"] = 0, None
    plain.write_settings(settings)
    with pytest.raises(UsageError, match="no round"):
        pool_folds(three)


def test_trained_scored_and_pooled(pair, tmp_path, histokit):
    """The test parts of a real cross-validation make up the data set."""
    runs = []
    for fold in range(2):
        made = plan("source-only", pair, tmp_path / "runs", folds=2, fold=fold, target="")
        path, _ = trained(made)
        *_, event = evaluate(EvalOptions(ref=str(path), device="cpu"))
        assert event.page.parent == path / "report"
        runs.append(str(path))
    told = json.loads(histokit("compare", *runs, "--folds", "-o", "pooled", "--json").stdout)
    assert (told["images"], told["rounds"], told["folds"]) == (8, 2, 2)
    with (tmp_path / "pooled" / "per_image.csv").open() as handle:
        assert len(list(csv.DictReader(handle))) == 8
    assert Path(tmp_path / "pooled" / "index.html").is_file()
