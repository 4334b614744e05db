"""Signs of known failure: from which measured value on what is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sign:
    """A failure: which logged value tells it, when it does, and what to say."""

    name: str
    fails: Callable[[float], bool]
    words: str
    settled: int = 0


SIGNS: Sequence[Sign] = (
    Sign(
        "inversion",
        lambda value: not value <= 1e-3,
        "inversion breakdown: an image comes back with an error of {:.2g} (at most 0.001); "
        "try --coupling additive, a smaller --clamp or a lower --lr",
    ),
    Sign(
        "amplification",
        lambda value: not value <= 20,
        "ill-conditioned inverse: a small change of map and embedding grows {:.1f} times "
        "(at most 20) on the way back; raise --swap-weight or lower --clamp",
    ),
    Sign(
        "participation",
        lambda value: value < 0.4,
        "embedding collapse: only {:.0%} of its channels carry anything (at least 40%); "
        "raise --embedding-weight or lower --embedding",
        settled=200,
    ),
    Sign(
        "embedding_std",
        lambda value: not 0.5 <= value <= 2,
        "embedding collapse: its standard deviation is {:.2g} (0.5 to 2 is sound); "
        "raise --embedding-weight",
        settled=200,
    ),
    Sign(
        "polarity",
        lambda value: value < 0,
        "wrong polarity: the map is high where haematoxylin is low (correlation {:.2f}); "
        "use --lift stain, or train with --mode paired or semi",
        settled=50,
    ),
    Sign(
        "split",
        lambda value: value > 1.3,
        "fragmented nuclei: a true nucleus holds {:.2f} predicted parts on average (at most 1.3); "
        "try --coupling affine or smaller --tiles",
        settled=200,
    ),
    Sign(
        "specks",
        lambda value: value > 0.3,
        "fragmented nuclei: {:.0%} of the predicted parts are specks (at most 30%); "
        "try --coupling affine or train longer",
        settled=200,
    ),
    Sign(
        "seams",
        lambda value: not 0.8 <= value <= 1.25,
        "squeeze seams: steps across the borders of sub-tiles are {:.2f} times those elsewhere "
        "(0.8 to 1.25 is sound); use smaller --tiles",
        settled=200,
    ),
    Sign(
        "leak",
        lambda value: value > 0.25,
        "map leaks into the embedding: {:.0%} of it can be read there (at most 25%); raise "
        "--embedding-weight",
        settled=200,
    ),
    Sign(
        "outside",
        lambda value: value > 0.1,
        "inverse leaves the image range: {:.0%} of the drawn values are no colours (at most 10%); "
        "raise --swap-weight, or train longer",
        settled=200,
    ),
    Sign(
        "reread",
        lambda value: value < 0.7,
        "inverse leaves the image range: once drawn and clamped, the map comes back with Dice "
        "{:.2f} (at least 0.7); raise --swap-weight, or train longer",
        settled=200,
    ),
    Sign(
        "variety",
        lambda value: value < 0.01,
        "mode collapse of synthesis: two embeddings draw one mask {:.3f} apart (at least 0.01); "
        "raise --embedding-weight",
        settled=200,
    ),
    Sign(
        "ghosts",
        lambda value: value > 0.5,
        "ghosts of the donor's nuclei: they are {:.0%} as strong as the drawn ones (at most 50%); "
        "do not use these weights to draw; train with another --seed or --image-weight",
        settled=200,
    ),
    Sign(
        "judge",
        lambda value: value < 0.5,
        "drawn nuclei do not show: the judge finds the mask with Dice {:.2f} (at least 0.5); "
        "train longer, or with another --image-weight",
        settled=200,
    ),
    Sign(
        "padded",
        lambda value: value > 0,
        "windows do not fit the squeezes: {:.0f} rows and columns are mirrored on and cropped off "
        "again; give --tile a multiple of the largest tile",
    ),
    Sign(
        "memory_off",
        lambda value: value > 0,
        "reversible memory is off: its gradients differed from those with stored activations, "
        "because the inverse is badly conditioned; training goes on with --memory stored",
    ),
    Sign(
        "map_mean",
        lambda value: abs(value) > 3,
        "critic lost: the mean of the map is {:.1f} (-1 to 1 is sound); lower --lr or "
        "--critic-weight",
    ),
)
"""Every failure that can be seen in training, by the thresholds of the prototype."""


def signs(losses: Mapping[str, float], step: int) -> list[str]:
    """What the logged values tell, in plain words."""
    return [
        sign.words.format(losses[sign.name])
        for sign in SIGNS
        if sign.name in losses and step >= sign.settled and sign.fails(losses[sign.name])
    ]
