"""The mathematics of the diffusion: few large steps of noise, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor

EPS = 1e-3
"""Where on the continuous time axis 0..1 the first step stands."""
FIRST_BETA = 1e-8
"""Variance of step 0; single precision rounds it away, so x_0 is the clean image."""


@dataclass(frozen=True, slots=True)
class Noised:
    """A clean image after noise: x_t as `now` and x_{t+1} as `later`, [B C H W], of the steps t,
    int64 [B].
    """

    now: Tensor
    later: Tensor
    steps: Tensor


@final
@dataclass(frozen=True, slots=True, eq=False)
class Diffusion:
    """The variance-preserving schedule in T steps (arXiv 2207.08208; Song et al., ICLR 2021).

    Numbers a step, float32. With a_i = sqrt(1 - beta_i) and A_i their product:

    Attributes:
        times: places on the continuous axis, [T + 1].
        betas: variance that step i adds, [T + 1].
        keep: a_i, the share of the image that step i keeps, [T + 1].
        spread: sqrt(beta_i), the deviation of its noise, [T + 1].
        kept: A_i, [T + 1].
        spreads: sqrt(1 - A_i^2), [T + 1].
        from_clean: factor on x_0 in the mean of q(x_t | x_0, x_{t+1}), [T].
        from_later: factor on x_{t+1} in it, [T].
        variance: its variance, [T].
    """

    times: Tensor
    betas: Tensor
    keep: Tensor
    spread: Tensor
    kept: Tensor
    spreads: Tensor
    from_clean: Tensor
    from_later: Tensor
    variance: Tensor

    @classmethod
    def of(
        cls,
        steps: int = 4,
        *,
        beta_min: float = 0.1,
        beta_max: float = 20.0,
        device: torch.device | None = None,
    ) -> Self:
        """The schedule in `steps` steps from rate `beta_min` to rate `beta_max`.

        As in the authors' code the variances are rounded to single precision first, and all else
        follows from them in it.
        """
        times, exact = variances(steps, beta_min, beta_max)
        betas = exact.float()
        keep = (1 - betas).sqrt()
        kept = keep.cumprod(0)
        after = (1 - betas[1:]).cumprod(0)
        before = torch.cat((torch.ones(1), after[:-1]))
        numbers = (
            times.float(),
            betas,
            keep,
            betas.sqrt(),
            kept,
            (1 - kept**2).sqrt(),
            betas[1:] * before.sqrt() / (1 - after),
            (1 - before) * keep[1:] / (1 - after),
            betas[1:] * (1 - before) / (1 - after),
        )
        return cls(*(number.to(device) for number in numbers))

    @property
    def steps(self) -> int:
        """T."""
        return len(self.variance)

    def noised(self, clean: Tensor) -> Noised:
        """Clean images [B C H W] at random steps, one an image, with fresh noise."""
        steps = torch.randint(self.steps, (len(clean),), device=clean.device)
        return self.pair(clean, steps, torch.randn_like(clean), torch.randn_like(clean))

    def pair(self, clean: Tensor, steps: Tensor, first: Tensor, second: Tensor) -> Noised:
        """x_t = A_t x_0 + S_t `first` and x_{t+1} = a_{t+1} x_t + sigma_{t+1} `second`."""
        now = _at(self.kept, steps) * clean + _at(self.spreads, steps) * first
        later = _at(self.keep, steps + 1) * now + _at(self.spread, steps + 1) * second
        return Noised(now, later, steps)

    def step_back(self, clean: Tensor, later: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        """x_t drawn from q(x_t | x_0, x_{t+1}) with given normal `noise`, of which step 0 has none.

        Args:
            clean: x_0 or its prediction, [B C H W].
            later: x_{t+1}.
            steps: t, int64 [B].
            noise: of the shape of `clean`.
        """
        mean = _at(self.from_clean, steps) * clean + _at(self.from_later, steps) * later
        return mean + _at(self.variance.sqrt(), steps) * noise

    def walk_back(
        self,
        predict: Callable[[Tensor, Tensor], Tensor],
        noise: Callable[[], Tensor],
    ) -> Tensor:
        """The whole way from noise to a clean image, T predictions long.

        Args:
            predict: gives x_0 of x_{t+1} [B C H W] and t, int64 [B].
            noise: gives fresh normal noise [B C H W] at each call.
        """
        image = noise()
        for step in reversed(range(self.steps)):
            steps = torch.full((len(image),), step, device=image.device)
            image = self.step_back(predict(image, steps), image, steps, noise())
        return image


def variances(steps: int, beta_min: float, beta_max: float) -> tuple[Tensor, Tensor]:
    """Continuous times and variances of the steps, float64 [steps + 1] each.

    The share of the image's variance that is left at time tau is
    exp(-(beta_max - beta_min) tau^2 / 2 - beta_min tau); a step's variance is what it takes of it.
    """
    times = torch.arange(steps + 1, dtype=torch.float64) / steps * (1 - EPS) + EPS
    left = torch.exp(-(beta_max - beta_min) * times**2 / 2 - beta_min * times)
    first = torch.tensor([FIRST_BETA], dtype=torch.float64)
    return times, torch.cat((first, 1 - left[1:] / left[:-1]))


def _at(numbers: Tensor, steps: Tensor) -> Tensor:
    return numbers[steps][:, None, None, None]
