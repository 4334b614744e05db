"""Ostrich: nuclei masks by an invertible generator and optimal transport."""

from __future__ import annotations

from histokit.interfaces.spec import Access, MethodSpec, Preset, Sizes
from histokit_ostrich.config import OstrichConfig

REFERENCE = """@misc{mahapatra2025ostrich,
  title         = {Optimal Transport Driven Asymmetric Image-to-Image Translation for Nuclei
                   Segmentation of Histological Images},
  author        = {Mahapatra, Suman and Maji, Pradipta},
  year          = {2025},
  eprint        = {2506.07023},
  archiveprefix = {arXiv}
}"""

_LONGER = 60_000

SPEC = MethodSpec(
    name="ostrich",
    roles=("translator", "adapter"),
    summary="turns images into masks and back by one invertible generator and optimal transport",
    config=OstrichConfig,
    factory="histokit_ostrich.method:Ostrich",
    access=Access.SOURCE,
    reference=REFERENCE,
    presets={
        "he2mask": Preset(
            summary="images to masks (default)",
            overrides={"direction": "he2mask"},
            stain_in="HE",
            stain_out="mask",
        ),
        "mask2he": Preset(
            summary="masks to images",
            overrides={"direction": "mask2he"},
            stain_in="mask",
            stain_out="HE",
        ),
        "unpaired": Preset(
            summary="no image meets its own labels",
            overrides={"mode": "unpaired", "steps": _LONGER},
        ),
        "semi": Preset(
            summary="half of the images meet their own labels",
            overrides={"mode": "semi", "steps": _LONGER},
        ),
        "ordinary": Preset(
            summary="ablation: the ordinary squeeze of 2 x 2 pixels", overrides={"tiles": (2, 2)}
        ),
        "quadrant": Preset(
            summary="ablation: each squeeze stacks the quadrants of the image",
            overrides={"tiles": (0, 0)},
        ),
        "lattice": Preset(
            summary="a generator that can be inverted to the last bit",
            overrides={"lattice": True, "coupling": "additive", "mix": "permutation"},
        ),
        "cpu": Preset(
            summary="a small generator and a short plan, for a machine without a GPU",
            overrides={
                "depth": 2,
                "width": 32,
                "tile": 64,
                "steps": 300,
                "warmup": 0,
                "ema_decay": 0.95,
                "critic_width": 32,
                "critic_layers": 3,
            },
        ),
    },
    sizes=Sizes(min=8, multiple_of=4),
)
"""The card of the method."""

__all__ = ["REFERENCE", "SPEC", "OstrichConfig"]
