"""Which process may write what in an output folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from histokit.errors import RunBusy
from histokit.io.files import require_folder
from histokit.io.locks import LOCK, held, holder_of, is_held
from histokit.run.cohort.shards import Shard

STATES = ".state"
"""Folder of an output folder that says how far each item is."""
BRIEFLY = 60.0
"""Seconds to wait for a process that begins or ends; it takes a moment of one."""
AT_THE_END = 600.0
"""Seconds to wait where all work is done and only the tables are to be written."""
ELSEWHERE = "choose another output folder: -o FOLDER"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of this process to one shard of the output folder `out`."""

    out: Path

    def alone(self, wait: float = BRIEFLY, hint: str = "try again") -> AbstractContextManager[None]:
        """Keeps every other process from beginning, and from writing tables, for a moment. Waits
        some seconds for one that does; `hint` is what to do where it takes longer.
        """
        return held(
            _locks(self.out) / f"tables{LOCK}",
            busy=f"the output folder {self.out} is in use",
            hint=hint,
            elsewhere=ELSEWHERE,
            wait=wait,
        )


@contextmanager
def claimed(out: Path, shard: Shard) -> Iterator[Claim]:
    """Holds a shard of an output folder for this process; a dead holder's is free.

    Shards of one count share the folder. Raises RunBusy, naming the other process, where it works
    on the same shard, or on one of another count, as that may have the same items.
    """
    require_folder(_locks(out))
    claim, lock = Claim(out), _locks(out) / f"{shard.number}-of-{shard.count}{LOCK}"
    mine = held(
        lock,
        busy=f"the output folder {out} is in use",
        hint=f"wait for it, or {ELSEWHERE}",
        elsewhere=ELSEWHERE,
    )
    with ExitStack() as stack:
        with claim.alone():
            _refuse_others(out, shard)
            stack.enter_context(mine)
        yield claim


def _refuse_others(out: Path, shard: Shard) -> None:
    """Raises RunBusy where a process holds a shard of another count."""
    for lock in sorted(_locks(out).glob(f"*-of-*{LOCK}")):
        count = lock.name.removesuffix(LOCK).rpartition("-")[2]
        if count != str(shard.count) and is_held(lock):
            raise RunBusy(
                f"the output folder {out} is in use",
                expected=f"nobody, or other shards of {shard.count}",
                found=f"{holder_of(lock)}, shard {lock.name.removesuffix(LOCK)}",
                hint=f"wait for it, or {ELSEWHERE}",
            )


def _locks(out: Path) -> Path:
    return out / STATES / "locks"
