"""Translating whole images: any size, statistics of the image, and every bad input told."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from fixtures.fakes import install
from histokit.cli.app import app
from histokit.errors import ContractError, DataError, DeviceError, UsageError
from histokit.interfaces import Sizes
from histokit.io.files import read_json
from histokit.io.images import read_image
from histokit.io.pictures import read_provenance
from histokit.run.infer import Windows
from histokit.run.items import find_items
from histokit.run.norms import InstanceNorms, sample_patches
from histokit.run.seams import seam_index
from histokit.run.translate import sort_words
from histokit.run.translate_image import translate_image
from histokit.tiling.grid import grid
from toys import ToyTranslator, cpu, image


def translated(answer, picture, windows, norms=None, **more):
    return translate_image(ToyTranslator(answer, **more), picture, cpu(), windows, norms)


def drifting(height, width):
    """Noise that gets darker from left to right, uint8 [H W 3]."""
    ramp = np.linspace(220, 40, width)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return (ramp + noise).clip(0, 255).astype(np.uint8)


class Normed(nn.Module):
    """1x1 convolution and instance norm, brought into 0..1; pixel by pixel but for the norm."""

    def __init__(self, layers=1):
        super().__init__()
        torch.manual_seed(0)
        pairs = [(nn.Conv2d(3, 3, 1), nn.InstanceNorm2d(3)) for _ in range(layers)]
        self.body = nn.Sequential(*(part for pair in pairs for part in pair))

    def forward(self, images):
        return self.body(images).mul(0.2).add(0.5).clamp(0, 1)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 65), (64, 64), (100, 131)])
@pytest.mark.parametrize("sizes", [Sizes(), Sizes(16, 16), Sizes(32, 16, shrink=8)])
def test_the_identity_gives_any_image_back(size, sizes):
    def answer(images):
        assert sizes.allows(images.shape[2])
        edge = sizes.shrink // 2
        return images[..., edge : images.shape[2] - edge, edge : images.shape[3] - edge]

    picture = image(*size)
    done = translated(answer, picture, Windows(48, 12, 2), sizes=sizes)
    assert np.array_equal(done.image, picture)


def test_samples_are_rounded():
    done = translated(lambda x: torch.full_like(x, 0.999), image(8, 8), Windows())
    assert (done.image == 255).all()


@pytest.mark.parametrize("layers", [1, 4])
def test_statistics_of_the_image_are_those_of_the_whole(layers):
    picture, network = drifting(64, 256), Normed(layers)
    cut = Windows(64, 0, 4)  # the four patches that statistics are measured on are all there is
    with torch.inference_mode():
        whole = network(torch.from_numpy(picture / 255).float().movedim(2, 0)[None])[0]
    expected = np.rint(whole.movedim(0, 2).numpy() * 255)
    by_image = translated(network, picture, cut, InstanceNorms({"g": network}))
    assert np.abs(by_image.image - expected).max() <= 1
    by_tile = translated(network, picture, cut)
    assert np.abs(by_tile.image - expected).mean() > 20
    assert by_tile.seam > 3
    assert by_image.seam < 1.5


def test_a_part_of_the_image_stands_for_it_where_memory_is_short():
    picture = np.concatenate([drifting(64, 256), drifting(64, 256)[:, ::-1]])
    patches = sample_patches(picture, 3, 64, Sizes())
    assert patches.shape == (3, 64, 64, 3)
    windows = {
        picture[y : y + 64, x : x + 64].tobytes() for y in (0, 64) for x in range(0, 256, 64)
    }
    assert len({patch.tobytes() for patch in patches} & windows) == 3
    assert np.array_equal(patches, sample_patches(picture, 3, 64, Sizes()))
    assert len(sample_patches(picture, 99, 64, Sizes())) == 8
    assert sample_patches(picture, 1, 16, Sizes(multiple_of=12)).shape[1:3] == (24, 24)


def test_a_layer_that_is_called_twice_has_statistics_for_each_call():
    network = Normed()
    picture, cut = drifting(64, 256), Windows(64, 0, 4)

    def twice(images):
        return network(network(images) * 2 - 1)

    done = translated(twice, picture, cut, InstanceNorms({"g": network}))
    assert np.allclose(done.image.mean((0, 1)) / 255, 0.5, atol=0.02)
    assert np.allclose(done.image.std((0, 1)) / 255, 0.2, atol=0.02)


def test_affine_weights_and_running_statistics_are_kept():
    norm = nn.InstanceNorm2d(3, affine=True)
    nn.init.constant_(norm.weight, 0.1)
    nn.init.constant_(norm.bias, 0.6)
    done = translated(norm, drifting(32, 128), Windows(32, 0, 4), InstanceNorms({"g": norm}))
    assert np.allclose(done.image.mean((0, 1)), 0.6 * 255, atol=1)
    assert np.allclose(done.image.std((0, 1)), 0.1 * 255, atol=1)
    kept = InstanceNorms({"g": nn.InstanceNorm2d(3, track_running_stats=True)})
    assert len(kept) == 0


def test_hooks_are_taken_off_again():
    network = Normed()
    translated(network, drifting(32, 96), Windows(32, 0), InstanceNorms({"g": network}))
    norm = network.body[1]
    assert not norm._forward_hooks


def test_another_path_in_the_second_pass_is_told():
    network, calls = Normed(), []

    def changing(images):
        calls.append(1)
        return network(network(images)) if len(calls) > 1 else network(images)

    with pytest.raises(ContractError, match="--norm tile"):
        translated(changing, drifting(32, 64), Windows(32, 0), InstanceNorms({"g": network}))


def test_the_seam_index_sees_a_step_at_a_border_and_not_elsewhere():
    layout = grid(64, 128, 64, 0)
    noise = np.random.default_rng(0).integers(100, 110, (64, 128, 3)).astype(np.uint8)
    assert seam_index(noise, layout) == pytest.approx(1, abs=0.3)
    at, off = noise.copy(), noise.copy()
    at[:, 64:] += 40
    off[:, 40:] += 40
    assert seam_index(at, layout) > 20
    assert seam_index(off, layout) == seam_index(noise, layout)
    glass = noise.copy()
    glass[:, :40] = glass[:, 90:] = 240  # tissue lies where the windows meet: that is no seam
    assert seam_index(glass, layout) == seam_index(noise, layout)
    assert seam_index(noise, grid(64, 64, 64, 0)) is None
    flat = np.zeros((64, 128, 3), np.uint8)
    assert seam_index(flat, layout) == 1
    flat[:, 64:] = 9
    assert seam_index(flat, layout) == np.inf


def test_blending_hides_the_borders_of_windows():
    def by_mean(images):
        return (images - images.mean((2, 3), keepdim=True) + 0.5).clamp(0, 1)

    picture = drifting(96, 384)
    hard = translated(by_mean, picture, Windows(96, 0))
    soft = translated(by_mean, picture, Windows(96, 48))
    assert hard.seam > 3
    assert soft.seam < 1.3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x[:, :2], "3 or 1"),
        (lambda x: x * 3, "values in 0..1"),
        (lambda x: x * torch.nan, "values in 0..1"),
        (lambda x: None, "NoneType"),
    ],
)
def test_broken_promises_are_told(answer, words):
    with pytest.raises(ContractError, match=words):
        translated(answer, image(16, 16), Windows(16, 0))


def test_grey_and_colour_are_told_apart():
    grey = np.repeat(image(16, 16)[..., :1], 3, axis=2)
    with pytest.raises(DataError, match="grey, and the method translates stained RGB"):
        translated(lambda x: x, grey, Windows())
    assert translated(lambda x: x, np.full((9, 9, 3), 255, np.uint8), Windows()).windows == 1
    done = translated(lambda x: x, grey, Windows(), channels=1)
    assert np.array_equal(done.image, grey[..., 0])
    with pytest.raises(DataError, match="colour"):
        translated(lambda x: x, image(16, 16), Windows(), channels=1)


def test_memory_that_runs_out_says_what_to_lower():
    def greedy(images):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much")

    with pytest.raises(DeviceError, match="lower --window"):
        translated(greedy, image(8, 8), Windows())


# The command


CARD = """
from histokit.config.base import MethodConfig
from histokit.interfaces.spec import Access, MethodSpec, Preset
from pydantic import Field

