"""Trainings and predictions under random faults, for as long as you like; counts what is lost.

``python tests/soak.py --minutes 60``. Each round trains a small model while it is killed, its disk
fills up and its files are damaged, goes on with it to the end, compares it with a training that
nothing disturbed, then predicts with it, killed as well. Ends with 1 where anything was lost.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from faults.mutations import mutated
from faults.victims import (
    NO_ROOM,
    Life,
    contents,
    dying_between_names,
    filling_up,
    going_on,
    made_of,
    predicting,
    step_of,
    training,
)
from histokit.errors import DataError
from histokit.io.checkpoints import load_state
from histokit.io.labels import read_label_tiff
from histokit.io.pictures import write_picture
from histokit.io.runs import RunFolder
from toys import image, plan

STEPS, IMAGES = 24, 4
FAULTS = ("kill", "kill", "kill", "full disk", "between names", "left-over", "damage")
GOING_ON = {"full disk": filling_up, "between names": dying_between_names}
"""How a run goes on after a fault where it does not do so plainly."""


def main() -> int:
    """Runs rounds until the time is up, and tells what was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    counts: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp(prefix="histokit-soak-"))
    try:
        soak(folder, random.Random(asked.seed), 60 * asked.minutes, counts)
    finally:
        shutil.rmtree(folder)
        for what, number in sorted(counts.items()):
            sys.stdout.write(f"{number:6d}  {what}\n")
    return 1 if any(what.startswith("LOST") for what in counts) else 0


def soak(folder: Path, chance: random.Random, seconds: float, counts: Counter[str]) -> None:
    """Rounds for some seconds, one at least."""
    pair = ("--source", "synth-he@breast", "--target", "synth-he@kidney")
    own = {"steps": STEPS}
    how = {"log_every": 1, "checkpoint_every": 1, "val_every": 10, "method_values": own}
    straight = folder / "straight"
    Life(training, plan("source-only", pair, straight, **how)).end()
    (sound,) = straight.iterdir()
    tiles = folder / "tiles"
    for number in range(IMAGES):
        write_picture(tiles / f"{number}.png", image(64, 64, number), "png")
    wanted = predictions(tiles, folder / "wanted", sound)
    end = time.monotonic() + seconds
    while not counts["rounds"] or time.monotonic() < end:
        runs = folder / "runs"
        path = trained_under_faults(plan("source-only", pair, runs, **how), runs, chance, counts)
        counts["rounds"] += 1
        counts["LOST equality of a training"] += contents(path) != contents(sound)
        out = folder / "out"
        killed_in_prediction(tiles, out, path, chance, counts)
        found = predictions(tiles, out, path)
        counts["LOST equality of predictions"] += found != wanted
        shutil.rmtree(runs)
        shutil.rmtree(out)
        for what in [what for what, number in counts.items() if not number]:
            del counts[what]


def trained_under_faults(
    plan: Any, runs: Path, chance: random.Random, counts: Counter[str]
) -> Path:
    """The run of a training that was disturbed again and again, at its end."""
    life = Life(training, plan)
    assert life.reaches(0)
    (path,) = runs.iterdir()
    run = RunFolder(path)
    while True:
        life.reaches(life.told.value + chance.randrange(6))
        time.sleep(chance.uniform(0, 0.1))
        told = life.told.value
        if not life.kill():
            assert life.process.exitcode in (0, NO_ROOM)
            if life.process.exitcode == 0:
                return path
        fault = chance.choice(FAULTS)
        counts[fault] += 1
        kept = step_of(run)
        counts["LOST steps beyond one"] += max(0, told - 1 - kept)
        counts["steps done twice"] += max(0, told - kept)
        strike(fault, run, chance, counts)
        life = Life(GOING_ON.get(fault, going_on), path)
        if life.reaches(0):  # else it was finished
            counts["LOST steps at the start"] += max(0, kept - life.told.began)


def strike(fault: str, run: RunFolder, chance: random.Random, counts: Counter[str]) -> None:
    """What happens to the files of a run between two lives of it."""
    if fault == "left-over":
        (run.path / "checkpoints" / ".last.ckpt.1.part").write_bytes(b"half a state")
    if fault == "damage" and run.last.exists():
        whole, wanted = run.last.read_bytes(), dict(made_of(load_state(run.last)))
        run.last.write_bytes(mutated(whole, np.random.default_rng(chance.randrange(2**32))))
        try:
            counts["LOST truth of a state"] += dict(made_of(load_state(run.last))) != wanted
        except DataError:
            counts["damaged states refused"] += 1
        finally:
            run.last.write_bytes(whole)


def killed_in_prediction(
    tiles: Path, out: Path, run: Path, chance: random.Random, counts: Counter[str]
) -> None:
    """Predicts, and kills it after some image; what is there must be whole."""
    life = Life(predicting, tiles, out, run)
    life.reaches(chance.randrange(1, IMAGES))
    counts["predictions killed"] += life.kill()
    for path in (out / "labels").glob("*.tif"):
        if not path.name.startswith("."):
            read_label_tiff(path)


def predictions(tiles: Path, out: Path, run: Path) -> dict[str, bytes]:
    """The ids of a prediction that nothing disturbs; its files name the run, which differs."""
    Life(predicting, tiles, out, run).end()
    found = sorted((out / "labels").glob("[!.]*.tif"))
    return {path.name: read_label_tiff(path).tobytes() for path in found}


if __name__ == "__main__":
    sys.exit(main())
