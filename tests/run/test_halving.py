"""Memory that runs out: fewer windows at once, then smaller ones, and the same results."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from histokit.errors import DeviceError
from histokit.interfaces import Maps, Sizes
from histokit.run.infer import Windows, segment_image
from histokit.run.translate_image import translate_image
from toys import Toy, ToyTranslator, cpu, darkness, image


class Small:
    """A device that holds so many pixels, and what was tried on it as (windows, side)."""

    def __init__(self, pixels):
        self.pixels = pixels
        self.tried = []

    def __call__(self, images):
        self.tried.append((len(images), images.shape[2]))
        if images.shape[0] * images.shape[2] * images.shape[3] > self.pixels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much")
        return darkness(images)


def _blurred(images):
    """Maps that depend on the neighbours of a pixel."""
    return Maps(functional.avg_pool2d(darkness(images).logits, 9, 1, 4), "sigmoid")


def _lines(caplog):
    """What was told of memory; what is said once a process may come before or not."""
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    return [line for line in told if "memory" in line]


def test_batches_are_halved_once_for_all_images_and_the_result_is_that_of_one_by_one(caplog):
    device, machine = Small(3 * 32 * 32), cpu()

    def answer(images):
        device(images)
        return _blurred(images)

    for seed in range(2):
        picture = image(96, 96, seed)
        found = segment_image(Toy(answer), picture, machine, Windows(32, 8, 16))
        wanted = segment_image(Toy(_blurred), picture, cpu(), Windows(32, 8, 1))
        assert torch.equal(found.logits, wanted.logits)
    assert device.tried[:4] == [(16, 32), (8, 32), (4, 32), (2, 32)]
    assert set(device.tried[4:]) == {(2, 32)}
    (line,) = _lines(caplog)
    assert "memory ran out with several windows at once; going on with 2" in line


def test_processes_that_share_weights_make_the_same_passes_or_none():
    device, machine = Small(2 * 64 * 64), replace(cpu(), sharded=True)
    for windows in (Windows(64, 8, 4), Windows(256, 8, 1)):
        device.tried.clear()
        with pytest.raises(DeviceError):
            segment_image(Toy(device), image(256, 256), machine, windows)
        assert device.tried == [(windows.batch, windows.side)]


@pytest.mark.parametrize("room", [1, 5, 7])
def test_no_window_is_lost_or_doubled(room):
    picture, device = image(70, 90), Small(room * 24 * 24)
    found = segment_image(Toy(device), picture, cpu(), Windows(24, 4, 7))
    wanted = segment_image(Toy(darkness), picture, cpu(), Windows(24, 4, 1))
    assert torch.allclose(found.logits, wanted.logits, atol=1e-5)


def test_a_window_that_is_too_much_is_halved_and_the_next_image_begins_anew(caplog):
    device, machine = Small(200 * 200), cpu()
    for seed in range(2):
        device.tried.clear()
        picture = image(600, 500, seed)
        found = segment_image(Toy(device), picture, machine, Windows(512, 32))
        expected = darkness(torch.from_numpy(picture / 255).float().movedim(2, 0)[None]).logits
        assert torch.allclose(found.logits, expected, atol=1e-4)
        assert device.tried[-1] == (1, 128)
        assert device.tried[0] == (1, 512)
    assert [line.partition(";")[0] for line in _lines(caplog)] == ["memory ran out with a window"]


@pytest.mark.parametrize(
    ("windows", "sizes"),
    [
        (Windows(200, 8), Sizes()),  # 100 is below the least side
        (Windows(512, 130), Sizes()),  # more than half of it would be overlap
        (Windows(512, 8), Sizes(min=512)),
        (Windows(512, 8), Sizes(256, 512)),
    ],
    ids=["small", "overlap", "least side", "multiple"],
)
def test_windows_that_cannot_be_smaller_end_with_what_to_lower(windows, sizes):
    with pytest.raises(DeviceError, match="lower --window") as caught:
        segment_image(Toy(Small(99 * 99), sizes), image(520, 520), cpu(), windows)
    assert caught.value.exit_code == 6


def test_other_errors_are_not_taken_for_want_of_memory():
    def broken(images):
        raise RuntimeError("the network is broken")

    with pytest.raises(RuntimeError, match="is broken"):
        segment_image(Toy(broken), image(40, 40), cpu(), Windows(32, 8, 4))


def test_a_translation_is_that_of_one_by_one(caplog):
    picture, device = image(96, 70), Small(3 * 32 * 32)

    def answer(images):
        device(images)
        return functional.avg_pool2d(images, 5, 1, 2)

    found = translate_image(ToyTranslator(answer), picture, cpu(), Windows(32, 8, 8))
    wanted = translate_image(
        ToyTranslator(lambda x: functional.avg_pool2d(x, 5, 1, 2)), picture, cpu(), Windows(32, 8)
    )
    assert np.array_equal(found.image, wanted.image)
    assert {count for count, _ in device.tried} >= {8, 4, 2}
    assert len(_lines(caplog)) == 1
