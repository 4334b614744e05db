"""The error boundary: every failure of a command becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from histokit.cli import console
from histokit.errors import DeviceError, HistokitError

INTERNAL = 1
INTERRUPTED = 130
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
        _tell("interrupted")
        raise typer.Exit(INTERRUPTED) from error
    except BrokenPipeError as error:
        _forget_stdout()
        raise typer.Exit(READER_GONE) from error
    except Exception as error:
        if _is_typers(error):
            raise
        raise typer.Exit(_report(error, debug)) from error


def _report(error: Exception, debug: bool) -> int:
    """Tells an error and gives its exit code."""
    if debug:
        typer.echo(traceback.format_exc(), err=True)
    if isinstance(error, HistokitError):
        _tell(str(error))
        return error.exit_code
    if isinstance(error, MemoryError):
        _tell("out of memory\n  try: smaller tiles or batches, or fewer workers")
        return DeviceError.exit_code
    _tell_internal(error, debug)
    return INTERNAL


def _is_typers(error: Exception) -> bool:
    """Whether typer itself raised it to end with a usage message."""
    return hasattr(error, "show") and hasattr(error, "exit_code")


def _tell(message: str) -> None:
    label = "\x1b[31merror:\x1b[0m" if console.coloured(sys.stderr) else "error:"
    typer.echo(f"{label} {message}", err=True)


def _tell_internal(error: Exception, debug: bool) -> None:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    again = "" if debug else "  try: the same command with --debug, for the traceback\n"
    _tell(
        f"internal error: {type(error).__name__}: {error}\n"
        f"  at: {frame.filename}:{frame.lineno}\n{again}"
        "  report it: the command, its output with --debug, and that of `histokit doctor`"
    )


def _forget_stdout() -> None:
    """Sends what is left in stdout nowhere, so that the interpreter ends without complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
