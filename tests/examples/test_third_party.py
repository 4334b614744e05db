"""A stranger's package: installed by pip into an environment of its own, used, and taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PACKAGE = "histokit-example-classics"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "third-party" / PACKAGE
COMPLETE = {
    "_HISTOKIT_COMPLETE": "complete_bash",
    "COMP_WORDS": "histokit train distance-",
    "COMP_CWORD": "2",
}
"""What a shell asks after ``histokit train distance-`` and the tab key."""
SMALL = ("--tile", "32", "--batch", "2", "--device", "cpu", "--threads", "1")


@pytest.fixture
def environment(tmp_path):
    """Runs `python …` of a fresh environment that sees the packages of this one."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    site = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    here = sysconfig.get_paths()["purelib"]
    (site / "outer.pth").write_text(f"import site; site.addsitedir({here!r})\n")

    def run(*words: str, code: int = 0, **more: str) -> str:
        done = subprocess.run(
            [str(python), "-m", *map(str, words)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "NO_COLOR": "1", "OMP_NUM_THREADS": "1", **more},
            check=False,
        )
        assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    run("pip", "uninstall", "-q", "-y", "setuptools")  # the one that venv brings is too old
    run.site = site
    return run


@pytest.mark.slow
def test_it_comes_works_and_goes(environment, pair, tmp_path):
    python = environment
    before = {path.name for path in python.site.iterdir()}
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(EXAMPLE), str(copy)], check=True)
    python("pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", copy)

    offers = json.loads(python("histokit", "plugins", "list", "--json"))["offers"]
    ours = {o["name"]: o["version"] for o in offers if o["distribution"] == PACKAGE}
    assert ours == {"colour-transfer": "0.1.0", "distance-map": "0.1.0"}
    assert python("histokit", **COMPLETE).split() == ["distance-map"]

    images = Path(pair[1].partition(":")[2]) / "images"
    python("histokit", "train", "distance-map", *pair[:2], *pair[4:], "--steps", "150", *SMALL)
    scored = json.loads(
        python("histokit", "eval", "distance-map", "--target", pair[1], "--device", "cpu", "--json")
    )
    dice = next(m for m in scored["metrics"] if m["metric"] == "dice")
    assert dice["mean"] > 0.3
    python("histokit", "predict", "distance-map", images, "-o", "out", "--device", "cpu")
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 8
    python("histokit", "train", "colour-transfer", *pair, "--steps", "4", *SMALL)
    python("histokit", "translate", "colour-transfer", images, "-o", "made", "--device", "cpu")
    assert len([path for path in (tmp_path / "made").rglob("*.png")]) >= 8

    python("pip", "uninstall", "-q", "-y", PACKAGE)
    assert {path.name for path in python.site.iterdir()} == before
    python("histokit", "methods", "info", "distance-map", code=2)
    assert python("histokit", **COMPLETE).split() == []
    left = json.loads(python("histokit", "plugins", "list", "--json"))["offers"]
    assert not [o for o in left if o["distribution"] == PACKAGE]
