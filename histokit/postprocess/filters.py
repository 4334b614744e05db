"""Filters of whole images as OpenCV defines them, from products of banded matrices and slices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Mask = NDArray[np.bool_]

_BLOCK = 64
"""Pixels that one matrix product gives along an axis."""


def sobel_kernels(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smoothing and the derivative kernel of a Sobel filter, each of `size` (odd) taps.

    Binomial coefficients, and those of one step less differenced; smoothing sums to 1 and the
    derivative of a unit ramp is 1.
    """
    shorter = np.ones(1)
    for _ in range(size - 2):
        shorter = np.convolve(shorter, (0.5, 0.5))
    return np.convolve(shorter, (0.5, 0.5)), np.convolve(shorter, (-1.0, 1.0))


def derivative(values: Values, size: int, *, axis: int) -> Values:
    """The derivative along one axis, smoothed along the other: a Sobel filter of `size` taps.

    The border is mirrored about the outermost pixels.
    """
    smooth, differ = sobel_kernels(size)
    kernels = (differ, smooth) if axis == 0 else (smooth, differ)
    return _along_columns(_along_rows(values, kernels[0]), kernels[1])


def _along_columns(values: Values, kernel: NDArray[np.float64]) -> Values:
    """Every row correlated with a kernel."""
    radius, width = kernel.size // 2, values.shape[1]
    padded = np.pad(values, ((0, 0), (radius, radius)), mode="reflect")
    band = _band(kernel)
    result = np.empty_like(values)
    for start in range(0, width, _BLOCK):
        stop = min(start + _BLOCK, width)
        here = band[: stop - start + 2 * radius, : stop - start]
        result[:, start:stop] = padded[:, start : stop + 2 * radius] @ here
    return result


def _along_rows(values: Values, kernel: NDArray[np.float64]) -> Values:
    """Every column correlated with a kernel."""
    radius, height = kernel.size // 2, values.shape[0]
    padded = np.pad(values, ((radius, radius), (0, 0)), mode="reflect")
    band = _band(kernel).T
    result = np.empty_like(values)
    for start in range(0, height, _BLOCK):
        stop = min(start + _BLOCK, height)
        here = band[: stop - start, : stop - start + 2 * radius]
        np.matmul(here, padded[start : stop + 2 * radius], out=result[start:stop])
    return result


def _band(kernel: NDArray[np.float64]) -> Values:
    """The kernel down the diagonal, float32 [block + taps - 1, block]."""
    band = np.zeros((_BLOCK + kernel.size - 1, _BLOCK), np.float32)
    for column in range(_BLOCK):
        band[column : column + kernel.size, column] = kernel
    return band


def blur3(values: Values) -> Values:
    """Smoothed by 1/4, 1/2, 1/4 along both axes; the border is mirrored."""
    padded = np.pad(values, 1, mode="reflect")
    rows = padded[:-2] + padded[2:]
    rows += 2 * padded[1:-1]
    result = rows[:, :-2] + rows[:, 2:]
    result += 2 * rows[:, 1:-1]
    result *= 1 / 16
    return result


def opened(mask: Mask, radius: int) -> Mask:
    """The mask without what a disc of `radius` does not fit into.

    The disc is OpenCV's ellipse of ``2 * radius + 1`` pixels; beyond the border it fits anywhere.
    """
    if radius < 1:
        return mask.copy()
    widths = disc(radius)
    return ~_eroded(~_eroded(mask, widths), widths)


def disc(radius: int) -> list[int]:
    """Half the width of each row of the disc, from its top to its bottom."""
    rows = np.arange(-radius, radius + 1)
    return np.rint(np.sqrt(np.maximum(radius**2 - rows**2, 0))).astype(int).tolist()


def _eroded(mask: Mask, widths: list[int]) -> Mask:
    radius = len(widths) // 2
    height, width = mask.shape
    padded = np.pad(mask, radius, constant_values=True)
    result = np.ones_like(mask)
    lines = padded[:, radius : radius + width].copy()
    for reach in range(radius + 1):
        if reach:
            lines &= padded[:, radius - reach : radius - reach + width]
            lines &= padded[:, radius + reach : radius + reach + width]
        for row in (row for row, half in enumerate(widths) if half == reach):
            result &= lines[row : row + height]
    return result
