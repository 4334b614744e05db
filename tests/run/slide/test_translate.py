"""A slide translated in blocks is what it would be as one image, on tissue, and white elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from scipy import ndimage
from torch import nn

from histokit.errors import ContractError, DataError
from histokit.interfaces import Sizes
from histokit.io.slides_open import open_slide
from histokit.postprocess.tissue import Tissue
from histokit.run.infer import Windows
from histokit.run.norms import InstanceNorms
from histokit.run.slide.fade import Fade
from histokit.run.slide.translate import translate_slide
from histokit.run.slide.work import SlideOptions, TranslationWork
from histokit.run.translate_image import translate_image
from slides import nuclei, write_pyramid
from toys import ToyTranslator, cpu

WINDOWS = Windows(160, 24, 2)


def blurred(images):
    """Each pixel becomes the mean of those around it, in other colours; windows show."""
    return 1 - nn.functional.avg_pool2d(images.flip(1), 9, 1, 4)


class Normed(nn.Module):
    """Convolutions and instance norms, brought into 0..1; pixel by pixel but for the norms."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        pairs = [(nn.Conv2d(3, 3, 1), nn.InstanceNorm2d(3)) for _ in range(3)]
        self.body = nn.Sequential(*(part for pair in pairs for part in pair))

    def forward(self, images):
        return self.body(images).mul(0.2).add(0.5).clamp(0, 1)


def work(
    answer,
    *,
    windows=WINDOWS,
    norms=None,
    expected=None,
    mpp=None,
    sizes=None,
    channels=3,
    **options,
):
    given = {"core": 512, "margin": 16, "mask": "none"} | options
    return TranslationWork(
        ToyTranslator(answer, sizes, channels),
        cpu(),
        norms,
        expected,
        mpp,
        windows,
        "deflate",
        SlideOptions(**given),
        {"histokit": {"weights": "toy"}},
    )


def run(path, job):
    """What became of a slide, the lines that were told, and the levels of the file."""
    target = path.parent / "out" / "t.ome.tif"
    events, done = told(translate_slide(path, target, job, path.parent / "shown.png"))
    if not target.exists():
        return done, events, []
    with tifffile.TiffFile(target) as file:
        return done, events, [level.asarray() for level in file.series[0].levels]


def told(walk):
    """The lines of a generator, and what it returns."""
    events = []
    while True:
        try:
            events.append(next(walk).text)
        except StopIteration as end:
            return events, end.value


@pytest.fixture
def tissue(tmp_path):
    """A slide with two pieces of tissue, its pixels, and where the tissue is."""
    picture = np.full((1210, 1430, 3), 245, np.uint8)
    picture[90:420, 80:500] = nuclei(330, 420)
    picture[700:1150, 760:1380] = nuclei(450, 620, seed=1)
    write_pyramid(tmp_path / "ä b.tif", picture, levels=3, mpp=0.25)
    where = np.zeros(picture.shape[:2], bool)
    where[90:420, 80:500] = where[700:1150, 760:1380] = True
    return tmp_path / "ä b.tif", picture, where


@pytest.mark.parametrize(
    ("core", "sizes"),
    [(512, Sizes()), (4096, Sizes()), (512, Sizes(64, 16, shrink=8))],
    ids=["same", "one block", "shrinks"],
)
def test_blocks_give_what_one_image_gives(tmp_path, core, sizes):
    def answer(images):
        edge = sizes.shrink // 2
        return blurred(images)[..., edge : images.shape[2] - edge, edge : images.shape[3] - edge]

    picture = nuclei(700, 1130)
    write_pyramid(tmp_path / "s.tif", picture, levels=2)
    done, _, levels = run(tmp_path / "s.tif", work(answer, sizes=sizes, core=core))
    whole = translate_image(ToyTranslator(answer, sizes), picture, cpu(), WINDOWS)
    assert np.array_equal(levels[0], whole.image)
    assert [level.shape[:2] for level in levels] == [(700, 1130), (350, 565), (175, 282)]
    assert done.windows == whole.windows
    assert done.seam == pytest.approx(whole.seam, rel=0.2)


