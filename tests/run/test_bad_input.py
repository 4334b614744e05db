"""Bad input ends in one clear message and the right exit code, never in a traceback."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from command import TINY, Command
from fixtures.fakes import install_method
from histokit.cli.app import app
from histokit.io.checkpoints import load_state, load_weights, save_state, save_weights
from histokit.io.files import read_json, write_json
from histokit.io.labels import read_label_tiff
from histokit.io.runs import RunFolder

ALL = ("--split", "1,0,0")
TRAIN = ("train", "source-only", *TINY, "--steps", "8")


def told(text: str, *words: str) -> None:
    """Fails where a word is not in what the command said, or a traceback is."""
    assert "Traceback" not in text
    assert [word for word in words if word not in text] == [], text


def path_of(source: str) -> Path:
    return Path(source.partition(":")[2])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """As `histokit`, but in this process, which has imported torch already."""
    monkeypatch.chdir(tmp_path)

    def type_(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words), prog_name="histokit")
        assert result.exit_code == code, result.output
        return result

    return type_


@pytest.fixture
def breast(pair, tmp_path):
    """A folder data set of eight images with masks, to be spoilt."""
    return Path(shutil.copytree(path_of(pair[1]), tmp_path / "breast"))


@pytest.fixture(scope="session")
def trained(pair, tmp_path_factory):
    """A finished run of source-only."""
    folder = tmp_path_factory.mktemp("trained")
    done = Command(folder)("train", "source-only", *pair[:2], *pair[4:], *TINY, "--steps", "2",
                           "--json")  # fmt: skip
    return folder / json.loads(done.stdout)[0]["run"]


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run, marked as one that is not."""
    copy = RunFolder(Path(shutil.copytree(trained, tmp_path / "run")))
    copy.write_state(status="running")
    return copy


# Images


def test_damaged_images_are_named_and_the_good_one_is_done(histokit, pair, tmp_path):
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    good = min(path_of(pair[1]).glob("images/*.png")).read_bytes()
    (tiles / "good.png").write_bytes(good)
    (tiles / "cut.png").write_bytes(good[: len(good) // 2])
    (tiles / "text.png").write_text("this is no picture")
    (tiles / "zero.png").write_bytes(b"")
    done = histokit("predict", "otsu-hed", "tiles", "-o", "out", code=5)
    told(done.stderr, "3 of 4 images failed; the others are done", "found: out/failures.json")
    reasons = {row["image"]: row["reason"] for row in read_json(tmp_path / "out/failures.json")}
    assert set(reasons) == {f"tiles/{name}.png" for name in ("cut", "text", "zero")}
    for image, found in (("cut", "truncated"), ("text", "this is no"), ("zero", "an empty file")):
        told(reasons[f"tiles/{image}.png"], f"cannot read tiles/{image}.png", found, "try: replace")
    assert [path.name for path in (tmp_path / "out/labels").iterdir()] == ["good.tif"]
    assert read_label_tiff(tmp_path / "out/labels/good.tif").max() > 0

    alone = histokit("predict", "otsu-hed", "tiles/cut.png", "-o", "out", code=3)
    told(alone.stderr, "1 of 1 images failed; none is done", "out/failures.json")


def test_images_that_cannot_be_told_apart_or_are_not_there(here, breast, tmp_path):
    (tmp_path / "twins").mkdir()
    for name in ("a.png", "a.jpg"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "twins" / name)
    twins = here("predict", "otsu-hed", "twins", "-o", "out", code=3)
    told(twins.stderr, "under one name", "found: twins/a.jpg and twins/a.png", "try: rename")
    inside = here("predict", "otsu-hed", "breast", "-o", "breast/out", code=3)
    told(inside.stderr, "breast/out lies inside the input folder breast", "try: ", "-o FOLDER")
    assert not (breast / "out").exists()


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("nowhere", ("there is no nowhere", "expected: an image or a folder")),
        ("empty", ("no images in empty", "expected: files ending in")),
    ],
)
def test_no_images(here, tmp_path, inputs, words):
    (tmp_path / "empty").mkdir()
    told(here("predict", "otsu-hed", inputs, code=3).stderr, *words)


