"""`histokit eval` as typed: the paper's table, the predictions of others, exit codes."""

from __future__ import annotations

import json

from command import histokit, pair

__all__ = ["histokit", "pair"]


def test_predictions_score_again_as_they_did(histokit, pair, tmp_path):
    target = ("--target", pair[3], "--part", "all")
    first = histokit("eval", "otsu-hed", *target, "-o", "ours")
    given = ("--predictions", "ours", *target, "-o", "again")
    done = histokit("eval", *given, "--paper", "hovernet", "--json")
    found = json.loads(done.stdout)
    assert [m["mean"] is not None for m in found["metrics"]] == [True] * 8
    for metric in found["metrics"]:
        assert f"{metric['mean']:.3f}" in first.stdout
    paper = {row["metric"]: row for row in found["paper"]["rows"]}
    assert paper["f_d"]["formula"] != paper["f_d"]["our_formula"]
    assert (tmp_path / "again" / "paper_hovernet.csv").is_file()

    min((tmp_path / "ours" / "predictions").iterdir()).unlink()
    done = histokit("eval", *given, "--paper", "conic", code=5)
    assert "by the formulas of conic, beside ours" in done.stdout
    assert "not here: its class metrics need classes" in done.stdout
    assert "there is no prediction for" in done.stderr