def test_statistics_are_measured_once_and_held(tmp_path):
    ramp = np.linspace(220, 40, 900)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 8, (600, 900, 3))
    picture = (ramp + noise).clip(0, 255).astype(np.uint8)
    write_pyramid(tmp_path / "s.tif", picture)
    network = Normed()
    shared = InstanceNorms({"g": network})
    _, _, (by_slide, *_) = run(tmp_path / "s.tif", work(network, norms=shared))
    whole = translate_image(ToyTranslator(network), picture, cpu(), WINDOWS, shared)
    assert np.array_equal(by_slide, whole.image)
    _, _, (by_tile, *_) = run(tmp_path / "s.tif", work(network))
    assert np.abs(by_tile.astype(int) - whole.image).mean() > 10


def test_statistics_are_those_of_tissue(tissue):
    """Not of the glass: the slide looks like its tissue translated alone, not like all of it."""
    path, picture, _ = tissue
    network, piece = Normed(), (slice(90, 420), slice(80, 500))
    job = work(network, norms=InstanceNorms({"g": network}), mask="", windows=Windows(160, 24, 12))
    _, _, (found, *_) = run(path, job)
    alone = translate_image(ToyTranslator(network), picture[piece], cpu(), Windows(420, 0, 1)).image
    glassy = translate_image(ToyTranslator(network), picture, cpu(), Windows(1430, 0, 1)).image
    ours, theirs = (np.abs(image[piece].astype(int) - alone).mean() for image in (found, glassy))
    assert ours < theirs / 3


def test_only_tissue_runs_and_the_rest_is_white(tissue):
    path, picture, where = tissue
    seen = []

    def answer(images):
        seen.append(len(images))
        return blurred(images)

    done, lines, (found, *_) = run(path, work(answer, mask=""))
    whole = translate_image(ToyTranslator(blurred), picture, cpu(), WINDOWS).image
    assert np.array_equal(found[where], whole[where])
    far = ndimage.distance_transform_edt(~where) > 16 + 8
    assert (found[far] == 255).all()
    assert sum(seen) < 0.7 * int(lines[1].partition(" windows")[0].split()[-1])
    assert done.windows < sum(seen) + 1


def test_a_mask_of_the_users_decides(tissue):
    path, picture, _ = tissue
    mask = np.zeros((121, 143), np.uint8)
    mask[10:40, 10:48] = 255
    Image.fromarray(mask).save(path.parent / "m.png")
    _, _, (found, *_) = run(path, work(blurred, mask=str(path.parent / "m.png"), margin=0))
    whole = translate_image(ToyTranslator(blurred), picture, cpu(), WINDOWS).image
    assert np.array_equal(found[100:400, 100:480], whole[100:400, 100:480])
    assert (found[430:, :] == 255).all()


def test_the_pixel_size_is_that_of_the_weights(tissue):
    path, picture, _ = tissue
    job = work(lambda images: images, expected=0.5)
    _, lines, levels = run(path, job)
    assert lines[0].startswith("ä b.tif: weights 0.5 µm/px, slide 0.25: level 1 as it is")
    assert levels[0].shape == (605, 715, 3)
    with open_slide(path) as slide, open_slide(path.parent / "out" / "t.ome.tif") as result:
        assert np.array_equal(levels[0], slide.region(1, 0, 0, 715, 605))
        assert result.mpp == pytest.approx((0.5, 0.5))
    _, lines, levels = run(path, work(lambda images: images, expected=0.5, mpp=0.5))
    assert "slide 0.5: level 0 as it is" in lines[0]
    assert np.array_equal(levels[0], picture)