class Config(MethodConfig):
    gain: float = Field(1.0, description="Factor.")

CARD = MethodSpec(name="dimmer", roles=("translator",), summary="dims", config=Config,
                  factory="dim_kit:Dimmer", access=Access.NOTHING,
                  presets={"dark": Preset("half", {"gain": 0.5})})
UNTRAINED = MethodSpec(name="paper", roles=("translator",), summary="needs training",
                       config=Config, factory="dim_kit:Dimmer", access=Access.PAIRS,
                       presets={"he2ihc": Preset()})

from histokit.interfaces import Method, Translator

class Dimmer(Method, Translator):
    def __init__(self, gain):
        self.gain = gain
    @classmethod
    def build(cls, config, context):
        return cls(config.gain)
    def stateful(self):
        return {}
    def phases(self):
        return []
    def translate(self, images):
        return images * self.gain
"""


@pytest.fixture
def type_(tmp_path, monkeypatch):
    """`type_("translate", …)` in an empty folder, with the methods `dimmer` and `paper`."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "dim_kit.py").write_text(CARD)
    install(site, "dim-kit", "[histokit.methods]\ndimmer = dim_kit:CARD\npaper = dim_kit:UNTRAINED")
    monkeypatch.syspath_prepend(str(site))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*words, code=0):
        result = CliRunner().invoke(app, [*words, "--device", "cpu"], prog_name="histokit")
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    yield run
    monkeypatch.delitem(__import__("sys").modules, "dim_kit", raising=False)


