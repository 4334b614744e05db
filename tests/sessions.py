"""Trainings of this process, watched by tests that run in processes of their own."""

from __future__ import annotations

from histokit.run import train as module

SESSIONS: list[module.Session] = []
"""Those that were begun since `watch`."""


def watch():
    """Notes every training that begins from now on."""
    begin = module.Session.begin

    def watched(*args, **how):
        SESSIONS.append(begin(*args, **how))
        return SESSIONS[-1]

    module.Session.begin = watched
