"""What a look at a batch finds, and who judges drawn images."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from histokit.errors import UsageError
from histokit.interfaces import Sizes
from histokit_ostrich.checkup import check_drawing, checkup
from histokit_ostrich.config import OstrichConfig
from histokit_ostrich.generator import Generator, Shape, Split
from histokit_ostrich.judge import Judge
from histokit_ostrich.objective import sampled
from histokit_ostrich.signs import SIGNS, signs


@pytest.fixture
def look(toy):
    """A generator that is the identity of the lift, and its look at a batch of toy images."""
    torch.manual_seed(0)
    generator = Generator(Shape(depth=1, width=4))
    batch = toy(side=32)
    generator.lift.fit(batch.images)

    def go(**settings):
        return generator, sampled(OstrichConfig(**settings), generator, batch)

    return go


def test_any_batch_tells_something(look):
    generator, sample = look()
    found = checkup(generator, sample)
    always = {"inversion", "amplification", "participation", "polarity", "padded", "seams"}
    assert always | {"leak", "split", "parts", "specks", "area_gap"} < set(found)
    assert float(found["polarity"]) == pytest.approx(1, abs=1e-4)
    assert float(found["round_trip_fp32"]) < float(found["round_trip_bf16"])
    assert float(found["padded"]) == 0


def test_windows_that_were_padded_are_told(look, toy):
    generator, _ = look()
    sample = sampled(OstrichConfig(), generator, toy(side=19))
    found = checkup(generator, sample)
    assert float(found["padded"]) == 2
    told = signs({name: float(value) for name, value in found.items()}, 50)
    assert any(words.startswith("windows do not fit") for words in told)


def test_labels_that_are_not_lent_are_not_looked_at(look):
    generator, sample = look()
    others = checkup(generator, replace(sample, known=0, mask=sample.mask[:0]))
    assert "leak" not in others
    assert "split" not in others
    assert "share_gap" in others


def test_there_may_be_more_masks_than_images(look):
    generator, sample = look()
    unpaired = replace(sample, known=0, mask=sample.mask[:0])
    twice = replace(unpaired, maps=unpaired.maps.repeat(2, 1, 1, 1))
    one, two = checkup(generator, unpaired), checkup(generator, twice)
    for name in ("specks", "share_gap"):
        assert float(one[name]) == pytest.approx(float(two[name]))


def test_what_is_not_a_number_is_told(look):
    generator, sample = look()
    broken = replace(
        sample, split=Split(sample.split.map * float("nan"), sample.split.embedding, (32, 32))
    )
    found = checkup(generator, broken)
    assert all(bool(torch.isfinite(value)) for value in found.values())
    told = signs({name: float(value) for name, value in found.items()}, 50)
    assert any(words.startswith("ill-conditioned inverse") for words in told)


@pytest.mark.parametrize("kind", [None, "sigmoid", "softmax"])
def test_the_identity_draws_without_ghosts(look, darkness, kind):
    """It puts haematoxylin where the map says, and the embedding holds none."""
    generator, sample = look()
    judge = Judge(lambda: darkness(kind)) if kind else None
    found = check_drawing(generator, sample, judge)
    assert float(found["ghosts"]) < 0.3
    assert float(found["reread"]) > 0.9
    assert float(found["variety"]) > 0.01
    if judge:
        assert float(found["judge"]) > 0.8


@pytest.mark.parametrize("kind", [None, "sigmoid"])
def test_ghosts_are_seen(look, darkness, kind, monkeypatch):
    """A generator that shows the donor instead of the map."""
    generator, sample = look()
    images = sample.images

    def donor(split):
        place = [int((split.embedding[0] == one).all()) for one in sample.split.embedding].index(1)
        return images[[(place + k) % len(images) for k in range(len(split.embedding))]]

    monkeypatch.setattr(generator, "inverse", donor)
    found = check_drawing(generator, sample, Judge(lambda: darkness(kind)) if kind else None)
    assert float(found["ghosts"]) > 0.5
    told = signs({name: float(value) for name, value in found.items()}, 1000)
    assert any(words.startswith("ghosts of the donor's nuclei") for words in told)


def test_an_unused_embedding_is_seen(look, monkeypatch):
    generator, sample = look()
    monkeypatch.setattr(
        generator, "inverse", lambda split: split.map.expand(-1, 3, -1, -1) / 4 + 0.5
    )
    found = check_drawing(generator, sample, None)
    told = signs({name: float(value) for name, value in found.items()}, 1000)
    assert any(words.startswith("mode collapse of synthesis") for words in told)


def test_nothing_to_draw_is_nothing_to_check(look):
    generator, sample = look()
    assert check_drawing(generator, replace(sample, maps=sample.maps[:0]), None) == {}


def test_a_judge_of_other_sizes_is_refused(darkness):
    with pytest.raises(UsageError, match="judge"):
        Judge(lambda: darkness(sizes=Sizes(min=8, shrink=4))).open()


def test_every_sign_is_measured(look, darkness):
    generator, sample = look()
    names = set(checkup(generator, sample)) | set(check_drawing(generator, sample, Judge(darkness)))
    assert {sign.name for sign in SIGNS} - names == {"memory_off"}
