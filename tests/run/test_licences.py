from __future__ import annotations

import pytest

from histokit.registry import list_datasets
from histokit.run.licences import commercial_use

EXPECTED = {
    "tnbc": "yes", "monuseg": "no", "dsb2018": "yes", "synth-he": "yes", "pannuke": "no",
    "nucls": "yes", "consep": "unknown", "pcns": "yes", "kirc": "unknown", "udiat": "no",
    "busi": "unknown", "bci": "no", "mist": "unknown", "folder": "unknown", "h5": "unknown",
    "ads-sem": "yes", "ads-bf": "unknown", "cryonuseg": "no",
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_what_the_words_of_our_data_sets_say(name):
    cards = {entry.typed: entry.card for entry in list_datasets()}
    assert commercial_use([cards[name].licence]) == EXPECTED[name]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], "unknown"),
        ([""], "unknown"),
        (["MIT", "Apache-2.0"], "yes"),
        (["CC BY 4.0; CC0 1.0"], "yes"),
        (["CC BY 4.0", "yours"], "unknown"),
        (["yours", "CC BY-NC-SA 4.0"], "no"),
        (["tnbc: CC BY 4.0; pannuke: CC BY-NC-SA 4.0: non-commercial, share-alike"], "no"),
        (["Dynamic"], "unknown"),
        (["permitted by nobody"], "unknown"),
    ],
)
def test_the_strictest_decides(texts, expected):
    assert commercial_use(texts) == expected
