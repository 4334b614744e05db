"""The commands of an installed nnU-Net v2, called with the settings of AxonDeepSynth."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histokit.errors import PluginError

INSTALL = "pip install 'histokit-core[nnunet]'"
FOLDS = (0, 1, 2, 3, 4)
CONFIGURATION = "2d"
CHECKPOINT = "checkpoint_best.pth"
"""Which weights predict; nnU-Net's own choice is ``checkpoint_final.pth``."""


@dataclass(frozen=True, slots=True)
class NnUNet:
    """nnU-Net v2 on one data set. Each method runs one command to its end and shows its output.

    Each raises PluginError where nnU-Net is not installed and where the command fails.

    Attributes:
        root: holds nnU-Net's three folders, ``raw``, ``preprocessed`` and ``results``.
        dataset: number of the data set, 42 for ``raw/Dataset042_Name``.
        device: ``cuda``, ``cpu`` or ``mps``.
        trainer: nnU-Net's class that trains; ``nnUNetTrainer_1epoch`` for a trial.
    """

    root: Path
    dataset: int
    device: str = "cuda"
    trainer: str = "nnUNetTrainer"

    def prepare(self) -> None:
        """Checks the data set, plans, and preprocesses it for the 2D configuration."""
        self._run(
            "nnUNetv2_plan_and_preprocess",
            *("-d", str(self.dataset), "-c", CONFIGURATION, "--verify_dataset_integrity"),
        )

    def train(self, fold: int) -> None:
        """Trains one fold; takes up a training that was broken off."""
        folder = f"results/Dataset{self.dataset:03d}_*/{self.trainer}__*/fold_{fold}"
        begun = self.root.glob(f"{folder}/checkpoint_*")
        again = ("--c",) if any(begun) else ()
        self._run(
            "nnUNetv2_train", str(self.dataset), CONFIGURATION, str(fold), *self._how(), *again
        )

    def predict(self, images: Path, out: Path, folds: Sequence[int] = FOLDS) -> None:
        """Predicts a folder of images by the mean of the folds, with mirroring, windows that
        overlap by half and Gaussian weights, which are nnU-Net's defaults.
        """
        self._run(
            "nnUNetv2_predict",
            *("-i", str(images), "-o", str(out)),
            *("-d", str(self.dataset), "-c", CONFIGURATION, "-chk", CHECKPOINT),
            *("-f", *map(str, folds)),
            *self._how(),
        )

    def _how(self) -> tuple[str, ...]:
        return ("-tr", self.trainer, "-device", self.device)

    def _run(self, command: str, *words: str) -> None:
        program = shutil.which(command)
        if program is None:
            raise PluginError(
                "nnU-Net v2 is not installed",
                expected=f"the command {command}",
                found="no such command on the PATH",
                hint=INSTALL,
            )
        names = ("raw", "preprocessed", "results")
        folders = {f"nnUNet_{name}": str((self.root / name).resolve()) for name in names}
        done = subprocess.run([program, *words], env={**os.environ, **folders}, check=False)
        if done.returncode != 0:
            raise PluginError(
                f"{command} failed",
                found=f"exit code {done.returncode}, after: {' '.join((command, *words))}",
                hint="see its output above",
            )