# Data sets


def test_an_image_without_its_mask(histokit, breast, tmp_path):
    """Training asks first; scoring and verifying name it and go on."""
    (breast / "masks" / "p03_0.png").unlink()
    done = histokit(*TRAIN, "--source", "folder:breast", *ALL, code=3)
    told(done.stderr, "breast/images/p03_0.png has no labels", "found: 1 without", "try: ")
    assert not (tmp_path / "runs").exists()
    done = histokit("eval", "otsu-hed", "--target", "folder:breast", "--part", "all", code=5)
    told(done.stderr, "1 of 8 images could not be scored", "p03_0", "has no labels")
    assert "report: " in done.stdout
    done = histokit("data", "verify", "folder:breast")
    told(done.stdout, "warning  breast/images/p03_0.png  has no labels")


def test_no_masks_at_all(here, breast):
    shutil.rmtree(breast / "masks")
    done = here("eval", "otsu-hed", "--target", "folder:breast", "--part", "all", code=3)
    told(done.stderr, "8 of 8 images could not be scored", "has no labels")


def test_a_mask_of_another_size(histokit, breast):
    Image.fromarray(np.zeros((60, 64), np.uint16)).save(breast / "masks" / "p03_0.png")
    sizes = (
        "breast/masks/p03_0.png does not fit its image",
        "64x64 pixels (height x width), as breast/images/p03_0.png has",
        "found: 60x64 pixels",
    )
    told(histokit(*TRAIN, "--source", "folder:breast", *ALL, code=3).stderr, *sizes)
    done = histokit("data", "verify", "folder:breast", code=7)
    told(done.stdout, *sizes)
    told(done.stderr, "'folder:breast' has 1 error", "try: mend or remove the files")


def test_an_empty_data_set(histokit, tmp_path):
    (tmp_path / "empty").mkdir()
    words = ("no folder data in empty", "expected: ", "images/x.png", "found: no such tree")
    told(histokit(*TRAIN, "--source", "folder:empty", code=3).stderr, *words)
    told(histokit("data", "verify", "folder:empty", code=3).stderr, *words)
    assert not (tmp_path / "runs").exists()


def test_a_data_set_that_is_not_here(histokit, monkeypatch):
    monkeypatch.delenv("HISTOKIT_DATA", raising=False)
    done = histokit(*TRAIN, "--source", "tnbc", code=3)
    told(done.stderr, "'tnbc' is not here", "Slide_01/01_1.png", "Zenodo", "try: --data-root")


