"""How the output of HoVer-Net is trained and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from histokit.errors import ContractError
from histokit.interfaces.batch import Labelled
from histokit.interfaces.network import Head
from histokit.interfaces.segmenter import Instances, Maps
from histokit.losses.hovernet import (
    MsgeAxes,
    cross_entropy,
    distance_error,
    gradient_error,
    pooled_dice,
)
from histokit.losses.segmentation import full_precision
from histokit.nn.heads import class_truth, middle
from histokit.postprocess.hover import Nuclei, hover, lengths_at
from histokit.postprocess.hv_maps import Border, fix_mirror_padding, hv_maps


@final
class HoverHead(Head):
    """Reads ``np``, ``hv`` and, where there are types, ``tp``; every loss term weighs 1.

    Source: Graham et al., Medical Image Analysis 2019, and the authors' PyTorch release.

    Args:
        msge_axes: which derivative is taken of which distance map; see `MsgeAxes`.
        hv_border: ``reference`` gives no distances to nuclei at the top and left border, a mistake
            of the release.
        min_hv_area: nuclei with fewer pixels in the output have no distances.
        lengths: of the post-processing in pixels, where they are not the usual ones; see
            `histokit.postprocess.hover.lengths_at`.
    """

    def __init__(
        self,
        msge_axes: MsgeAxes = "reference",
        hv_border: Border = "clamp",
        min_hv_area: int = 30,
        lengths: Mapping[str, int] | None = None,
    ) -> None:
        self._axes = msge_axes
        self._border = hv_border
        self._min_area = min_hv_area
        self._lengths = lengths or {}

    def at(self, mpp: float) -> HoverHead:
        """The same with the lengths of the post-processing for this size of a pixel."""
        return HoverHead(self._axes, self._border, self._min_area, lengths_at(mpp))

    def losses(self, output: Any, batch: Labelled) -> Mapping[str, Tensor]:
        """``np_ce``, ``np_dice``, ``hv_mse``, ``hv_msge``, and with types ``tp_ce``, ``tp_dice``.

        Raises DataError where the batch does not have the classes that ``tp`` is to learn.
        """
        maps = _checked(output)
        truth = self.truth(batch, output)
        distances = self._distances(batch.ids, truth)
        nuclei = full_precision(maps["np"]).softmax(1)
        terms = {
            "np_ce": cross_entropy(nuclei, truth[:, 0].long()),
            "np_dice": pooled_dice(nuclei, truth[:, 0].long()),
            "hv_mse": distance_error(maps["hv"], distances),
            "hv_msge": gradient_error(maps["hv"], distances, truth, axes=self._axes),
        }
        if "tp" in maps:
            types = full_precision(maps["tp"]).softmax(1)
            # as in the release, a nucleus without a type is background to this branch
            classes = middle(class_truth(batch, types.shape[1]), types).clamp_min(0)
            terms["tp_ce"] = cross_entropy(types, classes)
            terms["tp_dice"] = pooled_dice(types, classes)
        return terms

    def _distances(self, ids: Tensor, truth: Tensor) -> Tensor:
        size = (truth.shape[-2], truth.shape[-1])
        made = [
            hv_maps(
                fix_mirror_padding(one),
                output=size,
                min_area=self._min_area,
                border=self._border,
            )
            for one in ids.cpu().numpy()
        ]
        return torch.from_numpy(np.stack(made)).to(truth.device)

    def foreground(self, output: Any) -> Tensor:
        """How far the logit of nuclei lies above that of the background."""
        nuclei = _checked(output)["np"]
        return nuclei[:, 1:] - nuclei[:, :1]

    def truth(self, batch: Labelled, output: Any) -> Tensor:
        """1 where any nucleus is, however small."""
        return (middle(batch.ids, _checked(output)["np"]) > 0)[:, None].float()

    def maps(self, output: Any) -> Maps:
        """The logits of ``np``; ``hv`` and the logits ``tp`` are extra."""
        maps = {name: values.float() for name, values in _checked(output).items()}
        return Maps(maps.pop("np"), "softmax", maps)

    def decode(self, maps: Maps) -> Instances:
        """The nuclei of one image by `histokit.postprocess.hover`.

        Each score is the mean probability of being in a nucleus; with types, the share of pixels
        that have the type. A nucleus of which all pixels are called background has no class.
        """
        if maps.logits.shape[:2] != (1, 2) or "hv" not in maps.extra:
            raise ContractError(
                "one image is decoded at a time",
                expected="logits [1 2 H W] and the extra map hv [1 2 H W]",
                found=f"{list(maps.logits.shape)} and {', '.join(maps.extra) or 'nothing'}",
            )
        foreground = maps.logits[0].detach().float().softmax(0)[1].cpu().numpy()
        distances = maps.extra["hv"][0].detach().float().cpu().numpy()
        types = maps.extra.get("tp")
        kinds = None if types is None else types[0].detach().argmax(0).cpu().numpy()
        return _instances(hover(foreground, distances, kinds, **self._lengths), foreground)


def _instances(nuclei: Nuclei, foreground: np.ndarray[Any, np.dtype[np.float32]]) -> Instances:
    numbers = range(1, len(nuclei.areas) + 1)
    if nuclei.types is None or nuclei.shares is None:
        sums = np.bincount(nuclei.ids.ravel(), weights=foreground.ravel(), minlength=1)[1:]
        means = np.clip(sums / nuclei.areas, 0.0, 1.0)
        return Instances(nuclei.ids, scores=dict(zip(numbers, means.tolist(), strict=True)))
    found = zip(numbers, nuclei.types.tolist(), strict=True)
    classes = {number: kind for number, kind in found if kind > 0}
    scores = dict(zip(numbers, nuclei.shares.tolist(), strict=True))
    return Instances(nuclei.ids, classes, scores)


def _checked(output: Any) -> dict[str, Tensor]:
    """The maps by name. Raises ContractError when this is no output of HoVer-Net."""
    if isinstance(output, Mapping):
        sound = all(isinstance(m, Tensor) and m.ndim == 4 for m in output.values())
        if sound and all(name in output and output[name].shape[1] == 2 for name in ("np", "hv")):
            return dict(output)
    raise ContractError(
        "the network does not give the maps of HoVer-Net",
        expected="a mapping with np [B 2 H W], hv [B 2 H W] and perhaps tp [B K H W]",
        found=", ".join(output) if isinstance(output, Mapping) else type(output).__name__,
        hint="name a head on the card of the network that reads its output",
    )