def test_an_unknown_pixel_size_is_an_error_where_it_matters(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(300, 400), levels=2)
    with pytest.raises(DataError, match="pixel size") as error:
        run(tmp_path / "s.tif", work(blurred, expected=0.5))
    assert "--mpp" in error.value.hint
    run(tmp_path / "s.tif", work(blurred))
    with open_slide(tmp_path / "out" / "t.ome.tif") as result:
        assert result.mpp is None


def test_the_file_says_where_it_comes_from(tissue):
    path, *_ = tissue
    run(path, work(blurred))
    with tifffile.TiffFile(path.parent / "out" / "t.ome.tif") as file:
        text = file.ome_metadata
    about = text.partition("<Description>")[2].partition("</Description>")[0]
    value = json.loads(about.replace("&quot;", '"'))
    assert value == {"histokit": {"weights": "toy"}, "source": "ä b.tif"}


def test_grey_and_colour_are_told_apart(tmp_path):
    grey = np.repeat(nuclei(300, 400)[..., :1], 3, axis=2)
    write_pyramid(tmp_path / "grey.tif", grey, levels=2)
    write_pyramid(tmp_path / "colour.tif", nuclei(300, 400), levels=2)
    with pytest.raises(DataError, match="grey, and the method translates"):
        run(tmp_path / "grey.tif", work(blurred))
    with pytest.raises(DataError, match="colour image"):
        run(tmp_path / "colour.tif", work(lambda images: images, channels=1))
    _, _, (found, *_) = run(tmp_path / "grey.tif", work(lambda images: images, channels=1))
    assert np.array_equal(found, grey)


def test_a_preview_runs_nothing(tissue):
    path, *_ = tissue

    def never(images):
        raise AssertionError("it ran")

    done, lines, levels = run(path, work(never, mask="", preview=True))
    assert done.output == path.parent / "shown.png"
    assert done.output.exists()
    assert levels == []
    assert "of 99 windows" in lines[1]


def test_bad_slides_and_methods_leave_no_file(tmp_path):
    write_pyramid(tmp_path / "glass.tif", np.full((400, 300, 3), 243, np.uint8))
    with pytest.raises(DataError, match="no tissue"):
        run(tmp_path / "glass.tif", work(blurred, mask=""))
    write_pyramid(tmp_path / "s.tif", nuclei(1100, 700))
    with pytest.raises(ContractError, match="translate broke its promise"):
        run(tmp_path / "s.tif", work(lambda images: images * 2))
    calls = []

    def breaks(images):
        calls.append(1)
        if len(calls) > 12:
            raise DataError("the reader broke")
        return images

    with pytest.raises(DataError, match="the reader broke"):
        run(tmp_path / "s.tif", work(breaks))
    assert not [path for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize("cells", [(12, 17), (60, 85), (600, 850)])
def test_tissue_is_never_thinned_and_fades_evenly(cells):
    size, over = (300, 425), 40
    mask = np.zeros(cells, bool)
    mask[cells[0] // 3 : cells[0] // 2, cells[1] // 3 : cells[1] // 2] = True
    fade = Fade(Tissue(mask), over, size)
    black = np.zeros((*size, 1), np.uint8)
    found = fade.on_white(black, (0, size[0]), (0, size[1]))
    rows, cols = (np.arange(side) + 0.5 for side in size)
    inside = Tissue(mask).at(rows[:, None], cols[None], size)
    assert (found[inside] == 0).all()
    lit = (found < 255).any(axis=2)
    assert fade.reach.at(rows[:, None], cols[None], size)[lit].all()
    assert lit.sum() > 1.5 * inside.sum()
    cell = max(size[0] / cells[0], 1)
    assert np.abs(np.diff(found[..., 0].astype(int), axis=0)).max() <= 2 * 255 / over + 1
    assert not lit[ndimage.distance_transform_edt(~inside) > over + 3 * cell].any()
    part = fade.on_white(black[:70, :90], (100, 170), (120, 210))
    assert np.abs(part.astype(int) - found[100:170, 120:210]).max() <= 1
