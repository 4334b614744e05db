"""`histokit plugins`: a gallery of broken plugins breaks nothing; the rest is switched and made."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fixtures.fakes import install, install_method
from typed import type_

BROKEN = {
    "raises": ("raise ValueError('no luck')", "ValueError: no luck"),
    "leaves": ("import sys\nsys.exit('bye')", "ends the program when imported"),
    "odd": ("class Odd(BaseException):\n    pass\nraise Odd('odd')", "Odd: odd"),
    "lacks": ("import a_module_that_is_nowhere", "No module named"),
    "empty": ("x = 1", "has no attribute 'CARD'"),
    "wrong": ("CARD = {'name': 'wrong'}", "is a dict"),
    "syntax": ("CARD = (", "SyntaxError"),
    "loud": ("print('[noise]')\nCARD = 1", "is a int"),
}
"""Bodies of modules that cannot be used, and what is told of each."""

MADE = """
from dataclasses import replace
from testing.broken_cards import DOTS, PIN, reader
DOTS, PIN = DOTS, PIN
MADE = replace(reader("Anywhere"), name="made", on_disk=False)
"""
"""A network, a data set on disk and one that is made."""


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    """Settings of nobody."""
    monkeypatch.setenv("HISTOKIT_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def gallery(site):
    """Everything that can be wrong with a plugin, installed at once, beside two sound ones."""
    for name, (body, _) in BROKEN.items():
        install_method(site, f"{name}-kit", name, body=body)
    install_method(site, "future-kit", "future", api=">=9")
    install_method(site, "first-kit", "double")
    install_method(site, "second-kit", "double")
    install(site, "nowhere-kit", "[histokit.methods]\nnowhere = a_module_of_nobody:CARD\n")
    install_method(site, "sound-kit", "sound")
    return site


COMMANDS = [
    ("plugins", "list"),
    ("plugins", "list", "--cards"),
    ("plugins", "show", "sound"),
    ("methods", "list"),
    ("methods", "info", "sound"),
    ("data", "list"),
    ("data", "info", "tnbc"),
    ("models", "list"),
    ("schema", "list"),
    ("train", "source-only", "--source", "synth-he", "--dry-run"),
    ("train", "--help"),
    ("train", "sound", "--help"),
    ("runs", "list"),
    ("--help",),
    ("doctor",),
]


@pytest.mark.usefixtures("gallery")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_broken_plugins_leave_every_other_command_working(words):
    done = type_(*words)
    assert done.exit_code == 0, done.output
    assert "Traceback" not in done.output
    assert "[noise]" not in done.stdout


@pytest.mark.usefixtures("gallery")
@pytest.mark.parametrize("words", COMMANDS[:-1], ids=" ".join)
def test_malformed_metadata_leaves_what_needs_no_torch_working(site, words):
    """Torch and Lightning Fabric themselves stumble over it; histokit's own scan does not."""
    install(site, "torn-kit", "[histokit.methods]\ntorn\n")
    done = type_(*words)
    assert done.exit_code == 0, done.output


@pytest.mark.usefixtures("gallery")
def test_each_broken_plugin_is_told_with_its_reason():
    rows = json.loads(type_("plugins", "list", "--cards", "--json").stdout)
    told = {row["name"]: row for row in rows if row["status"] == "broken"}
    assert set(told) >= {*BROKEN, "future", "nowhere"}
    for name, (_, reason) in BROKEN.items():
        assert reason in told[name]["reason"]
        assert type_("methods", "info", name).exit_code == 4
    future = type_("methods", "info", "future")
    assert "pip install --upgrade histokit-core" in future.stderr
    typed = {row["name"] for row in rows if row["status"] == "ok"}
    assert {"first-kit:double", "second-kit:double", "sound"} <= typed
    both = type_("methods", "info", "double")
    assert both.exit_code == 4
    assert "type first-kit:double or second-kit:double" in both.stderr


@pytest.mark.usefixtures("gallery")
def test_list_says_which_names_need_their_distribution():
    rows = json.loads(type_("plugins", "list", "--json").stdout)["offers"]
    states = {(row["name"], row["distribution"]): row["status"] for row in rows}
    assert states["double", "first-kit"] == "type first-kit:double"
    assert states["sound", "sound-kit"] == "installed"


