"""How the maps of the planned U-Net are trained, at every resolution, and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from histokit.errors import ContractError
from histokit.interfaces.batch import Labelled
from histokit.interfaces.network import Head
from histokit.interfaces.segmenter import Instances, Maps
from histokit.losses.segmentation import NO_CLASS, full_precision
from histokit.nn.heads import class_truth
from histokit.postprocess.pieces import class_pieces
from histokit.postprocess.watershed import watershed

SMOOTH = 1e-5
"""Added to numerator and denominator of the Dice."""
MIN_AREA = 10
"""Smaller pieces of a class, in pixels, are no objects."""


@final
class SemanticHead(Head):
    """Reads logits [B K H W], or a sequence of them of falling size: deep supervision.

    With K = 1 the map is the foreground, read through a sigmoid; its objects are split by
    watershed, as those of every other foreground map here. With more, channel 0 is the background
    and each pixel has the likeliest class; an object is a 4-connected piece of one class, because
    tissue such as axon and myelin touches all along. Touching objects of one class stay one.
    """

    def losses(self, output: Any, batch: Labelled) -> Mapping[str, Tensor]:
        """The terms ``ce`` and ``dice`` in float32, each the sum over resolutions by
        `supervision_weights`.

        Raises DataError where the batch does not have the classes that are to be learned.
        """
        maps = _all_maps(output)
        truth = _classes(batch, maps[0].shape[1])
        terms = [ce_dice_pooled(logits, shrunk(truth, logits)) for logits in maps]
        weights = supervision_weights(len(maps))
        zero = truth.new_zeros((), dtype=torch.float32)
        return {
            name: sum((w * t[name] for w, t in zip(weights, terms, strict=True)), start=zero)
            for name in ("ce", "dice")
        }

    def foreground(self, output: Any) -> Tensor:
        """The finest map, or of classes the log odds that a pixel is of any."""
        logits = _all_maps(output)[0]
        if logits.shape[1] == 1:
            return logits
        logits = full_precision(logits)
        return logits[:, 1:].logsumexp(1, keepdim=True) - logits[:, :1]

    def truth(self, batch: Labelled, output: Any) -> Tensor:
        """1 where any object is, with a class or without."""
        return shrunk(batch.ids > 0, _all_maps(output)[0]).unsqueeze(1).float()

    def maps(self, output: Any) -> Maps:
        """The finest logits in float32."""
        logits = _all_maps(output)[0].float()
        return Maps(logits, "sigmoid" if logits.shape[1] == 1 else "softmax")

    def decode(self, maps: Maps) -> Instances:
        """The objects of one image; the score of one with a class is the mean probability of that
        class.
        """
        if maps.logits.shape[0] != 1:
            raise ContractError(
                "one image is decoded at a time",
                expected="logits [1 K H W]",
                found=str(list(maps.logits.shape)),
            )
        logits = maps.logits[0].detach().float().cpu()
        if maps.activation == "sigmoid":
            return watershed(logits[0].sigmoid().numpy())
        return _pieces(logits.softmax(0).numpy())


def supervision_weights(count: int) -> tuple[float, ...]:
    """The weights of `count` maps, finest first: each half of the one before, adding up to 1."""
    halves = [0.5**level for level in range(count)]
    return tuple(half / sum(halves) for half in halves)


def shrunk(truth: Tensor, like: Tensor) -> Tensor:
    """A truth [B H W] at the size of a map [B K h w] that is a whole number of times smaller.

    Each pixel is that right below the middle of the square that it stands for.
    """
    rows, columns = (truth.shape[-2 + a] // like.shape[-2 + a] for a in range(2))
    if (truth.shape[-2], truth.shape[-1]) != (rows * like.shape[-2], columns * like.shape[-1]):
        raise ContractError(
            "the map does not fit its truth",
            expected=f"{truth.shape[-2]} x {truth.shape[-1]} pixels, or a whole part of it",
            found=f"{like.shape[-2]} x {like.shape[-1]}",
        )
    return truth[..., rows // 2 :: rows, columns // 2 :: columns]


def ce_dice_pooled(logits: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """The terms ``ce`` and ``dice`` of nnU-Net's 2D loss; pixels of `NO_CLASS` count for neither.

    ``ce`` is the mean cross-entropy, ``dice`` the mean over the classes, not the background, of
    one minus the soft Dice, for which the pixels of the whole batch are pooled. nnU-Net minimises
    minus the Dice, which is smaller by 1.

    Args:
        logits: [B K H W]; K = 1 is the logit of the foreground against a background of 0.
        truth: int64 [B H W], 0..K-1 (0 and 1 where K = 1) or `NO_CLASS`.
    """
    logits = full_precision(logits)
    if logits.shape[1] == 1:
        logits = torch.cat((torch.zeros_like(logits), logits), 1)
    counted = (truth != NO_CLASS).unsqueeze(1)
    ce = functional.cross_entropy(logits, truth, ignore_index=NO_CLASS, reduction="sum")
    probability = logits.softmax(1)[:, 1:] * counted
    shape = functional.one_hot(truth.clamp_min(0), logits.shape[1]).movedim(-1, 1)[:, 1:]
    shape = shape.to(probability.dtype) * counted
    overlap = (probability * shape).sum((0, 2, 3))
    total = probability.sum((0, 2, 3)) + shape.sum((0, 2, 3))
    return {
        "ce": ce / counted.sum().clamp_min(1),
        "dice": (1 - (2 * overlap + SMOOTH) / (total + SMOOTH)).mean(),
    }


def _pieces(probability: NDArray[np.float32]) -> Instances:
    """The pieces of the likeliest class, of probabilities [K+1 H W] with background."""
    kinds = probability.argmax(0)
    found = class_pieces(kinds, min_area=MIN_AREA)
    likeliest = np.take_along_axis(probability, kinds[None], 0)[0]
    areas = np.bincount(found.ids.ravel())
    means = np.bincount(found.ids.ravel(), weights=likeliest.ravel())[1:] / areas[1:]
    return Instances(found.ids, found.classes, dict(enumerate(means.clip(0, 1).tolist(), start=1)))


def _classes(batch: Labelled, count: int) -> Tensor:
    """The class of each pixel, int64 [B H W]; with one map 1 is any object."""
    return (batch.ids > 0).long() if count == 1 else class_truth(batch, count)


def _all_maps(output: Any) -> Sequence[Tensor]:
    """The logit maps of an output, finest first. Raises ContractError where it has none."""
    maps = [output] if isinstance(output, Tensor) else output
    if isinstance(maps, Sequence) and maps and all(_is_map(value) for value in maps):
        return maps
    found = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
    raise ContractError(
        "the network gives no logit maps",
        expected="logits [B K H W], or a sequence of them, finest first",
        found=str(found),
        hint="name a head on the card of the network that reads its output",
    )


def _is_map(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 4
