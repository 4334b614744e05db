"""Cards of a sound method, data set and network, and of methods that break one promise each."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from histokit.config.base import MethodConfig
from histokit.interfaces import Access, DatasetSpec, MethodSpec, NetworkSpec, Preset, Sizes


class SmallConfig(MethodConfig):
    """Settings of the sound method."""

    steps: int = Field(4, ge=0, description="Steps.")
    batch: int = Field(2, ge=1, description="Images a step.")
    tile: int = Field(32, ge=8, description="Side of a window.")


class MuteConfig(SmallConfig):
    """A setting without a word."""

    secret: int = 3


SOUND = MethodSpec(
    name="sound",
    roles=("segmenter",),
    summary="keeps every promise",
    config=SmallConfig,
    factory="testing.broken_methods:Sound",
    access=Access.SOURCE,
    reference="@misc{sound2024, title = {Sound}}",
    presets={"short": Preset("fewer steps", {"steps": 2})},
)
TINT = replace(
    SOUND,
    name="tint",
    roles=("translator",),
    factory="testing.broken_methods:Tint",
    access=Access.NOTHING,
)
NORMED = replace(TINT, name="normed", factory="testing.broken_methods:Normed")
ADAPTED = replace(
    SOUND, name="adapted", roles=("segmenter", "adapter"), factory="testing.broken_methods:Adapted"
)


def method(name: str, base: MethodSpec = SOUND) -> MethodSpec:
    """The card of a class of `testing.broken_methods`."""
    return replace(base, factory=f"testing.broken_methods:{name}")


BROKEN_METHODS = {
    "card": replace(SOUND, summary="two\nlines"),
    "api": replace(SOUND, api=">=9"),
    "reference": replace(SOUND, reference="Smith and Miller 2020"),
    "settings": replace(SOUND, config=MuteConfig),
    "round-trip": replace(SOUND, presets={"bad": Preset("too few", {"steps": -1})}),
    "factory": replace(SOUND, roles=("translator",)),
    "phases": method("Greedy"),
    "works": method("Exploding"),
    "stateful": method("Forgetful"),
    "seed": method("Reseeding"),
    "resume": method("Counting"),
    "reload": method("Hiding"),
    "output": method("Doubling"),
    "sizes": method("Halving"),
    "input-kept": method("Scribbling"),
    "repeatable": method("Remembering"),
    "inert": method("Tallying"),
    "batch": method("Averaging"),
    "blank": method("Dividing"),
    "decoded": method("Gaping"),
    "tiled": method("Centring"),
    "warnings": method("Mumbling"),
    "measures": method("Ranking"),
    "facts": method("Boundless"),
    "rehearsal": method("Stagefright", ADAPTED),
    "writes": method("Littering"),
    "offline": method("Calling"),
}
"""By the check that each fails, and no other."""

OTHERS = (
    ("output", method("Glaring", TINT)),
    ("stateful", method("Distracted")),
    ("inert", method("Rolling")),
    ("works", method("Crashing")),
    ("warnings", method("Grumbling")),
    ("measures", method("Endless")),
    ("measures", method("Fickle")),
    ("measures", method("Copying")),
    ("measures", method("Calibrating")),
    ("facts", method("Dreaming")),
    ("facts", method("Guessing")),
    ("rehearsal", method("Stuttering", ADAPTED)),
    ("rehearsal", method("Understudy", ADAPTED)),
)
"""More of them."""

DOTS = DatasetSpec(
    name="dots",
    summary="keeps every promise",
    reader="testing.broken_data:Dots",
    task="instances",
    licence="CC0",
    homepage="nowhere",
    tree="dots.txt",
    classes=("dot",),
)
PIN = NetworkSpec(
    name="pin",
    summary="one convolution",
    factory="testing.broken_data:pin",
    taps={"only": "0"},
    freeze={"all": ("0",)},
)
NARROW = replace(
    PIN, name="narrow", factory="testing.broken_data:narrow", sizes=Sizes(min=64, shrink=60)
)


def reader(name: str, **more: str) -> DatasetSpec:
    """The card of a reader of `testing.broken_data`."""
    return replace(DOTS, reader=f"testing.broken_data:{name}", **more)


BROKEN_DATASETS = {
    "reader": reader("Half"),
    "works": reader("Blind"),
    "records": reader("Twins"),
    "images": reader("Floating"),
    "labels": reader("Gapped"),
    "counterparts": reader("Lopsided", task="pairs"),
    "verify": reader("Torn"),
    "absent": reader("Anywhere"),
    "writes": reader("Leaking"),
    "offline": reader("Asking"),
}
OTHER_DATASETS = {"labels": reader("Nameless"), "card": replace(DOTS, name="Dots!")}

BROKEN_NETWORKS = {
    "builds": replace(PIN, factory="testing.broken_data:function", taps={}, freeze={}),
    "parts": replace(PIN, taps={"other": "1"}),
    "works": replace(PIN, factory="testing.broken_data:detached"),
    "truth": replace(PIN, head="testing.broken_data:LateHead"),
    "decoded": replace(PIN, head="testing.broken_data:GappyHead"),
}
