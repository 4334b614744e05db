"""Training, predicting and scoring ask no other machine."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from histokit.io.pictures import write_picture
from histokit.run.evaluate import evaluate
from histokit.run.evaluation.options import EvalOptions
from histokit.run.predict import PredictOptions, predict
from histokit.run.translate import TranslateOptions, translate
from histokit.testing.watch import watched
from toys import image, plan, trained


@pytest.fixture
def data(tmp_path):
    """Four images with masks."""
    ids = np.zeros((32, 32), np.uint16)
    ids[4:12, 4:12], ids[20:28, 18:30] = 1, 2
    for number in range(4):
        write_picture(tmp_path / "in" / "images" / f"{number}.png", image(32, 32, number), "png")
        write_picture(tmp_path / "in" / "masks" / f"{number}.png", ids, "png")
    return tmp_path / "in"


def _train(data: Path, out: Path) -> None:
    how = {"split": "0.5,0.25,0.25", "log_every": 1, "method_values": {"steps": 2, "tile": 32}}
    path, _ = trained(plan("source-only", ("", f"folder:{data}", "", ""), out, **how))
    list(predict(PredictOptions(str(path), [data / "images"], out / "p", device="cpu")))


def _predict(data: Path, out: Path) -> None:
    list(predict(PredictOptions("otsu-hed", [data / "images"], out, device="cpu")))


def _translate(data: Path, out: Path) -> None:
    list(translate(TranslateOptions("macenko", [data / "images"], out, device="cpu")))


def _eval(data: Path, out: Path) -> None:
    list(evaluate(EvalOptions("otsu-hed", f"folder:{data}", "all", out, device="cpu")))


@pytest.mark.parametrize("command", [_train, _predict, _translate, _eval])
def test_no_call_is_made(data, tmp_path, command: Callable[[Path, Path], None]):
    with watched() as deeds:
        command(data, tmp_path / "out")
    assert deeds.calls == []


def test_a_call_would_be_seen(data, tmp_path):
    with watched() as deeds, socket.socket() as one:
        one.settimeout(0.1)
        _predict(data, tmp_path / "out")
        one.connect_ex(("127.0.0.1", 9))
    assert len(deeds.calls) == 1
