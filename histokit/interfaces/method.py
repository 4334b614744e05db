"""How a method is trained: a list of phases, each with its own step function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from histokit.interfaces.batch import Feed, Labelled
    from histokit.interfaces.context import Context

    Losses: TypeAlias = Mapping[str, Tensor]
    """Scalars by name, detached or not, on any device; the loop logs them."""


class Stateful(Protocol):
    """Anything whose state can be saved and restored: networks, updaters, averages, schedules."""

    def state_dict(self) -> dict[str, Any]:
        """The whole state, as nested dictionaries and lists of tensors and plain numbers."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Restores what `state_dict` gave."""
        ...


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training with one kind of step.

    Attributes:
        name: unique within the method, such as ``warmup``.
        steps: how many batches are drawn; 0 skips the phase.
        feed: where the batches come from.
        step: takes one batch, optimises through `Updater.update`, and returns its losses.
        before: called once before the first step, and again on resume *before* the saved state
            is restored; so it may freeze layers or reset statistics, and must not depend on
            random numbers.
    """

    name: str
    steps: int
    feed: Feed
    step: Callable[[Any], Losses]
    before: Callable[[], None] | None = None


class Method(ABC):
    """A paper's training procedure. Its class also takes a role: Segmenter, Adapter, Translator."""

    @classmethod
    @abstractmethod
    def build(cls, config: Any, context: Context) -> Self:
        """The untrained method.

        Args:
            config: the resolved settings, an instance of the card's `config` class.
            context: device, networks, updaters and other trained things by name.
        """

    @abstractmethod
    def stateful(self) -> Mapping[str, Stateful]:
        """Everything that training changes, by name. Nothing else may hold weights.

        The core saves, restores and moves these, and switches the networks among them between
        training and evaluation mode.
        """

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """The training plan, in order. A method without training returns none."""

    def warnings(self, losses: Mapping[str, float], step: int) -> Sequence[str]:
        """Signs of known failure in the latest logged losses, in plain words; none by default."""
        del losses, step
        return ()

    def measures(self, batch: Labelled) -> Mapping[str, Tensor]:
        """Numbers of each sample that are to be read beside its scores; none by default.

        `histokit eval` asks for them window by window, without gradient and in evaluation mode,
        and takes the mean over the windows of an image. They become further columns of
        per_image.csv, and the report tells how they go together with Dice.

        Args:
            batch: labelled images; of ``fit`` sizes where the method is a Segmenter.

        Returns:
            By name, a tensor [B] each: NaN where it is undefined for a sample. The names are the
            same for every batch, and none is that of a score.
        """
        del batch
        return {}

    def facts(self) -> Mapping[str, Mapping[str, float]]:
        """Tables of numbers of the trained method itself, each with a title; none by default.

        `histokit eval` writes them to facts.csv and draws a bar for each number, such as one a
        layer. All numbers are finite.
        """
        return {}
