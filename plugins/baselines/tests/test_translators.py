"""The untrained translators: nothing, Reinhard's colours, Macenko's stains."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from skimage.color import rgb2lab

from histokit.errors import DataError
from histokit.run.context import RunContext
from histokit.run.infer import Windows
from histokit.run.machine import open_machine
from histokit.run.norms import InstanceNorms
from histokit.run.translate_image import translate_image
from histokit_baselines import IDENTITY, MACENKO, REINHARD
from histokit_baselines.config import MacenkoConfig
from histokit_baselines.macenko import BUILT_IN, estimate, optical_density
from histokit_baselines.reinhard import BUILT_IN as STYLE


def build(spec, **settings):
    return spec.load().build(spec.config(**settings), RunContext(open_machine("cpu", threads=1)))


def tissue(vectors, seed=0, strength=(1.0, 1.0), side=64):
    """An image of two stains of the given colours, float [H W 3] in 0..1."""
    rng = np.random.default_rng(seed)
    amounts = rng.uniform(0, 1, (side, side, 2)) ** 2 * strength
    amounts[: side // 4, :, 0] = 0  # some tissue has one stain alone
    amounts[-side // 4 :, :, 1] = 0
    return np.exp(-(amounts + 0.02) @ np.asarray(vectors).T)


def batch(*images):
    return torch.from_numpy(np.stack(images)).float().movedim(-1, 1)


def back(images):
    return images[0].movedim(0, -1).double().numpy()


PURPLE = np.array([[0.65, 0.27], [0.70, 0.85], [0.29, 0.45]])
PURPLE /= np.linalg.norm(PURPLE, axis=0)
OTHER = np.array([[0.55, 0.35], [0.76, 0.90], [0.34, 0.25]])
OTHER /= np.linalg.norm(OTHER, axis=0)


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "reference.png"
    picture = tissue(PURPLE, seed=5, strength=(1.5, 0.8), side=96)
    Image.fromarray((picture * 255).round().astype(np.uint8)).save(path)
    return path


def test_identity():
    images = batch(tissue(PURPLE))
    assert torch.equal(build(IDENTITY).translate(images), images)
    assert not build(IDENTITY).phases()


def test_reinhard_gives_the_statistics_of_its_reference(reference):
    moved = back(build(REINHARD, reference=str(reference)).translate(batch(tissue(OTHER))))
    found, expected = rgb2lab(moved), rgb2lab(np.asarray(Image.open(reference)))
    # colours outside of RGB are cut, which moves the statistics a little
    assert np.allclose(found.mean((0, 1)), expected.mean((0, 1)), atol=1)
    assert np.allclose(found.std((0, 1)), expected.std((0, 1)), atol=1)


def test_reinhard_takes_its_statistics_of_the_whole_image_when_asked():
    method = build(REINHARD)
    ramp = np.linspace(1, 0.5, 256)[None, :, None]
    picture = (tissue(PURPLE, side=256)[:64] * ramp * 255).round().astype(np.uint8)
    machine = open_machine("cpu", threads=1)
    whole = translate_image(method, picture, machine, Windows(256, 0)).image.astype(int)
    norms = InstanceNorms(method.stateful())
    cut = translate_image(method, picture, machine, Windows(64, 0, 4), norms).image
    tiles = translate_image(method, picture, machine, Windows(64, 0, 4)).image
    # the whole is one mirrored square window, which counts rows unevenly
    assert np.abs(cut - whole).mean() < 3
    assert np.abs(tiles - whole).mean() > 8
    assert np.allclose(rgb2lab(cut).mean((0, 1)), STYLE[0], atol=2.5)


def test_macenko_finds_the_stains_of_an_image():
    image = tissue(PURPLE, strength=(2.0, 1.5))
    found = estimate(optical_density(image).reshape(-1, 3).T, 0.05, 1.0)
    assert np.abs(found.vectors - PURPLE).max() < 0.03
    assert found.strengths[0] / found.strengths[1] == pytest.approx(2 / 1.5, rel=0.1)


def test_macenko_brings_two_stainings_of_one_tissue_together():
    method = build(MACENKO, beta=0.05)
    first, second = tissue(PURPLE, strength=(2.0, 1.5)), tissue(OTHER, strength=(1.2, 1.0))
    a, b = (back(method.translate(batch(image))) for image in (first, second))
    assert np.abs(first - second).mean() > 0.08
    assert np.abs(a - b).mean() < 0.02
    found = estimate(optical_density(a).reshape(-1, 3).T, 0.05, 1.0)
    assert np.abs(found.vectors - BUILT_IN.vectors).max() < 0.04


def test_macenko_finds_much_the_same_stains_from_one_of_sixteen_pixels():
    images = batch(tissue(PURPLE, strength=(2.0, 1.5), side=256))
    exact, quick = (build(MACENKO, beta=0.05, every=n).translate(images) for n in (1, 16))
    assert (exact - quick).abs().mean() < 0.01
    assert not torch.equal(exact, quick)


def test_colours_do_not_depend_on_how_a_batch_lies_in_memory():
    images = batch(tissue(PURPLE, side=48), tissue(OTHER, seed=1, side=48))
    for spec in (MACENKO, REINHARD):
        method = build(spec)
        together = method.translate(images)
        assert torch.equal(together, method.translate(images.contiguous()))
        alone = torch.cat([method.translate(one[None]) for one in images])
        assert torch.allclose(together, alone, atol=1e-5)


def test_macenko_leaves_its_own_reference_and_empty_glass_alone(reference):
    method = build(MACENKO, reference=str(reference), beta=0.05)
    picture = np.asarray(Image.open(reference)) / 255
    assert np.abs(back(method.translate(batch(picture))) - picture).mean() < 0.01
    glass = np.full((32, 32, 3), 0.97)
    assert np.allclose(back(method.translate(batch(glass))), glass)


@pytest.mark.parametrize("spec", [REINHARD, MACENKO])
def test_references_are_images_or_folders_of_them(spec, reference, tmp_path):
    by_file, by_folder = (
        build(spec, reference=str(path)).translate(batch(tissue(OTHER)))
        for path in (reference, reference.parent)
    )
    assert torch.equal(by_file, by_folder)
    with pytest.raises(DataError, match="no reference image at"):
        build(spec, reference=str(tmp_path / "none.png"))
    grey = tmp_path / "grey.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(grey)
    with pytest.raises(DataError, match="an image in colour"):
        build(spec, reference=str(grey))
    grey.write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot read"):
        build(spec, reference=str(grey))


def test_a_reference_without_tissue_is_refused(tmp_path):
    Image.fromarray(np.full((32, 32, 3), (250, 248, 250), np.uint8)).save(tmp_path / "white.png")
    with pytest.raises(DataError, match="shows no stained tissue"):
        build(MACENKO, reference=str(tmp_path / "white.png"))
    assert MacenkoConfig().reference == ""


@pytest.mark.parametrize("spec", [REINHARD, MACENKO])
def test_references_are_read_by_the_rules_of_all_images(spec, reference, tmp_path):
    """16 bits are scaled, not cut; a lying header and a pipe are refused by name."""
    plain = np.asarray(Image.open(reference))
    deep = tmp_path / "deep.tif"
    tifffile.imwrite(deep, plain.astype(np.uint16) * 257, photometric="rgb")
    wanted, found = (
        build(spec, reference=str(path)).translate(batch(tissue(OTHER)))
        for path in (reference, deep)
    )
    assert torch.equal(found, wanted)
    folder = tmp_path / "hostile"
    folder.mkdir()
    data = bytearray(reference.read_bytes())
    data[16:24] = (10**6).to_bytes(4, "big") * 2
    (folder / "bomb.png").write_bytes(data)
    with pytest.raises(DataError, match=r"bomb\.png is too large"):
        build(spec, reference=str(folder))
    (folder / "bomb.png").unlink()
    os.mkfifo(folder / "a.png")
    (folder / "A.png").write_bytes(reference.read_bytes())
    with pytest.raises(DataError, match=r"a\.png is not a file"):
        build(spec, reference=str(folder))
