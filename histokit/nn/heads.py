"""How the raw output of a segmentation network is trained and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from histokit.errors import ContractError
from histokit.interfaces.batch import Labelled
from histokit.interfaces.network import Head
from histokit.interfaces.segmenter import Instances, Maps
from histokit.losses.segmentation import bce_dice
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
        height, width = self.foreground(output).shape[-2:]
        mask = batch.ids.unsqueeze(1) > 0
        top, left = (mask.shape[-2] - height) // 2, (mask.shape[-1] - width) // 2
        if top < 0 or left < 0:
            raise ContractError(
                "the foreground map is larger than its truth",
                expected=f"at most {mask.shape[-2]} x {mask.shape[-1]} pixels",
                found=f"{height} x {width}",
            )
        return mask[..., top : top + height, left : left + width].float()

    def maps(self, output: Any) -> Maps:
        """The logits in float32, to be read through a sigmoid."""
        return Maps(logits=self.foreground(output).float(), activation="sigmoid")

    def decode(self, maps: Maps) -> Instances:
        """The objects of one image, by watershed of the foreground probability at 0.5."""
        if maps.logits.shape[:2] != (1, 1):
            raise ContractError(
                "one image is decoded at a time",
                expected="logits [1 1 H W]",
                found=str(list(maps.logits.shape)),
            )
        return watershed(torch.sigmoid(maps.logits[0, 0]).detach().cpu().numpy())
