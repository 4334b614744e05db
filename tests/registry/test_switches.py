from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fixtures.fakes import install_method
from histokit.errors import DataError, PluginError
from histokit.registry import find_method, list_methods, scan
from histokit.registry.switches import (
    FILE,
    settings_folder,
    switch_off,
    switch_on,
    switched_off,
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config"
    monkeypatch.setenv("HISTOKIT_CONFIG", str(folder))
    return folder


def test_where_settings_are_kept() -> None:
    home = Path.home()
    assert settings_folder({}, "linux") == home / ".config" / "histokit"
    assert settings_folder({"XDG_CONFIG_HOME": "/x"}, "linux") == Path("/x/histokit")
    assert settings_folder({"APPDATA": "/a"}, "win32") == Path("/a/histokit")
    assert settings_folder({}, "darwin").parent.name == "Application Support"
    assert settings_folder({"HISTOKIT_CONFIG": "/c"}, "win32") == Path("/c")


def test_what_is_switched_off_stays_off_until_it_is_switched_on(config: Path) -> None:
    assert switched_off() == set()
    assert switch_off(["b", "a:x"]) == config / FILE
    switch_off(["c"])
    assert switched_off() == {"a:x", "b", "c"}
    switch_on(["b", "never"])
    assert switched_off() == {"a:x", "c"}
    assert [path.name for path in config.iterdir()] == [FILE]


@pytest.mark.parametrize("text", ["{", "[]", '{"disabled": 3}', '{"disabled": [3]}', "{}"])
def test_a_damaged_file_is_told(config: Path, text: str) -> None:
    config.mkdir()
    (config / FILE).write_text(text)
    with pytest.raises(DataError) as caught:
        switched_off()
    assert str(config / FILE) in caught.value.what
    assert "remove the file" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_told(config: Path) -> None:
    config.write_text("a file")
    with pytest.raises(DataError, match=r"cannot be (read|written)"):
        switch_off(["a"])


def test_a_full_disk_leaves_what_was_there_and_no_half(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(["a"])

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("histokit.registry.switches.os.fsync", full)
    with pytest.raises(DataError, match=r"cannot be written"):
        switch_off(["b"])
    assert switched_off() == {"a"}
    assert [path.name for path in config.iterdir()] == [FILE]


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("word", ["loud-kit", "loud-kit:loud"])
def test_a_disabled_plugin_is_not_imported_and_says_so(site: Path, word: str) -> None:
    install_method(site, "loud-kit", "loud", body="raise AssertionError('imported')")
    install_method(site, "sound-kit", "sound")
    switch_off([word])
    with pytest.raises(PluginError) as caught:
        find_method("loud")
    assert caught.value.what == "method 'loud' of loud-kit 1.0 is disabled"
    assert caught.value.hint == "histokit plugins enable loud-kit:loud"
    assert "loud" not in {entry.typed for entry in list_methods()}
    assert find_method("sound").summary == "from sound_kit"
    assert [offer.name for offer in scan().disabled] == ["loud"]
    switch_on([word])
    assert {e.typed for e in list_methods() if e.status == "broken"} == {"loud"}


@pytest.mark.usefixtures("config")
def test_switching_off_one_of_two_of_a_name_settles_which_is_meant(site: Path) -> None:
    install_method(site, "left-kit", "both")
    install_method(site, "right-kit", "both")
    switch_off(["left-kit"])
    assert find_method("both").summary == "from right_kit"
