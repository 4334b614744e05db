"""Models are listed with their licence, handed on whole, and refused where anything is wrong."""

from __future__ import annotations

import errno
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from histokit.cli.app import app
from histokit.errors import DataError, UsageError, VerificationFailed
from histokit.io import bundles
from histokit.io.bundles import MODEL, PAGE, WEIGHTS, read_bundle, write_bundle
from histokit.io.checkpoints import load_weights, save_weights
from histokit.io.runs import RunFolder
from histokit.run.exchange import export_model, import_model, list_models
from histokit.run.origin import origin_of
from schemas import require_valid
from toys import plan, trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on made-up tissue."""
    values = {"method_values": {"steps": 1, "tile": 48}, "selection": "last"}
    data = ("", "synth-he@breast", "", "synth-he@kidney")
    return RunFolder(trained(plan("source-only", data, tmp_path_factory.mktemp("x"), **values))[0])


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    return export_model(
        str(run.path), tmp_path_factory.mktemp("bundle") / "good.zip", runs=Path("runs")
    )


def parts(bundle):
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, members, compression=zipfile.ZIP_STORED):
    """An archive of (name, bytes)."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def changed(run, path, change):
    """A bundle of the run's weights under a card that `change` has changed."""
    weights, card = load_weights(run.best)
    change(card)
    file = path.with_suffix(".safetensors")
    save_weights(file, weights, {key: value for key, value in card.items() if key != "format"})
    write_bundle(path, file, load_weights(file)[1], "page")
    return path


def refused(bundle, models, match, error=DataError):
    """Fails unless a bundle is refused and leaves nothing behind."""
    with pytest.raises(error, match=match):
        import_model(bundle, models)
    assert list(models.rglob("*")) == []


@pytest.mark.parametrize("name", ["model.zip", "model"])
def test_a_model_arrives_as_it_was_sent(run, tmp_path, name):
    bundle = export_model(str(run.path), tmp_path / name, runs=Path("runs"))
    path = import_model(bundle, tmp_path / "models")
    assert path == tmp_path / "models" / "model.safetensors"
    assert path.read_bytes() == run.best.read_bytes()
    assert path.with_suffix(".md").read_text() == (run.path / "card.md").read_text()
    assert sorted(p.name for p in path.parent.iterdir()) == ["model.md", path.name]


def test_the_same_model_gives_the_same_bytes(run, bundle, tmp_path):
    again = export_model(str(run.path), tmp_path / "b.zip", runs=Path("runs"))
    assert again.read_bytes() == bundle.read_bytes()


