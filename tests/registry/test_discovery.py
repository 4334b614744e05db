from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path

import pytest

from fixtures.fakes import THIRD_PARTY, install
from histokit.registry.discovery import DATASETS, METHODS, Offer, normalise, scan

GOOD = "[histokit.methods]\ngood = good_module:CARD\n"


def test_finds_every_group_without_importing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "third_party", raising=False)
    found = scan([str(THIRD_PARTY)])
    assert found.broken == ()
    assert [(o.group, o.name, o.object) for o in found.offers] == [
        ("histokit.datasets", "pebbles", "third_party:PEBBLES"),
        ("histokit.methods", "dull", "third_party:DULL"),
        ("histokit.networks", "pinhole", "third_party:PINHOLE"),
    ]
    assert {(o.distribution, o.version) for o in found.offers} == {("third-party", "0.3.0")}
    assert "third_party" not in sys.modules


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[console_scripts]\nno equals sign\n", "line 2, 'no equals sign'"),
        ("stray = a:b\n", "before any [group]"),
        ("[histokit.methods]\nodd = not an object\n", "`name = module:object`"),
        ("[histokit.methods]\nodd = %(x)s:CARD\n", "`name = module:object`"),
        ("[histokit.methods]\nodd = module_only\n", "`name = module:object`"),
        ("[histokit.methods]\nodd = a:B\nodd = c:D\n", "stands twice"),
        (b"[histokit.methods]\nodd = \xff\xfe:B\n", "cannot be read"),
    ],
)
def test_one_culprit_costs_only_itself(tmp_path: Path, text: str | bytes, reason: str) -> None:
    file = install(tmp_path, "bad-one", text)
    install(tmp_path, "good-one", GOOD, version="2.5")
    found = scan([str(tmp_path)])
    assert found.offers == (Offer(METHODS, "good", "good_module:CARD", "good-one", "2.5"),)
    (broken,) = found.broken
    assert broken.distribution == "bad-one"
    assert Path(broken.path) == file
    assert reason in broken.reason


def test_percent_in_a_foreign_group_is_nobodys_business(tmp_path: Path) -> None:
    install(tmp_path, "foreign", "[other.group]\nx = a:b%c\n")
    install(tmp_path, "good-one", GOOD)
    found = scan([str(tmp_path)])
    assert [o.name for o in found.offers] == ["good"]
    assert found.broken == ()


def test_sound_lines_of_a_malformed_file_are_kept(tmp_path: Path) -> None:
    install(tmp_path, "mixed", "[histokit.methods]\nok = m:CARD [extra]\nnonsense\n# note\n")
    found = scan([str(tmp_path)])
    assert [(o.name, o.object) for o in found.offers] == [("ok", "m:CARD")]
    assert len(found.broken) == 1


def test_the_first_on_the_path_shadows_its_other_versions(tmp_path: Path) -> None:
    for folder, version in (("one", "1.0"), ("two", "2.0")):
        install(tmp_path / folder, "same", "[histokit.methods]\nm = a:B\n", version=version)
    paths = [str(tmp_path / "one"), str(tmp_path / "two")]
    assert [o.version for o in scan(paths).offers] == ["1.0"]
    install(tmp_path / "three", "bad-one", "nonsense\n")
    patient = scan([*paths, str(tmp_path / "three")])
    assert [o.version for o in patient.offers] == ["1.0"]
    assert len(patient.broken) == 1


def test_quick_and_patient_scans_agree(tmp_path: Path) -> None:
    install(tmp_path, "bad-one", "nonsense\n")
    quick, patient = scan([str(THIRD_PARTY)]), scan([str(THIRD_PARTY), str(tmp_path)])
    assert quick.offers == patient.offers
    assert not quick.broken
    assert patient.broken


def test_named_picks_by_distribution(tmp_path: Path) -> None:
    for owner in ("left-kit", "right-kit"):
        install(tmp_path, owner, f"[histokit.methods]\nboth = {owner[:4]}:CARD\n")
    found = scan([str(tmp_path)])
    assert len(found.named(METHODS, "both")) == 2
    assert [o.object for o in found.named(METHODS, "Left_Kit:both")] == ["left:CARD"]
    assert found.named(DATASETS, "both") == []


def test_a_torn_archive_on_the_path_hides_nobody(tmp_path: Path) -> None:
    install(tmp_path, "good-one", GOOD)
    archive = tmp_path / "torn.zip"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 10, 0, 0)
    archive.write_bytes(bytes(10) + end)
    assert zipfile.is_zipfile(archive)
    assert [o.name for o in scan([str(archive), str(tmp_path)]).offers] == ["good"]


@pytest.mark.parametrize("name", ["Histokit_Syndiff.PL", "histokit-syndiff-pl"])
def test_normalise(name: str) -> None:
    assert normalise(name) == "histokit-syndiff-pl"
