"""What is validated while a method trains."""

from __future__ import annotations

import pytest

from histokit.interfaces import Adapter
from histokit.run.validate import _validated_by


class Plain(Adapter):
    """Validated by what it is for."""

    def segmenter(self):
        return "target's"


class Rehearsing(Plain):
    """Validated on the source by something else, once there is something."""

    ready = True

    def rehearsal(self):
        return "source's" if self.ready else None


@pytest.mark.parametrize(
    ("method", "role", "expected"),
    [
        (Plain(), "source", "target's"),
        (Plain(), "target", "target's"),
        (Rehearsing(), "source", "source's"),
        (Rehearsing(), "target", "target's"),
        ("no adapter", "source", "no adapter"),
    ],
)
def test_each_domain_by_its_segmenter(method, role, expected):
    assert _validated_by(method, role) == expected


@pytest.mark.parametrize("role", ["source", "target"])
def test_nothing_while_there_is_nothing(role):
    method = Rehearsing()
    method.ready = False
    assert _validated_by(method, role) is None
