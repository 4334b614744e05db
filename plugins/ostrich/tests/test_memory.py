"""Peak memory of a step, measured by the benchmark beside this plugin."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "memory.py"


@pytest.fixture(scope="module")
def memory():
    spec = importlib.util.spec_from_file_location("ostrich_memory", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.slow
def test_peak_memory_is_flat_in_depth(memory):
    """At 24 blocks at least 3 times less than stored, and no more than a bit over 6 blocks."""
    peaks = {
        (depth, kind): memory.measure(memory.Case(depth, kind)).mib
        for depth in (2, 8)
        for kind in memory.KINDS
    }
    assert memory.Case(8, "stored").blocks == 24
    assert peaks[8, "stored"] > 3 * peaks[8, "reversible"]
    assert peaks[8, "stored"] > 3 * peaks[2, "stored"]
    assert peaks[8, "reversible"] < 1.5 * peaks[2, "reversible"]
