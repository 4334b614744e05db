"""Every installed method keeps the promises of the interfaces."""

from __future__ import annotations

import pytest

from histokit.registry import list_datasets, list_methods, list_networks
from histokit.testing import check_dataset, check_method, check_network

DROPOUT = "its authors' dropout is never off"
DECLARED = {"attention-unet-jimenez-released": {"repeatable": DROPOUT, "inert": DROPOUT}}
"""Checks that an installed method or network is known to fail, with the reason."""
ALONE = {"source-only", "identity", "otsu-hed", "macenko", "reinhard", "mani"}
"""Methods that are checked each time; the others only with ``-m slow``."""


def cards(lister):
    return [entry.card for entry in lister() if entry.status == "ok"]


def marked(card):
    marks = [] if card.name in ALONE else [pytest.mark.slow]
    return pytest.param(card, id=card.name, marks=marks)


def told(results):
    return "\n".join(f"{r.name}: {r.reason}" for r in results if not r.sound)


@pytest.mark.parametrize("spec", [marked(card) for card in cards(list_methods)])
def test_method(spec):
    assert told(check_method(spec, DECLARED.get(spec.name))) == ""


@pytest.mark.slow
@pytest.mark.parametrize("spec", cards(list_networks), ids=lambda spec: spec.name)
def test_network(spec):
    assert told(check_network(spec, DECLARED.get(spec.name))) == ""


@pytest.mark.parametrize(
    "spec", [c for c in cards(list_datasets) if not c.on_disk], ids=lambda spec: spec.name
)
def test_made_data_set(spec):
    assert told(check_dataset(spec)) == ""
