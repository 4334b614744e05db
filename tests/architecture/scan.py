"""Which things that this project does not do a source does, by the full names of what it uses."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping

RUNNING = (
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"),
    *("eval", "exec", "compile", "__import__", "runpy", "code", "codeop"),
    *("os.system", "os.popen", "os.startfile", "os.posix_spawn", "os.posix_spawnp", "pty.spawn"),
    *(f"os.exec{ending}" for ending in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *(f"os.spawn{ending}" for ending in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *("subprocess.getoutput", "subprocess.getstatusoutput"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.full_load_all"),
    *("yaml.unsafe_load", "yaml.unsafe_load_all"),
    *("yaml.Loader", "yaml.CLoader", "yaml.FullLoader", "yaml.UnsafeLoader"),
    *("torch.jit.load", "torch.package", "torch.serialization", "torch.export.load"),
    "pandas.read_pickle",
    *("timm.models.load_checkpoint", "timm.models.load_state_dict", "timm.models.helpers"),
)
"""They run what a file holds, or what a text says."""
CALLING = (
    *("urllib.request", "urllib3", "requests", "httpx", "aiohttp", "http.client", "http.server"),
    *("ftplib", "smtplib", "socket", "socketserver", "huggingface_hub", "torch.hub", "boto3"),
    *("torch.utils.model_zoo", "timm.models.hub", "paramiko", "websockets"),
)
"""They ask the network."""
UNPACKING = ("shutil.unpack_archive", "extractall", "unpack_archive", "extract")
"""They write wherever an archive says; those without a dot are methods of archives."""
SET_CLOCKS = ("time.time", "time.time_ns")
"""They jump when the clock of the machine is set; durations are of clocks that do not."""
PICTURES = (
    *("PIL.Image.open", "tifffile.imread", "tifffile.TiffFile", "tifffile.memmap"),
    *("tifffile.TiffSequence", "skimage.io", "imageio", "cv2"),
    *("matplotlib.pyplot.imread", "matplotlib.image.imread", "imagecodecs", "openslide"),
    *("tiffslide", "torchvision.io"),
)
"""They read pictures by rules of their own."""


def sins(source: str, *, may_print: bool = False, may_read: bool = False) -> list[str]:
    """What in `source` this project does not do, as ``line: what``, in order.

    Args:
        source: of a module.
        may_print: whether it may print.
        may_read: whether it may read pictures by itself.
    """
    tree = ast.parse(source)
    names = _imported(tree)
    shut = (*RUNNING, *CALLING, *UNPACKING, *SET_CLOCKS)
    shut = shut if may_read else (*shut, *PICTURES)
    shut = shut if may_print else (*shut, "print")
    found = {(line, name) for line, name in _used(tree, names) if _among(name, shut)}
    found |= set(_calls(tree, names))
    return [f"{line}: {what}" for line, what in sorted(found)]


def _among(name: str, shut: tuple[str, ...]) -> bool:
    """Whether a name is one of those, or of a module or method among them."""
    methods = {method for method in UNPACKING if "." not in method}
    return name.rpartition(".")[2] in methods or any(
        name == one or name.startswith(f"{one}.") for one in shut
    )


def _imported(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for, wherever in the module it is imported."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for part in node.names:
                whole = part.name if part.asname else part.name.partition(".")[0]
                names[part.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom):
            for part in node.names:
                names[part.asname or part.name] = f"{node.module or ''}.{part.name}"
    return names


def _used(tree: ast.AST, names: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """The full name of everything that is imported or mentioned, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, part.name) for part in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{part.name}") for part in node.names)
        elif isinstance(node, ast.Call) and _full(node.func, names) in IMPORTERS:
            named = [a.value for a in node.args if isinstance(a, ast.Constant)]
            yield from ((node.lineno, name) for name in named if isinstance(name, str))
        if isinstance(node, ast.Name | ast.Attribute | ast.Call) and (name := _full(node, names)):
            yield node.lineno, name


IMPORTERS = {"importlib.import_module", "__import__"}


def _full(node: ast.AST, names: Mapping[str, str]) -> str:
    """The dotted name of an expression, with what its first word was imported as; empty for other
    expressions. The name of a variable says nothing: ``?``.
    """
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            builtin = name if hasattr(builtins, name) else "?"
            return names.get(name, builtin).removeprefix("builtins.")
        case ast.Attribute(value=value, attr=last):
            return _dotted(value, last, names)
        case ast.Call(func=ast.Name(id="getattr"), args=[value, ast.Constant(value=str(last)), *_]):
            return _dotted(value, last, names)
    return ""


def _dotted(value: ast.AST, last: str, names: Mapping[str, str]) -> str:
    return f"{_full(value, names) or '?'}.{last}".removeprefix("builtins.")


def _calls(tree: ast.AST, names: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """What is unsafe by what it is given, or as it is handed on without being called."""
    called = {node.func: node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in called.values():
        yield from ((node.lineno, what) for what in _given(node, _full(node.func, names)))
    for node in ast.walk(tree):
        handed = isinstance(node, ast.Name | ast.Attribute) and node not in called
        if handed and _full(node, names) == "torch.load":
            yield node.lineno, "torch.load without weights_only=True"


def _given(node: ast.Call, name: str) -> Iterator[str]:
    """What a call of a full name is given that it should not be."""
    words = {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
    if name == "numpy.load" and len(node.args) > 2:
        words["allow_pickle"] = ast.unparse(node.args[2])
    if name == "torch.load" and words.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if "checkpoint_path" in words:
        yield "checkpoint_path"
    for word in ("shell", "allow_pickle", "trust_remote_code"):
        if words.get(word, "False") != "False":
            yield word
