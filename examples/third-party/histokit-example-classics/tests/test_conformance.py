"""Both methods keep every promise of histokit's interfaces."""

from __future__ import annotations

from histokit_example_classics import COLOUR_TRANSFER, DISTANCE_MAP

from histokit.testing import parametrize


@parametrize(COLOUR_TRANSFER)
def test_colour_transfer(check):
    check()


@parametrize(DISTANCE_MAP)
def test_distance_map(check):
    check()
