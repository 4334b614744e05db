"""What each way to hasten a training step gains on a GPU, method by method, at the papers' sizes.

``python tests/benchmarks/gpu_steps.py -o gpu.json`` (by hand; about 20 minutes on a GPU). Starts
from plain passes in 32 bits and adds one way after another; all else is as `histokit train` has it:
optimisers that are fused, augmentation on the device. Prints a table in Markdown under the card,
the versions and the command; the file holds every result of `histokit bench` in full.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from histokit.errors import DataError
from histokit.io.files import write_json
from histokit.run.bench import Benched, BenchOptions, Speed, bench
from histokit.run.events import Noted


@dataclass(frozen=True)
class Way:
    """One way more than those before it."""

    name: str
    tf32: bool = False
    how: dict[str, Any] = field(default_factory=dict)


WAYS = (
    Way("32 bits", False, {"precision": "32"}),
    Way("+ TF32", True, {"precision": "32"}),
    Way("+ bf16", True, {"precision": "bf16"}),
    Way("+ channels last", True, {"precision": "bf16", "channels_last": True}),
    Way("+ compiled", True, {"precision": "bf16", "channels_last": True, "compiled": True}),
)
JOBS = (
    BenchOptions(["mani"], 256, 4),
    BenchOptions(["mani:hovernet"], 256, 4),
    *(
        BenchOptions(["fdloss"], 256, 4, settings={"network": network})
        for network in ("nucleisegnet", "attention-unet", "cmunet")
    ),
    BenchOptions(["mdcl"], 512, 1),
    BenchOptions(["syndiff-pl"], 512, 1),
    BenchOptions(["ostrich"], 256, 8),
)
HEAD = ("method", "task", "px", "batch", "way", "images/s", "gain", "peak MiB", "waiting")


def main() -> int:
    """Measures all jobs in all ways; a job that cannot run some way has a row that says why."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", "-o", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, help="side of all windows, for a trial")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--only", default="", help="part of a method's name")
    asked = parser.parse_args()
    jobs = [replace(job, repeats=asked.repeats, device=asked.device, warmup=3) for job in JOBS]
    jobs = [replace(job, size=asked.size or job.size) for job in jobs if asked.only in job.refs[0]]
    found = [(job, way, result) for job in jobs for way, result in in_all_ways(job)]
    write_json(asked.out, [{**result.as_dict(), "way": way.name} for _, way, result in found])
    about = found[0][2].about
    say(f"{about['device']}; {about['libraries']}; `{' '.join(['python', *sys.argv])}`\n")
    for row in (HEAD, ["---"] * len(HEAD), *rows(found)):
        say("| " + " | ".join(map(str, row)) + " |")
    return 0


def in_all_ways(job: BenchOptions) -> Iterator[tuple[Way, Benched]]:
    """The results of a job, each with its way."""
    for way in WAYS:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = way.tf32
        try:
            for event in bench(replace(job, **way.how)):
                if isinstance(event, Noted):
                    sys.stderr.write(f"{way.name}: {event.text}\n")
                if isinstance(event, Benched):
                    yield way, event
        except DataError as error:  # nothing of it could run; its rows say why
            sys.stderr.write(f"{way.name}: {error}\n")


def rows(found: list[tuple[BenchOptions, Way, Benched]]) -> Iterator[list[Any]]:
    """The cells of all training steps, with their gain over the first way."""
    first: dict[tuple[str, str, str], float] = {}
    for job, way, result in found:
        name = " ".join([*job.refs, *map(str, job.settings.values())])
        for row in result.rows:
            if not row.task.startswith("train") or row.compiled != way.how.get("compiled", False):
                continue
            key = (name, row.task, str(row.side))
            first.setdefault(key, row.images_per_s or 0)
            yield [name, row.task, row.side, job.batch, way.name, *cells(row, first[key])]


def cells(row: Speed, first: float) -> list[str]:
    """Speed, gain, memory and waiting; or the reason why there are none."""
    if row.reason:
        return [row.reason, "", "", ""]
    speed, memory = row.images_per_s or 0, row.memory_bytes
    gain = f"{speed / first:.2f}" if first else ""
    told = "" if memory is None else f"{memory / 2**20:.0f}"
    return [f"{speed:.3g}", gain, told, f"{row.waited or 0:.1%}"]


def say(line: str) -> None:
    """A line of the table."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
