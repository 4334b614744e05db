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
from sessions import SESSIONS, watch
from toys import plan

LONG = {"steps": 4, "adabn_steps": 4}


def _interrupt(rank):
    """Asks the last process alone to stop after the second step of the second training."""
    agreed = module.Session._agreed

    def asked(session, stop):
        if rank == 1 and session.step == 2 and len(SESSIONS) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return agreed(session, stop)

    module.Session._agreed = asked


def _digests():
    """Of all parameters, and of all buffers: each process has its own batch statistics."""
    network = SESSIONS[-1].method.stateful()["network"]
    return [
        hashlib.sha256(b"".join(v.detach().numpy().tobytes() for v in values)).hexdigest()
        for values in (network.parameters(), network.buffers())
    ]


def main(folder, source, target):
    rank = int(os.environ["RANK"])
    watch()
    _interrupt(rank)
    settings = plan(
        "adabn", ("", source, "", target), folder / "runs", log_every=2, val_every=4,
        checkpoint_every=8, method_values=LONG,
    )  # fmt: skip
    list(module.train(settings))
    straight = _digests()
    try:
        list(module.train(settings))
    except (Interrupted, SystemExit):  # the first tells that it stopped, the second ends
        run, step = SESSIONS[-1].run.path, SESSIONS[-1].step
    list(module.resume(run))
    found = {"straight": straight, "resumed": _digests(), "step": step, "run": str(run)}
    (folder / f"rank{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
