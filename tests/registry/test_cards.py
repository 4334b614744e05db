from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fixtures.fakes import THIRD_PARTY, install, install_method
from histokit.errors import AmbiguousName, PluginError, UnknownName
from histokit.registry import (
    find_dataset,
    find_method,
    find_network,
    find_preset,
    list_datasets,
    list_methods,
    list_networks,
)

BROKEN = {
    "raises": ("raise ValueError('no\\nluck')", "ValueError: no luck"),
    "leaves": ("import sys\nsys.exit('bye')", "ends the program when imported"),
    "lacks": ("import a_module_that_is_nowhere", "No module named 'a_module_that_is_nowhere'"),
    "empty": ("x = 1", "has no attribute 'CARD'"),
    "wrong": ("CARD = {'name': 'wrong'}", "is a dict"),
    "syntax": ("CARD = (", "SyntaxError"),
}


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(THIRD_PARTY))


@pytest.mark.usefixtures("third")
def test_finds_cards_of_each_kind() -> None:
    assert find_method("dull").summary == "calls every dark pixel a nucleus"
    assert find_method("third-party:dull") is find_method("dull")
    assert find_dataset("pebbles").mpp == 0.25
    assert find_network("pinhole").name == "pinhole"
    listed = {e.typed: e.status for e in (*list_methods(), *list_datasets(), *list_networks())}
    assert listed["dull"] == listed["pebbles"] == listed["pinhole"] == "ok"


@pytest.mark.usefixtures("third")
def test_presets() -> None:
    assert find_preset(find_method("dull"), "wide").summary == "more channels"
    with pytest.raises(UnknownName, match="did you mean wide"):
        find_preset(find_method("dull"), "wild")


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_plugin_is_told_and_breaks_nobody(site: Path, name: str) -> None:
    body, reason = BROKEN[name]
    install_method(site, f"{name}-kit", name, body=body)
    install_method(site, "sound-kit", "sound")
    with pytest.raises(PluginError) as caught:
        find_method(name)
    assert reason in caught.value.found
    assert f"{name}-kit 1.0" in caught.value.what
    assert caught.value.exit_code == 4
    entries = {entry.typed: entry for entry in list_methods()}
    assert entries[name].status == "broken"
    assert reason in entries[name].reason
    assert entries["sound"].status == "ok"
    assert find_method("sound").summary == "from sound_kit"


def test_ctrl_c_while_a_plugin_is_imported_is_not_its_fault(site: Path) -> None:
    install_method(site, "slow-kit", "slow", body="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        find_method("slow")


def test_what_a_plugin_prints_at_import_is_no_result(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install_method(site, "loud-kit", "loud", body="print('hello')\nCARD = 1")
    assert {e.typed for e in list_methods() if e.status == "broken"} == {"loud"}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


@pytest.mark.parametrize(
    ("api", "mend"),
    [
        (">=2,<3", "pip install --upgrade histokit-core"),
        ("~=2.1", "pip install --upgrade histokit-core"),
        ("<1", "pip install --upgrade old-kit"),
        (">=0.5,<0.9", "pip install --upgrade old-kit"),
        ("one", "pip install --upgrade old-kit"),
    ],
)
def test_another_interface_version_says_what_to_upgrade(site: Path, api: str, mend: str) -> None:
    install_method(site, "old-kit", "old", api=api)
    with pytest.raises(PluginError) as caught:
        find_method("old")
    assert caught.value.hint == mend
    assert api in caught.value.found


def test_the_card_must_bear_the_name_of_its_entry_point(site: Path) -> None:
    install_method(site, "twin-kit", "twin")
    text = (site / "twin_kit.py").read_text().replace("'twin'", "'other'")
    (site / "twin_kit.py").write_text(text)
    with pytest.raises(PluginError, match="the entry point says 'twin', the card 'other'"):
        find_method("twin")


def test_two_distributions_with_one_name(site: Path) -> None:
    install_method(site, "left-kit", "both")
    install_method(site, "right-kit", "both")
    with pytest.raises(AmbiguousName) as caught:
        find_method("both")
    assert "left-kit 1.0 and right-kit 1.0" in caught.value.what
    assert caught.value.hint == "type left-kit:both or right-kit:both"
    assert find_method("right-kit:both").summary == "from right_kit"
    typed = {entry.typed: entry for entry in list_methods()}
    assert "right-kit offers it too" in typed["left-kit:both"].reason


def test_a_name_lost_in_malformed_metadata_is_broken_not_unknown(site: Path) -> None:
    file = install(site, "torn-kit", "[histokit.methods]\ntorn = not an object\n")
    with pytest.raises(PluginError) as caught:
        find_method("torn")
    assert str(file) in caught.value.found
    entries = {entry.typed: entry for entry in list_methods()}
    assert entries["torn"].status == "broken"


def test_unknown_names(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path[:1], str(THIRD_PARTY)])
    with pytest.raises(UnknownName, match=r"did you mean dull\?") as caught:
        find_method("dul")
    assert caught.value.exit_code == 2
    with pytest.raises(PluginError) as missing:
        find_method("syndiff-pl")
    assert missing.value.hint == "pip install histokit-syndiff-pl"
    assert missing.value.exit_code == 4
    with pytest.raises(UnknownName) as near:
        find_method("syndif-pl")
    assert near.value.hint == "did you mean syndiff-pl? pip install histokit-syndiff-pl"
