"""The weights of the layers, one alpha each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

import torch
from torch import Tensor, nn

from histokit.training.schedule import linear_ramp

if TYPE_CHECKING:
    from histokit_fdloss.config import FdLossConfig

AlphaMode = Literal["ascent", "descent", "descent_reg", "ramp", "fixed"]
LEARNED: tuple[AlphaMode, ...] = ("ascent", "descent", "descent_reg")


@final
class Alphas(nn.Module):
    """One weight a layer; 0 until the penalised steps begin.

    ``descent`` minimises alpha L like the rest of the loss, as the paper's text has it: alpha
    rises without end where L is below 0 and cannot leave 0 where L is above. ``ascent`` maximises
    alpha (L - threshold) as a penalty method does. ``descent_reg`` adds half of `alpha_pull`
    times alpha squared, so that alpha settles at -L / alpha_pull. ``ramp`` and ``fixed`` learn
    nothing: alpha goes up to `alpha_max` in a straight line, or is there at once.

    Args:
        count: how many layers.
        config: its fields that begin with ``alpha``.
    """

    steps: Tensor

    def __init__(self, count: int, config: FdLossConfig) -> None:
        super().__init__()
        self.learned = config.alpha_mode in LEARNED
        self.values = nn.Parameter(torch.zeros(count), requires_grad=self.learned)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._config = config
        self._ramp = linear_ramp(config.penalised_steps)

    @property
    def inert(self) -> bool:
        """Whether every alpha stays 0 for ever."""
        return not self.learned and self._config.alpha_max == 0

    @torch.no_grad()
    def begin(self) -> None:
        """Called before each penalised step: sets alphas that are not learned."""
        if self.learned:
            return
        share = self._ramp(int(self.steps)) if self._config.alpha_mode == "ramp" else 1.0
        self.values.fill_(share * self._config.alpha_max)

    def objective(self, distances: Tensor) -> Tensor:
        """What learned alphas minimise, a scalar; `distances` [layers] are taken as constants."""
        distances = distances.detach()
        if self._config.alpha_mode == "ascent":
            return -(self.values * (distances - self._config.alpha_threshold)).sum()
        loss = (self.values * distances).sum()
        if self._config.alpha_mode == "descent_reg":
            loss = loss + 0.5 * self._config.alpha_pull * self.values.square().sum()
        return loss

    @torch.no_grad()
    def end(self) -> None:
        """Called after each penalised step: brings learned alphas back into 0..alpha_max."""
        self.steps += 1
        if self.learned and not self._config.alpha_free:
            self.values.clamp_(0, self._config.alpha_max)
