"""A report of made-up nuclei that all tests of the page share."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.metrics import ImageScore, score, summarise
from histokit.report import ComparisonRow, Curve, Panel, Report, Setting, pick_panels


def nuclei(side: int, seed: int) -> np.ndarray:
    """Squares at random places of a grid, ids in random order."""
    draws = np.random.default_rng(seed)
    ids = np.zeros((side, side), np.int32)
    for number in draws.permutation(np.arange(1, (side // 16) ** 2 + 1)):
        y, x = divmod(int(number) - 1, side // 16)
        height, width = draws.integers(5, 12, 2)
        ids[16 * y + 2 : 16 * y + 2 + height, 16 * x + 2 : 16 * x + 2 + width] = number
    return ids


def tissue(ids: np.ndarray) -> np.ndarray:
    """Pink with purple nuclei."""
    return np.where((ids > 0)[..., None], (96, 70, 150), (236, 190, 210)).astype(np.uint8)


@pytest.fixture(scope="session")
def report() -> Report:
    truths = {f"slide-{i}": nuclei(96, i) for i in range(6)}
    predictions = {
        key: np.where(ids % (i + 2) == 0, 0, np.roll(ids, 1, 0)).astype(np.int32)
        for i, (key, ids) in enumerate(truths.items())
    }
    rows = [
        ImageScore(key, f"patient-{i // 2}", score(ids, predictions[key]).values())
        for i, (key, ids) in enumerate(truths.items())
    ]
    rows.append(ImageScore("slide-6", "patient-3", {}, "cannot read slide-6.png"))
    summaries = summarise(rows)
    steps = np.arange(1000)
    values = {row.key: row.values.get("pq") for row in rows}
    return Report(
        title="mani on synthetic squares",
        subtitle="six images of three patients",
        settings=[Setting("mi_weight", "0.2", "option"), Setting("lr", "0.0001", "default")],
        curves={"seg": Curve(steps, np.exp(-steps / 200)), "mi": Curve([0, 1], [1.4, 1.3])},
        comparisons=[
            ComparisonRow("source-only", 6, {s.metric: s for s in summaries[:3]}),
            ComparisonRow("mani", 6, {s.metric: s for s in summaries}),
        ],
        summaries=summaries,
        rows=rows,
        panels=[
            Panel(label, key, values[key], tissue(truths[key]), truths[key], predictions[key])
            for label, key in pick_panels(rows).items()
        ],
        notes=["Chosen by PQ on the source validation split."],
        provenance={"run": "2025_mani_1a2b", "torch": "2.x"},
    )
