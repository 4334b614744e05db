"""Commands as a user types them, in their own folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histokit.data.synth_he import SynthHE

SPLIT = ("--split", "0.5,0.25,0.25")
TINY = ("--network", "unet-small", "--tile", "32", "--batch", "2", "--device", "cpu")


@dataclass(frozen=True)
class Command:
    """Runs `histokit …` in a folder, as Python starts it."""

    folder: Path
    start: tuple[str, ...] = ("-m", "histokit")

    def _start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *self.start, *map(str, args)],
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """The finished command; fails where its exit code is another."""
        process = self._start(*args)
        out, err = process.communicate(timeout=180)
        assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def stopped(
        self, number: signal.Signals, when: Path, *args: str, within: float = 120
    ) -> tuple[int, str]:
        """Starts the command, sends the signal once a file matching `when` is there; gives exit
        code and stderr. Fails where it takes more seconds than `within` to end."""
        process = self._start(*args)
        deadline = time.monotonic() + 120
        while not any(self.folder.glob(str(when))) and process.poll() is None:
            assert time.monotonic() < deadline, "the file never came"
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate(timeout=within)
        return process.returncode, err


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """``--source … --target …`` of two small folders of made-up tissue, eight images each."""
    root = tmp_path_factory.mktemp("pair")
    for domain in ("breast", "kidney"):
        made = SynthHE(domain, n_patients=8, images_per_patient=1, side=64)
        for part in ("images", "masks"):
            (root / domain / part).mkdir(parents=True)
        for record in made.records():
            name = record.key.rpartition("/")[2] + ".png"
            ids = made.labels(record).ids.astype(np.uint16)
            Image.fromarray(made.image(record)).save(root / domain / "images" / name)
            Image.fromarray(ids).save(root / domain / "masks" / name)
    return (
        "--source",
        f"folder:{root / 'breast'}",
        "--target",
        f"folder:{root / 'kidney'}",
        *SPLIT,
    )


@pytest.fixture
def histokit(tmp_path):
    """`histokit("train", "mani", …)` in an empty folder."""
    return Command(tmp_path)
