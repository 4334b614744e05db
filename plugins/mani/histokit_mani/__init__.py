"""MaNi: a nuclei segmenter for an unlabelled target, adapted by mutual information."""

from __future__ import annotations

from histokit.interfaces.spec import Access, MethodSpec, Preset
from histokit_mani.config import ManiConfig

REFERENCE = """@inproceedings{sharma2022mani,
  title     = {{MaNi}: Maximizing Mutual Information for Nuclei Cross-Domain Unsupervised
               Segmentation},
  author    = {Sharma, Yash and Syed, Sana and Brown, Donald E.},
  booktitle = {Medical Image Computing and Computer Assisted Intervention (MICCAI)},
  series    = {LNCS},
  volume    = {13432},
  year      = {2022},
  doi       = {10.1007/978-3-031-16434-7_34},
  note      = {arXiv:2206.14437}
}"""

CONSEP_EPOCH = 82
"""Batches of 16 in the 1323 windows that HoVer-Net cuts from the training images of CoNSeP."""

SPEC = MethodSpec(
    name="mani",
    roles=("adapter",),
    summary="adapts a nuclei segmenter by mutual information between source and target nuclei",
    config=ManiConfig,
    factory="histokit_mani.method:Mani",
    access=Access.TARGET_IMAGES,
    reference=REFERENCE,
    presets={
        "repo": Preset(summary="as the authors' code: Adam 1e-4, flips and rotations (default)"),
        "paper": Preset(
            summary="as the paper's text: Adam 1e-3, rotations only",
            overrides={"lr": 1e-3, "lr_critic": 1e-3, "augment": "rotate"},
        ),
        "cpu": Preset(
            summary="a small network and a short plan, for a machine without a GPU",
            overrides={
                "network": "unet-small",
                "tile": 128,
                "warmup_steps": 200,
                "adapt_steps": 400,
                "lr": 1e-3,
                "lr_critic": 1e-3,
            },
        ),
        "nuclei-he": Preset(
            summary="weights for H&E nuclei, in the plugin: its warm-up alone, no target",
            overrides={
                "network": "unet-small",
                "tile": 128,
                "batch": 8,
                "augment": "dihedral+stain",
                "warmup_steps": 4500,
                "adapt_steps": 0,
                "lr": 1e-3,
                "lr_critic": 1e-3,
                "lr_drop_every": 3500,
            },
            weights="nuclei-he.safetensors",
            mpp=0.25,
            stain_in="HE",
        ),
        "hovernet": Preset(
            summary="the paper's second experiment: HoVer-Net, its encoder frozen at first",
            overrides={
                "network": "hovernet",
                "tile": 256,
                "batch": 16,
                "augment": "flip",
                "freeze": "reference",
                "warmup_steps": 10 * CONSEP_EPOCH,
                "frozen_steps": 50 * CONSEP_EPOCH,
                "adapt_steps": 90 * CONSEP_EPOCH,
                "lr_drop_every": 25 * CONSEP_EPOCH,
            },
        ),
    },
)
"""The card of the method."""

__all__ = ["CONSEP_EPOCH", "REFERENCE", "SPEC", "ManiConfig"]
