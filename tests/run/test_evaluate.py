"""Evaluation: the scores are those of the files that it leaves behind."""

from __future__ import annotations

import csv
import json
import shutil
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import io

from histokit.errors import DataError, PartialFailure, UsageError
from histokit.interfaces import Instances
from histokit.io.geojson import write_geojson
from histokit.io.labels import read_label_tiff
from histokit.metrics.scores import score
from histokit.metrics.table import read_per_image_csv, write_per_image_csv
from histokit.run.domains import open_domain
from histokit.run.evaluate import EvalOptions, evaluate
from histokit.run.events import Evaluated, ItemDone, ItemFailed, Noted
from histokit.testing.datasets_classes import make_consep, make_pannuke
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
        ids = read_label_tiff(evaluated.page.parent / "predictions" / f"{row.key}.tif")
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
    from histokit.run.evaluation import target as eval_target

    path, (_, target) = made
    load = module.load_with

    def coarse(*args, **how):
        found = load(*args, **how)
        return replace(found, card={**found.card, "mpp": 0.5})

    monkeypatch.setattr(module, "load_with", coarse)
    opened = eval_target.open_domain

    def fine(*args, **how):
        domain = opened(*args, **how)
        return replace(domain, spec=replace(domain.spec, mpp=0.25))

    monkeypatch.setattr(eval_target, "open_domain", fine)
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


# Predictions made by others


def squares(truth, seed):
    """A square in each nucleus but one, of a class that is not always right; and the corner of
    each square as (id, class, x, y, side)."""
    draws = np.random.default_rng(seed)
    ids = np.zeros_like(truth.ids)
    found = []
    for key in range(1, int(truth.ids.max())):
        y, x = (int(v) for v in np.argwhere(truth.ids == key).mean(axis=0).round())
        reach = int(draws.integers(3, 6))
        ids[y - reach : y + reach + 1, x - reach : x + reach + 1] = 10 + key
        kind = truth.classes[key] if draws.random() < 0.7 else 1
        found.append((10 + key, kind, x - reach, y - reach, 2 * reach))
    return ids, found


def write(folder, kind, key, ids, found, names):
    """One prediction in the format of a tool."""
    folder.mkdir(parents=True, exist_ok=True)
    classes = {number: kind for number, kind, *_ in found}
    if kind == "hovernet-mat":
        types = [[classes[n]] for n in sorted(classes)]
        io.savemat(folder / f"{key}.mat", {"inst_map": ids.astype(float), "inst_type": types})
    elif kind == "hovernet-json":
        nuclei = {}
        for number, type_, x, y, d in found:
            ring = [[x, y], [x, y + d], [x + d, y + d], [x + d, y]]
            nuclei[str(number)] = {"contour": ring, "type": type_, "type_prob": 0.9}
        (folder / f"{key}.json").write_text(json.dumps({"mag": 40, "nuc": nuclei}))
    elif kind == "geojson":
        write_geojson(folder / f"{key}.geojson", Instances(ids, classes), class_names=names)
    else:
        Image.fromarray(ids.astype(np.uint16)).save(folder / f"{key}.png")


@pytest.fixture(scope="module")
def consep(tmp_path_factory):
    """CoNSeP by hand, and predictions for its three images in every format."""
    root = tmp_path_factory.mktemp("consep")
    target = f"consep:{make_consep(root)}"
    domain = open_domain(target, split={})
    for seed, record in enumerate(domain.part("all")):
        ids, found = squares(domain.data.labels(record), seed)
        for kind in ("hovernet-mat", "hovernet-json", "geojson", "label"):
            write(root / kind, kind, record.key, ids, found, domain.classes)
    return root, target


@pytest.fixture
def no_page(monkeypatch):
    """Only the tables are written: pictures take longer than scores."""

    def tables(folder, report):
        write_per_image_csv(folder / "per_image.csv", report.rows)
        return folder / "index.html"

    monkeypatch.setattr("histokit.run.evaluate.write_report", tables)


def _foreign(consep, kind, out, **how):
    root, target = consep
    folder = root / kind if isinstance(kind, str) else kind
    return _evaluated("", predictions=folder, target=target, part="all", out=out, **how)


def test_every_format_gives_the_same_scores(consep, tmp_path, no_page):
    tables = {}
    for kind in ("hovernet-mat", "hovernet-json", "geojson"):
        evaluated, _ = _foreign(consep, kind, tmp_path / kind)
        tables[kind] = read_per_image_csv(tmp_path / kind / "per_image.csv")
        assert evaluated.failed == 0
        assert evaluated.method == kind
    _foreign(consep, tmp_path / "geojson", tmp_path / "ours", format="histokit")
    tables["histokit"] = read_per_image_csv(tmp_path / "ours" / "per_image.csv")
    first = tables["hovernet-mat"]
    assert all(table == first for table in tables.values())
    assert {"mpq", "pq:spindle", "f_c:inflammatory"} <= set(first[0].values)
    assert 0 < max(row.values["pq:spindle"] for row in first) < 1
    assert len({row.values["mpq"] for row in first}) == 3
    _foreign(consep, "label", tmp_path / "label")
    plain = read_per_image_csv(tmp_path / "label" / "per_image.csv")
    assert [row.values for row in plain] == [
        {name: row.values[name] for name in plain[0].values} for row in first
    ]
    assert not any(":" in name for name in plain[0].values)


