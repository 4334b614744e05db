"""Whoever works out a block runs the same batches for it."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.interfaces import Sizes
from histokit.io.slides_open import open_slide
from histokit.postprocess.tissue import Tissue
from histokit.run.infer import Windows
from histokit.run.slide.blocks import Network, block_outputs
from histokit.run.slide.plan import make_plan
from histokit.run.slide.turns import turns
from slides import nuclei, write_pyramid

BATCH = 3
SIDE = 64


class Telling:
    """A network whose output tells what was in the batch, and where, and that counts windows."""

    def __init__(self):
        self.windows = 0
        self.network = Network(self.run, BATCH, 3, 1, "taper", lambda low, _: low)

    def run(self, cuts):
        waiting = list(cuts)
        for start in range(0, len(waiting), BATCH):
            batch = np.stack(waiting[start : start + BATCH]).astype(np.float32)
            self.windows += len(batch)
            for place, window in enumerate(batch):
                values = window.mean(2) / 100 + batch.mean() + place + len(batch) * 10
                yield values[None]


@pytest.fixture
def plan(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(330, 460))
    mask = np.ones((33, 46), bool)
    mask[8:20, 10:24] = False
    with open_slide(tmp_path / "s.tif") as slide:
        windows = Windows(SIDE, 16, BATCH)
        yield make_plan(slide.view(1.0), Sizes(), windows, Tissue(mask), core=100, margin=10)


@pytest.mark.parametrize("room", [0, 5, 17, 1000])
def test_a_block_does_not_depend_on_those_before_it(plan, room):
    kept = room * SIDE**2 * 4
    whole = dict(block_outputs(plan, Telling().network, kept, plan.blocks))
    assert len(whole) == len(plan.blocks) > 15
    for block in plan.blocks:
        ((found, values),) = block_outputs(plan, Telling().network, kept, [block])
        assert found == block
        assert np.array_equal(values, whole[block])
    odd = plan.blocks[1::3]
    for block, values in block_outputs(plan, Telling().network, kept, odd):
        assert np.array_equal(values, whole[block])


def test_each_window_runs_once_where_there_is_room(plan):
    telling = Telling()
    list(block_outputs(plan, telling.network, 1000 * SIDE**2 * 4, plan.blocks))
    assert telling.windows == len(plan.live)
    half = Telling()
    list(block_outputs(plan, half.network, 9 * SIDE**2 * 4, plan.blocks))
    none = Telling()
    list(block_outputs(plan, none.network, 0, plan.blocks))
    assert telling.windows < half.windows < none.windows


@pytest.mark.parametrize("room", [0, 5, 17, 1000])
def test_no_more_stays_than_there_is_room_for(plan, room):
    found = turns(plan, room)
    for block in plan.blocks:
        stay = [w for w, home in found.home.items() if home < block.number <= found.last[w]]
        assert len(stay) <= room
        wanted = {w for w in plan.layout(block)[1] if w in plan.live}
        assert wanted <= set(found.fresh[block.number]) | set(stay)
