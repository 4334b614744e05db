"""TensorBoard events of a run, an extra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from histokit.errors import PluginError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Scalars(Protocol):
    """Where numbers are drawn over steps."""

    def __call__(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Adds one point to the curve ``group/name`` of each value."""
        ...


@contextmanager
def tensorboard(folder: Path, *, start: int = 0) -> Iterator[Scalars]:
    """Writes scalars as event files in `folder`; they are flushed and closed however the block
    ends.

    Args:
        folder: made where it is missing.
        start: steps done by an earlier run; the points it drew beyond them are hidden.

    Raises PluginError where TensorBoard is not installed.
    """
    writer = _writer(folder, start)

    def add(step: int, group: str, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{group}/{name}", value, step)

    try:
        yield add
    finally:
        writer.close()


def require_tensorboard() -> None:
    """Raises PluginError, saying what to type, where TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise PluginError(
            "--tensorboard needs the package tensorboard",
            found=str(error),
            hint='pip install "histokit-core[tensorboard]"',
        ) from error


def _writer(folder: Path, start: int) -> SummaryWriter:
    require_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=start + 1 if start else None)
