"""The devices of a run: Lightning Fabric behind a small face."""

from __future__ import annotations

import io
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
        """Mixed precision for one step or one forward pass.

        Weights are cast anew each time: torch's cache would hand those cast without gradients to
        a pass that needs them, and keep a critic's from before its update.
        """
        torch.set_autocast_cache_enabled(False)
        return self.fabric.autocast()

    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over all processes."""
        reduced = self.fabric.all_reduce(value, reduce_op="mean")
        return reduced if isinstance(reduced, Tensor) else value

    def gathered(self, value: Any) -> list[Any]:
        """The `value` of every process, by rank: tensors on the CPU and plain values, in any
        nesting. All processes must ask.
        """
        if self.world == 1:
            return [value]
        packed = io.BytesIO()  # torch packs every dtype, pickle does not
        torch.save(value, packed)
        parcels: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(parcels, packed.getvalue())
        return [torch.load(io.BytesIO(parcel), weights_only=True) for parcel in parcels]

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

    Under ``torchrun`` the numbers of processes and of machines come from its environment.
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
    devices, nodes = launched(devices, nodes)
    torch.set_num_threads(threads or free_threads(devices))
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=nodes,
        precision=name,  # type: ignore[arg-type]  # Fabric types this as a literal
        strategy="ddp" if devices * nodes > 1 else "auto",
    )
    fabric.launch()
    return Machine(fabric, name)


def launched(devices: int, nodes: int) -> tuple[int, int]:
    """Processes a machine and machines, as ``torchrun`` started them; else as they are given."""
    if "LOCAL_WORLD_SIZE" not in os.environ:
        return devices, nodes
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    return local, max(1, int(os.environ.get("WORLD_SIZE", local)) // local)


def free_threads(devices: int) -> int:
    """CPU threads for one of the processes of this machine: those of ``OMP_NUM_THREADS``, unless
    ``torchrun`` set it, else its share of the cores.
    """
    wanted = "" if "LOCAL_WORLD_SIZE" in os.environ else os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) else max(1, cores() // devices)


@contextmanager
def told_out_of_memory(hint: str) -> Iterator[None]:
    """Turns an out-of-memory error of GPU or CPU into a DeviceError that says what to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise DeviceError(
            "the device ran out of memory", found=str(error).split(". ")[0], hint=hint
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    """Torch has a class of its own for this on a GPU only."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return any(sign in text for sign in ("out of memory", "allocate memory", "enough memory"))


def cpu_name() -> str:
    """The processor and the number of cores this process may use."""
    return f"CPU {platform.machine()}, {cores()} cores"


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
