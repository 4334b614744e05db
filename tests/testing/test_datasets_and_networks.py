"""The checks of data sets and networks: each is failed by one that is broken just so."""

from __future__ import annotations

import pytest

from histokit.registry import find_dataset, find_network
from histokit.testing import check_dataset, check_network, parametrize
from histokit.testing.data_checks import READING
from histokit.testing.network_checks import BUILDING
from testing.broken_cards import (
    BROKEN_DATASETS,
    BROKEN_NETWORKS,
    DOTS,
    NARROW,
    OTHER_DATASETS,
    PIN,
    reader,
)

DATASETS = [*BROKEN_DATASETS.items(), *OTHER_DATASETS.items()]


@pytest.fixture(scope="module")
def dots(tmp_path_factory):
    root = tmp_path_factory.mktemp("dots")
    (root / "dots.txt").write_text("one two")
    return root


def failed(results):
    return {result.name for result in results if result.status == "failed"}


def test_a_sound_data_set_passes(dots):
    found = {result.name: result.status for result in check_dataset(DOTS, dots)}
    assert {name for name, status in found.items() if status != "ok"} == {"counterparts"}
    pairs = {r.name: r.status for r in check_dataset(reader("Dots", task="pairs"), dots)}
    assert {name for name, status in pairs.items() if status != "ok"} == {"labels"}


@pytest.mark.parametrize(("name", "spec"), DATASETS, ids=[spec.reader for _, spec in DATASETS])
def test_a_broken_data_set_fails_its_check_and_no_other(name, spec, dots):
    assert failed(check_dataset(spec, dots)) == {name}


def test_every_check_of_data_sets_has_a_broken_one():
    assert {one.name for one in READING} <= set(BROKEN_DATASETS)


@pytest.mark.parametrize("spec", [PIN, NARROW], ids=lambda spec: spec.name)
def test_a_sound_network_passes(spec):
    assert {result.status for result in check_network(spec)} == {"ok"}


@pytest.mark.parametrize(("name", "spec"), BROKEN_NETWORKS.items(), ids=list(BROKEN_NETWORKS))
def test_a_broken_network_fails_its_check_and_no_other(name, spec):
    assert failed(check_network(spec)) == {name}


def test_every_check_of_networks_has_a_broken_one():
    assert {one.name for one in BUILDING} <= set(BROKEN_NETWORKS)


@parametrize(find_dataset("synth-he"))
def test_synth_he(check):
    check()


@parametrize(find_network("unet-small"))
def test_unet_small(check):
    check()
