"""`metrics A B`: pairs by name, every row with its n, and what is missing said."""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity
from typer.testing import CliRunner

from histokit.cli.app import app
from histokit.io.files import read_json
from histokit.metrics.images import frechet_distance, mmd2_unbiased, psnr
from toys import image


@pytest.fixture
def type_(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words, code=0):
        arguments = ["metrics", *words, "--device", "cpu"]
        result = CliRunner().invoke(app, arguments, prog_name="histokit")
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def folders(type_, tmp_path):
    """``a`` and ``b`` with three pairs, one of them below, and one lonely image each."""
    for number, folder in enumerate("ab"):
        (tmp_path / folder / "sub").mkdir(parents=True)
        for name, seed in (("x", 1), ("y", 2), ("sub/z", 3), (f"only_{folder}", 4)):
            suffix = ".png" if folder == "a" else ".tif"
            picture = image(24, 32, seed + 10 * number)
            Image.fromarray(picture).save(tmp_path / folder / f"{name}{suffix}")
    return tmp_path


def table(result):
    found = json.loads(result.stdout)
    return found, {(row["metric"], row["variant"][:4]): row for row in found["metrics"]}


def test_pairs_are_matched_by_name_and_the_rest_is_listed(type_, folders):
    found, rows = table(type_("a", "b", "--json"))
    assert found["pairs"] == 3
    assert found["unmatched"] == {"a": ["only_a"], "b": ["only_b"]}
    values = [psnr(image(24, 32, s), image(24, 32, s + 10)) for s in (1, 2, 3)]
    row = rows["psnr", "uint"]
    assert row["value"] == pytest.approx(np.mean(values))
    assert (row["n"], row["unit"], row["direction"]) == (3, "dB", "higher")
    assert row["low"] <= row["value"] <= row["high"]
    assert {name for name, _ in rows} >= {"ssim", "dab_od_corr", "positive_fraction_err"}


def test_missing_networks_are_said_and_never_replaced(type_, folders):
    _, rows = table(type_("a", "b", "--json"))
    for name in ("fid", "kid", "lpips"):
        (row,) = [row for (metric, _), row in rows.items() if metric == name]
        assert row["value"] is None
        assert row["note"].startswith("not computed: ")
    text = type_("a", "b")
    assert "not computed" in text.stdout
    assert "only in A: 1 (only_a)" in text.stderr


class FakeInception(torch.nn.Module):
    """Two features an image: the means of red and green."""

    def __init__(self, name, features_list, feature_extractor_weights_path=None):
        super().__init__()
        assert features_list == ["2048"]
        assert feature_extractor_weights_path.endswith("w.pth")

    def forward(self, images):
        assert images.dtype == torch.uint8
        return (images.float().mean((2, 3))[:, :2],)


def test_fid_stands_beside_kid_counts_lonely_images_and_is_flagged(type_, folders, monkeypatch):
    module = ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.FeatureExtractorInceptionV3 = FakeInception
    monkeypatch.setitem(sys.modules, "torch_fidelity", SimpleNamespace())
    monkeypatch.setitem(sys.modules, module.__name__, module)
    torch.save({}, folders / "w.pth")
    _, rows = table(type_("a", "b", "--inception", "w.pth", "--json"))
    first, second = (
        np.array([image(24, 32, s + shift)[..., :2].mean((0, 1)) for s in (1, 2, 3, 4)])
        for shift in (0, 10)
    )
    fid, kid = (
        next(row for (metric, _), row in rows.items() if metric == n) for n in ("fid", "kid")
    )
    assert fid["value"] == pytest.approx(frechet_distance(first, second), rel=1e-3)
    assert kid["value"] == pytest.approx(mmd2_unbiased(first, second), rel=1e-3)
    assert (fid["n"], kid["n"]) == (4, 4)
    assert "biased below 2048 images" in fid["note"]


def test_papers_follow_their_own_code(type_, folders):
    found, _ = table(type_("a", "b", "--paper", "bci", "--json"))
    rows = {row["metric"]: row for row in found["metrics"]}
    assert set(rows) == {"psnr", "ssim_uniform"}
    expected = [
        structural_similarity(image(24, 32, s), image(24, 32, s + 10), channel_axis=2)
        for s in (1, 2, 3)
    ]
    assert rows["ssim_uniform"]["value"] == pytest.approx(np.mean(expected))
    found, _ = table(type_("a", "b", "--paper", "mdcl", "--json"))
    rows = {row["metric"]: row for row in found["metrics"]}
    assert set(rows) == {"psnr", "ssim_uniform", "phv_asp", "fid", "kid"}
    assert "squeezed" in rows["phv_asp"]["variant"]
    assert "inception_v3.tv_in1k" in rows["kid"]["variant"]


def test_sources_and_nuclei(type_, folders):
    for name, count in (("na", 2), ("nb", 4)):
        for key in ("x", "y", "sub/z"):
            ids = np.zeros((24, 32), np.uint8)
            ids.ravel()[:count] = range(1, count + 1)
            path = folders / name / f"{key}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(ids).save(path)
    result = type_("a", "b", "--source", "b", "--nuclei-a", "na", "--nuclei-b", "nb", "--json",
                   "-o", "t.json")  # fmt: skip
    rows = {row["metric"]: row for row in json.loads(result.stdout)["metrics"]}
    assert rows["nuclei_count_rel_err"]["value"] == 0.5
    assert rows["stain_h_ssim"]["n"] == 3
    assert read_json(folders / "t.json")["provenance"]["histokit"]
    (folders / "na" / "y.png").unlink()
    part = type_("a", "b", "--nuclei-a", "na", "--nuclei-b", "nb", code=5)
    assert "y has no output nuclei" in part.stderr


def test_bad_pairs_are_counted_and_bad_folders_told(type_, folders):
    Image.fromarray(image(20, 20)).save(folders / "a" / "x.png")
    (folders / "b" / "y.tif").write_bytes(b"II*\0")
    found = json.loads(type_("a", "b", "--json", code=5).stdout)
    assert found["pairs"] == 1
    assert "differ in size" in found["failed"]["x"]
    assert "cannot read b/y.tif" in found["failed"]["y"]
    assert "there is no folder c" in type_("a", "c", code=3).stderr
    (folders / "c").mkdir()
    assert "no images in c" in type_("a", "c", code=3).stderr
    Image.fromarray(image(9, 9)).save(folders / "c" / "other.png")
    assert "no image of a has a partner in c" in type_("a", "c", code=3).stderr


def test_an_encoder_that_was_asked_for_must_be_there(type_, folders):
    told = type_("a", "b", "--encoder", "resnet18", code=2).stderr
    assert "--encoder resnet18 cannot be used" in told
    assert "--encoder resnet18:FILE" in told