# Where results go


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predict", "otsu-hed", "breast/images", "-o"), "cannot write into"),
        (("eval", "otsu-hed", "--target", "folder:breast", "-o"), "cannot write into"),
        ((*TRAIN, "--source", "folder:breast", "--runs"), "cannot make a run folder in"),
        (("demo", "-o"), "cannot write into"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_output_folder_that_cannot_be(histokit, breast, tmp_path, words, said):
    """Asked before anything is loaded; as root a read-only folder would not be one."""
    (tmp_path / "file").write_text("in the way")
    done = histokit(*words, "file/out", code=3)
    told(done.stderr, f"{said} file/out", "found: Not a directory", "try: ")
    assert "otsu-hed needs no training" not in done.stderr
    assert (tmp_path / "file").read_text() == "in the way"


# What is typed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "mani", "--nosuch", "3"), ("No such option: --nosuch",)),
        (("train", "mani", "--batc", "3"), ("No such option: --batc", "--batch")),
        (("train", "man"), ("no method is called 'man'", "expected: one of ", "mean mani")),
        (
            ("train", "source-only", "--source", "synth-he", "--network", "unt"),
            ("no network is called 'unt'", "expected: one of ", "did you mean unet"),
        ),
        (
            ("train", "mani", "--preset", "cpuu"),
            ("no preset of mani is called 'cpuu'", "expected: one of cpu, ", "mean cpu?"),
        ),
        (
            ("train", "source-only", "--source", "tnbk"),
            ("no data set is called 'tnbk'", "expected: one of ", "did you mean tnbc"),
        ),
        (
            ("train", "source-only", "--source", "synth-he@brest"),
            ("no variant of synth-he is called 'brest'", "did you mean breast?"),
        ),
        (
            ("train", "mani", "--source", "synth-he"),
            ("mani needs a target data set", "histokit train mani --target DATASET"),
        ),
        (
            ("train", "mani"),
            ("needs a source and a target", "--source DATASET --target DATASET"),
        ),
        (("predict", "otsu-hed", "x", "--device", "gpu"), ("--device", "'gpu' is not one of")),
        (("predict", "otsu-hed", "x", "--precision", "16"), ("--precision", "'16' is not one")),
        (("predict", "otsu-hed", "x", "--formats", "png"), ("unknown format png", "geojson")),
        (("eval", "otsu-hed"), ("which data set?", "histokit eval otsu-hed --target NAME")),
    ],
    ids=lambda value: "-".join(value[-2:]) if "train" not in value else "-".join(value[1:]),
)
def test_words_that_mean_nothing_end_with_2(histokit, tmp_path, words, said):
    told(histokit(*words, code=2).stderr, *said)
    assert not (tmp_path / "runs").exists()


def test_all_wrong_settings_are_told_at_once(histokit):
    done = histokit(
        "train", "source-only", "--source", "synth-he", "--steps", "-3", "--batch", "many",
        "--set", "lrr=3", "--set", "tile=0", "--split", "0.5,0.9,0", code=3,
    )  # fmt: skip
    told(
        done.stderr,
        "5 settings are wrong",
        "lrr (from --set): no such setting; did you mean lr?",
        "steps = -3 (from option)",
        "batch = many (from option)",
        "tile = 0 (from --set)",
        "split = 0.5,0.9,0 (from option)",
    )


def test_windows_that_overlap_too_much_are_no_fault_of_the_images(here, breast):
    words = ("predict", "otsu-hed", "breast/images", "--window", "32", "--overlap", "40")
    done = here(*words, code=3)
    told(done.stderr, "overlap: 40 px does not fit", "give an overlap from 0 to 31")


# Weights and runs


@pytest.mark.parametrize("ref", ["mani", "mani:cpu"])
def test_no_run_yet(here, breast, ref):
    option = " --preset cpu" if ":" in ref else ""
    done = here("predict", ref, "breast/images", code=2)
    told(done.stderr, f"no trained weights of {ref}", "expected: a finished run in runs",
         f"try: histokit train mani{option} --source DATASET --target DATASET")  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "source-only", "breast/images", "--run", "norun"),
        ("predict", "./norun", "breast/images"),
        ("train", "source-only", "--resume", "norun"),
        ("runs", "show", "norun"),
    ],
    ids=lambda words: "-".join(words[:2]).replace("/", ""),
)
def test_a_folder_that_is_no_run(here, breast, tmp_path, words):
    (tmp_path / "norun").mkdir()
    told(here(*words, code=3).stderr, "norun is n", "expected: a folder with run.yaml")


def _cut(run: RunFolder) -> None:
    for state in (run.last, run.previous):
        state.write_bytes(state.read_bytes()[:2000])


def _lacking(run: RunFolder) -> None:
    save_state(run.last, {"step": 1})


def _foreign(run: RunFolder) -> None:
    save_state(run.last, {**load_state(run.last), "stateful": {}})


def _settings(run: RunFolder) -> None:
    (run.path / "run.yaml").write_text("format: 1\n")


def _state(run: RunFolder) -> None:
    write_json(run.path / "state.json", [])


