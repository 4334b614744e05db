"""How long training takes, and what changes from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """A number of epochs at the full learning rate, then some in which it falls.

    Attributes:
        epochs: at the full learning rate.
        decay_epochs: in which learning rate and trust in the pairs change.
        epoch_steps: steps that count as one epoch.
    """

    epochs: int
    decay_epochs: int
    epoch_steps: int

    @property
    def steps(self) -> int:
        """Those of all epochs."""
        return (self.epochs + self.decay_epochs) * self.epoch_steps

    def epoch(self, done: int) -> int:
        """The epoch, counted from 1, of the step that follows `done` steps."""
        return done // self.epoch_steps + 1

    def rate(self, done: int) -> float:
        """Factor on the learning rate: 1, then a straight line that stops short of 0."""
        late = max(0, self.epoch(done) - self.epochs)
        return 1 - late / (self.decay_epochs + 1)

    def uniform(self, done: int) -> float:
        """The share p of the adaptive weights that is the same for all patches.

        1 to the end of the first decaying epoch, then a straight line towards 0 (Li et al.,
        MICCAI 2023, released code, mode ``lambda_linear``).
        """
        total = self.epochs + self.decay_epochs
        left = total - (self.epoch(done) - 1)
        return min(1.0, left / self.decay_epochs) if self.decay_epochs else 1.0
