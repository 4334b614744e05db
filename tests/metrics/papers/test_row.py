"""The table of a paper as a file."""

from __future__ import annotations

import csv

from histokit.metrics.papers import PaperRow, write_paper_csv


def test_every_field_is_written(tmp_path):
    rows = [
        PaperRow("r2:a, b", None, 'by "them"', 1 / 3, "by us", 7, unit=""),
        PaperRow("pq", 0.5, "p", None, "o", 0),
    ]
    write_paper_csv(tmp_path / "deep" / "paper.csv", rows)
    with (tmp_path / "deep" / "paper.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["metric"] == "r2:a, b"
    assert first["formula"] == 'by "them"'
    assert (first["paper"], float(first["ours"])) == ("NA", 1 / 3)
    assert (second["paper"], second["ours"], second["n"]) == ("0.5", "NA", "0")
    assert (second["direction"], second["unit"]) == ("higher", "fraction")
