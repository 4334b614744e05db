"""What travels with weights."""

from __future__ import annotations

import json

import pytest

from histokit.io.checkpoints import load_weights
from histokit.io.runs import RunFolder
from histokit.run.cards import model_card
from toys import plan, trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A plan on made-up tissue, and its finished run."""
    data = ("", "synth-he@breast", "", "synth-he@kidney")
    values = {"method_values": {"steps": 1, "adabn_steps": 1, "tile": 48}, "seed": 4}
    how = plan("adabn", data, tmp_path_factory.mktemp("cards"), selection="last", **values)
    return how, RunFolder(trained(how)[0])


def test_the_card_says_what_is_needed_to_use_and_judge_the_weights(run):
    how, folder = run
    _, card = load_weights(folder.best)
    assert card["method"] == "adabn"
    assert card["settings"] == how.config.model_dump(mode="json")
    assert (card["run"], card["digest"], card["seed"]) == (folder.id, how.digest(), 4)
    assert card["tile"] == 48
    assert card["mpp"] > 0
    assert card["data"] == {"source": "synth-he@breast", "target": "synth-he@kidney"}
    assert card["data_licences"].keys() == {"synth-he"}
    assert card["selection"] == "last"
    assert card["kept"]["step"] == 2
    assert card["probe"].keys() == {"mean", "std"}
    assert str(folder.path.parent) not in json.dumps(card)


def test_the_card_for_people_names_data_step_score_and_paper(run):
    how, folder = run
    text = (folder.path / "card.md").read_text()
    card = json.loads(folder.best.with_suffix(".json").read_text())
    assert text == model_card(how.spec, card)
    for part in (
        "# adabn: ", "source: synth-he@breast, target: synth-he@kidney", "Weights kept: step 2",
        f"source validation dice {card['kept']['score']:.4f}; rule: last", "Seed 4",
        "```bibtex\n@article{li2018adabn", "Research use; not a medical device.",
    ):  # fmt: skip
        assert part in text
