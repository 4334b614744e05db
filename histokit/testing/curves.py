"""How the losses of a method fall on made-up images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from histokit.interfaces import MethodSpec
from histokit.testing.subject import MethodSubject
from histokit.testing.toy import toy_feeds
from histokit.training.loop import fit


def loss_curve(
    spec: MethodSpec, steps: int, settings: Mapping[str, Any] | None = None
) -> dict[str, list[float]]:
    """The losses by name, one a step, of a short training on a CPU.

    Args:
        spec: the method's card.
        steps: of its first phase; the others are left out.
        settings: as for `histokit.testing.check_method`.
    """
    with TemporaryDirectory(prefix="histokit-curve-") as folder:
        subject = MethodSubject(spec, Path(folder), settings or {})
        method = subject.build()
        first = replace(method.phases()[0], steps=steps)
        curves: dict[str, list[float]] = defaultdict(list)
        for record in fit([first], toy_feeds(spec.access, subject.windows).open):
            for name, value in record.losses.items():
                curves[name].append(float(value))
    return dict(curves)
