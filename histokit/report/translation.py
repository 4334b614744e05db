"""The trust picture of a translation: what went in, what came out, what it should have been, and
where the nuclei disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.report.data import Panel
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


def trust_pictures(
    source: NDArray[np.uint8],
    output: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    output_ids: NDArray[np.int32],
    reference_ids: NDArray[np.int32],
    *,
    side: int = 640,
    limit: int = 200_000,
) -> TrustPictures:
    """The pictures of one translated image, each about `side` pixels wide and at most `limit`
    bytes; a large image is cut to where most nuclei are.

    Args:
        source: uint8 [H W 3].
        output: its translation.
        reference: the real image of the same place.
        output_ids: nuclei found in the translation, [H W], 0 = background.
        reference_ids: nuclei found in the reference by the same segmenter.
        side: of a picture in pixels.
        limit: bytes of a picture.

    Raises DataError where the sizes differ.
    """
    size = reference.shape[:2]
    for image in (source, output, output_ids, reference_ids):
        if image.shape[:2] != size:
            raise DataError(
                "the images of a trust picture differ in size",
                expected=f"{size[1]} x {size[0]} pixels",
                found=f"{image.shape[1]} x {image.shape[0]}",
            )
    # the same nuclei give the same part, whichever image they are drawn on
    plain, made, real = (
        views(_panel(image, output_ids, reference_ids), side=side, limit=limit)
        for image in (source, output, reference)
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


def _panel(
    image: NDArray[np.uint8], output_ids: NDArray[np.int32], reference_ids: NDArray[np.int32]
) -> Panel:
    return Panel(
        label="",
        key="",
        score=None,
        image=image,
        truth=reference_ids,
        prediction=output_ids,
        metric="",
    )