def _metrics(run: RunFolder) -> None:
    (run.path / "metrics.csv").write_text("step,phase,name,value\nx,y\n\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_cut, ("last.ckpt cannot be read as a saved state", "expected: a file written by")),
        (_lacking, ("last.ckpt is not the state of a run", "found: no best, generators")),
        (_foreign, ("last.ckpt does not fit the method", "found: KeyError: 'network'")),
        (_settings, ("run.yaml is damaged", "expected: the method", "under method")),
        (_state, ("state.json is damaged", "expected: a JSON object", "found: list")),
        (_metrics, ("metrics.csv is damaged", "expected: lines of step,phase", "try: remove")),
    ],
)
def test_a_damaged_run_is_not_resumed(here, run, spoil, said):
    spoil(run)
    told(here("train", "source-only", "--resume", "run", code=3).stderr, "run/", *said)


def test_a_damaged_state_is_told_and_the_one_before_it_used(here, run):
    before = load_state(run.previous)["step"]
    straight = load_weights(run.best)[0]
    run.last.write_bytes(run.last.read_bytes()[:2000])
    said = here("train", "source-only", "--resume", "run").stderr
    told(said, "last.ckpt cannot be used", "going on from run/checkpoints/previous.ckpt")
    assert load_state(run.last)["step"] > before
    again = load_weights(run.best)[0]
    assert all(torch.equal(again[name], straight[name]) for name in straight)


def test_a_damaged_run_is_listed_as_such(here, run):
    _settings(run)
    told(here("runs", "list", "--runs", ".").stdout, "damaged: run/run.yaml is damaged")


def test_a_run_of_another_method_or_with_other_settings_is_not_resumed(here, run):
    done = here("train", "mani", "--resume", "run", code=2)
    told(done.stderr, "run is not a run of mani", "found: a run of source-only",
         "try: histokit train source-only --resume run")  # fmt: skip
    done = here("train", "source-only", "--resume", "run", "--steps", "9", code=2)
    told(done.stderr, "a resumed run keeps its settings", "found: steps")


def test_a_run_in_use_is_left_alone(histokit, run):
    with run.lock():
        done = histokit("train", "source-only", "--resume", "run", code=8)
    told(done.stderr, "run is in use", "found: process ", "try: wait for it")
    assert run.state()["status"] == "running"


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weights": [1.0]}))


def _garbage(path: Path) -> None:
    path.write_bytes(b"\xff" * 500)


def _cardless(path: Path) -> None:
    save_weights(path, {"network.weight": torch.zeros(2)}, {})


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("w.ckpt", _pickle, "w.ckpt cannot be read as weights"),
        ("w.safetensors", _pickle, "w.safetensors cannot be read as weights"),
        ("w.safetensors", _garbage, "w.safetensors cannot be read as weights"),
        ("w.safetensors", _cardless, "the card of w.safetensors is damaged"),
    ],
)
def test_a_file_that_holds_no_weights(here, breast, tmp_path, name, write, said):
    write(tmp_path / name)
    done = here("predict", "source-only", "breast/images", "--run", name, code=3)
    told(done.stderr, said, "expected: ", "found: ")


def test_weights_of_other_settings(here, breast, run):
    card = read_json(run.best.with_suffix(".json"))
    save_weights(run.best, {"network.weight": torch.zeros(2)}, card)
    done = here("predict", "run", "breast/images", code=3)
    told(done.stderr, "run/checkpoints/best.safetensors does not fit the network", "try: ")


def test_the_users_other_folder_is_not_taken_for_the_one_trained_on(here, pair, run):
    """Both hold images of the same names."""
    args = ("eval", "run", "--part", "all", "--target")
    assert "used in training" in here(*args, pair[1]).stderr
    assert "used in training" not in here(*args, pair[3]).stderr


