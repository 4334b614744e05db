"""Pictures of one image: as it is, with true outlines, with predicted ones, and with errors."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, gaussian_filter
from skimage import segmentation

from histokit.metrics import contingency, over_half
from histokit.report.data import Panel

TRUTH, PREDICTION = "#ffe000", "#2fe0ff"
FOUND, MISSED, INVENTED = "#009e73", "#d55e00", "#0072b2"
"""Colours after Okabe and Ito, told apart with any colour vision; errors are also filled."""

_WINDOW = 320
"""Pixels of the image shown at most, along each side."""

_QUALITIES = (88, 75, 60, 45, 30)

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_boundaries: Callable[..., Mask] = segmentation.find_boundaries


@dataclass(frozen=True, slots=True)
class Views:
    """The pictures of one panel as data addresses, and counts over the whole image.

    Attributes:
        image, truth, prediction, errors: ``data:`` addresses.
        where: how much of the image they show; empty for all of it.
        found, missed, invented: objects, by IoU above one half.
    """

    image: str
    truth: str
    prediction: str
    errors: str
    where: str
    found: int
    missed: int
    invented: int


def views(panel: Panel, *, side: int = 640, limit: int = 200_000) -> Views:
    """The four pictures of a panel, each about `side` pixels wide and at most `limit` bytes.

    A large image is cut to the window of 320 x 320 pixels in which most nuclei, true or predicted,
    lie; `limit` may be passed by a picture that is all noise.
    """
    table = contingency(panel.truth, panel.prediction)
    matched = over_half(table)
    met_true, met_pred = table.true.ids[table.rows[matched]], table.pred.ids[table.cols[matched]]
    window = _window((panel.truth > 0) | (panel.prediction > 0))
    image, truth, prediction = panel.image[window], panel.truth[window], panel.prediction[window]
    times = max(1, side // max(image.shape[:2]))
    photo = _enlarge(np.ascontiguousarray(image), times)
    truth, prediction = (ids.repeat(times, 0).repeat(times, 1) for ids in (truth, prediction))
    errors = _errors(photo, truth, prediction, met_true, met_pred)
    whole = panel.image.shape[:2] == image.shape[:2]
    return Views(
        image=_jpeg(photo, limit),
        truth=_jpeg(_outlined(photo, truth, TRUTH), limit),
        prediction=_jpeg(_outlined(photo, prediction, PREDICTION), limit),
        errors=_jpeg(errors, limit),
        where="" if whole else _where(image.shape, panel.image.shape),
        found=int(matched.size),
        missed=len(table.true) - int(matched.size),
        invented=len(table.pred) - int(matched.size),
    )


def _where(part: tuple[int, ...], whole: tuple[int, ...]) -> str:
    return f"{part[1]} × {part[0]} of {whole[1]} × {whole[0]} px"


def _window(nuclei: Mask) -> tuple[slice, slice]:
    """The part of the image to show: around where nuclei lie most densely."""
    height, width = (min(side, _WINDOW) for side in nuclei.shape)
    if (height, width) == nuclei.shape:
        return slice(None), slice(None)
    coarse = nuclei[::4, ::4].astype(np.float32)
    density = gaussian_filter(coarse, (height / 16, width / 16), mode="constant")
    y, x = 4 * np.array(np.unravel_index(density.argmax(), density.shape))
    top = int(np.clip(y - height // 2, 0, nuclei.shape[0] - height))
    left = int(np.clip(x - width // 2, 0, nuclei.shape[1] - width))
    return slice(top, top + height), slice(left, left + width)


def _errors(
    photo: Rgb, truth: NDArray, prediction: NDArray, met_true: NDArray, met_pred: NDArray
) -> Rgb:
    """Found objects outlined, missed and invented ones filled, on a pale grey photo."""
    grey = photo @ np.array([0.299, 0.587, 0.114])
    pale = np.repeat((255 - 0.5 * (255 - grey))[..., None], 3, axis=2).astype(np.uint8)
    missed = np.where(np.isin(truth, met_true), 0, truth)
    found = np.where(np.isin(prediction, met_pred), prediction, 0)
    invented = np.where(found > 0, 0, prediction)
    rows, cols = np.ogrid[: truth.shape[0], : truth.shape[1]]
    stripe = (rows + cols) // 6 % 2 == 0  # where both lie, they take turns
    pale = _blend(pale, (missed > 0) & (stripe | (invented == 0)), MISSED, 0.5)
    pale = _blend(pale, (invented > 0) & (~stripe | (missed == 0)), INVENTED, 0.5)
    for ids, colour in ((found, FOUND), (missed, MISSED), (invented, INVENTED)):
        pale = _blend(pale, _border(ids), colour, 1.0)
    return pale


def _outlined(photo: Rgb, ids: NDArray, colour: str) -> Rgb:
    """The photo with the border of each object, on a dark hem that keeps it off pale tissue."""
    border = _border(ids)
    return _blend(_blend(photo, binary_dilation(border), "#000000", 0.25), border, colour, 1.0)


def _border(ids: NDArray) -> Mask:
    """A line of four pixels along each object's edge."""
    line: Mask = binary_dilation(_boundaries(ids, mode="thick"))
    return line


def _blend(photo: Rgb, where: Mask, colour: str, weight: float) -> Rgb:
    """The photo with a colour laid over some pixels."""
    paint = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)
    result = photo.copy()
    result[where] = ((1 - weight) * photo[where] + weight * paint).round().astype(np.uint8)
    return result


def _enlarge(photo: Rgb, times: int) -> Rgb:
    size = (photo.shape[1] * times, photo.shape[0] * times)
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))


def _jpeg(photo: Rgb, limit: int) -> str:
    """The photo as a ``data:`` address, of the best quality that fits."""
    buffer = io.BytesIO()
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "JPEG", quality=quality, subsampling=0)
        if buffer.tell() <= limit:
            break
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
