"""Run by torchrun: one training straight, one stopped and resumed; each process writes digests.

Arguments: folder, source and target.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

from histokit.errors import Interrupted
from histokit.run import train as module
from histokit.run.events import Progress, Started
from toys import plan

SESSIONS = []
LONG = {"steps": 4, "adabn_steps": 4}


def _watch():
    begin = module.Session.begin

    def watched(*args, **how):
        SESSIONS.append(begin(*args, **how))
        return SESSIONS[-1]

    module.Session.begin = watched


def _digest():
    """Of all parameters, buffers left out: each process has its own batch statistics."""
    network = SESSIONS[-1].method.stateful()["network"]
    values = [p.detach().numpy().tobytes() for p in network.parameters()]
    return hashlib.sha256(b"".join(values)).hexdigest()


def _stopped(settings, rank):
    """Trains until the last process alone is asked to stop; gives the run folder and the step."""
    try:
        for event in module.train(settings):
            if isinstance(event, Started):
                run = event.run
            if isinstance(event, Progress) and event.step == 2 and rank == 1:
                os.kill(os.getpid(), signal.SIGTERM)
    except Interrupted:
        return run, SESSIONS[-1].step
    raise SystemExit("it did not stop")


def main(folder, source, target):
    _watch()
    rank = int(os.environ["RANK"])
    settings = plan(
        "adabn", ("", source, "", target), folder / "runs", log_every=2, val_every=4,
        checkpoint_every=8, method_values=LONG,
    )  # fmt: skip
    list(module.train(settings))
    straight = _digest()
    run, step = _stopped(settings, rank)
    list(module.resume(run))
    found = {"straight": straight, "resumed": _digest(), "step": step, "run": str(run)}
    (folder / f"rank{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
