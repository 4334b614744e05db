"""MDCL: translates H&E into IHC by mix-domain contrastive learning."""

from __future__ import annotations

from histokit.interfaces.spec import Access, MethodSpec, Preset, Sizes
from histokit_mdcl.config import MdclConfig, UnpairedConfig

REFERENCE = """@inproceedings{wang2024mdcl,
  title     = {Mix-Domain Contrastive Learning for Unpaired {H\\&E}-to-{IHC} Stain Translation},
  author    = {Wang, Song and Zhang, Zhong and Yan, Huan and Xu, Ming and Wang, Guanghui},
  booktitle = {IEEE International Conference on Image Processing (ICIP)},
  pages     = {2982--2988},
  year      = {2024},
  note      = {arXiv:2406.11799}
}"""

MIST_MPP = 0.4661
"""Micrometres a pixel of the MIST data sets."""
MIST_PAIRS = {"HER2": 4642, "ER": 4153, "PR": 4139, "Ki67": 4361}
"""Training pairs of the MIST data sets, by stain."""

_SIZES = Sizes(min=16, multiple_of=4)
_ASP = {"mix": False, "identity": False, "nce_weight": 10.0, "asp_weight": 10.0}
_CUT = {
    "mix": False,
    "nce_weight": 0.5,
    "blocks": 9,
    "critic_width": 64,
    "critic_layers": 3,
    "spectral": False,
}
_NO_PARTNER = {"asp_weight": 0.0, "pyramid_weight": 0.0}
_CPU = {
    "width": 16,
    "blocks": 2,
    "taps": (0, 4, 8, 12, 13),
    "critic_width": 8,
    "critic_layers": 3,
    "head_width": 64,
    "patches": 64,
    "tile": 64,
    "batch": 2,
    "epochs": 6,
    "decay_epochs": 2,
    "epoch_steps": 100,
}
_CPU_SUMMARY = "small networks and a short plan, for a machine without a GPU"


def _stain(name: str) -> Preset:
    return Preset(
        summary=f"H&E to {name}, as trained on MIST {name} with the defaults",
        overrides={"epoch_steps": MIST_PAIRS[name]},
        weights=f"he2{name.lower()}.safetensors",
        mpp=MIST_MPP,
        stain_in="HE",
        stain_out=name,
    )


SPEC = MethodSpec(
    name="mdcl",
    roles=("translator",),
    summary="translates H&E into IHC, trained on roughly aligned pairs by mix-domain contrast",
    config=MdclConfig,
    factory="histokit_mdcl.method:Mdcl",
    access=Access.PAIRS,
    reference=REFERENCE,
    presets={
        "mdcl": Preset(summary="as the authors' code (default)"),
        "asp": Preset(
            summary="ASP, its parent: negatives of the key alone, no identity, weights of 10",
            overrides=_ASP,
        ),
        "cpt": Preset(
            summary="asp without adaptive weights", overrides={**_ASP, "asp_schedule": "none"}
        ),
        "cut": Preset(
            summary="CUT, its grandparent: nothing that compares with the partner, own networks",
            overrides={**_CUT, **_NO_PARTNER},
        ),
        "cpu": Preset(summary=_CPU_SUMMARY, overrides=_CPU),
        "cpu-asp": Preset(summary="asp with the networks of cpu", overrides={**_ASP, **_CPU}),
        "cpu-cut": Preset(
            summary="cut with the networks of cpu", overrides={**_CUT, **_NO_PARTNER, **_CPU}
        ),
        "he2ihc": Preset(
            summary="H&E to IHC of any one stain, with the defaults",
            weights="he2ihc.safetensors",
            mpp=MIST_MPP,
            stain_in="HE",
            stain_out="IHC",
        ),
        **{f"he2{name.lower()}": _stain(name) for name in MIST_PAIRS},
    },
    sizes=_SIZES,
)
"""The card of the published method."""

UNPAIRED = MethodSpec(
    name="mdcl-unpaired",
    roles=("translator",),
    summary="mdcl without pairs; this is not the published method",
    config=UnpairedConfig,
    factory="histokit_mdcl.method:Mdcl",
    access=Access.IMAGES,
    reference=REFERENCE,
    presets={
        "cut": Preset(summary="CUT: negatives of the key alone, own networks", overrides=_CUT),
        "cpu": Preset(summary=_CPU_SUMMARY, overrides=_CPU),
    },
    sizes=_SIZES,
)
"""The card of what is left of the method where there are no pairs."""

__all__ = [
    "MIST_MPP",
    "MIST_PAIRS",
    "REFERENCE",
    "SPEC",
    "UNPAIRED",
    "MdclConfig",
    "UnpairedConfig",
]
