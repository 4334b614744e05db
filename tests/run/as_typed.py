"""A command in a process of its own that writes down, by its number, what its weights became.

Arguments: folder, then the command. Where ``FAILS`` is the number of a process, that one cannot
read an image; where ``NAN`` is, its losses are no numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import torch
from torch import nn

from histokit.cli.app import main
from histokit.data.pool import Pool
from histokit.errors import DataError
from histokit.run import train as module
from histokit.training.updater import Updater
from sessions import SESSIONS, watch


def _break(rank):
    whole = Pool.whole

    def broken(pool, index):
        if os.environ["LOCAL_RANK"] == rank:
            raise DataError("this image is damaged", found="image 7")
        return whole(pool, index)

    Pool.whole = broken


def _spoil(rank):
    together = Updater.together

    def spoiled(loss, updaters, **how):
        factor = float("nan") if os.environ["LOCAL_RANK"] == rank else 1.0
        together(loss * factor, updaters, **how)

    Updater.together = staticmethod(spoiled)


def _digest(tensors):
    whole = hashlib.sha256()
    for tensor in tensors:
        local = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
        whole.update(local.detach().contiguous().numpy().tobytes())
    return whole.hexdigest()


def _found():
    items = SESSIONS[-1].method.stateful()
    networks = [items[name] for name in sorted(items) if isinstance(items[name], nn.Module)]
    weights = [p for network in networks for p in network.parameters()]
    buffers = [b for network in networks for b in network.buffers()]
    finite = [bool(torch.isfinite(w).all()) for w in weights]
    digests = {"weights": _digest(weights), "buffers": _digest(buffers)}
    return digests | {"finite": all(finite), "step": SESSIONS[-1].step}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    watch()
    if os.environ.get("FAILS"):
        _break(os.environ["FAILS"])
    if os.environ.get("NAN"):
        _spoil(os.environ["NAN"])
    # weights that are spread are put together by all processes, while they still know each other
    finish = module.Session._finish

    def finished(*args):
        text = json.dumps(_found())
        (folder / f"rank{os.environ['LOCAL_RANK']}.json").write_text(text)
        yield from finish(*args)

    module.Session._finish = finished
    main(sys.argv[2:])
