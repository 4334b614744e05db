"""The devices of a run: Lightning Fabric behind a small face."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from histokit.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a command runs: device, number format and the processes that share the work."""

    fabric: Fabric
    precision: str

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return self.fabric.device

    @property
    def rank(self) -> int:
        """Number of this process; 0 writes the files."""
        return self.fabric.global_rank

    @property
    def world(self) -> int:
        """Number of processes."""
        return self.fabric.world_size

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a CUDA GPU."""
        return self.device.type == "cuda"

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision for one step or one forward pass."""
        return self.fabric.autocast()

    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over all processes."""
        reduced = self.fabric.all_reduce(value, reduce_op="mean")
        return reduced if isinstance(reduced, Tensor) else value

    def describe(self) -> str:
        """Device, format and processes in words."""
        name = torch.cuda.get_device_name(self.device) if self.on_gpu else cpu_name()
        processes = f", {self.world} processes" if self.world > 1 else ""
        return f"{name} ({self.precision}{processes})"


def open_machine(
    device: str = "auto",
    precision: str = "auto",
    *,
    devices: int = 1,
    nodes: int = 1,
    threads: int = 0,
) -> Machine:
    """The machine that the settings ask for, launched.

    Under ``torchrun`` the number of processes comes from its environment.
    Raises DeviceError when CUDA is asked for and absent.
    """
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise DeviceError(
            "there is no CUDA device",
            expected="a GPU that torch can use",
            found=f"torch {torch.__version__} without a usable GPU",
            hint="use --device cpu, or see `histokit doctor`",
        )
    kind = "cuda" if device != "cpu" and cuda else "cpu"
    if precision == "auto":
        precision = "bf16" if kind == "cuda" and torch.cuda.is_bf16_supported() else "32"
    name = {"32": "32-true", "bf16": "bf16-mixed"}[precision]
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", devices))
    torch.set_num_threads(threads or max(1, len(os.sched_getaffinity(0)) // devices))
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=nodes,
        precision=name,  # type: ignore[arg-type]  # Fabric types this as a literal
        strategy="ddp" if devices * nodes > 1 else "auto",
    )
    fabric.launch()
    return Machine(fabric, name)


@contextmanager
def told_out_of_memory(hint: str) -> Iterator[None]:
    """Turns the device's out-of-memory error into a DeviceError that says what to lower."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            "the device ran out of memory", found=str(error).split(". ")[0], hint=hint
        ) from error


def cpu_name() -> str:
    """The processor and the number of cores this process may use."""
    return f"CPU {platform.machine()}, {len(os.sched_getaffinity(0))} cores"
