"""What a trained method promises of its output, whichever of the roles it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from histokit.interfaces import Instances, Segmenter, Translator
from histokit.run.infer import Windows, decode, probabilities, segment_image
from histokit.run.models import weights_of
from histokit.run.norms import InstanceNorms
from histokit.run.translate_image import translate_image
from histokit.testing.checks import broken, check
from histokit.testing.subject import Face, difference
from histokit.testing.toy import toy_images

ALONE = 1e-4
"""Largest difference between a batch and its images one by one, as a share of the output's
largest value; convolutions of another size round differently."""
TILED = 0.1
"""Largest mean difference between an image in windows and as a whole, in probabilities or in
shares of the grey scale; a network sees the border of a small window from everywhere in it."""

WIDE = 64
"""Largest output of the windows that images are cut into, unless no legal one is as small."""


def _segments(subject: Any) -> bool:
    return any(face.role == "segmenter" for face in subject.faces)


@check(needs=("works",))
def output(subject: Any) -> None:
    """The core takes the output of every role as it is: shape, float32, finite, range."""
    for face in subject.faces:
        windows = _windows(subject, face)
        side = windows.side - face.sizes.shrink
        _through_core(subject, face, _pixels(face, side, side), windows)
        for name, value in face(subject.images(face)).items():
            if value.dtype != torch.float32:
                raise broken(f"{face.role}: {name} is {value.dtype}", expected="float32")


@check(needs=("output",))
def sizes(subject: Any) -> None:
    """Inputs of the smallest and the next legal sizes give outputs of the promised size."""
    for face in subject.faces:
        smallest = face.sizes.fit(face.sizes.shrink + 1)
        for side in (smallest, face.sizes.fit(smallest + 1)):
            for name, value in face(toy_images(2, side, face.channels)).items():
                expected = (side - face.sizes.shrink,) * 2
                if tuple(value.shape[2:]) != expected:
                    raise broken(
                        f"{face.role}: {name} of an input of {side} pixels has another size",
                        expected=f"{expected[0]} x {expected[1]}",
                        found=" x ".join(str(length) for length in value.shape[2:]),
                    )


@check(needs=("output",))
def input_kept(subject: Any) -> None:
    """The images that are given to it stay as they are."""
    for face in subject.faces:
        images = subject.images(face)
        before = images.clone()
        face.on(images)
        if not torch.equal(images, before):
            raise broken(f"{face.role}: the input is changed")


@check(needs=("output",))
def repeatable(subject: Any) -> None:
    """The same images give the same output, whatever came between."""
    for face in subject.faces:
        images = subject.images(face)
        first = face(images)
        face(1 - images)
        if where := difference(first, face(images)):
            raise broken(f"{face.role}: two calls on the same images differ", found=where)


@check(needs=("output",))
def inert(subject: Any) -> None:
    """Using it changes neither its weights nor the random numbers of the process."""
    for face in subject.faces:
        before = {name: value.clone() for name, value in weights_of(subject.networks).items()}
        numbers = torch.get_rng_state()
        face(subject.images(face))
        if where := difference(before, weights_of(subject.networks)):
            raise broken(f"{face.role}: using it changes its state", found=where)
        if not torch.equal(numbers, torch.get_rng_state()):
            raise broken(
                f"{face.role}: using it draws from the global generator",
                expected="a generator of its own, seeded for each call",
            )


@check(needs=("repeatable", "inert"))
def batch(subject: Any) -> None:
    """A batch of images gives what each of them gives alone."""
    for face in subject.faces:
        images = subject.images(face, 3)
        together = face(images)
        for number in range(len(images)):
            for name, value in face(images[number : number + 1]).items():
                whole = together[name][number : number + 1]
                far = float((whole - value).abs().max())
                if far > ALONE * max(1.0, float(whole.abs().max())):
                    raise broken(
                        f"{face.role}: {name} of an image depends on the rest of its batch",
                        found=f"a difference of {far:.3g}",
                    )


@check(needs=("output",))
def blank(subject: Any) -> None:
    """White and black images give finite output."""
    for face in subject.faces:
        windows = _windows(subject, face)
        side = windows.side - face.sizes.shrink
        for level in (255, 0):  # the core refuses NaN and infinity
            _through_core(subject, face, np.full((side, side, 3), level, np.uint8), windows)


@check(needs=("output", "blank"), applies=_segments)
def decoded(subject: Any) -> None:
    """Objects are numbered 1..N, on a blank image too; classes and scores are of these objects."""
    for face in subject.faces:
        if not isinstance(face.does, Segmenter):
            continue
        windows = _windows(subject, face)
        side = windows.side - face.sizes.shrink
        white = np.full((side, side, 3), 255, np.uint8)
        for pixels in (_pixels(face, side, side + 5), white):
            maps = segment_image(face.does, pixels, subject.machine, windows)
            _check_objects(decode(face.does, maps))


def _check_objects(objects: Instances) -> None:
    present = set(range(1, int(objects.ids.max()) + 1))
    strange = sorted((set(objects.classes) | set(objects.scores)) - present)
    if strange:
        raise broken("classes or scores of objects that are not there", found=str(strange[:3]))
    outside = [score for score in objects.scores.values() if not 0 <= score <= 1]
    if outside:
        raise broken("scores outside 0..1", found=str(outside[0]))


@check(needs=("batch", "blank", "sizes"))
def tiled(subject: Any) -> None:
    """An image half tissue, half blank gives the same in windows as it gives whole (within 0.1)."""
    for face in subject.faces:
        windows = _windows(subject, face)
        side = windows.side
        pixels = _pixels(face, 2 * side, 2 * side)
        pixels[:, side:] = 240
        parts = _through_core(subject, face, pixels, windows)
        whole = _through_core(subject, face, pixels, Windows(face.sizes.fit(3 * side)))
        far = float(np.abs(parts - whole).mean())
        if not far <= TILED:
            raise broken(
                f"{face.role}: an image in windows of {side} pixels is another than as a whole",
                expected=f"a mean difference up to {TILED}",
                found=f"{far:.3g}",
            )


def _windows(subject: Any, face: Face) -> Windows:
    """Small windows of legal size, whose outputs overlap by a quarter; so many at once that a toy
    image's instance norms are measured on all of it, as those of a real image are on much of it.
    """
    shrink = face.sizes.shrink
    side = face.sizes.fit(min(subject.windows.tile, WIDE) + shrink)
    return Windows(side, (side - shrink) // 4, batch=4)


def _pixels(face: Face, height: int, width: int) -> NDArray[np.uint8]:
    """A toy image as the core reads it, uint8 [height width 3]."""
    (image,) = toy_images(1, max(height, width), 3 if face.channels == 3 else 1)
    pixels = (image[:, :height, :width] * 255).round().byte().numpy().transpose(1, 2, 0)
    return np.repeat(pixels, 3, axis=2) if face.channels == 1 else np.ascontiguousarray(pixels)


def _through_core(
    subject: Any, face: Face, pixels: NDArray[np.uint8], windows: Windows
) -> NDArray[np.float32]:
    """Probabilities or intensities in 0..1 of an image, cut and checked as commands do it."""
    if isinstance(face.does, Translator):
        norms = InstanceNorms(subject.networks)
        made = translate_image(face.does, pixels, subject.machine, windows, norms)
        return made.image.astype(np.float32) / np.float32(255)
    return probabilities(segment_image(face.does, pixels, subject.machine, windows))


OUTPUT = (output, sizes, input_kept, repeatable, inert, batch, blank, decoded)
