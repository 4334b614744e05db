"""What commands print and write for machines, held against the schemas that are shipped."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from command import SPLIT, TINY, pair
from histokit.cli import schema
from histokit.cli.app import VERBS, app
from histokit.cli.lazy import load_command
from histokit.io.checkpoints import load_weights
from histokit.io.files import read_json
from schemas import require_valid

__all__ = ["pair"]
pytest.importorskip("jsonschema")
STEPS = ("--steps", "1", "--val-every", "1", "--log-every", "1")


def typed(*words, code=0):
    """The JSON that a command prints; every line of its stderr is one of progress."""
    words = [*map(str, words), "--json", "--progress", "json"]
    done = CliRunner().invoke(app, words, prog_name="histokit")
    assert done.exit_code == code, done.output
    for line in done.stderr.splitlines():
        require_valid("progress", json.loads(line))
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Walk:
    """Two runs of one training, each scored, and where everything lies."""

    folder: Path
    images: Path
    runs: tuple[Path, Path]
    scored: dict


@pytest.fixture(scope="module")
def walk(pair, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = typed("train", "source-only", *pair, *TINY, *STEPS, "--repeats", "2")
        require_valid("train", made)
        runs = tuple(Path(one["run"]) for one in made)
        scored = typed("eval", runs[0], "--target", pair[3], "--device", "cpu")
        shutil.copytree(runs[0] / "report", runs[1] / "report")
        yield Walk(folder, Path(pair[3].partition(":")[2]) / "images", runs, scored)


def test_a_run_folder(walk):
    run = walk.runs[0]
    require_valid("run", yaml.safe_load((run / "run.yaml").read_text()))
    require_valid("state", read_json(run / "state.json"))
    require_valid("env", read_json(run / "env.json"))
    for line in (run / "events.jsonl").read_text().splitlines():
        require_valid("events", json.loads(line), closed=False)
    require_valid("weights", read_json(run / "checkpoints" / "best.json"))
    require_valid("weights", load_weights(run / "checkpoints" / "best.safetensors")[1])
    require_valid("runs-show", typed("runs", "show", run))
    require_valid("runs-list", typed("runs", "list"))
    require_valid("provenance", typed("provenance", run))


def test_eval_and_its_table(walk):
    require_valid("eval", walk.scored)
    with (walk.runs[1] / "report" / "per_image.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == walk.scored["images"]
    for row in rows:
        require_valid("per-image", row)
    with pytest.raises(AssertionError):
        require_valid("per-image", {**rows[0], "dice": "good"})
    record = read_json(walk.runs[0] / "report" / "provenance.json")
    require_valid("env", record)
    assert record["weights"]["run"] == walk.runs[0].name


def test_eval_by_a_paper_and_perturbed(walk, pair):
    words = ("--perturb", "blur", "--levels", "1", "--paper", "hovernet", "--device", "cpu")
    require_valid("eval", typed("eval", "otsu-hed", "--target", pair[3], *words, "-o", "page"))


def test_plans(walk, pair):
    require_valid("plan", typed("train", "source-only", *pair, *TINY, "--dry-run"))


def test_predict(walk):
    words = ("-o", "found", "--device", "cpu", "--formats", "labels,geojson")
    require_valid("predict", typed("predict", walk.runs[0], walk.images, *words))
    require_valid("env", read_json(Path("found/provenance.json")))
    for path in sorted(Path("found/geojson").glob("*.geojson")):
        require_valid("geojson", read_json(path))
        require_valid("provenance", typed("provenance", path))


def test_a_failed_image(walk, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    good = next(walk.images.glob("*.png"))
    words = (good, tmp_path / "bad.png", "-o", tmp_path / "out", "--device", "cpu")
    require_valid("predict", typed("predict", "otsu-hed", *words, code=5))
    require_valid("failures", read_json(tmp_path / "out" / "failures.json"))


def test_translate_and_metrics(walk):
    words = ("-o", "other", "--device", "cpu")
    require_valid("translate", typed("translate", "reinhard", walk.images, *words))
    require_valid("env", read_json(Path("other/provenance.json")))
    require_valid("metrics", typed("metrics", "other", walk.images, "-o", "metrics.json"))
    require_valid("metrics", read_json(Path("metrics.json")), closed=False)


def test_compare(walk):
    require_valid("compare", typed("compare", *walk.runs, "-o", "page.html", "--tails", "2"))


@pytest.mark.slow
def test_folds(walk, pair):
    made = typed("train", "source-only", *pair[:2], *SPLIT, *TINY, *STEPS, "--folds", "2")
    runs = [one["run"] for one in made]
    for run in runs:
        typed("eval", run, "--target", pair[1], "--device", "cpu")
    require_valid("folds", typed("compare", "--folds", *runs))


@pytest.mark.slow
def test_demo(tmp_path):
    require_valid("demo", typed("demo", "--steps", "3", "-o", tmp_path, "--device", "cpu"))


@pytest.mark.slow
def test_addition(walk, pair):
    words = ("--base", pair[1], "--novel", pair[3], "--novel-batches", "1", *TINY[2:])
    words = (
        "train",
        "fdloss",
        *words,
        *SPLIT,
        "--set",
        "warmup_steps=1",
        "--set",
        "penalised_steps=1",
    )
    require_valid("addition-plan", typed(*words, "--dry-run"))
    require_valid("addition", typed(*words))


@pytest.mark.slow
def test_sweep(walk, pair):
    shift = f"{pair[1]} to {pair[3]}"
    sets = [word for item in ("network=unet-small", "tile=32", "batch=2", "steps=1")
            for word in ("--set", item)]  # fmt: skip
    words = ("--pairs", shift, "--seeds", "1", *sets, "--device", "cpu")
    require_valid("sweep", typed("sweep", "source-only", *words))


def test_profile_and_bench(walk):
    words = ("--size", "32", "--repeats", "1", "--warmup", "0", "--device", "cpu", "--no-train")
    require_valid("profile", typed("profile", "unet-small", *words))
    require_valid("bench", typed("bench", "unet-small", *words, "-o", "bench.json"))
    against = typed("bench", "unet-small", *words, "--against", "bench.json")
    require_valid("bench", against)
    assert against["against"]["ratios"]


def test_data(walk, pair):
    require_valid("data-list", typed("data", "list"))
    require_valid("data-info", typed("data", "info", "tnbc"))
    require_valid("data-verify", typed("data", "verify", pair[1]))
    require_valid("data-import", typed("data", "import", pair[1], "-o", "set.h5"))


def test_lists(walk):
    require_valid("methods-list", typed("methods", "list"))
    require_valid("methods-info", typed("methods", "info", "mani"))
    require_valid("methods-cite", typed("methods", "cite", "mani"))
    require_valid("plugins-list", typed("plugins", "list"))
    require_valid("plugins-cards", typed("plugins", "show", "histokit-mani"))
    require_valid("schema-list", typed("schema", "list"))
    require_valid("doctor", typed("doctor"))


def test_every_command_that_answers_in_json_has_a_schema():
    described = " ".join(schema.read(name)["title"] for name in schema.names())
    missing = []
    for verb, (module, _) in VERBS.items():
        command = load_command(module, verb)
        for name, one in getattr(command, "commands", {"": command}).items():
            words = " ".join(filter(None, ("histokit", verb, name)))
            answers = any("--json" in param.opts for param in one.params)
            if answers and words not in described:
                missing.append(words)
    assert missing == []
