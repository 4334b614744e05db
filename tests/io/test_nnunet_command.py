"""What is typed to nnU-Net, with its commands replaced by ones that note it; and its absence."""

from __future__ import annotations

from pathlib import Path

import pytest

from histokit.errors import PluginError
from histokit.io.nnunet_command import NnUNet

NOTING = """#!/bin/sh
echo "$(basename "$0") $*" >> "$nnUNet_raw/typed"
echo "$nnUNet_preprocessed $nnUNet_results" >> "$nnUNet_raw/folders"
exit {code}
"""
HOW = "-tr nnUNetTrainer -device cuda"


@pytest.fixture
def network(tmp_path):
    (tmp_path / "raw").mkdir()
    return NnUNet(tmp_path, 7)


def install(folder, monkeypatch, code=0):
    programs = folder / "programs"
    programs.mkdir()
    for name in ("plan_and_preprocess", "train", "predict"):
        program = programs / f"nnUNetv2_{name}"
        program.write_text(NOTING.format(code=code))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")


def test_commands_of_the_paper(network, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    network.prepare()
    network.train(3)
    network.predict(Path("in"), Path("out"))
    assert (tmp_path / "raw" / "typed").read_text().splitlines() == [
        "nnUNetv2_plan_and_preprocess -d 7 -c 2d --verify_dataset_integrity",
        f"nnUNetv2_train 7 2d 3 {HOW}",
        f"nnUNetv2_predict -i in -o out -d 7 -c 2d -chk checkpoint_best.pth -f 0 1 2 3 4 {HOW}",
    ]
    folders = (tmp_path / "raw" / "folders").read_text().splitlines()
    assert set(folders) == {f"{tmp_path / 'preprocessed'} {tmp_path / 'results'}"}


def test_a_broken_off_training_is_taken_up(network, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    fold = tmp_path / "results" / "Dataset007_A" / "nnUNetTrainer__nnUNetPlans__2d" / "fold_0"
    fold.mkdir(parents=True)
    (fold / "checkpoint_latest.pth").touch()
    network.train(0)
    network.train(1)
    typed = (tmp_path / "raw" / "typed").read_text().splitlines()
    assert typed == [f"nnUNetv2_train 7 2d 0 {HOW} --c", f"nnUNetv2_train 7 2d 1 {HOW}"]


def test_another_device_and_trainer(tmp_path, monkeypatch):
    (tmp_path / "raw").mkdir()
    install(tmp_path, monkeypatch)
    begun = tmp_path / "results" / "Dataset007_A" / "nnUNetTrainer__nnUNetPlans__2d" / "fold_0"
    begun.mkdir(parents=True)
    (begun / "checkpoint_latest.pth").touch()
    NnUNet(tmp_path, 7, "cpu", "nnUNetTrainer_1epoch").train(0)
    typed = (tmp_path / "raw" / "typed").read_text().strip()
    assert typed == "nnUNetv2_train 7 2d 0 -tr nnUNetTrainer_1epoch -device cpu"


def test_without_nnunet_it_is_told_how_to_get_it(network, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PluginError, match="not installed") as caught:
        network.prepare()
    assert caught.value.hint == "pip install 'histokit-core[nnunet]'"


def test_a_failing_command_is_told(network, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, code=3)
    with pytest.raises(PluginError, match="nnUNetv2_train failed") as caught:
        network.train(0)
    assert "exit code 3" in caught.value.found
