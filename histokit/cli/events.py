"""Shows what the verbs tell while they work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from histokit.cli import console, lines

if TYPE_CHECKING:
    from histokit.run.events import ItemFailed, Started

T = TypeVar("T")


def shown(events: Iterable[T]) -> Iterator[T]:
    """The same events, each shown on stderr as it passes: in words, or all of them as JSON lines
    with ``--progress json``.
    """
    yield from _as_lines(events) if lines.wanted() else _in_words(events)


def with_failures(events: Iterable[T]) -> Iterator[T]:
    """The same events; behind the last, also where the command fails then, a table on stderr of
    the images that failed. JSON lines have told each of them.
    """
    from histokit.run.events import ItemFailed

    failed: list[ItemFailed] = []
    try:
        for event in events:
            if isinstance(event, ItemFailed):
                failed.append(event)
            yield event
    finally:
        if failed and not lines.wanted():
            _tell_failed(failed)


def _tell_failed(failed: Sequence[ItemFailed]) -> None:
    wide = max(len("failed"), *(len(event.key) for event in failed))
    console.say(f"{'failed':<{wide}}  tried  because")
    for event in failed:
        reason = event.reason.partition("\n")[0]
        console.say(f"{event.key:<{wide}}  {event.attempts:>5}  {reason}")


def _as_lines(events: Iterable[T]) -> Iterator[T]:
    for event in events:
        if not console.quiet():
            lines.write_event(event)
        yield event


def _in_words(events: Iterable[T]) -> Iterator[T]:
    from histokit.run.events import Started

    with console.progress() as draw:
        for event in events:
            if isinstance(event, console.Event):
                draw(event)
            elif isinstance(event, Started):
                _tell_start(event)
            else:
                text = in_words(event)
                if text:
                    console.say(text)
            yield event


def _tell_start(event: Started) -> None:
    plan = ", ".join(f"{name} {steps}" for name, steps in event.phases.items())
    console.say(f"run: {event.run}")
    console.say(f"device: {event.device}; steps: {plan or 'none'}")
    if event.step:
        console.say(f"going on from step {event.step} of {event.total}")


def in_words(event: Any) -> str:
    """A line for an event; empty for one that is shown in another way."""
    from histokit.io.stores import Failure
    from histokit.run.events import ItemDone, ItemFailed, Noted, Validated

    if isinstance(event, Noted):
        return f"warning: {event.text}" if event.warning else event.text
    if isinstance(event, Validated):
        kept = "  (kept)" if event.best else ""
        return f"step {event.step}: {event.what} {event.value:.4f}{kept}"
    if isinstance(event, ItemDone):
        values = "  ".join(
            f"{name} {'undefined' if value is None else f'{value:.4g}'}"
            for name, value in event.values.items()
        )
        return f"{event.number}/{event.total} {event.key}  {values}  {event.seconds:.2f} s"
    if isinstance(event, ItemFailed):
        return f"{event.number}/{event.total} {event.key}  FAILED: {event.reason}"
    if isinstance(event, Failure):
        return f"{event.key}  FAILED: {event.reason}"
    return ""
