"""Optimal transport: the costs that are trained, and those that POT computes.

What is trained is squared: at equal clouds the root in POT's sliced and Bures distances has a
gradient of NaN (POT 0.9.7). Where POT itself is asked to be trained, such gradients become 0. POT
is named only inside functions, because importing it is slow.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 1e-8
"""Least eigenvalue of a covariance that is divided by."""


def random_directions(dimension: int, count: int, like: Tensor) -> Tensor:
    """Unit vectors [dimension count], uniform on the sphere."""
    drawn = torch.randn(dimension, count, device=like.device, dtype=like.dtype)
    return functional.normalize(drawn, dim=0)


def sliced_squared(first: Tensor, second: Tensor, directions: Tensor) -> Tensor:
    """The mean over directions [D K] of W2² between the projections of two clouds [N D].

    The clouds have as many points, so in one dimension the plan pairs them in rising order. This
    is the square of ``ot.sliced_wasserstein_distance``.
    """
    one, other = ((cloud @ directions).sort(0).values for cloud in (first, second))
    return (one - other).square().mean()


def bures_to_normal(points: Tensor) -> Tensor:
    """W2² between N(m, C) of a cloud [N D] and N(0, I)."""
    mean = points.mean(0)
    centred = points - mean
    return bures_squared(mean, centred.T @ centred / max(len(points) - 1, 1))


def bures_squared(mean: Tensor, covariance: Tensor) -> Tensor:
    """|m|² + sum(λ + 1 - 2 sqrt(λ)) over the eigenvalues λ of C.

    The gradient for C is the closed I - C^(-1/2), as that of an eigen-decomposition is NaN where
    eigenvalues coincide. It can be taken once.
    """
    values, vectors = torch.linalg.eigh(covariance.detach())
    values = values.clamp_min(SMALLEST)
    cost = (values + 1 - 2 * values.sqrt()).sum()
    slope = (vectors * (1 - values.rsqrt())) @ vectors.T
    return mean.square().sum() + cost + (slope * (covariance - covariance.detach())).sum()


def pot_sliced(first: Tensor, second: Tensor, directions: Tensor) -> Tensor:
    """`sliced_squared` by POT."""
    import ot

    found: Tensor = ot.sliced_wasserstein_distance(
        guarded(first), guarded(second), projections=directions
    )
    return found.square()


def pot_bures_to_normal(points: Tensor) -> Tensor:
    """`bures_to_normal` by POT."""
    import ot

    points = guarded(points)
    mean = points.mean(0)
    centred = points - mean
    covariance = guarded(centred.T @ centred / max(len(points) - 1, 1))
    eye = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
    found: Tensor = ot.gaussian.bures_wasserstein_distance(
        mean, torch.zeros_like(mean), covariance, eye
    )
    return found.square().reshape(())


def guarded(values: Tensor) -> Tensor:
    """The values; where their gradient is not a number it becomes 0."""
    if not values.requires_grad:
        return values
    values = values.view_as(values)
    values.register_hook(lambda slope: slope.nan_to_num(0.0, 0.0, 0.0))
    return values


def sinkhorn(first: Tensor, second: Tensor, reg: float = 0.5, rounds: int = 1000) -> Tensor:
    """<P, M> of the entropic plan between two clouds [N D], M squared distances, by POT.

    Always in the logarithmic domain: the plain method returns 0 where exp(-M / reg) underflows.
    The entropy is not included, so equal clouds do not cost 0. The plan is held still in the
    gradient, which is then that of the cost with its entropy (envelope theorem) and always finite;
    a gradient through all rounds would cost ten times as much.

    Args:
        first: a cloud.
        second: another, of any size.
        reg: weight of the entropy.
        rounds: after which the plan is taken as it is.
    """
    import ot

    cost = (first[:, None] - second).square().sum(-1)
    with torch.no_grad():
        rows, columns = (cost.new_full((n,), 1 / n) for n in cost.shape)
        plan: Tensor = ot.sinkhorn(
            rows, columns, cost, reg, method="sinkhorn_log", numItermax=rounds, warn=False
        )
    return (plan * cost).sum()


def line_distance(first: Tensor, second: Tensor) -> float:
    """W1 between two sets of numbers of any sizes, by POT; it takes no gradient."""
    import ot

    a, b = (values.detach().double().cpu().numpy() for values in (first, second))
    return float(ot.wasserstein_1d(a, b, p=1))
