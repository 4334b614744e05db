"""Random fields and seeds that every process draws alike."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]


def generator(*parts: str | int) -> np.random.Generator:
    """A random generator seeded by the SHA-256 of the parts, so the same in every process."""
    digest = sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


@lru_cache(maxsize=64)
def _band(size: int, fine: float, coarse: float) -> Plane:
    rows = fft.fftfreq(size)[:, None]
    cols = fft.rfftfreq(size)[None, :]
    squared = -2 * np.pi**2 * (rows**2 + cols**2)
    passed = np.exp(squared * fine**2)
    if np.isfinite(coarse):
        passed = passed - np.exp(squared * coarse**2)
    return passed.astype(np.float32)


def band_noise(rng: np.random.Generator, size: int, fine: float, coarse: float = np.inf) -> Plane:
    """Gaussian noise [size size] of about unit deviation, with the detail between two scales.

    Args:
        rng: where the noise is drawn from.
        size: rows and columns.
        fine: blur in pixels (sigma) that removes the finer detail.
        coarse: blur in pixels whose result is subtracted; infinite keeps the slow waves.
    """
    padded = int(fft.next_fast_len(size + int(min(2.5 * fine, size // 2)), real=True))
    white = rng.standard_normal((padded, padded), dtype=np.float32)
    spectrum = fft.rfft2(white) * _band(padded, fine, coarse)
    field = fft.irfft2(spectrum, s=(padded, padded))
    field -= field.mean()
    field /= field.std() + np.float32(1e-6)
    return np.ascontiguousarray(field[:size, :size], dtype=np.float32)


def ramp(values: Plane, width: float) -> Plane:
    """A smooth step from 0 to 1 around zero, `width` being its half width."""
    scaled = np.clip(values / np.float32(2 * width) + np.float32(0.5), 0, 1)
    return (scaled * scaled * (3 - 2 * scaled)).astype(np.float32)
