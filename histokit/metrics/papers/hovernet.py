"""The tables of HoVer-Net (Graham et al. 2019) as its script compute_stats prints them."""

from __future__ import annotations

from collections.abc import Sequence

from histokit.metrics.classes import mean
from histokit.metrics.detection import Detection, accuracy, f_class, f_detection
from histokit.metrics.papers.row import OUR_MEAN, Means, PaperRow
from histokit.metrics.tally import Tally

INSTANCES = ("dice", "aji", "dq", "sq", "pq", "aji_plus")
"""In the order of the six bare numbers that the script prints."""
NEAREST = "all centroids paired at least total distance, pairs over 12 px dropped; images pooled"
MOST = "as many centroids as can be paired within 12 px; images pooled"
F_C = "2 TP / (2 TP + 2 FP_c + 2 FN_c + FP_d + FN_d)"


def table(tallies: Sequence[Tally], names: tuple[str, ...], ours: Means) -> list[PaperRow]:
    """Instances, detection, and with classes the accuracy of paired nuclei and F by class.

    The script gives an image without nuclei one at (0, 0) of type 0, which counts as found or
    missed; that is left out here as a defect.
    """
    return [*_instances(tallies, ours), *_detection(tallies, names)]


def _instances(tallies: Sequence[Tally], ours: Means) -> list[PaperRow]:
    formula = "mean over images; undefined as soon as one has no nuclei in truth and prediction"
    no_objects = "mean over images; undefined as soon as one has no predicted nuclei"
    rows = []
    for name in INSTANCES:
        values = [getattr(t.scores, name) for t in tallies]
        broken = any(value is None for value in values)
        if name == "aji":
            broken = any(t.scores.n_pred == 0 for t in tallies)
        text = no_objects if name == "aji" else formula
        paper = None if broken else mean(values)
        rows.append(PaperRow(name, paper, text, ours[name], OUR_MEAN, len(values)))
    return [*rows, _ensemble_dice(tallies)]


def _ensemble_dice(tallies: Sequence[Tally]) -> PaperRow:
    """Which the script can compute and does not print."""
    values = [t.scores.dice2 for t in tallies]
    return PaperRow(
        "dice2",
        None if None in values else mean(values),
        "mean over images; undefined as soon as in one no nuclei overlap",
        mean(values),
        "mean over the images in which nuclei overlap",
        len(values),
    )


def _detection(tallies: Sequence[Tally], names: tuple[str, ...]) -> list[PaperRow]:
    """The scores of all images' pairs together, as the script pairs and as we do."""
    n, k = len(tallies), len(names)
    paper = Detection.total((t.nearest for t in tallies if t.nearest is not None), k)
    ours = Detection.total((t.pairs for t in tallies), k)
    f_d = "2 TP / (2 TP + FP + FN)"
    rows = [
        PaperRow(
            "f_d", f_detection(paper), f"{f_d}; {NEAREST}", f_detection(ours), f"{f_d}; {MOST}", n
        )
    ]
    if not names:
        return rows
    right = "share of paired nuclei with the right class"
    rows.append(
        PaperRow(
            "accuracy",
            accuracy(paper),
            f"{right}; {NEAREST}",
            accuracy(ours),
            f"{right}; {MOST}",
            n,
        )
    )
    for kind, name in enumerate(names, start=1):
        values = f_class(paper, kind), f_class(ours, kind)
        rows.append(
            PaperRow(f"f_c:{name}", values[0], f"{F_C}; {NEAREST}", values[1], f"{F_C}; {MOST}", n)
        )
    return rows
