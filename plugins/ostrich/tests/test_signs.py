"""What measured values are told, and in which words."""

from __future__ import annotations

import pytest

from histokit_ostrich.signs import SIGNS, signs

SOUND = {
    "inversion": 1e-5,
    "amplification": 3.0,
    "participation": 0.9,
    "embedding_std": 1.0,
    "polarity": 0.5,
    "split": 1.1,
    "specks": 0.1,
    "seams": 1.0,
    "leak": 0.05,
    "outside": 0.01,
    "reread": 0.95,
    "variety": 0.1,
    "ghosts": 0.0,
    "judge": 0.8,
    "padded": 0.0,
    "memory_off": 0.0,
    "map_mean": -0.7,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inversion": 2e-3}, "inversion breakdown"),
        ({"inversion": float("nan")}, "inversion breakdown"),
        ({"amplification": 21.0}, "ill-conditioned inverse"),
        ({"participation": 0.3}, "embedding collapse"),
        ({"embedding_std": 0.1}, "embedding collapse"),
        ({"embedding_std": 3.0}, "embedding collapse"),
        ({"polarity": -0.1}, "wrong polarity"),
        ({"split": 1.4}, "fragmented nuclei"),
        ({"specks": 0.4}, "fragmented nuclei"),
        ({"seams": 1.3}, "squeeze seams"),
        ({"seams": 0.7}, "squeeze seams"),
        ({"leak": 0.3}, "map leaks"),
        ({"outside": 0.2}, "inverse leaves the image range"),
        ({"reread": 0.6}, "inverse leaves the image range"),
        ({"variety": 0.005}, "mode collapse of synthesis"),
        ({"ghosts": 0.6}, "ghosts of the donor's nuclei"),
        ({"judge": 0.2}, "drawn nuclei do not show"),
        ({"padded": 2.0}, "windows do not fit the squeezes: 2 rows"),
        ({"amplification": float("nan")}, "ill-conditioned inverse"),
        ({"memory_off": 1.0}, "reversible memory is off"),
        ({"map_mean": -27.0}, "critic lost"),
    ],
)
def test_failures_are_told_by_name(changes, words):
    (told,) = signs({**SOUND, **changes}, 1000)
    assert told.startswith(words)
    assert "{" not in told


def test_sound_training_is_quiet():
    assert set(SOUND) == {sign.name for sign in SIGNS}
    assert signs(SOUND, 10_000) == []
    assert signs({"generator": 5.0}, 10_000) == []


def test_early_steps_are_forgiven():
    early = {**SOUND, "specks": 0.9, "polarity": -1.0, "participation": 0.1}
    assert signs(early, 10) == []
    assert len(signs(early, 200)) == 3
