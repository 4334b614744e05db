"""One whole image: windows change nothing, any size goes, and broken promises are told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from histokit.errors import ContractError, DeviceError
from histokit.interfaces import Instances, Maps, Sizes
from histokit.run import infer
from histokit.run.infer import (
    Windows,
    decode,
    foreground,
    probabilities,
    segment_image,
    tell_mirrored,
)
from histokit.tiling.grid import grid
from toys import Toy, cpu, darkness, image


def _kernel(out=1):
    torch.manual_seed(0)
    return torch.randn(out, 3, 5, 5)


def _convolved(kernel, padding=2):
    return lambda images: functional.conv2d(images, kernel, padding=padding)


def _segmented(answer, picture, windows, sizes=None):
    return segment_image(Toy(answer, sizes), picture, cpu(), windows)


@pytest.mark.parametrize("batch", [1, 3])
def test_tiles_equal_the_whole_away_from_borders(batch):
    picture, network = image(90, 130), _convolved(_kernel())
    whole = network(torch.from_numpy(picture / 255).float().movedim(2, 0)[None])
    maps = _segmented(
        lambda x: Maps(network(x), "sigmoid"), picture, Windows(48, 32, batch), Sizes(16, 16)
    )
    assert maps.logits.shape == (1, 1, 90, 130)
    # a pixel that no window has within 2 px of its border would be exact; others are blended
    # with weights that are small there
    away = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    worst = (maps.logits[away] - whole[away]).abs().max()
    assert worst < 0.05 * whole.std()


def test_a_network_that_shrinks_gives_the_whole_exactly():
    picture, kernel = image(70, 90), _kernel()
    network = _convolved(kernel, padding=0)
    padded = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    whole = network(torch.from_numpy(padded / 255).float().movedim(2, 0)[None])
    maps = _segmented(
        lambda x: Maps(network(x), "sigmoid"), picture, Windows(32, 8), Sizes(shrink=4)
    )
    assert torch.allclose(maps.logits, whole, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3), (33, 65), (64, 64), (100, 31)])
@pytest.mark.parametrize("sizes", [Sizes(), Sizes(16, 16), Sizes(32, 16, shrink=8)])
def test_any_size_goes_in_and_the_same_comes_out(size, sizes):
    def answer(images):
        assert sizes.allows(images.shape[2])
        maps = darkness(images)
        cut = sizes.shrink // 2
        return Maps(functional.pad(maps.logits, [-cut] * 4), "sigmoid")

    picture = image(*size)
    maps = _segmented(answer, picture, Windows(48, 8), sizes)
    expected = darkness(torch.from_numpy(picture / 255).float().movedim(2, 0)[None]).logits
    assert torch.allclose(maps.logits, expected, atol=1e-4)
    assert decode(Toy(answer, sizes), maps).ids.shape == size


def test_an_image_smaller_than_a_window_is_told_once(caplog, monkeypatch):
    monkeypatch.setattr(infer, "_told", set())
    for height in (64, 50, 40):
        tell_mirrored(grid(height, 64, 64, 0, Sizes(16, 16)))
    (line,) = caplog.messages
    assert line.startswith("64 x 50 pixels are filled up to windows of 64")


def test_softmax_and_extra_maps_survive_the_windows():
    picture, kernel = image(60, 80), _kernel(5)

    def answer(images):
        values = functional.conv2d(images, kernel[:, :, 2:3, 2:3])
        return Maps(values[:, :3], "softmax", {"hv": values[:, 3:]})

    maps = _segmented(answer, picture, Windows(32, 8, 4))
    whole = answer(torch.from_numpy(picture / 255).float().movedim(2, 0)[None])
    assert maps.activation == "softmax"
    assert maps.extra.keys() == {"hv"}
    assert torch.allclose(maps.logits, whole.logits, atol=1e-4)
    assert torch.allclose(maps.extra["hv"], whole.extra["hv"], atol=1e-4)
    shares = probabilities(maps)
    assert np.allclose(shares.sum(0), 1, atol=1e-5)
    assert np.allclose(foreground(maps), shares[1] + shares[2], atol=1e-5)


def _on_the_second_window(first, later):
    calls = []

    def answer(images):
        calls.append(1)
        return (first if len(calls) == 1 else later)(images)

    return answer


def _nan(images):
    return Maps(torch.full_like(images[:, :1], torch.nan), "sigmoid")


BROKEN = {
    "smaller": lambda x: Maps(x[:, :1, 1:], "sigmoid"),
    "flat": lambda x: Maps(x[:, 0], "sigmoid"),
    "one of two": lambda x: Maps(x[:1, :1], "sigmoid"),
    "no maps": lambda x: x,
    "no such activation": lambda x: Maps(x[:, :1], "relu"),
    "not a number": _nan,
    "not a number in extra": lambda x: Maps(x[:, :1], "sigmoid", {"hv": _nan(x).logits}),
    "extra of another size": lambda x: Maps(x[:, :1], "sigmoid", {"hv": x[..., 1:]}),
    "not a number later": _on_the_second_window(darkness, _nan),
    "more channels later": _on_the_second_window(darkness, lambda x: Maps(x, "sigmoid")),
    "other maps later": _on_the_second_window(
        darkness, lambda x: Maps(x[:, :1], "sigmoid", {"hv": x})
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_segmenter_that_breaks_its_promise_is_told(how):
    with pytest.raises(ContractError, match="segment broke its promise"):
        _segmented(BROKEN[how], image(40, 70), Windows(32, 8, 2))


class Decodes(Toy):
    def __init__(self, ids):
        super().__init__(darkness)
        self.ids = ids

    def decode(self, maps):
        return Instances(self.ids)


@pytest.mark.parametrize(
    "ids",
    [
        np.zeros((3, 5), np.int32),
        np.zeros((4, 5), np.int64),
        np.full((4, 5), -1, np.int32),
        np.full((4, 5), 2, np.int32),
        np.full((4, 5), 2**31 - 1, np.int32),
    ],
    ids=["other size", "int64", "negative", "with a gap", "huge"],
)
def test_a_decoder_that_breaks_its_promise_is_told(ids):
    maps = _segmented(darkness, image(4, 5), Windows())
    with pytest.raises(ContractError, match="decode broke its promise"):
        decode(Decodes(ids), maps)


def test_memory_that_runs_out_is_told_with_what_to_lower():
    def hungry(images):
        return Maps(torch.empty(2**50), "sigmoid")

    with pytest.raises(DeviceError, match="--window") as error:
        _segmented(hungry, image(8, 8), Windows())
    assert error.value.exit_code == 6
