"""Pools: every image of every member once, under its own name, split as alone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from histokit.data.pooled import Pooled
from histokit.errors import DataError
from histokit.registry.refs import parse_pool
from histokit.run.domains import open_domain


@pytest.fixture
def two(tmp_path):
    """Two folders of the user's own, of 4 and 6 grey images."""
    for name, number, level in (("kidney", 4, 40), ("C++", 6, 90)):
        (tmp_path / name).mkdir()
        for n in range(number):
            image = np.full((20, 20, 3), level + n, np.uint8)
            Image.fromarray(image).save(tmp_path / name / f"{n}.png")
    return f"folder:{tmp_path / 'kidney'}+folder:{tmp_path / 'C++'}"


def test_a_pool_has_all_images_of_its_members(two):
    data = Pooled.open(None, two)
    assert data.names == ("kidney", "C++")
    assert [r.key for r in data.records()] == [
        *(f"kidney/{n}" for n in range(4)),
        *(f"C++/{n}" for n in range(6)),
    ]
    levels = [int(data.image(record)[0, 0, 0]) for record in data.records()]
    assert levels == [*range(40, 44), *range(90, 96)]


def test_each_member_is_split_as_it_would_be_alone(two):
    pool = open_domain(two, shares=(0.5, 0.25, 0.25), split_seed=3)
    assert pool.name == "kidney+C++"
    for member in parse_pool(two):
        alone = open_domain(str(member), shares=(0.5, 0.25, 0.25), split_seed=3)
        for part, keys in alone.split.items():
            mine = {key for key in pool.split[part] if key.startswith(f"{alone.name}/")}
            assert mine == {f"{alone.name}/{key}" for key in keys}


def test_one_name_twice_is_told(two):
    with pytest.raises(DataError, match="two pooled data sets"):
        Pooled.open(None, "synth-he+synth-he")


def test_classes_are_those_that_all_members_have():
    alone = open_domain("synth-he")
    both = open_domain("synth-he+synth-he@kidney")
    assert both.classes == alone.classes
    assert both.spec.licence.count("synth-he") == 1
