"""Shows what the verbs tell while they work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from histokit.cli import console

if TYPE_CHECKING:
    from histokit.run.events import Event


def shown(events: Iterable[Event]) -> Iterator[Event]:
    """The same events, each shown on stderr as it passes."""
    from histokit.run.events import Progress, Started

    with console.progress() as draw:
        for event in events:
            if isinstance(event, Progress):
                draw(event)
            elif isinstance(event, Started):
                plan = ", ".join(f"{name} {steps}" for name, steps in event.phases.items())
                console.say(f"run: {event.run}")
                console.say(f"device: {event.device}; steps: {plan or 'none'}")
                if event.step:
                    console.say(f"going on from step {event.step} of {event.total}")
            else:
                text = in_words(event)
                if text:
                    console.say(text)
            yield event


def in_words(event: Event) -> str:
    """A line for an event; empty for one that is shown in another way."""
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
    return ""
