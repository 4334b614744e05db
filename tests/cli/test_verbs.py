"""`methods`, `plugins` and `data`, typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fixtures.fakes import install, install_method
from histokit.cli.app import app

pytestmark = pytest.mark.usefixtures("third")


def type_(*words: str, **env: str | None) -> Result:
    return CliRunner().invoke(
        app, list(words), prog_name="histokit", env={"HISTOKIT_DATA": None, **env}
    )


def parsed(result: Result) -> object:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def pebbles(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pebbles.txt").write_text(text)
    return folder


def test_methods_list(site: Path) -> None:
    install_method(site, "bad-kit", "bad", body="raise ValueError('no luck')")
    result = type_("methods", "list")
    line = next(line for line in result.stdout.splitlines() if line.startswith("dull"))
    for part in ("segmenter", "calls every dark pixel", "third-party 0.3.0", "ok"):
        assert part in line
    assert "broken: ValueError: no luck" in result.stdout
    rows = {row["name"]: row for row in parsed(type_("methods", "list", "--json"))}
    assert rows["dull"] == {
        "name": "dull",
        "roles": ["segmenter"],
        "summary": "calls every dark pixel a nucleus",
        "distribution": "third-party",
        "version": "0.3.0",
        "status": "ok",
        "reason": "",
    }
    assert rows["bad"]["status"] == "broken"


def test_methods_info() -> None:
    text = type_("methods", "info", "dull").stdout
    for part in ("reads while it trains: source", "third_party.method:Dull", "@misc{dull2024"):
        assert part in text
    assert "widths=16,32" in text
    assert "> 0" in text
    card = parsed(type_("methods", "info", "dull", "--json"))
    assert card["settings"][0] == {
        "name": "steps",
        "type": "integer",
        "default": "3",
        "bounds": ">= 0, <= 100",
        "help": "Steps of training.",
    }
    assert card["presets"]["wide"]["overrides"] == {"widths": [16, 32]}


def test_methods_cite(site: Path) -> None:
    install_method(site, "plain-kit", "plain")
    assert type_("methods", "cite", "dull").stdout == "@misc{dull2024, title = {Dull}}\n"
    assert parsed(type_("methods", "cite", "dull", "--json"))["bibtex"].startswith("@misc")
    plain = type_("methods", "cite", "plain")
    assert plain.exit_code == 0
    assert plain.stdout == ""
    assert "no paper" in plain.stderr


@pytest.mark.parametrize("verb", ["info", "cite"])
def test_an_unknown_method(verb: str) -> None:
    result = type_("methods", verb, "dulll")
    assert result.exit_code == 2
    assert "did you mean dull?" in result.stderr
    assert result.stdout == ""


def test_plugins_list(site: Path) -> None:
    install(site, "bad-one", "[histokit.methods]\nnonsense\n")
    result = type_("plugins", "list")
    assert result.exit_code == 0
    assert "third_party:PINHOLE" in result.stdout
    assert "bad-one" not in result.stdout
    assert "entry_points.txt, line 2, 'nonsense'" in result.stderr
    found = parsed(type_("plugins", "list", "--json"))
    assert {"dull", "pebbles", "pinhole", "unet"} <= {offer["name"] for offer in found["offers"]}
    assert [culprit["distribution"] for culprit in found["broken"]] == ["bad-one"]


def test_plugins_show(site: Path) -> None:
    rows = parsed(type_("plugins", "show", "Third_Party", "--json"))
    assert [(row["kind"], row["name"], row["status"]) for row in rows] == [
        ("method", "dull", "ok"),
        ("dataset", "pebbles", "ok"),
        ("network", "pinhole", "ok"),
    ]
    assert "a list of pebbles" in type_("plugins", "show", "third-party").stdout
    unknown = type_("plugins", "show", "third-prty")
    assert unknown.exit_code == 2
    assert "did you mean third-party?" in unknown.stderr


def test_data_list_and_info(tmp_path: Path) -> None:
    folder = pebbles(tmp_path / "Pebbles_v2", "")
    rows = parsed(type_("data", "list", "--json", "--data-root", str(tmp_path)))
    row = next(row for row in rows if row["name"] == "pebbles")
    assert (row["task"], row["mpp"], row["licence"]) == ("instances", 0.25, "CC0")
    assert row["found"] == str(folder)
    assert str(folder) in type_("data", "list", HISTOKIT_DATA=str(tmp_path)).stdout
    assert "Pebbles_v2" not in type_("data", "list").stdout
    text = type_("data", "info", "pebbles").stdout
    for part in ("pebbles.txt", "Pebble archive, record 7", "CC0", "@misc{pebbles", "the round"):
        assert part in text
    card = parsed(type_("data", "info", "pebbles", "--json"))
    assert card["classes"] == ["stone"]
    assert card["found"] is None
    assert type_("data", "info", "pebles").exit_code == 2


def test_data_verify_of_sound_data(tmp_path: Path) -> None:
    pebbles(tmp_path, "a whole\nb whole\n")
    result = type_("data", "verify", f"pebbles:{tmp_path}")
    assert result.exit_code == 0
    assert "2 images: 0 errors" in result.stderr
    assert parsed(type_("data", "verify", f"pebbles@round:{tmp_path}", "--json"))["findings"] == []


def test_data_verify_of_dusty_data_warns(tmp_path: Path) -> None:
    pebbles(tmp_path, "a whole\nb dusty\n")
    result = type_("data", "verify", "pebbles", "--data-root", str(tmp_path))
    assert result.exit_code == 0
    assert "is dusty" in result.stdout
    assert "1 warnings" in result.stderr


def test_data_verify_of_torn_data_ends_with_7(tmp_path: Path) -> None:
    pebbles(tmp_path, "a whole\nb torn\nc torn\n")
    result = type_("data", "verify", "pebbles", "--json", HISTOKIT_DATA=str(tmp_path))
    assert result.exit_code == 7
    findings = json.loads(result.stdout)["findings"]
    assert findings[0] == {"level": "error", "where": "b", "message": "is torn"}
    assert "has 2 errors" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["pebbles"], 3, "--data-root"),
        (["pebbles:/no/such/folder"], 3, "/no/such/folder"),
        (["pebles"], 2, "did you mean pebbles?"),
        (["pebbles@rond"], 2, "did you mean round?"),
        ([":x"], 2, "NAME[@VARIANT][:FOLDER]"),
    ],
)
def test_data_verify_of_nothing(words: list[str], code: int, told: str) -> None:
    result = type_("data", "verify", *words)
    assert result.exit_code == code
    assert told in result.stderr
    assert result.stdout == ""
