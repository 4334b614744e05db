"""The feature-distance loss: foreground and background pushed apart in every layer."""

from __future__ import annotations

from histokit.interfaces.spec import Access, MethodSpec, Preset
from histokit_fdloss.config import EPOCH, FdLossConfig

REFERENCE = """@misc{anonymous2025causal,
  title  = {Causal Frameworks and Feature Discrepancy Loss: Addressing Data Scarcity and Enhancing
            Medical Image Segmentation},
  author = {Anonymous},
  note   = {Manuscript under double-blind review. Its public successor seems to be: Roy, A. and
            others, Is Exchangeability better than I.I.D to handle Data Distribution Shifts while
            Pooling Data for Data-scarce Medical image segmentation?, arXiv:2507.19575}
}"""

SPEC = MethodSpec(
    name="fdloss",
    roles=("segmenter",),
    summary="pushes features of nuclei and background apart in every layer of a segmenter",
    config=FdLossConfig,
    factory="histokit_fdloss.method:FdLoss",
    access=Access.SOURCE,
    reference=REFERENCE,
    presets={
        "stable": Preset(summary="bounded distance, alpha raised to at most 0.05 (default)"),
        "paper": Preset(
            summary="as the paper's formulas: Eq. 1 on sums, alpha trained by descent",
            overrides={
                "tile": 512,
                "pool": "sum",
                "form": "sq",
                "mask": "max",
                "alpha_mode": "descent",
                "alpha_max": 1.0,
                "alpha_lr": 0.0,
            },
        ),
        "plain": Preset(
            summary="the same plan without the penalty: the control of an equal budget",
            overrides={"alpha_mode": "fixed", "alpha_max": 0.0},
        ),
        "released": Preset(
            summary="as the published scripts really train: alpha stays 0, a plain network",
            overrides={
                "network": "attention-unet-released",
                "optimiser": "adamw",
                "weight_decay": 0.004,
                "seg_loss": "dice+iou",
                "pool": "swapped",
                "reduce": "batch",
                "form": "l2",
                "mask": "max",
                "alpha_mode": "fixed",
                "alpha_max": 0.0,
                "warmup_steps": 0,
                "penalised_steps": 50 * EPOCH,
            },
        ),
        "exchange": Preset(
            summary="with the term between samples of pooled data sets",
            overrides={"exchange": "cross_pairs"},
        ),
        "cpu": Preset(
            summary="a small network and a short plan, for a machine without a GPU",
            overrides={
                "network": "unet-small",
                "tile": 128,
                "warmup_steps": 200,
                "penalised_steps": 400,
                "lr": 1e-3,
            },
        ),
    },
)
"""The card of the method."""

__all__ = ["EPOCH", "REFERENCE", "SPEC", "FdLossConfig"]