def test_a_bundle_says_where_it_comes_from(run, bundle, tmp_path):
    assert origin_of(bundle).embedded["run"] == run.id
    (tmp_path / "other.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="cannot read"):
        origin_of(tmp_path / "other.zip")


def test_a_bare_weights_file_and_another_name(run, tmp_path):
    path = import_model(run.best, tmp_path, name="mine")
    assert path.read_bytes() == run.best.read_bytes()
    assert "# source-only" in (tmp_path / "mine.md").read_text()
    with pytest.raises(DataError, match="is there already"):
        import_model(run.best, tmp_path, name="mine")
    with pytest.raises(DataError, match="refused to use the name"):
        import_model(run.best, tmp_path / "models", name="../out")


@pytest.mark.parametrize("bare", [False, True])
def test_a_model_has_its_name_only_once_it_is_on_the_disk(run, bundle, tmp_path, monkeypatch, bare):
    synced, named = [], {}
    sync, rename = os.fsync, os.replace

    def fsync(handle):
        synced.append(os.fstat(handle).st_ino)
        sync(handle)

    def replace(source, target):
        named[Path(target)] = list(synced)
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        patched.setattr(os, "replace", replace)
        path = import_model(run.best if bare else bundle, tmp_path)
    assert path.stat().st_ino in named[path]


def test_an_import_onto_a_full_disk_is_told_and_leaves_nothing(run, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("histokit.run.exchange.shutil.copyfile", full)
    refused(run.best, tmp_path / "models", "cannot write")


def test_what_cannot_be_exported(run, bundle, tmp_path):
    with pytest.raises(UsageError, match="has no weights"):
        export_model("otsu-hed", tmp_path / "x.zip", runs=tmp_path)
    with pytest.raises(DataError, match="is there already"):
        export_model(str(run.path), bundle, runs=tmp_path)
    with pytest.raises(DataError, match="there is no"):
        import_model(tmp_path / "nothing.zip", tmp_path)


def test_anything_else_in_an_archive(bundle, tmp_path):
    good, models = list(parts(bundle).items()), tmp_path / "models"
    for name in ("../evil.txt", "/evil.txt", "sub/weights.safetensors"):
        refused(packed(tmp_path / "a.zip", [*good, (name, b"x")]), models, "no bundle")
        refused(packed(tmp_path / "a.zip", [*good[1:], (name, b"x")]), models, "no bundle")
    with pytest.warns(UserWarning, match="Duplicate"):
        doubled = packed(tmp_path / "a.zip", [*good, good[0]])
    refused(doubled, models, "no bundle")
    assert not (tmp_path / "evil.txt").exists()


def test_a_link_in_an_archive(bundle, tmp_path):
    (tmp_path / "secret").write_text("{}")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, data in parts(bundle).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name == PAGE else 0o100644) << 16
            archive.writestr(info, data)
    refused(tmp_path / "a.zip", tmp_path / "models", "no bundle")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 torn", b"no archive"])
def test_a_damaged_archive(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    refused(tmp_path / "a.zip", tmp_path / "models", "cannot read")


class Attack:
    """What a pickle may be: a command to be run when it is read."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (self.marker, "w"))


@pytest.mark.parametrize("name", ["a.safetensors", "a.zip"])
def test_a_pickle_is_never_read(tmp_path, name):
    marker = str(tmp_path / "ran")
    raw = pickle.dumps(Attack(marker))
    torch.save({"w": Attack(marker)}, tmp_path / "state")
    for data in (raw, (tmp_path / "state").read_bytes()):
        path = tmp_path / name
        if name.endswith(".zip"):
            about = {"format": 1, "size": len(data), "sha256": sha256(data), "card": {}}
            packed(path, [(WEIGHTS, data), (MODEL, json.dumps(about)), (PAGE, "")])
        else:
            path.write_bytes(data)
        refused(path, tmp_path / "models", "cannot be read as weights")
    assert not Path(marker).exists()


def sha256(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()


def headed(header, body=b"", size=None):
    """A safetensors file with this header, of `size` bytes as it says."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + body


def tensor(shape, start, stop, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    "data",
    [
        headed({}, size=2**63),
        headed({}, size=10**6),
        headed({"w": tensor([4], 0, 16)}, bytes(8)),
        headed({"w": tensor([4], 0, 8)}, bytes(8)),
        headed({"w": tensor([10**6, 10**6], 0, 8)}, bytes(8)),
        headed({"w": tensor([2], -8, 0)}, bytes(8)),
        headed({"v": tensor([2], 0, 8), "w": tensor([2], 4, 12)}, bytes(12)),
        headed({"w": tensor([2], 0, 8, "PICKLE")}, bytes(8)),
        headed({"__metadata__": {"histokit": "[" * 10**5}}),
        headed({"__metadata__": {"histokit": '{"format": 2}'}}),
    ],
)
def test_a_header_that_lies(tmp_path, data):
    (tmp_path / "a.safetensors").write_bytes(data)
    refused(tmp_path / "a.safetensors", tmp_path / "models", "weights")


def test_weights_that_were_exchanged(bundle, tmp_path):
    members = parts(bundle)
    turned = bytearray(members[WEIGHTS])
    turned[-1] ^= 1
    packed(tmp_path / "a.zip", {**members, WEIGHTS: bytes(turned)}.items())
    refused(tmp_path / "a.zip", tmp_path / "models", "not those that its model.json tells of")
    about = json.loads(members[MODEL])
    about["card"]["data_licences"] = {"everything": "CC0"}
    packed(tmp_path / "a.zip", {**members, MODEL: json.dumps(about)}.items())
    refused(tmp_path / "a.zip", tmp_path / "models", "says two things")
    packed(tmp_path / "a.zip", {**members, MODEL: '{"format": 2}'}.items())
    refused(tmp_path / "a.zip", tmp_path / "models", "not a model of this version")


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.update(run="../../home"),
        lambda card: card.update(preset="..\\x"),
        lambda card: card.update(method="../mani"),
        lambda card: card["settings"].update(network="../../net.safetensors"),
        lambda card: card["settings"].update(network="/etc/passwd"),
        lambda card: card["settings"].update(network="C:\\weights"),
        lambda card: card["settings"].update(deep={"list": ["a/../../b"]}),
    ],
)
def test_a_card_that_leads_elsewhere(run, tmp_path, change):
    bundle = changed(run, tmp_path / "a.zip", change)
    refused(bundle, tmp_path / "models", "leads out of its folder")


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.pop("probe"),
        lambda card: card.update(method=["mani"]),
        lambda card: card.update(settings="x"),
        lambda card: card.update(mpp="0.25"),
    ],
)
def test_a_damaged_card(run, tmp_path, change):
    refused(changed(run, tmp_path / "a.zip", change), tmp_path / "models", "damaged")