@pytest.fixture
def tiles(type_, tmp_path):
    """A folder of two tiles, one of them in a folder of its own."""
    folder = tmp_path / "work" / "tiles"
    (folder / "slide").mkdir(parents=True)
    Image.fromarray(image(20, 30, 1)).save(folder / "a.png")
    Image.fromarray(image(40, 20, 2)).save(folder / "slide" / "b.tif")
    return folder


def test_folders_keep_their_structure_and_files_say_where_they_come_from(type_, tiles):
    done = type_("translate", "dimmer", "dark", "tiles", "-o", "out", "--window", "16",
                 "--overlap", "4", "--json")  # fmt: skip
    summary = json.loads(done.stdout)
    assert (summary["done"], summary["failed"]) == (2, 0)
    assert summary["seam"]["max"] > 0
    out = tiles.parent / "out"
    half = np.rint(image(20, 30, 1) / 255 * 0.5 * 255)
    assert np.abs(read_image(out / "a.png") - half).max() <= 1
    assert read_image(out / "slide" / "b.png").shape == (40, 20, 3)
    about = read_provenance(out / "a.png")
    assert about["source"] == "tiles/a.png"
    assert about["histokit"]["weights"]["ref"] == "dimmer:dark"
    assert about["seam"] > 0
    assert read_json(out / "provenance.json")["norm"] == "image"
    assert "seam" in (out / "summary.csv").read_text()


def test_tiff_settings_and_pixel_size(type_, tiles):
    type_("translate", "dimmer", "tiles/a.png", "--format", "tiff", "--set", "gain=0",
          "--mpp", "0.5")  # fmt: skip
    path = tiles.parent / "translated" / "a.tif"
    assert read_image(path).max() == 0
    about = read_provenance(path)
    assert about["mpp"] == 0.5
    assert about["histokit"]["settings"] == {"gain": "0"}
    wrong = type_("translate", "dimmer", "tiles", "--set", "gian=0", code=3)
    assert "did you mean gain" in wrong.stderr


