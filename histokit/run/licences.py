"""What the words of a licence say of commercial use. A reading aid, not legal advice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

Use: TypeAlias = Literal["yes", "no", "unknown"]

_NO = re.compile(r"\bnc\b|non-?commercial|research only|for research|not to be passed on", re.I)
_DOUBT = re.compile(r"not stated|not verified|according to|\bask\b|\bsee\b|says none|unknown", re.I)
_YES = re.compile(r"\b(cc0|cc by( \d|-\d|-sa)|mit|apache-2\.0|bsd|public domain)", re.I)


def commercial_use(licences: Iterable[str]) -> Use:
    """Whether all of the licences allow commercial use.

    Each text may hold several, parted by semicolons. One that forbids it decides; else one whose
    words say neither makes it unknown, as does having none.
    """
    parts = [part for text in licences for part in text.split(";") if part.strip()]
    found = [_of(part) for part in parts] or ["unknown"]
    return next((use for use in ("no", "unknown") if use in found), "yes")


def _of(text: str) -> Use:
    if _NO.search(text):
        return "no"
    return "yes" if _YES.search(text) and not _DOUBT.search(text) else "unknown"