def test_a_method_that_is_not_here(run, tmp_path):
    bundle = changed(run, tmp_path / "a.zip", lambda card: card.update(method="nobodys"))
    refused(bundle, tmp_path / "models", "no method is called 'nobodys'", UsageError)


def test_another_behaviour_is_exit_code_7(run, tmp_path, monkeypatch):
    def change(card):
        card["probe"] = {**card["probe"], "mean": card["probe"]["mean"] + 1.0}

    bundle = changed(run, tmp_path / "a.zip", change)
    refused(bundle, tmp_path / "models", "does not behave", VerificationFailed)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["models", "import", "a.zip"]).exit_code == 7


def test_too_large(bundle, tmp_path, monkeypatch):
    members = parts(bundle)
    bomb = {**members, PAGE: bytes(bundles.LARGEST[PAGE] + 1)}
    path = packed(tmp_path / "a.zip", bomb.items(), zipfile.ZIP_DEFLATED)
    refused(path, tmp_path / "models", "card.md of .* is too large")
    size = len(members[WEIGHTS])
    monkeypatch.setattr(bundles, "LARGEST", {**bundles.LARGEST, WEIGHTS: size})
    read_bundle(bundle, tmp_path / "w")
    monkeypatch.setattr(bundles, "LARGEST", {**bundles.LARGEST, WEIGHTS: size - 1})
    refused(bundle, tmp_path / "models", "weights.safetensors of .* is too large")


def test_the_list(run, tmp_path):
    models = tmp_path / "models"
    import_model(run.best, models, name="b")
    (models / "a.safetensors").write_bytes(b"torn")
    found = {model.model: model for model in list_models(run.path.parent, models)}
    ours = found[str(run.path)]
    assert (ours.method, ours.target, ours.mpp, ours.commercial) == (
        "source-only", "synth-he@breast", 0.25, "yes",
    )  # fmt: skip
    assert ours.settings == RunFolder(run.path).settings()["digest"][:8]
    assert found[str(models / "b.safetensors")].licence == "made by histokit, CC0"
    assert "cannot be read" in found[str(models / "a.safetensors")].problem
    assert found["mani:nuclei-he"].commercial == "yes"
    assert "not here" in found["mdcl:he2ihc"].problem


def test_the_commands(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def typed(*words):
        done = CliRunner().invoke(app, ["models", *words], prog_name="histokit")
        assert done.exit_code == 0, done.output
        return done.stdout

    sent = json.loads(typed("export", str(run.path), "--json"))
    require_valid("models-out", sent)
    assert sent["out"].startswith("source-only-")
    require_valid("models-out", json.loads(typed("import", sent["out"], "--json")))
    listed = json.loads(typed("list", "--json"))
    require_valid("models-list", listed)
    assert f"models/{Path(sent['out']).stem}.safetensors" in {row["model"] for row in listed}
    assert "mdcl:he2ihc" not in typed("list", "--commercial")
    assert "commercial" in typed("list").splitlines()[0]
