"""Nothing in the code runs what it reads, unpacks archives, asks the network or measures by a clock
that can be set; only the command line prints, and pictures are read in one place.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from architecture.scan import sins

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for folder in ("histokit", "plugins")
    for path in (ROOT / folder).rglob("*.py")
    if not {"tests", "build", ".venv"} & set(path.relative_to(ROOT).parts)
)
ALLOWED = {
    ("histokit/data/synth/optics.py", "PIL.Image.open"): "bytes that it has just made",
    ("histokit/nn/encoders.py", "checkpoint_path"): "looked through by `_load_safely` before",
}
"""What a file may do all the same, and why."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_runs_what_it_reads(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    found = sins(
        path.read_text(encoding="utf-8"),
        may_print=name.startswith("histokit/cli/"),
        may_read=name.startswith("histokit/io/"),
    )
    assert [sin for sin in found if (name, sin.partition(": ")[2]) not in ALLOWED] == []


@pytest.mark.parametrize(("name", "sin"), ALLOWED)
def test_what_is_allowed_is_done(name: str, sin: str) -> None:
    found = sins((ROOT / name).read_text(encoding="utf-8"))
    assert [one.partition(": ")[2] for one in found] == [sin]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import joblib.externals",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch as t\nt.load(path)",
        "from torch import load\nload(path)",
        "from torch import load as read\nread(path)",
        "import torch\nread = torch.load",
        "import torch\nmap(torch.load, paths)",
        "import torch\ntorch.jit.load(path)",
        "from torch.jit import load",
        "eval(text)",
        "exec(text)",
        "map(eval, texts)",
        "import builtins\nbuiltins.eval(text)",
        "import builtins\ngetattr(builtins, 'eval')(text)",
        "__import__(name)",
        "from importlib import import_module\nimport_module('pickle')",
        "import importlib\nimportlib.import_module('cloudpickle.cloudpickle')",
        "import yaml\nyaml.load(text, Loader=L)",
        "import yaml\nyaml.full_load(text)",
        "from yaml import load",
        "from yaml import UnsafeLoader",
        "archive.extractall(folder)",
        "archive.extract(name, folder)",
        "zipfile.ZipFile(path).extract(name)",
        "import shutil\nshutil.unpack_archive(path)",
        "import urllib.request",
        "from urllib import request",
        "from requests import get",
        "import http.client as client",
        "from torch import hub",
        "import torch\ntorch.hub.load(where, what)",
        "import torch\ntorch.hub.load_state_dict_from_url(where)",
        "import subprocess\nsubprocess.run(line, shell=True)",
        "import subprocess\nsubprocess.getoutput(line)",
        "import subprocess\nsubprocess.Popen(line, shell=wanted)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, None, True)",
        "from numpy import load\nload(path, None, True)",
        "import pandas as pd\npd.read_pickle(path)",
        "import timm.models\ntimm.models.load_checkpoint(network, path)",
        "from timm.models import load_checkpoint",
        "timm.create_model(name, checkpoint_path=path)",
        "import os\nos.system(line)",
        "from os import system",
        "import os as o\no.execv(path, words)",
        "import os\nos.spawnlp(mode, file)",
        "import os\ngetattr(os, 'popen')(line)",
        "import time\ntime.time()",
        "from time import time",
        "print(1)",
        "from PIL import Image\nImage.open(path)",
        "import PIL.Image\nPIL.Image.open(path)",
        "from tifffile import imread",
        "import tifffile as t\nt.TiffFile(path)",
        "import skimage.io",
        "from skimage import io\nio.imread(path)",
        "import cv2",
        "import matplotlib.pyplot as plt\nplt.imread(path)",
    ],
)
def test_the_scan_sees_each_sin(source: str) -> None:
    assert sins(source)


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(path, weights_only=True)",
        "from torch import load\nload(path, weights_only=True)",
        "import yaml\nyaml.safe_load(text)",
        "from urllib.parse import unquote",
        "network.eval()",
        "requests.append(1)",
        "code = 1\ncode.bit_length()",
        "import re\nre.compile(text)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import numpy as np\nnp.load(path, None, False)",
        "import subprocess\nsubprocess.run([a, b])",
        "from time import monotonic\nmonotonic()",
        "from PIL import Image\nImage.fromarray(a)",
        "import tifffile\ntifffile.imwrite(path, a)",
        "from importlib import import_module\nimport_module(name)",
    ],
)
def test_the_scan_lets_sound_code_pass(source: str) -> None:
    assert sins(source) == []


def test_the_readers_of_pictures_may_read_and_the_command_line_print() -> None:
    assert sins("import tifffile\ntifffile.imread(path)", may_read=True) == []
    assert sins("print(1)", may_print=True) == []
    assert sins("import tifffile\nprint(1)\ntifffile.imread(path)") == [
        "2: print",
        "3: tifffile.imread",
    ]
