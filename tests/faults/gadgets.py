"""Objects whose unpickling runs code: each makes a canary, by another way."""

from __future__ import annotations

import functools
import io
import operator
import os
import pickle
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


class Gadget:
    """Pickles as a call of `what` with `args`."""

    def __init__(self, what: Callable[..., Any], *args: Any) -> None:
        self.call = what, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def gadgets(canary: Path) -> Mapping[str, Gadget]:
    """Ten of them by name; every one makes the file or folder `canary`."""
    touch = f"open({str(canary)!r}, 'w').close()"
    script = canary.with_name("script.py")
    script.write_text(touch)
    return {
        "os.system": Gadget(os.system, f"touch '{canary}'"),
        "os.mkdir": Gadget(os.mkdir, str(canary)),
        "builtins.eval": Gadget(eval, touch),
        "builtins.exec": Gadget(exec, touch),
        "pathlib": Gadget(Path.touch, canary),
        "subprocess": Gadget(subprocess.check_call, [sys.executable, "-c", touch]),
        "runpy": Gadget(runpy.run_path, str(script)),
        "shutil": Gadget(shutil.copy, str(script), str(canary)),
        "operator": Gadget(operator.call, functools.partial(exec, touch)),
        "inner pickle": Gadget(pickle.loads, pickle.dumps(Gadget(os.mkdir, str(canary)))),
    }


def containers(gadget: Gadget) -> Mapping[str, bytes]:
    """The gadget as every kind of file that a careless loader of weights would open."""
    state = {"format": 1, "step": 1, "w": torch.ones(2), "x": gadget}
    return {
        "pickle": pickle.dumps(gadget),
        "old pickle": pickle.dumps(gadget, protocol=0),
        "torch": _torch(state, new=True),
        "old torch": _torch(state, new=False),
    }


def _torch(state: Any, *, new: bool) -> bytes:
    out = io.BytesIO()
    torch.save(state, out, _use_new_zipfile_serialization=new)
    return out.getvalue()
