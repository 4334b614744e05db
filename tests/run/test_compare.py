"""Runs are compared on the images common to them, and the rest is counted and named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from histokit.errors import DataError, UnknownName, UsageError
from histokit.metrics.table import ImageScore, write_per_image_csv
from histokit.report.comparison import write_comparison
from histokit.run.compare import compare, gap_closed, read_run


def run_of(folder, method, rows):
    """A run folder with nothing but its settings and its table."""
    folder.mkdir(parents=True)
    settings = {"format": 1, "method": method, "settings": {}, "run": {}}
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    write_per_image_csv(folder / "report" / "per_image.csv", rows)
    return folder


def rows_of(values, *, group="p{}"):
    return [
        ImageScore(f"img-{i}", group.format(i), {"dice": value, "pq": 0.5})
        for i, value in enumerate(values)
    ]


BASE = np.round(np.random.default_rng(0).uniform(0.4, 0.6, 12), 3)


@pytest.fixture
def three(tmp_path):
    """source-only, a method 0.1 better on every image, and an oracle 0.2 better."""
    return [
        run_of(tmp_path / "a", "source-only", rows_of(BASE)),
        run_of(tmp_path / "b", "mani", rows_of(BASE + 0.1)),
        run_of(tmp_path / "c", "oracle", rows_of(BASE + 0.2)),
    ]


def test_known_differences_give_known_answers(three):
    found = compare(three)
    assert [e.name for e in found.entrants] == ["source-only", "mani", "oracle"]
    assert [e.gap_closed for e in found.entrants] == pytest.approx([0, 50, 100])
    assert (found.n, found.n_units, dict(found.left_out)) == (12, 12, {})
    first = found.duels[0]
    assert (first.first, first.second) == ("source-only", "mani")
    assert (first.found.difference, first.found.low, first.found.high) == pytest.approx([0.1] * 3)
    assert first.found.p_permutation == 2 / 2**12
    assert first.p_permutation == pytest.approx(3 * 2 / 2**12)  # Holm over three pairs
    for part in ("mani has the best mean Dice", "+0.100 against source-only", "beyond chance"):
        assert part in found.verdict
    assert found.verdict.endswith("It closes 50 % of the gap between source-only and oracle.")


def test_the_verdict_does_not_depend_on_the_order_of_runs(tmp_path):
    noise = np.random.default_rng(2).uniform(0.05, 0.15, 12)
    runs = [
        run_of(tmp_path / "a", "source-only", rows_of(BASE)),
        run_of(tmp_path / "b", "mani", rows_of(BASE + noise)),
    ]
    there, back = compare(runs), compare(runs[::-1])
    assert there.verdict == back.verdict
    assert there.duels[0].found.low == pytest.approx(-back.duels[0].found.high, abs=1e-12)


def test_runs_that_score_the_same_do_not_differ(three):
    found = compare([three[1], three[1]])
    assert [e.name for e in found.entrants] == ["mani (1)", "mani (2)"]
    (duel,) = found.duels
    assert duel.p_permutation == duel.p_wilcoxon == 1
    assert found.verdict == "mani (1) and mani (2) score the same on every one of 12 images."
    assert all(e.gap_closed is None for e in found.entrants)


def test_a_difference_that_chance_explains_is_called_so(tmp_path):
    noise = np.random.default_rng(5).normal(0, 0.05, 12)
    runs = [
        run_of(tmp_path / "a", "dann", rows_of(BASE)),
        run_of(tmp_path / "b", "mani", rows_of(BASE + noise)),
    ]
    found = compare(runs)
    assert found.duels[0].p_permutation > 0.05
    assert "cannot be told from chance" in found.verdict
    assert "too few" not in found.verdict


@pytest.mark.parametrize(("groups", "words"), [(4, "4 groups are too few"), (1, "allow no test")])
def test_few_patients_are_told(tmp_path, groups, words):
    names = [f"p{i % groups}" for i in range(12)]
    runs = []
    for name, values in (("dann", BASE), ("mani", BASE + 0.1)):
        rows = [
            ImageScore(f"img-{i}", group, {"dice": value})
            for i, (group, value) in enumerate(zip(names, values, strict=True))
        ]
        runs.append(run_of(tmp_path / name, name, rows))
    assert words in compare(runs).verdict


def test_images_that_are_not_common_are_counted_and_named(tmp_path):
    left, right = rows_of(BASE), rows_of(BASE)
    left[0] = ImageScore("img-0", "p0", {}, "cannot read img-0.png")
    left[1] = ImageScore("img-1", "p1", {"dice": None, "pq": 0.5})
    right.append(ImageScore("extra", "p99", {"dice": 0.9, "pq": 0.9}))
    right[2] = ImageScore("img-2", "elsewhere", {"dice": 0.7, "pq": 0.5})
    runs = [run_of(tmp_path / "a", "dann", left), run_of(tmp_path / "b", "mani", right)]
    found = compare(runs)
    assert found.n == 10
    assert found.left_out == {
        "failed in a run": ["img-0"],
        "dice is undefined in a run": ["img-1"],
        "not in every run": ["extra"],
    }
    assert "3 of 13 images are left out" in found.notes[0]
    assert "the group of 1 images, such as img-2" in found.notes[1]
    assert [e.n_failed for e in found.entrants] == [1, 0]
    assert compare(runs, empty="one").n == 11
    assert compare(runs, metric="pq").n == 11


def test_means_are_over_the_common_images_alone(tmp_path):
    runs = [
        run_of(tmp_path / "a", "dann", rows_of([0.5, 0.6, 0.9])),
        run_of(tmp_path / "b", "mani", rows_of([0.5, 0.6])),
    ]
    assert [e.mean for e in compare(runs).entrants] == pytest.approx([0.55, 0.55])


def test_repeats_of_the_controls_are_averaged(tmp_path, three):
    again = run_of(tmp_path / "d", "source-only", rows_of(BASE + 0.02))
    found = compare([*three, again])
    mani = next(e for e in found.entrants if e.name == "mani")
    assert mani.gap_closed == pytest.approx(100 * 0.09 / 0.19)
    assert any("2 runs of source-only" in note for note in found.notes)


def test_the_gap_by_hand():
    assert gap_closed(0.7, [0.6], [0.8]) == pytest.approx(50)
    assert gap_closed(0.5, [0.6], [0.8]) == pytest.approx(-50)
    assert gap_closed(2.0, [3.0], [1.0], higher=False) == pytest.approx(50)
    assert gap_closed(0.7, [0.8], [0.6]) is None
    assert gap_closed(0.7, [], [0.6]) is None


def test_tables_and_report_folders_stand_for_runs(tmp_path, three):
    table = tmp_path / "foreign.csv"
    table.write_bytes((three[0] / "report" / "per_image.csv").read_bytes())
    assert read_run(table).rows == read_run(three[0]).rows
    found = compare([table, three[1] / "report"])
    assert [e.name for e in found.entrants] == ["foreign", "report"]


# bad input


def test_disjoint_runs_are_refused_with_an_example_of_each(tmp_path, three):
    other = [ImageScore(f"kidney/{i}", "", {"dice": 0.5}) for i in range(3)]
    with pytest.raises(DataError, match="no scored image in common") as caught:
        compare([three[0], run_of(tmp_path / "k", "mani", other)])
    assert "img-0" in caught.value.found
    assert "kidney/0" in caught.value.found


def test_what_cannot_be_compared_is_told(tmp_path, three):
    with pytest.raises(UsageError, match="one run"):
        compare(three[:1])
    with pytest.raises(UnknownName, match="dicee") as unknown:
        compare(three, metric="dicee")
    assert "did you mean dice?" in unknown.value.hint
    unscored = tmp_path / "unscored"
    unscored.mkdir()
    (unscored / "run.yaml").write_bytes((three[0] / "run.yaml").read_bytes())
    with pytest.raises(DataError) as caught:
        compare([three[0], unscored])
    assert f"histokit eval {unscored}" in caught.value.hint
    with pytest.raises(DataError, match="no scores"):
        compare([three[0], tmp_path / "nowhere"])
    failed = run_of(tmp_path / "failed", "dann", [ImageScore("img-0", "", {}, "no")])
    with pytest.raises(DataError, match="no scores"):
        compare([three[0], failed])
    twice = run_of(tmp_path / "twice", "dann", rows_of([0.1]) * 2)
    with pytest.raises(DataError, match="twice"):
        compare([three[0], twice])


# typed


def test_the_command_prints_writes_a_page_and_gives_json(histokit, three):
    done = histokit("compare", *three, "-o", "page.html")
    assert "mani less source-only" in done.stdout
    assert "50 %" in done.stdout
    html = (histokit.folder / "page.html").read_text(encoding="utf-8")
    assert "beyond chance" in html
    result = json.loads(histokit("compare", *three[:2], "--metric", "dice", "--json").stdout)
    assert result["images"] == 12
    assert result["pairs"][0]["p_permutation"] == 2 / 2**12
    assert result["page"] is None


def test_the_command_ends_with_the_code_of_its_failure(histokit, three):
    assert "two run folders" in histokit("compare", three[0], code=2).stderr
    assert "no such folder" in histokit("compare", three[0], "nowhere", code=3).stderr
    histokit("compare", *three, "--metric", "nonsense", "-o", "p.html", code=2)
    assert not (histokit.folder / "p.html").exists()


# tails, and what is no score


def test_the_first_run_picks_the_tails_of_all(three):
    found = compare(three, wanted=3)
    order = np.argsort(BASE, kind="stable")
    for name, shift in (("source-only", 0), ("mani", 0.1), ("oracle", 0.2)):
        everything, worst, best = found.tails[name].parts
        assert list(worst.keys) == [f"img-{n}" for n in order[:3]]
        assert worst.summaries["dice"].mean == pytest.approx(BASE[order[:3]].mean() + shift)
        assert best.summaries["dice"].mean == pytest.approx(BASE[order[-3:]].mean() + shift)
        assert everything.summaries["dice"].mean == pytest.approx(BASE.mean() + shift)
    assert compare(three, wanted=0).tails == {}


def test_a_number_that_is_no_score_has_no_better(tmp_path):
    shifted = {"source-only": 3.0, "mani": 1.0, "oracle": 2.0}
    runs = [
        run_of(tmp_path / name, name, [
            ImageScore(f"img-{i}", f"p{i}", {"dice": 0.5, "fd_mean": value + i}) for i in range(12)
        ])
        for name, value in shifted.items()
    ]  # fmt: skip
    found = compare(runs, metric="fd_mean")
    assert found.metric.direction == "none"
    assert "highest mean" in found.verdict
    assert "best" not in found.verdict
    assert [e.gap_closed for e in found.entrants] == [None] * 3
    assert found.duels[0].found.difference == pytest.approx(-2)
    page = write_comparison(tmp_path / "page.html", found).read_text(encoding="utf-8")
    assert "is better" not in page
    assert 'id="tails"' in page
    assert all(f">{name}</text>" in page for name in shifted)
