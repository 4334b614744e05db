"""The independent segmenter that looks at drawn images."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from histokit.errors import UsageError
from histokit_ostrich.squeeze import padded

if TYPE_CHECKING:
    from histokit.interfaces.segmenter import Segmenter


@final
class Judge:
    """A trained segmenter other than the generator.

    The generator itself is no judge: it finds every map again that it has drawn, also where the
    picture shows the nuclei of the donor, because it can hide a map in faint signals.

    Args:
        find: gives the segmenter; called once.
    """

    def __init__(self, find: Callable[[], Segmenter]) -> None:
        self._find = find

    def open(self) -> None:
        """Loads the segmenter. Raises UsageError where it does not read RGB at full size."""
        _ = self._segmenter

    @torch.no_grad()
    def foreground(self, images: Tensor) -> Tensor:
        """The probability of nuclei, [B 1 H W], in images [B 3 H W]."""
        height, width = images.shape[-2:]
        maps = self._segmenter.segment(padded(images, self._segmenter.sizes))
        logits = maps.logits[..., :height, :width]
        if maps.activation == "sigmoid":
            return logits[:, :1].sigmoid()
        return 1 - logits.softmax(1)[:, :1]

    @cached_property
    def _segmenter(self) -> Segmenter:
        found = self._find()
        if found.channels != 3 or found.sizes.shrink:
            raise UsageError(
                "the judge cannot look at drawn images",
                expected="a segmenter of RGB images whose maps are as large as they are",
                found=f"{found.channels} channels, maps {found.sizes.shrink} pixels smaller",
                hint="give another --judge, or none",
            )
        return found
