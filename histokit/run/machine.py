"""The devices of a run: Lightning Fabric behind a small face."""

from __future__ import annotations

import io
import logging
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from histokit.errors import DeviceError, UsageError
from histokit.run.room import Room

PATIENCE = timedelta(hours=1)
"""How long a process waits for the others; the first validates while they wait."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a command runs: device, number format, the processes that share the work, and what
    was found to fit in memory; `sharded` where each process keeps only a part of the weights.
    """

    fabric: Fabric
    precision: str
    room: Room = field(default_factory=Room, compare=False, repr=False)
    sharded: bool = False

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
        if self.world == 1:
            return value
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total / self.world

    def means(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean of each value over the processes that have it. All processes must ask."""
        found = self.gathered(dict(values))
        names = dict.fromkeys(name for own in found for name in own)
        have = {name: [own[name] for own in found if name in own] for name in names}
        return {name: sum(all_) / len(all_) for name, all_ in have.items()}

    def anywhere(self, so: bool) -> bool:
        """Whether something is so in any process. All processes must ask."""
        if self.world == 1:
            return so
        return bool(self.mean(torch.tensor([float(so)], device=self.device)) > 0)

    def share(self, networks: Iterable[nn.Module]) -> None:
        """Gives every process the weights and buffers that the first has."""
        if self.world == 1:
            return
        for network in networks:
            for tensor in (*network.parameters(), *network.buffers()):
                sent = tensor.detach().contiguous()
                torch.distributed.broadcast(sent, 0)
                tensor.data.copy_(sent)

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
        boxes = map(io.BytesIO, parcels)
        return [torch.load(box, map_location="cpu", weights_only=True) for box in boxes]

    def end_others(self) -> None:
        """Kills the processes that this one started, where they do not end by themselves."""
        for process in getattr(self.fabric.strategy.launcher, "procs", ()):
            if process.poll() is None:
                process.kill()

    def describe(self) -> str:
        """Device, format and processes in words."""
        name = torch.cuda.get_device_name(self.device) if self.on_gpu else cpu_name()
        how = " with a part of the weights each" if self.sharded else ""
        processes = f", {self.world} processes{how}" if self.world > 1 else ""
        return f"{name} ({self.precision}{processes})"


def open_machine(
    device: str = "auto",
    precision: str = "auto",
    *,
    devices: int = 1,
    nodes: int = 1,
    strategy: str = "auto",
    threads: int = 0,
) -> Machine:
    """The machine that the settings ask for, launched.

    Under ``torchrun`` the numbers of processes and of machines come from its environment.
    Raises DeviceError when there is no CUDA, or are not as many GPUs, as is asked for, and
    UsageError when one process is to keep a part of the weights.
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
    several = devices * nodes > 1
    _require_devices(kind, devices)
    _require_several(strategy, several)
    own_threads = threads or free_threads(devices)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=nodes,
        precision=name,  # type: ignore[arg-type]  # Fabric types this as a literal
        strategy=DDPStrategy(timeout=PATIENCE) if several else "auto",
    )
    fabric.launch()
    torch.set_num_threads(own_threads)  # after Fabric, which shares out the cores on its own
    return Machine(fabric, name, sharded=strategy == "fsdp")


def _require_devices(kind: str, devices: int) -> None:
    there = torch.cuda.device_count()
    if kind == "cuda" and devices > there:
        raise DeviceError(
            f"{devices} GPUs were asked for",
            expected=f"at most {there} processes on this machine, one a GPU",
            found=f"--devices {devices}",
            hint=f"--devices {there}, or --device cpu",
        )


def _require_several(strategy: str, several: bool) -> None:
    if strategy == "fsdp" and not several:
        raise UsageError(
            "one process cannot spread weights over several",
            expected="--strategy fsdp with --devices or --nodes above 1, or under torchrun",
            hint="leave out --strategy",
        )


def speaks() -> bool:
    """Whether this process is the one that tells: the first, or the only one."""
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not there or torch.distributed.get_rank() == 0


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