def test_show_a_name(site):
    install_method(site, "sound-kit", "sound")
    (row,) = json.loads(type_("plugins", "show", "sound", "--json").stdout)
    assert (row["distribution"], row["version"], row["api"]) == ("sound-kit", "1.0", ">=1,<2")
    assert (row["licence"], row["status"]) == ("Apache-2.0", "ok")
    shown = type_("plugins", "show", "sound-kit").stdout
    assert ">=1,<2" in shown
    unknown = type_("plugins", "show", "soud")
    assert unknown.exit_code == 2
    assert "did you mean sound" in unknown.stderr


def test_disable_and_enable(site, config):
    install_method(site, "sound-kit", "sound")
    done = type_("plugins", "disable", "sound-kit")
    assert (done.exit_code, done.stdout) == (0, "disabled sound-kit:sound\n")
    assert str(config) in done.stderr
    assert type_("methods", "info", "sound").exit_code == 4
    assert "histokit plugins enable sound-kit:sound" in type_("train", "sound").stderr
    (row,) = json.loads(type_("plugins", "show", "sound", "--json").stdout)
    assert row["status"] == "disabled"
    assert "disabled" in type_("plugins", "list").stdout
    assert type_("doctor").exit_code == 0
    assert type_("plugins", "enable", "sound-kit:sound").stdout == "enabled sound-kit:sound\n"
    assert type_("methods", "info", "sound").exit_code == 0
    assert type_("plugins", "enable", "sound").exit_code == 2


def test_one_name_of_a_distribution(site):
    install_method(site, "sound-kit", "sound")
    type_("plugins", "disable", "unet-small")
    shown = json.loads(type_("plugins", "show", "histokit-core", "--json").stdout)
    assert [row["name"] for row in shown if row["status"] == "disabled"] == ["unet-small"]
    assert type_("plugins", "enable", "unet-small").exit_code == 0


def test_what_cannot_be_switched():
    core = type_("plugins", "disable", "histokit-core")
    assert core.exit_code == 2
    assert "histokit itself" in core.stderr
    assert type_("plugins", "disable", "nobody").exit_code == 2


def test_verify_runs_the_checks_of_all_that_a_plugin_offers(site):
    (site / "gallery_pin.py").write_text(MADE)
    points = {
        "networks": "pin = gallery_pin:PIN",
        "datasets": "dots = gallery_pin:DOTS\nmade = gallery_pin:MADE",
    }
    install_method(site, "raises-kit", "raises", body="raise ValueError('no luck')")
    install(site, "pin-kit", "".join(f"[histokit.{k}]\n{v}\n" for k, v in points.items()))
    done = type_("plugins", "verify", "pin-kit", "--json")
    assert done.exit_code == 0, done.output
    assert {row["of"] for row in json.loads(done.stdout)} == {"made", "pin"}
    broken = type_("plugins", "verify", "raises")
    assert broken.exit_code == 4
    assert "no luck" in broken.stderr
    assert type_("plugins", "verify", "nobody").exit_code == 2


def test_new(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = type_("plugins", "new", "my-new", "--kind", "adapter")
    assert done.exit_code == 0, done.output
    assert "my-new/histokit_my_new/method.py" in done.stdout.splitlines()
    assert "pip install -e my-new" in done.stderr
    again = type_("plugins", "new", "my-new", "--kind", "adapter")
    assert again.exit_code == 2
    assert "nothing is overwritten" in again.stderr
    assert type_("plugins", "new", "My", "--kind", "adapter").exit_code == 2
    assert type_("plugins", "new", "my-other").exit_code == 2


def test_install_asks_the_pip_of_this_python(site, monkeypatch):
    asked = []

    def pip(words, **more):
        asked.append(words)
        if "good" in words:
            install_method(site, "good-kit", "good")
        return subprocess.CompletedProcess(words, 0 if "good" in words else 1)

    monkeypatch.setattr(subprocess, "run", pip)
    done = type_("plugins", "install", "good")
    assert asked == [[sys.executable, "-m", "pip", "install", "good"]]
    assert (done.exit_code, done.stdout) == (0, "method good  good-kit 1.0\n")
    bad = type_("plugins", "install", "bad", "--upgrade")
    assert asked[1][3:] == ["install", "--upgrade", "bad"]
    assert bad.exit_code == 4
    assert "pip did not install bad" in bad.stderr
