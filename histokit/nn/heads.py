"""How the raw output of a segmentation network is trained and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from histokit.errors import ContractError, DataError
from histokit.interfaces.batch import Labelled
from histokit.interfaces.network import Head
from histokit.interfaces.segmenter import Instances, Maps
from histokit.losses.segmentation import NO_CLASS, bce_dice, ce_dice, full_precision
from histokit.postprocess.watershed import watershed


@final
class ForegroundHead(Head):
    """Reads one foreground logit map, float [B 1 H W]; touching objects are split by watershed."""

    def losses(self, output: Any, batch: Labelled) -> Mapping[str, Tensor]:
        """The terms ``bce`` and ``dice`` (each sample by itself, smoothed by 1), in float32."""
        return bce_dice(self.foreground(output), self.truth(batch, output))

    def foreground(self, output: Any) -> Tensor:
        """The output itself. Raises ContractError when it is no [B 1 H W] tensor."""
        if not isinstance(output, Tensor) or output.ndim != 4 or output.shape[1] != 1:
            found = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ContractError(
                "the network does not give one foreground map",
                expected="a tensor of logits [B 1 H W]",
                found=str(found),
                hint="name a head on the card of the network that reads its output",
            )
        return output

    def truth(self, batch: Labelled, output: Any) -> Tensor:
        """1 where any object is; the centre of the window where the output is smaller."""
        return middle(batch.ids.unsqueeze(1) > 0, self.foreground(output)).float()

    def maps(self, output: Any) -> Maps:
        """The logits in float32, to be read through a sigmoid."""
        return Maps(logits=self.foreground(output).float(), activation="sigmoid")

    def decode(self, maps: Maps) -> Instances:
        """The objects of one image, by watershed of the foreground probability at 0.5."""
        if maps.logits.shape[:2] != (1, 1):
            raise _not_one_image("logits [1 1 H W]", maps)
        return watershed(torch.sigmoid(maps.logits[0, 0]).detach().cpu().numpy())


@final
class ClassHead(Head):
    """Reads logits of the background and of K classes, float [B K+1 H W], through a softmax.

    Objects are found in the foreground as `ForegroundHead` does, and each takes the class that
    has the largest sum of probability in it.
    """

    def losses(self, output: Any, batch: Labelled) -> Mapping[str, Tensor]:
        """The terms ``ce`` and ``dice``, in float32; pixels of objects without a class count
        for neither.

        Raises DataError where the batch does not have the classes that are to be learned.
        """
        logits = _class_logits(output)
        return ce_dice(logits, middle(class_truth(batch, logits.shape[1]), logits))

    def foreground(self, output: Any) -> Tensor:
        """The log odds that a pixel is of any class."""
        logits = full_precision(_class_logits(output))
        return logits[:, 1:].logsumexp(1, keepdim=True) - logits[:, :1]

    def truth(self, batch: Labelled, output: Any) -> Tensor:
        """1 where any object is, with a class or without."""
        return middle(batch.ids.unsqueeze(1) > 0, _class_logits(output)).float()

    def maps(self, output: Any) -> Maps:
        """The logits in float32, to be read through a softmax."""
        return Maps(logits=_class_logits(output).float(), activation="softmax")

    def decode(self, maps: Maps) -> Instances:
        """The objects of one image with their classes; each score is the mean probability of the
        foreground.
        """
        if maps.logits.shape[0] != 1 or maps.logits.shape[1] < 2:
            raise _not_one_image("logits [1 K+1 H W]", maps)
        probability = maps.logits[0].detach().float().softmax(0).cpu().numpy()
        found = watershed(1 - probability[0])
        sums = np.stack(
            [
                np.bincount(found.ids.ravel(), weights=kind.ravel(), minlength=found.ids.max() + 1)
                for kind in probability[1:]
            ]
        )
        classes = dict(enumerate((sums[:, 1:].argmax(0) + 1).tolist(), start=1))
        return Instances(found.ids, classes, found.scores)


def middle(truth: Tensor, like: Tensor) -> Tensor:
    """The centre of a truth [… H W] that a map [B K h w] speaks of.

    Raises ContractError where the map is larger than its truth.
    """
    height, width = like.shape[-2:]
    top, left = (truth.shape[-2] - height) // 2, (truth.shape[-1] - width) // 2
    if top < 0 or left < 0:
        raise ContractError(
            "the map is larger than its truth",
            expected=f"at most {truth.shape[-2]} x {truth.shape[-1]} pixels",
            found=f"{height} x {width}",
        )
    return truth[..., top : top + height, left : left + width]


def class_truth(batch: Labelled, count: int) -> Tensor:
    """The class of each pixel, int64 [B H W]: 0 background, `NO_CLASS` in objects without one.

    Raises DataError where the batch has no classes, or one that is not below `count`.
    """
    largest = -1 if batch.classes is None else int(batch.classes.max())
    if batch.classes is None or largest >= count:
        raise DataError(
            "the labels do not have the classes that the network is to learn",
            expected=f"classes 0 (background) to {count - 1}",
            found="no classes" if largest < 0 else f"class {largest} in " + ", ".join(batch.keys),
            hint="look at the classes of the data set with `histokit data info NAME`",
        )
    return batch.classes.masked_fill((batch.ids > 0) & (batch.classes == 0), NO_CLASS)


def _class_logits(output: Any) -> Tensor:
    if isinstance(output, Tensor) and output.ndim == 4 and output.shape[1] > 1:
        return output
    found = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
    raise ContractError(
        "the network does not give a map for each class",
        expected="a tensor of logits [B K+1 H W]",
        found=str(found),
        hint="name a class_head on the card of the network that reads its output",
    )


def _not_one_image(expected: str, maps: Maps) -> ContractError:
    return ContractError(
        "one image is decoded at a time", expected=expected, found=str(list(maps.logits.shape))
    )
