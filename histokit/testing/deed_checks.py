"""What a plugin leaves alone: files that are not its run's, and the network."""

from __future__ import annotations

from typing import Any

from histokit.testing.checks import broken, check


@check(needs=("works",))
def writes(subject: Any) -> None:
    """It writes no file outside of the folder that it is given."""
    if subject.deeds.writes:
        raise broken("it writes where it should not", found=subject.deeds.writes[0])


@check(needs=("works",))
def offline(subject: Any) -> None:
    """It asks nothing of the network."""
    if subject.deeds.calls:
        raise broken("it calls the network", found=subject.deeds.calls[0])


DEEDS = (writes, offline)
