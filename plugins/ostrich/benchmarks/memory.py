"""Peak memory of a training step by depth, with activations stored and found again.

    python memory.py [--side 64] [--batch 8] [--width 32] [--depths 2,4,8]

Each figure is how far the peak of resident memory lies above what was resident before, over a
forward and a backward pass of the flow, in a process of its own. Prints a table; `blocks` counts
couplings. Needs Linux, which alone lets a process forget its peak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MIB = 1024**2
KINDS = ("stored", "reversible")


@dataclass(frozen=True, slots=True)
class Case:
    """A flow to be measured; `depth` couplings lie between two of its four squeezes."""

    depth: int
    kind: str
    side: int = 64
    batch: int = 8
    width: int = 32
    coupling: str = "affine"

    @property
    def blocks(self) -> int:
        """Couplings of the flow."""
        return 3 * self.depth


@dataclass(frozen=True, slots=True)
class Peak:
    """What a case took: memory in MiB, and seconds."""

    mib: float
    seconds: float


def measure(case: Case) -> Peak:
    """Measures a case in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return Peak(**json.loads(found.stdout))


def run(case: Case) -> Peak:
    """Measures a case in this process, which should hold no free memory of other work."""
    import torch

    from histokit_ostrich.generator import Coupling, Generator, Shape

    torch.manual_seed(0)
    coupling: Coupling = "additive" if case.coupling == "additive" else "affine"
    flow = Generator(Shape(depth=case.depth, width=case.width, coupling=coupling)).flow
    flow.reversible = case.kind == "reversible"
    flow(torch.randn(1, 3, 16, 16)).square().mean().backward()  # what is taken once is not counted
    given = torch.randn(case.batch, 3, case.side, case.side)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins anew
    before, began = _resident("VmRSS"), time.perf_counter()
    flow(given).square().mean().backward()
    return Peak((_resident("VmHWM") - before) / MIB, time.perf_counter() - began)


def table(cases: Sequence[Case]) -> str:
    """A line a depth: memory of both kinds, how many times less, and how much slower."""
    lines = ["blocks  stored MiB  reversible MiB  times less  time ratio"]
    for stored, reversible in zip(cases[::2], cases[1::2], strict=True):
        one, other = measure(stored), measure(reversible)
        lines.append(
            f"{stored.blocks:6d}  {one.mib:10.1f}  {other.mib:14.1f}"
            f"  {one.mib / max(other.mib, 0.1):10.1f}  {other.seconds / one.seconds:10.2f}"
        )
    return "\n".join(lines)


def _resident(key: str) -> int:
    """``VmRSS``, the resident memory of this process, or ``VmHWM``, its peak, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def main() -> None:
    """Prints the table that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--coupling", choices=("affine", "additive"), default="affine")
    parser.add_argument("--depths", default="2,4,8", help="couplings between two squeezes")
    given = parser.parse_args()
    if given.case:
        sys.stdout.write(json.dumps(asdict(run(Case(**json.loads(given.case))))))
        return
    cases = [
        Case(int(depth), kind, given.side, given.batch, given.width, given.coupling)
        for depth in given.depths.split(",")
        for kind in KINDS
    ]
    sys.stdout.write(table(cases) + "\n")


if __name__ == "__main__":
    main()
