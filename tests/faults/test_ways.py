"""Odd names, one bad input of four, and things that change under way, through the commands."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from histokit.errors import PartialFailure
from histokit.interfaces import Instances
from histokit.io.files import read_json
from histokit.io.geojson import write_geojson
from histokit.io.images import read_image
from histokit.io.labels import write_label_tiff
from histokit.io.pictures import write_picture
from histokit.io.stores import Store
from histokit.metrics.table import read_per_image_csv
from histokit.registry import open_source, parse_source
from histokit.run.compare import compare
from histokit.run.evaluate import evaluate
from histokit.run.evaluation.options import EvalOptions
from histokit.run.events import Finished, ItemDone, ItemFailed, Translated
from histokit.run.exchange import export_model, import_model
from histokit.run.importing import Imported, import_dataset
from histokit.run.predict import PredictOptions, predict
from histokit.run.train import resume
from histokit.run.translate import TranslateOptions, translate
from toys import image, plan, stopped_at

LONGEST = "n" * 200
ALL_AT_ONCE = "-o 100%\nZellkörper 细胞核"
ODD = ["a b", "Zellkörper", "line\nbreak", LONGEST, "-o", "100%", "细胞核", "link"]


def options(tmp_path: Path, *inputs: Path, **others: object) -> PredictOptions:
    return PredictOptions("otsu-hed", inputs, tmp_path / "out", device="cpu", **others)


@pytest.fixture(params=ODD, ids=lambda name: ascii(name[:20]))
def odd(tmp_path, monkeypatch, request):
    """An odd name. In the present folder there is a data set of four images under this name, each
    with a mask, that have it as well and are read-only.
    """
    monkeypatch.chdir(tmp_path)
    name = request.param
    real = Path("elsewhere" if name == "link" else name)
    for number in range(4):
        write_picture(real / "images" / f"{name}{number}.png", image(32, 32, number), "png")
        write_picture(real / "masks" / f"{name}{number}.png", _ids(), "png")
    for path in real.rglob("*.png"):
        path.chmod(0o444)
    if name == "link":
        os.symlink(real, name)
    return name


def _ids():
    ids = np.zeros((32, 32), np.uint16)
    ids[4:12, 4:12], ids[20:28, 18:30] = 1, 2
    return ids


def _scores(out: Path) -> dict[str, str]:
    """The images of a report, each with why it failed."""
    return {row.key: row.error for row in read_per_image_csv(out / "per_image.csv")}


def _stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.iterdir())


def test_predictions_under_odd_paths(tmp_path, odd):
    """The folder, the images and the output have the name; the paths are relative."""
    wanted = PredictOptions("otsu-hed", [Path(odd) / "images"], Path(f"out {odd}"), device="cpu",
                            formats=("labels",))  # fmt: skip
    events = list(predict(wanted))
    assert sum(isinstance(event, ItemDone) for event in events) == 4
    assert _stems(Path(f"out {odd}") / "labels") == [f"{odd}{n}" for n in range(4)]


def test_translations_under_odd_paths(odd):
    out = Path(f"out {odd}")
    wanted = TranslateOptions("identity", [Path(odd) / "images"], out, device="cpu")
    assert [e.done for e in translate(wanted) if isinstance(e, Translated)] == [4]
    for number in range(4):
        assert np.array_equal(read_image(out / f"{odd}{number}.png"), image(32, 32, number))


worst = pytest.mark.parametrize(
    "odd", [ALL_AT_ONCE, LONGEST, "link"], ids=["all at once", "longest", "link"], indirect=True
)
"""The names that what takes seconds is tried with."""


@worst
def test_scores_under_odd_paths(odd):
    out = Path(f"out {odd}")
    list(evaluate(EvalOptions("otsu-hed", f"folder:{odd}", "all", out, device="cpu")))
    assert _scores(out) == {f"{odd}{n}": "" for n in range(4)}
    assert (out / "index.html").stat().st_size
    assert compare([out, out]).n == 4


@worst
def test_a_training_under_odd_paths_goes_on_and_predicts(odd):
    data = f"folder:{odd}"
    how = {"split": "0.5,0.25,0.25", "log_every": 1, "method_values": {"steps": 2, "tile": 32}}
    run = stopped_at(1, plan("source-only", ("", data, "", ""), Path(f"runs {odd}"), **how))
    assert [event.step for event in resume(run) if isinstance(event, Finished)] == [2]
    one = Path(odd) / "images" / f"{odd}0.png"
    list(predict(PredictOptions(str(run), [one], Path("out"), device="cpu", formats=("labels",))))
    assert _stems(Path("out") / "labels") == [f"{odd}0"]
    bundle = export_model(str(run), Path(f"{odd}.zip"), runs=Path("runs"))
    assert import_model(bundle, Path(f"models {odd}")).stem == odd


def test_data_under_odd_paths_is_sound(odd):
    assert not list(open_source(parse_source(f"folder:{odd}"), None).verify())


def test_an_import_under_odd_paths(odd):
    out = Path(f"{odd}.h5")
    (done,) = [e for e in import_dataset(f"folder:{odd}", out) if isinstance(e, Imported)]
    assert (done.images, done.labelled, done.objects) == (4, 4, 8)
    data = open_source(parse_source(f"h5:{out}"), None)
    assert [record.key for record in data.records()] == [f"{odd}{n}" for n in range(4)]
    assert np.array_equal(data.labels(data.records()[0]).ids, _ids())


@pytest.fixture
def bad(tmp_path):
    """A data set of four images, the second of which is cut off in the middle."""
    for number in range(4):
        write_picture(tmp_path / "in" / "images" / f"{number}.png", image(32, 32, number), "png")
        write_picture(tmp_path / "in" / "masks" / f"{number}.png", _ids(), "png")
    path = tmp_path / "in" / "images" / "1.png"
    path.write_bytes(path.read_bytes()[:1500])
    return tmp_path / "in"


def _predicted(bad: Path, out: Path) -> None:
    wanted = PredictOptions("otsu-hed", [bad / "images"], out, device="cpu", formats=("labels",))
    list(predict(wanted))


def _translated(bad: Path, out: Path) -> None:
    list(translate(TranslateOptions("identity", [bad / "images"], out, device="cpu")))


def _scored(bad: Path, out: Path) -> None:
    list(evaluate(EvalOptions("otsu-hed", f"folder:{bad}", "all", out, device="cpu")))


def _imported(bad: Path, out: Path) -> None:
    list(import_dataset(f"folder:{bad}", out / "a.h5"))


def _listed(out: Path) -> str:
    return (out / "failures.json").read_text()


def _left_out(out: Path) -> str:
    (failure,) = Store(out / "a.h5").failures
    return str(failure)


ONE_OF_FOUR = {
    "predict": (_predicted, lambda out: set(_stems(out / "labels")), _listed),
    "translate": (_translated, lambda out: {p.stem for p in out.glob("*.png")}, _listed),
    "eval": (
        _scored,
        lambda out: {key for key, error in _scores(out).items() if not error},
        lambda out: " ".join(_scores(out).values()),
    ),
    "import": (_imported, lambda out: {row.key for row in Store(out / "a.h5").rows}, _left_out),
}


@pytest.mark.parametrize("command", ONE_OF_FOUR)
def test_one_bad_image_of_four_is_named_and_three_are_done(bad, tmp_path, command):
    run, done, failures = ONE_OF_FOUR[command]
    with pytest.raises(PartialFailure, match="1 of 4 images") as caught:
        run(bad, tmp_path / "out")
    assert caught.value.exit_code == 5
    assert done(tmp_path / "out") == {"0", "2", "3"}
    assert "1.png" in failures(tmp_path / "out")


DAMAGED = {
    "histokit": ("labels/1.tif", -40),
    "label": ("png/1.png", -20),
    "geojson": ("geojson/1.geojson", -40),
}
"""A file of each kind of prediction, and the place in it where it is damaged."""


@pytest.mark.parametrize("kind", DAMAGED)
def test_one_damaged_prediction_of_four_is_named_and_three_are_scored(tmp_path, kind):
    for number in range(4):
        write_picture(tmp_path / "in" / "images" / f"{number}.png", image(32, 32, number), "png")
        write_picture(tmp_path / "in" / "masks" / f"{number}.png", _ids(), "png")
        write_label_tiff(tmp_path / "labels" / f"{number}.tif", _ids())
        write_picture(tmp_path / "png" / f"{number}.png", _ids(), "png")
        write_geojson(tmp_path / "geojson" / f"{number}.geojson", Instances(_ids()))
    name, place = DAMAGED[kind]
    data = bytearray((tmp_path / name).read_bytes())
    data[place] ^= 255
    (tmp_path / name).write_bytes(data)
    given = (tmp_path / name).parent
    how = {"predictions": given, "format": kind, "device": "cpu"}
    with pytest.raises(PartialFailure, match="1 of 4 images") as caught:
        list(evaluate(EvalOptions("", f"folder:{tmp_path / 'in'}", "all", tmp_path / "out", **how)))
    assert caught.value.exit_code == 5
    scores = _scores(tmp_path / "out")
    assert [key for key, error in scores.items() if not error] == ["0", "2", "3"]
    assert str(tmp_path / name) in scores["1"]


def test_a_name_too_long_for_an_output_is_named(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("n" * 251, "good"):
        write_picture(folder / "a.png", image(24, 24), "png")
        os.rename(folder / "a.png", folder / f"{name}.png")
    with pytest.raises(PartialFailure, match="1 of 2"):
        list(predict(options(tmp_path, folder, formats=("labels",))))
    (failure,) = read_json(tmp_path / "out" / "failures.json")
    assert failure["image"] == str(folder / ("n" * 251 + ".png"))
    assert "too long" in failure["reason"]


def test_an_image_that_vanishes_is_named_and_the_rest_is_done(tmp_path):
    for name in "abcd":
        write_picture(tmp_path / "in" / f"{name}.png", image(24, 24), "png")
    events = predict(options(tmp_path, tmp_path / "in", formats=("labels",)))
    seen = [next(event for event in events if isinstance(event, ItemDone))]
    (tmp_path / "in" / "b.png").unlink()
    shrunk = tmp_path / "in" / "c.png"
    shrunk.write_bytes(shrunk.read_bytes()[:200])
    with pytest.raises(PartialFailure, match="2 of 4"):
        seen += events
    bad = [event.key for event in seen if isinstance(event, ItemFailed)]
    assert bad == ["b.png", "c.png"]
    assert "does not exist" in read_json(tmp_path / "out" / "failures.json")[0]["reason"]