def test_maps_without_classes_say_so(consep, tmp_path, no_page):
    evaluated, _ = _foreign(consep, "label", tmp_path, paper="pannuke")
    said = "classes are not scored: the predictions have no classes"
    assert said in evaluated.report.notes
    assert [row.metric for row in evaluated.report.paper.rows] == ["bpq"]
    assert "need classes" in evaluated.report.paper.note


def test_papers_stand_beside_ours(consep, tmp_path):
    for paper, metrics in (
        ("hovernet", ("dice", "f_d", "accuracy", "f_c:spindle")),
        ("pannuke", ("bpq", "mpq", "pq:epithelial")),
        ("conic", ("mpq_plus", "r2", "pq_plus:spindle", "r2:spindle")),
    ):
        evaluated, _ = _foreign(consep, "hovernet-mat", tmp_path / paper, paper=paper)
        rows = {row.metric: row for row in evaluated.report.paper.rows}
        assert set(metrics) <= set(rows)
        assert all(row.n == 3 and row.formula and row.our_formula for row in rows.values())
        with (tmp_path / paper / f"paper_{paper}.csv").open() as file:
            stored = {line["metric"]: line for line in csv.DictReader(file)}
        assert list(stored) == list(rows)
        assert float(stored[metrics[0]]["paper"]) == rows[metrics[0]].paper
        page = evaluated.page.read_text()
        assert rows[metrics[-1]].formula in page
    ours = {s.metric: s.mean for s in evaluated.summaries}
    assert ours["pq"] == pytest.approx(rows["pq"].paper, abs=1e-5)


def test_the_folds_of_pannuke_are_told_apart(tmp_path, no_page):
    target = f"pannuke:{make_pannuke(tmp_path / 'data')}"
    domain = open_domain(target, split={})
    for record in domain.part("all"):
        labels = domain.data.labels(record)
        (tmp_path / "mat").mkdir(exist_ok=True)
        variables = {"inst_map": labels.ids.astype(float)}
        if labels.classes:
            variables["inst_type"] = [[labels.classes[n]] for n in sorted(labels.classes)]
        io.savemat(tmp_path / "mat" / f"{record.key}.mat", variables)
    evaluated, _ = _evaluated(
        "", predictions=tmp_path, target=target, part="all", out=tmp_path / "o", paper="pannuke"
    )
    rows = {row.metric: row for row in evaluated.report.paper.rows}
    assert {"bpq@fold1", "mpq@fold3"} <= set(rows)
    assert rows["mpq"].paper == pytest.approx(1, abs=1e-5)
    assert (rows["bpq"].n, rows["bpq@fold2"].n) == (6, 2)


def test_a_missing_prediction_counts_as_failed(consep, tmp_path, no_page):
    root, _ = consep
    folder = shutil.copytree(root / "hovernet-mat", tmp_path / "some")
    (folder / "train_2.mat").rename(folder / "stranger.mat")
    events = []
    options = EvalOptions(
        predictions=folder, target=consep[1], part="all", out=tmp_path / "o", device="cpu"
    )
    with pytest.raises(PartialFailure, match="1 of 3"):
        deque(map(events.append, evaluate(options)), maxlen=0)
    assert [e.key for e in events if isinstance(e, ItemFailed)] == ["train_2"]
    assert any("stranger.mat" in e.text for e in events if isinstance(e, Noted))
    rows = {row.key: row for row in read_per_image_csv(tmp_path / "o" / "per_image.csv")}
    assert "no prediction for train_2" in rows["train_2"].error
    assert rows["test_1"].values["mpq"] is not None


def test_predictions_of_another_size_name_both(consep, tmp_path, no_page):
    folder = tmp_path / "small"
    folder.mkdir()
    for key in ("train_1", "train_2", "test_1"):
        io.savemat(folder / f"{key}.mat", {"inst_map": np.zeros((100, 128))})
    with pytest.raises(DataError, match="3 of 3"):
        _foreign(consep, folder, tmp_path / "o")
    for row in read_per_image_csv(tmp_path / "o" / "per_image.csv"):
        assert "128 x 128" in row.error
        assert "100 x 128" in row.error


def test_one_thing_is_scored_at_a_time(consep, tmp_path):
    root, target = consep
    with pytest.raises(UsageError, match="two things"):
        _evaluated("otsu-hed", predictions=root / "label", target=target)
    with pytest.raises(UsageError, match="nothing to score"):
        _evaluated("", target=target)
    with pytest.raises(UsageError, match="which data set"):
        _evaluated("", predictions=root / "label")


def test_inputs_are_never_overwritten(consep, tmp_path):
    root, _ = consep
    folder = shutil.copytree(root / "label", tmp_path / "o" / "predictions")
    for given in (folder, tmp_path / "o"):
        with pytest.raises(UsageError, match="overwrite"):
            _foreign(consep, given, tmp_path / "o")


def test_a_segmenter_without_classes_is_scored_without(consep, tmp_path, no_page):
    evaluated, _ = _evaluated("otsu-hed", target=consep[1], part="all", out=tmp_path)
    assert "classes are not scored: the predictions have no classes" in evaluated.report.notes
    assert not any(":" in s.metric for s in evaluated.summaries)