# Plugins


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("import sys\nsys.exit(9)", "it ends the program when imported (SystemExit: 9)"),
        ("import there_is_no_such_module", "ModuleNotFoundError"),
    ],
    ids=["raises", "exits", "misses"],
)
def test_a_broken_plugin_breaks_nothing_else(histokit, tmp_path, monkeypatch, body, reason):
    (tmp_path / "site").mkdir()
    install_method(tmp_path / "site", "bad-kit", "bad", body=body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    told(histokit("methods", "list").stdout, "source-only", f"broken: {reason}")
    told(histokit("plugins", "list").stdout, "bad-kit 1.0")
    dry = histokit("train", "source-only", "--source", "synth-he", "--dry-run")
    told(dry.stdout, "source-only")
    done = histokit("train", "bad", "--source", "synth-he", code=4)
    told(done.stderr, "method 'bad' of bad-kit 1.0 cannot be used", f"found: {reason}",
         "try: pip install --upgrade bad-kit")  # fmt: skip


def test_a_method_whose_class_is_not_there(histokit, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    install_method(tmp_path / "site", "hollow-kit", "hollow")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    done = histokit("train", "hollow", "--source", "synth-he", "--device", "cpu", code=4)
    told(done.stderr, "method hollow cannot be loaded from 'hollow_kit.heavy:Class'", "found: ")


# Devices


class _Hungry:
    """A convolution's forward pass for which the GPU is too small, at times."""

    def __init__(self, *, training: bool) -> None:
        self.training = training
        self.real = torch.nn.Conv2d.forward

    def forward(self, layer: torch.nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
        if layer.training == self.training and images.shape[0] + images.shape[-1] > 65:
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. And so on"
            )
        return self.real(layer, images)


def _starve(monkeypatch: pytest.MonkeyPatch, *, training: bool) -> None:
    hungry = _Hungry(training=training)
    monkeypatch.setattr(torch.nn.Conv2d, "forward", lambda *args: hungry.forward(*args))


@pytest.mark.parametrize(
    ("training", "hint"), [(True, "lower --batch or --tile"), (False, "smaller --network")]
)
def test_memory_that_runs_out_in_training(here, pair, tmp_path, monkeypatch, training, hint):
    _starve(monkeypatch, training=training)
    big = (*TINY, "--tile", "80") if training else TINY
    source = _grown(path_of(pair[1]), tmp_path / "grown")
    words = ("train", "source-only", "--source", f"folder:{source}", *pair[4:], *big)
    result = here(*words, "--steps", "2", code=6)
    told(result.stderr, "the device ran out of memory", "found: CUDA out of memory", hint)
    assert "And so on" not in result.stderr
    (run,) = Path("runs").iterdir()
    assert RunFolder.open(run).state()["status"] == "failed"


def test_memory_that_runs_out_in_prediction(here, pair, trained, tmp_path, monkeypatch):
    _starve(monkeypatch, training=False)
    source = _grown(path_of(pair[1]), tmp_path / "grown")
    words = ("predict", str(trained), str(source / "images"), "--device", "cpu")
    result = here(*words, code=6)
    told(result.stderr, "the device ran out of memory", "try: lower --window or --batch")


def _grown(folder: Path, to: Path) -> Path:
    """The data set with sides twice as long."""
    for path in folder.glob("*/*.png"):
        (to / path.parent.name).mkdir(parents=True, exist_ok=True)
        image = np.asarray(Image.open(path))
        Image.fromarray(image.repeat(2, 0).repeat(2, 1)).save(to / path.parent.name / path.name)
    return to


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize(
    "words",
    [(*TRAIN, "--source", "folder:breast"), ("predict", "otsu-hed", "breast/images")],
    ids=lambda words: words[0],
)
def test_no_cuda_device(histokit, breast, tmp_path, words):
    done = histokit(*words, "--device", "cuda", code=6)
    told(done.stderr, "there is no CUDA device", "found: torch", "try: use --device cpu")
    assert not (tmp_path / "runs").exists()
