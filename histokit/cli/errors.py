"""The error boundary: every failure of a command becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from histokit.cli import console, lines
from histokit.errors import DeviceError, HistokitError, Interrupted, UsageError

READER_GONE = 141
"""What a shell reports for any program whose reader left, such as ``head``."""


@contextmanager
def boundary(*, debug: bool) -> Iterator[None]:
    """Ends the command with a message on stderr and the code of the failure.

    A HistokitError tells itself and has its own code, a reader of stdout that left is no error,
    and anything unforeseen is an internal error. Tracebacks are shown only with `debug`.
    """
    try:
        yield
        sys.stdout.flush()
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt as error:
        stopped = Interrupted("interrupted")
        _tell(stopped, type(error).__name__)
        raise typer.Exit(stopped.exit_code) from error
    except BrokenPipeError as error:
        _forget_stdout()
        raise typer.Exit(READER_GONE) from error
    except Exception as error:
        if _is_typers(error) and not lines.wanted():
            raise
        raise typer.Exit(_report(error, debug)) from error


def _report(error: Exception, debug: bool) -> int:
    """Tells an error and gives its exit code."""
    told = _told(error, debug)
    _tell(told, type(error).__name__, traceback.format_exc() if debug else "")
    return told.exit_code


def _told(error: Exception, debug: bool) -> HistokitError:
    """The error as the user is told it."""
    if isinstance(error, HistokitError):
        return error
    if isinstance(error, MemoryError):
        return DeviceError("out of memory", hint="smaller tiles or batches, or fewer workers")
    if _is_typers(error):
        usage: Any = error
        return UsageError(usage.format_message())
    return _internal(error, debug)


def _is_typers(error: Exception) -> bool:
    """Whether typer itself raised it to end with a usage message."""
    return hasattr(error, "show") and hasattr(error, "exit_code")


def _tell(error: HistokitError, kind: str, trace: str = "") -> None:
    """Shows an error on stderr: in words, or as a line with ``--progress json``."""
    if lines.wanted():
        said = {name: getattr(error, name) for name in ("what", "expected", "found", "hint")}
        values = {"exit_code": error.exit_code, "kind": kind, **said, "traceback": trace}
        lines.write("error", values)
        return
    if trace:
        typer.echo(trace, err=True)
    label = "\x1b[31merror:\x1b[0m" if console.coloured(sys.stderr) else "error:"
    typer.echo(f"{label} {error}", err=True)


def _internal(error: Exception, debug: bool) -> HistokitError:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    again = "" if debug else "  try: the same command with --debug, for the traceback\n"
    return HistokitError(
        f"internal error: {type(error).__name__}: {error}\n"
        f"  at: {frame.filename}:{frame.lineno}\n{again}"
        "  report it: the command, its output with --debug, and that of `histokit doctor`"
    )


def _forget_stdout() -> None:
    """Sends what is left in stdout nowhere, so that the interpreter ends without complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
