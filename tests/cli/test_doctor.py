from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.fakes import install, install_method
from histokit.cli import doctor
from histokit.cli.app import app


def typed(*words: str) -> Any:
    return CliRunner().invoke(app, ["doctor", *words], prog_name="histokit")


def checks() -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.examine()}


def test_tells_python_torch_and_every_dependency() -> None:
    result = typed("--json")
    assert result.exit_code == 0, result.output
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    for name in ("histokit", "python", "platform", "processor", "torch", "CUDA", "typer"):
        assert any(key.startswith(name) for key in rows), name
    assert rows["pydantic"]["found"] == metadata.version("pydantic")
    assert "pytest" not in rows
    assert "HISTOKIT_DATA" in typed().stdout


def test_a_machine_without_cuda_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    none = SimpleNamespace(is_available=lambda: False)
    for built, told in ((None, "torch built without CUDA"), ("13.0", "built for CUDA 13.0")):
        torch = SimpleNamespace(cuda=none, version=SimpleNamespace(cuda=built))
        (check,) = doctor._cards(torch)
        assert (check.status, told in check.found) == ("note", True)


def test_cards_are_told_with_memory_and_bf16() -> None:
    cuda = SimpleNamespace(
        is_available=lambda: True,
        is_bf16_supported=lambda: True,
        device_count=lambda: 1,
        get_device_properties=lambda index: SimpleNamespace(name="Card 9", total_memory=80 * 2**30),
    )
    (check,) = doctor._cards(SimpleNamespace(cuda=cuda, version=SimpleNamespace(cuda="13.0")))
    assert check.found == "Card 9, 80 GiB, bf16"


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "pip install torch"),
        (OSError("libcudart.so: cannot open"), "pip install --force-reinstall torch"),
        (RuntimeError("torch._C is not\nthere"), "pip install --force-reinstall torch"),
    ],
    ids=["absent", "no library", "half"],
)
def test_a_torch_that_does_not_import_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, error: Exception, hint: str
) -> None:
    def refuse(name: str) -> Any:
        raise error

    monkeypatch.setattr(doctor, "import_module", refuse)
    result = typed()
    assert result.exit_code == 7
    assert hint in result.stderr
    assert " ".join(str(error).split()) in result.stdout


def test_what_is_left_of_a_torch_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "import_module", lambda name: SimpleNamespace())
    (check,) = doctor._torch()
    assert (check.status, "__version__" in check.found) == ("problem", True)


@pytest.mark.parametrize("error", [RuntimeError("driver too old"), AttributeError("_cuda_init")])
def test_a_driver_that_raises_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse() -> bool:
        raise error

    torch = SimpleNamespace(
        __version__="2", get_num_threads=lambda: 1, cuda=SimpleNamespace(is_available=refuse)
    )
    monkeypatch.setattr(doctor, "import_module", lambda name: torch)
    assert checks()["CUDA"].status == "warning"


def test_dependencies_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy>=9999", "a-package-that-is-nowhere>=1", "pytest>=9999; extra == 'dev'"]
    monkeypatch.setattr(doctor.installed, "requires", lambda name: wanted)
    found = {check.name: check for check in doctor._dependencies()}
    assert set(found) == {"numpy", "a-package-that-is-nowhere"}
    assert found["numpy"].hint == "pip install 'numpy>=9999'"
    assert {check.status for check in found.values()} == {"problem"}


def test_broken_plugins_and_metadata_are_warnings(site: Path) -> None:
    install_method(site, "bad-kit", "bad", body="raise ValueError('no luck')")
    install(site, "bad-one", "nonsense\n")
    found = checks()
    assert found["bad (methods)"].status == "warning"
    assert "no luck" in found["bad (methods)"].found
    assert found["metadata of bad-one"].status == "warning"


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HISTOKIT_DATA", raising=False)
    assert doctor._data().status == "note"
    for path, status in ((tmp_path, "ok"), (tmp_path / "gone", "warning")):
        monkeypatch.setenv("HISTOKIT_DATA", str(path))
        assert doctor._data().status == status
