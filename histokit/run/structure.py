"""How large what images show is, in pixels, without labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.run.domains import Domain

LOOKED_AT = 10
"""Most training images of a domain that are looked at, evenly spread."""
HALF = 0.5
"""The autocorrelation at which a structure ends."""


def target_scale(source: Domain, target: Domain) -> tuple[float, str]:
    """The factor on target images that makes their structures as large as those of the source, and
    a line that says it. Both domains are at the pixel size of the run.
    """
    ours, theirs = structure_size(source), structure_size(target)
    factor = round(ours / theirs, 3)
    return factor, (
        f"target scale {factor:g}: structures have {ours:.1f} px in {source.name} and "
        f"{theirs:.1f} px in {target.name}, estimated by autocorrelation"
    )


def structure_size(domain: Domain) -> float:
    """The median of `correlation_length` over training images of a domain.

    Raises DataError where they show nothing.
    """
    records = domain.part("train")
    spread = records[:: max(-(-len(records) // LOOKED_AT), 1)]
    sizes = [correlation_length(domain.image(record).mean(axis=2)) for record in spread]
    size = float(np.median(sizes)) if sizes else 0.0
    if size <= 0:
        raise DataError(
            f"the size of structures in {domain.name} cannot be estimated",
            found="images of one grey level" if sizes else "no training images",
            hint="--target-scale FACTOR",
        )
    return size


def correlation_length(image: NDArray[np.floating]) -> float:
    """The distance in pixels at which an image's autocorrelation, taken over all directions, falls
    below a half. It does not mind contrast; 0 for an image of one value.
    """
    centred = image - image.mean()
    shape = tuple(2 * side for side in image.shape)  # room, so that no edge meets the other
    power = np.abs(np.fft.rfft2(centred, shape)) ** 2
    overlap = np.abs(np.fft.rfft2(np.ones(image.shape), shape)) ** 2
    sums, counts = (np.fft.irfft2(part, shape) for part in (power, overlap))
    if sums[0, 0] <= 1e-9:
        return 0.0
    reach = min(image.shape) // 2
    correlation = sums[:reach, :reach] / counts[:reach, :reach] / (sums[0, 0] / counts[0, 0])
    rows, columns = np.mgrid[:reach, :reach]
    rings = np.hypot(rows, columns).round().astype(int).ravel()
    profile = np.bincount(rings, weights=correlation.ravel()) / np.bincount(rings)
    below = np.flatnonzero(profile[:reach] < HALF)
    if not below.size:
        return float(reach)
    end = int(below[0])
    before, after = profile[end - 1], profile[end]
    return float(end - 1 + (before - HALF) / (before - after))
