"""What is killed in the middle of a slide: commands in processes of their own."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from faults.victims import fields_of
from histokit.io.chunks import Chunks
from histokit.run.events import Event
from histokit.run.infer import Windows
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide.work import SlideOptions
from histokit.run.translate import TranslateOptions, translate
from slides import nuclei, write_pyramid

BLOCKS = 12


def slide_for(verb: str, folder: Path) -> None:
    """Writes the slide of `command`; with one level it would be a plain image."""
    size = (210, 280) if verb == "predict" else (1500, 1700)
    write_pyramid(folder / "s.tif", nuclei(*size), levels=2)


def command(
    verb: str, folder: Path, out: str, *, resume: bool = False, **where: Any
) -> list[Event]:
    """What a command tells that works on a slide of twelve blocks; `where` is of `SlideOptions`."""
    if verb == "predict":
        return list(
            predict(
                PredictOptions(
                    "otsu-hed",
                    [folder / "s.tif"],
                    folder / out,
                    formats=("geojson", "table"),
                    windows=Windows(64, 12, 2),
                    slides=SlideOptions("none", core=75, margin=20, **where),
                    device="cpu",
                    resume=resume,
                )
            )
        )
    return list(
        translate(
            TranslateOptions(
                "identity",
                [folder / "s.tif"],
                folder / out,
                windows=Windows(256, 24, 2),
                slides=SlideOptions("none", core=512, margin=16, **where),
                device="cpu",
                resume=resume,
            )
        )
    )


def working(told: Any, verb: str, folder: Path, *, resume: bool) -> None:
    """Runs such a command; tells how many blocks it has brought to disk."""
    write = Chunks.write

    def told_write(self: Chunks, number: int, arrays: Any) -> None:
        write(self, number, arrays)
        told.value = max(told.value, 0) + 1
        time.sleep(0.02)  # else the last block is there before anybody can look

    Chunks.write = told_write  # in this process alone
    command(verb, folder, "out", resume=resume)


def spread(told: Any, verb: str, folder: Path) -> None:
    """Runs such a command on two processes of Ray, and kills one of them when the first block has
    come; tells how many were killed.
    """
    write = Chunks.write

    def killing_write(self: Chunks, number: int, arrays: Any) -> None:
        write(self, number, arrays)
        if told.value < 0:
            os.kill(_worker(), signal.SIGKILL)
            told.value = 1

    Chunks.write = killing_write  # in this process alone
    os.environ.update({"RAY_worker_niceness": "0"})  # else they starve on a busy machine
    command(verb, folder, "out", engine="ray", workers=2)


def _worker() -> int:
    """A process of Ray that this one began: one that works, where there is one."""
    titles = {}
    for path in Path("/proc").glob("[0-9]*"):
        if os.getpid() in _above(int(path.name)):
            titles[int(path.name)] = (path / "cmdline").read_text()
    workers = [pid for pid, title in titles.items() if title.startswith("ray::Worker")]
    return max(workers, key=lambda pid: "work_out" in titles[pid])


def _above(pid: int) -> list[int]:
    """The processes that a process was begun by."""
    above = []
    while len(fields := fields_of(pid)) > 1 and pid > 1:
        pid = int(fields[1])
        above.append(pid)
    return above
