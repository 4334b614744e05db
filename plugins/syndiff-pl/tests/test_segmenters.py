"""Segmenters that look at translations, and two that agree or not."""

from __future__ import annotations

import pytest
import torch

from histokit.interfaces import Instances, Maps, Segmenter, Sizes
from histokit.nn.nnunet.head import SemanticHead
from histokit_syndiff_pl.segmenters import Agreeing, Translated, common

ANY = Sizes()


class Fixed(Segmenter):
    """Gives the same logits [K] everywhere, or the image itself as a logit."""

    def __init__(self, logits=None, activation="softmax", sizes=ANY):
        self._logits, self._activation, self._sizes = logits, activation, sizes

    @property
    def sizes(self):
        return self._sizes

    @property
    def blend(self):
        return "gaussian"

    def segment(self, images):
        if self._logits is None:
            return Maps(images, "sigmoid")
        logits = torch.tensor(self._logits)[None, :, None, None]
        return Maps(logits.expand(len(images), -1, *images.shape[2:]), self._activation)

    def decode(self, maps):
        return SemanticHead().decode(maps)


def logs(*probabilities):
    return torch.tensor(probabilities).log().tolist()


def test_sizes_that_both_take():
    assert common(Sizes(64, 32), Sizes(48, 24)) == Sizes(64, 96)


def test_translations_are_what_is_segmented():
    through = Translated(lambda images: 1 - images, Sizes(8, 8), Fixed(sizes=Sizes(4, 6)))
    images = torch.rand(2, 1, 24, 24)
    maps = through.segment(images)
    assert torch.equal(maps.logits, 1 - images)
    assert torch.equal(maps.extra["translated"], 1 - images)
    assert (through.sizes, through.blend) == (Sizes(8, 24), "gaussian")


def test_the_mean_of_classes_and_their_agreement():
    one, other = Fixed(logs(0.7, 0.2, 0.1)), Fixed(logs(0.1, 0.3, 0.6))
    maps = Agreeing(one, other).segment(torch.rand(1, 1, 8, 8))
    mean = maps.logits.softmax(1)[0, :, 0, 0]
    torch.testing.assert_close(mean, torch.tensor([0.4, 0.25, 0.35]), rtol=0, atol=1e-5)
    assert float(maps.extra["agreement"].mean()) == pytest.approx(0.1 + 0.2 + 0.1)
    same = Agreeing(one, one).segment(torch.rand(1, 1, 8, 8))
    torch.testing.assert_close(same.extra["agreement"], torch.ones(1, 1, 8, 8))


def test_the_mean_of_a_foreground_and_its_agreement():
    one, other = (Fixed([torch.tensor(p).logit().item()], "sigmoid") for p in (0.9, 0.5))
    maps = Agreeing(one, other).segment(torch.rand(1, 1, 8, 8))
    assert float(maps.logits.sigmoid().mean()) == pytest.approx(0.7)
    assert float(maps.extra["agreement"].mean()) == pytest.approx(0.6)
    assert maps.activation == "sigmoid"


def test_certain_networks_that_contradict_each_other_stay_finite():
    one, other = Fixed([100.0, -100.0]), Fixed([-100.0, 100.0])
    maps = Agreeing(one, other).segment(torch.rand(1, 1, 8, 8))
    assert torch.isfinite(maps.logits).all()
    assert float(maps.extra["agreement"].max()) == pytest.approx(0)


def test_scores_fall_where_the_two_disagree():
    logits = torch.zeros(1, 2, 8, 16)
    logits[:, 1, 1:7, 1:7] = logits[:, 1, 1:7, 9:15] = 4
    logits[:, 0] = 2
    agreement = torch.ones(1, 1, 8, 16)
    agreement[..., 8:] = 0.25
    maps = Maps(logits, "softmax", {"agreement": agreement})
    found = Agreeing(Fixed(), Fixed()).decode(maps)
    alone = SemanticHead().decode(maps)
    assert isinstance(found, Instances)
    assert found.scores[1] == pytest.approx(alone.scores[1])
    assert found.scores[2] == pytest.approx(alone.scores[2] / 4)
