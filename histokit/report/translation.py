"""The trust picture of a translation: what went in, what came out, what it should have been, and
where the nuclei disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histokit.report.data import Panel, TrustPanel
from histokit.report.pictures import views


@dataclass(frozen=True, slots=True)
class TrustPictures:
    """Pictures of one place as ``data:`` addresses, all of the same part, and counts of nuclei
    over the whole image.

    Attributes:
        source: the image that was translated.
        output: the translation, its nuclei outlined.
        reference: the real image, its nuclei outlined.
        disagreement: nuclei of both outlined, those only in the reference and those only in the
            translation filled, in the colours of the report's error pictures.
        where: how much of the image they show; empty for all of it.
        kept: nuclei of the reference that the translation has too (IoU above one half).
        lost: nuclei only in the reference.
        invented: nuclei only in the translation: possible hallucinations.
    """

    source: str
    output: str
    reference: str
    disagreement: str
    where: str
    kept: int
    lost: int
    invented: int

    @property
    def caption(self) -> str:
        """The counts in words."""
        found, expected = self.kept + self.invented, self.kept + self.lost
        return (
            f"{found} nuclei in the translation, {expected} in the reference: "
            f"{self.kept} in both, {self.lost} lost, {self.invented} invented"
        )


def trust_pictures(panel: TrustPanel, *, side: int = 640, limit: int = 200_000) -> TrustPictures:
    """The pictures of one translated image, each about `side` pixels wide and at most `limit`
    bytes; a large image is cut to where most nuclei are. Without nuclei nothing is outlined.
    """
    # the same nuclei give the same part, whichever image they are drawn on
    plain, made, real = (
        views(_panel(image, panel), side=side, limit=limit)
        for image in (panel.source, panel.output, panel.reference)
    )
    return TrustPictures(
        source=plain.image,
        output=made.prediction,
        reference=real.truth,
        disagreement=made.errors,
        where=made.where,
        kept=made.found,
        lost=made.missed,
        invented=made.invented,
    )


def _panel(image: NDArray[np.uint8], panel: TrustPanel) -> Panel:
    nothing = np.zeros(image.shape[:2], np.int32)
    output, reference = panel.output_ids, panel.reference_ids
    return Panel(
        label=panel.label,
        key=panel.key,
        score=panel.score,
        image=image,
        truth=nothing if reference is None else reference,
        prediction=nothing if output is None else output,
        metric=panel.metric,
    )
