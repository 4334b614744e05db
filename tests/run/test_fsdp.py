"""Methods whose weights cannot be spread over processes are told before they are trained."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch import nn

from histokit.errors import UsageError
from histokit.run.fsdp import spread_weights
from histokit.training.ema import Ema
from histokit.training.updater import Updater


def _told(**stateful):
    method = SimpleNamespace(stateful=lambda: stateful)
    with pytest.raises(UsageError) as told:
        spread_weights(SimpleNamespace(name="toy"), method, SimpleNamespace())
    assert "toy cannot be trained with --strategy fsdp" in told.value.what
    assert "--strategy ddp" in told.value.hint
    return told.value.found


def test_several_players_and_averages_are_refused():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    first, second = Updater([a], 0.1), Updater([b], 0.1)
    assert _told(a=a, b=b, first=first, second=second) == "optimisers: 2; averages: none"
    assert _told(a=a, first=first, mean=Ema(a, 0.9)) == "optimisers: 1; averages: mean"
    assert _told(a=a) == "optimisers: 0; averages: none"