def test_patterns_and_tables(type_, tiles):
    type_("translate", "dimmer", "tiles/**/*.*", "-o", "glob")
    assert (tiles.parent / "glob/slide/b.png").exists()
    (tiles.parent / "list.csv").write_text("id,Path\n1,tiles/slide/b.tif\n2, tiles/a.png\n")
    type_("translate", "dimmer", "list.csv", "-o", "table")
    assert (tiles.parent / "table/slide/b.png").exists()
    assert (tiles.parent / "table/a.png").exists()
    (tiles.parent / "bad.csv").write_text("id,place\n1,tiles/a.png\n")
    told = type_("translate", "dimmer", "bad.csv", code=3).stderr
    assert "no column of paths" in told
    assert "id, place" in told


def test_a_damaged_image_is_counted_and_the_rest_is_done(type_, tiles):
    good = (tiles / "a.png").read_bytes()
    (tiles / "cut.png").write_bytes(good[: len(good) // 2])
    Image.fromarray(image(20, 20)[..., 0]).save(tiles / "grey.png")
    done = type_("translate", "dimmer", "tiles", "-o", "out", code=5)
    assert "2 of 4 images failed; the others are done" in done.stderr
    reasons = {row["image"]: row["reason"] for row in read_json(tiles.parent / "out/failures.json")}
    assert "a damaged file" in reasons["tiles/cut.png"]
    assert "tiles/grey.png: the image is grey" in reasons["tiles/grey.png"]
    type_("translate", "dimmer", "tiles", "-o", "out2", "--strict", code=3)


def test_outputs_never_meet_inputs(type_, tiles):
    inside = type_("translate", "dimmer", "tiles", "-o", "tiles/out", code=3)
    assert "lies inside the input folder" in inside.stderr
    over = type_("translate", "dimmer", "tiles/a.png", "-o", "tiles", code=3)
    assert "would be overwritten" in over.stderr
    Image.fromarray(image(8, 8)).save(tiles / "a.tif")
    twins = type_("translate", "dimmer", "tiles", "-o", "out", code=3)
    assert "under one name" in twins.stderr
    assert type_("translate", "dimmer", "nowhere", "-o", "out", code=2).stderr
    empty = type_("translate", "dimmer", "dark", "no*.png", code=3)
    assert "no images in no*.png" in empty.stderr


def test_without_weights_the_error_names_the_train_command(type_, tiles):
    told = type_("translate", "paper", "he2ihc", "tiles", code=2).stderr
    assert "no trained weights of paper:he2ihc" in told
    assert "histokit train paper --preset he2ihc" in told
    assert "nothing to translate" in type_("translate", "paper", "he2ihc", code=2).stderr
    fixed = type_("translate", "paper", "tiles", "--set", "gain=2", code=2).stderr
    assert "keep the settings" in fixed


def test_what_does_not_translate_is_refused(type_, tiles):
    told = type_("translate", "otsu-hed", "tiles", code=2).stderr
    assert "otsu-hed does not translate images" in told


def test_words_are_a_preset_a_run_or_inputs(type_, tiles, tmp_path):
    assert sort_words("dimmer", ["dark", "tiles"])[0] == "dimmer:dark"
    ref, run, inputs = sort_words("dimmer:dark", ["tiles", "more"])
    assert (ref, run, len(inputs)) == ("dimmer:dark", None, 2)
    weights = tmp_path / "work" / "w.safetensors"
    weights.touch()
    ref, run, inputs = sort_words("dimmer", ["w.safetensors", "tiles"])
    assert (ref, str(run), str(inputs[0])) == ("dimmer", "w.safetensors", "tiles")
    with pytest.raises(UsageError, match="neither a preset of dimmer nor an image"):
        sort_words("dimmer", ["darc", "tiles"])


def test_hidden_files_are_no_images(type_, tiles):
    (tiles / ".ghost.png").write_bytes(b"")
    (tiles / ".cache").mkdir()
    (tiles / ".cache" / "c.png").write_bytes(b"")
    names = [str(item.name) for item in find_items([tiles], tiles.parent / "out", [".png"])]
    assert names == ["a", "slide/b"]
