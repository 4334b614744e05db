"""Which plugins the user has switched off, kept in a file of settings."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from histokit.errors import DataError

VARIABLE = "HISTOKIT_CONFIG"
"""The environment variable that names the folder of the user's settings."""
FILE = "plugins.json"


def settings_folder(environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> Path:
    """The folder of the user's settings: ``HISTOKIT_CONFIG``, else where the platform has them."""
    if named := environ.get(VARIABLE):
        return Path(named).expanduser()
    home = Path.home()
    if system == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "histokit"
    if system == "darwin":
        return home / "Library" / "Application Support" / "histokit"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "histokit"


def switched_off() -> frozenset[str]:
    """What is switched off: distributions, and single offers as ``distribution:name``.

    Raises DataError, naming the file, where it cannot be read.
    """
    path = settings_folder() / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    try:
        words = json.loads(text)["disabled"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _damaged(path, f"disabled is {words!r}")
    return frozenset(words)


def switch_off(words: Iterable[str]) -> Path:
    """Adds to what is switched off, and gives the file that says so."""
    return _write(switched_off() | set(words))


def switch_on(words: Iterable[str]) -> Path:
    """Takes out of what is switched off, and gives the file that says so."""
    return _write(switched_off() - set(words))


def _write(words: frozenset[str]) -> Path:
    """Writes the file, synced to disk before it takes its name, and leaves no half of one."""
    path = settings_folder() / FILE
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as handle:
            handle.write(json.dumps({"disabled": sorted(words)}, indent=2) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written",
            found=str(error),
            hint=f"{VARIABLE}=FOLDER names another folder for your settings",
        ) from error
    finally:
        with suppress(OSError):  # such as of a folder that is a file, which is told already
            temporary.unlink(missing_ok=True)
    return path


def _damaged(path: Path, found: str) -> DataError:
    return DataError(
        f"{path} cannot be read",
        expected='{"disabled": ["histokit-mani", …]}',
        found=found,
        hint="remove the file; all plugins are on without it",
    )
