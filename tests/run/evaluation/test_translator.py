"""`eval` of a translator: pair by pair as written, the sets, the pictures, and every bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from histokit.cli.app import app
from histokit.data.synth_he import SynthHE
from histokit.io.images import read_image
from histokit.metrics.images import (
    IMAGE_METRICS,
    dab_correlation,
    densities,
    positive_fraction_error,
    psnr,
    ssim,
)
from histokit.metrics.table import read_per_image_csv

NAMES = [f"p{n}" for n in range(4)]


@pytest.fixture
def type_(tmp_path, monkeypatch):
    """`type_("eval", …)` beside a folder ``pairs`` of four: made-up H&E, and the same browned."""
    monkeypatch.chdir(tmp_path)
    for side in ("HE", "IHC"):
        (tmp_path / "pairs" / side).mkdir(parents=True)
    data = SynthHE("breast", n_patients=4, images_per_patient=1, side=64)
    for name, record in zip(NAMES, data.records(), strict=True):
        image = data.image(record)
        brown = (image * (1.0, 0.85, 0.6)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "pairs" / "HE" / f"{name}.png")
        Image.fromarray(brown).save(tmp_path / "pairs" / "IHC" / f"{name}.png")

    def run(*words, code=0):
        result = CliRunner().invoke(app, [*words], prog_name="histokit")
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


EVAL = ("eval", "identity", "--target", "pairs:pairs", "--part", "all", "--device", "cpu")


def test_values_are_those_of_the_written_translations_and_the_page_shows_them(type_, tmp_path):
    done = type_(*EVAL, "-o", "out", "--window", "48", "--overlap", "16", "--json")
    found = json.loads(done.stdout)
    assert (found["images"], found["failed"]) == (4, 0)
    metrics = {m["metric"]: m for m in found["metrics"]}
    assert [m["direction"] for m in found["metrics"]] == [
        IMAGE_METRICS[name].direction for name in metrics
    ]
    rows = {row.key: row.values for row in read_per_image_csv(tmp_path / "out" / "per_image.csv")}
    assert sorted(rows) == NAMES
    for name, values in rows.items():
        output = read_image(tmp_path / "out" / "translations" / f"{name}.png")
        assert np.array_equal(output, read_image(tmp_path / "pairs" / "HE" / f"{name}.png"))
        real = read_image(tmp_path / "pairs" / "IHC" / f"{name}.png")
        made, true = densities(output, "IHC"), densities(real, "IHC")
        assert values["psnr"] == pytest.approx(psnr(output, real))
        assert values["ssim"] == pytest.approx(ssim(output, real, "gaussian"))
        assert values["ssim_uniform"] == pytest.approx(ssim(output, real, "uniform"))
        assert values["dab_od_corr"] == pytest.approx(dab_correlation(made, true))
        assert values["positive_fraction_err"] == pytest.approx(positive_fraction_error(made, true))
        assert values["nuclei_kept"] == 1
        assert values["seam"] > 0
    mean = np.mean([values["psnr"] for values in rows.values()])
    assert metrics["psnr"]["mean"] == pytest.approx(mean)
    assert metrics["psnr"]["low"] < mean < metrics["psnr"]["high"]
    assert metrics["psnr"]["n_groups"] == 4
    check_sets(found["sets"], tmp_path / "out")


def check_sets(found, out):
    """Distances stand beside the means, and missing networks are said."""
    rows = {row["metric"]: row for row in found}
    assert rows["dab_amount_corr"]["n"] == 4
    for name in ("fid", "kid", "lpips", "phv"):
        assert rows[name]["value"] is None
        assert rows[name]["note"].startswith("not computed: ")
    assert (out / "sets.csv").read_text().count("not computed") == 4
    page = (out / "index.html").read_text()
    for words in (
        "4 pairs are too few for FID (below 2048); look at KID",
        "found in translation and reference alike by otsu-hed",
        "Disagreement",
        "lost: only in the reference",
        "Positive area error",
    ):
        assert words in page
    assert page.count("data:image/jpeg") == 3 * 4


def test_papers_are_followed_alone(type_, tmp_path):
    done = type_(*EVAL, "-o", "out", "--paper", "bci", "--json")
    found = json.loads(done.stdout)
    assert [m["metric"] for m in found["metrics"]] == ["psnr", "ssim_uniform"]
    assert found["sets"] == []
    told = type_(*EVAL, "-o", "out", "--paper", "mdcl").stdout
    assert "all images together" in told
    assert [name in told for name in ("fid ", "kid ", "phv_asp ")] == [True] * 3
    wrong = type_(*EVAL, "--paper", "conic", code=2)
    assert "--paper conic scores segmentations, not translations" in wrong.stderr
    words = ("eval", "otsu-hed", "--target", "synth-he", "--paper", "mdcl", "--device", "cpu")
    assert "--paper mdcl scores translations" in type_(*words, code=2).stderr


def test_controls_take_settings_and_are_compared(type_, tmp_path):
    type_(*EVAL, "-o", "identity", "--nuclei", "none")
    others = ("reinhard", *EVAL[2:], "--set", "reference=pairs/IHC", "--nuclei", "none")
    type_("eval", *others, "-o", "reinhard")
    done = type_("compare", "identity", "reinhard", "--json")
    found = json.loads(done.stdout)
    assert (found["metric"], found["direction"]) == ("dab_od_corr", "higher")
    lower = ("compare", "identity", "reinhard", "--metric", "positive_fraction_err")
    found = json.loads(type_(*lower, "--json").stdout)
    assert found["direction"] == "lower"
    best = min(found["runs"], key=lambda run: run["mean"])
    assert found["verdict"].startswith(f"{best['name']} has the best mean Positive area error")


def test_bad_pairs_are_counted_and_the_rest_is_done(type_, tmp_path):
    folder = tmp_path / "pairs"
    good = (folder / "HE" / "p0.png").read_bytes()
    (folder / "HE" / "p0.png").write_bytes(good[: len(good) // 2])
    Image.fromarray(np.zeros((40, 64, 3), np.uint8)).save(folder / "IHC" / "p1.png")
    grey = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    Image.fromarray(grey).save(folder / "HE" / "p2.png")
    done = type_(*EVAL, "-o", "out", "--json", code=5)
    assert "3 of 4 pairs could not be scored" in done.stderr
    found = json.loads(done.stdout)
    assert (found["images"], found["failed"]) == (4, 3)
    assert {(m["n"], m["n_failed"]) for m in found["metrics"]} == {(1, 3)}
    rows = {row.key: row.error for row in read_per_image_csv(tmp_path / "out" / "per_image.csv")}
    for name, words in (("p0", "truncated"), ("p1", "differ in size"), ("p2", "image is grey")):
        assert words in rows[name]
    assert "needs two images" in found["sets"][0]["note"]

    for name in NAMES:
        (folder / "HE" / f"{name}.png").write_bytes(b"")
    lost = type_(*EVAL, "-o", "out", code=3)
    assert "4 of 4 pairs could not be scored" in lost.stderr
    assert (tmp_path / "out" / "index.html").is_file()


def test_pairs_whose_names_differ_are_listed(type_, tmp_path):
    for name in NAMES:
        (tmp_path / "pairs" / "IHC" / f"{name}.png").rename(
            tmp_path / "pairs" / "IHC" / f"{name}_ihc.png"
        )
    told = type_(*EVAL, code=3).stderr
    assert "p0" in told
    assert "p0_ihc" in told


def test_images_smaller_than_a_window_keep_their_size_and_nobody_need_count_nuclei(type_, tmp_path):
    for side in ("HE", "IHC"):
        for name in NAMES:
            path = tmp_path / "pairs" / side / f"{name}.png"
            Image.open(path).crop((0, 0, 13, 9)).save(path)
    type_(*EVAL, "-o", "out", "--nuclei", "none")
    assert read_image(tmp_path / "out" / "translations" / "p0.png").shape == (9, 13, 3)
    rows = read_per_image_csv(tmp_path / "out" / "per_image.csv")
    assert all(row.values["ssim"] is None and row.values["psnr"] for row in rows)
    assert "nuclei_kept" not in rows[0].values
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Disagreement" not in page
    assert page.count("data:image/jpeg") == 3 * 3


def test_what_cannot_be_evaluated_is_told(type_):
    alone = type_("eval", "identity", "--target", "synth-he", "--device", "cpu", code=2)
    assert "synth-he has nothing to compare with" in alone.stderr
    assert "expected: a data set of pairs" in alone.stderr
    empty = type_(*EVAL[:4], "--part", "test", "--split", "1,0,0", code=2)
    assert "the test part of pairs is empty" in empty.stderr
    assert "which data set?" in type_("eval", "identity", code=2).stderr
    inside = type_(*EVAL, "-o", "pairs/HE/out", code=3)
    assert "pairs/HE/out lies inside the input folder" in inside.stderr
    asked = ("eval", "otsu-hed", "--target", "synth-he", "--encoder", "resnet18")
    assert "--encoder says how translations are scored" in type_(*asked, code=2).stderr
    assert "identity does not segment" in type_(*EVAL, "--nuclei", "identity", code=2).stderr
    unread = type_("eval", "otsu-hed", *EVAL[2:], code=3)
    assert "pairs has no labels" in unread.stderr
