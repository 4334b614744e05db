"""SynDiff: images of one microscope in the look of another, learned without pairs."""

from __future__ import annotations

from histokit.interfaces.spec import Access, MethodSpec, Preset, Sizes
from histokit_syndiff_pl.config import SynDiffConfig

REFERENCE = """@misc{boschet2024unpaired,
  title         = {Unpaired Modality Translation for Pseudo Labeling of Histology Images},
  author        = {Boschet, Arthur and Collin, Armand and Katoch, Nishka and
                   {Cohen-Adad}, Julien},
  year          = {2024},
  eprint        = {2412.02858},
  archiveprefix = {arXiv}
}

@article{ozbey2023unsupervised,
  title   = {Unsupervised Medical Image Translation With Adversarial Diffusion Models},
  author  = {{\\"O}zbey, Muzaffer and Dalmaz, Onat and Dar, Salman U. H. and Bedel, Hasan A. and
             {\\"O}zturk, {\\c{S}}aban and G{\\"u}ng{\\"o}r, Alper and {\\c{C}}ukur, Tolga},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {42},
  number  = {12},
  pages   = {3524--3539},
  year    = {2023},
  doi     = {10.1109/TMI.2023.3290149}
}"""

SPEC = MethodSpec(
    name="syndiff-pl",
    roles=("translator", "adapter"),
    summary="pseudo-labels for another microscope, by unpaired translation with SynDiff",
    config=SynDiffConfig,
    factory="histokit_syndiff_pl.method:SynDiffPL",
    access=Access.TARGET_IMAGES,
    reference=REFERENCE,
    presets={
        "paper": Preset(summary="as the authors' configuration: tiles of 512 pixels (default)"),
        "256px": Preset(
            summary="tiles of 256 pixels: a quarter of the memory",
            overrides={"tile": 256, "attention_level": 4},
        ),
        "cpu": Preset(
            summary="small networks and a short plan, for a machine without a GPU",
            overrides={
                "tile": 64,
                "steps": 400,
                "epoch_steps": 1,
                "ema_decay": 0.98,
                "width": 16,
                "factors": (1, 2, 2, 2),
                "blocks": 1,
                "latent": 16,
                "latent_width": 32,
                "critic_width": 8,
                "critic_embedding": 32,
                "translator_width": 16,
                "translator_blocks": 3,
                "patch_width": 16,
                "patch_layers": 2,
                "segment_steps": 400,
                "segment_batch": 4,
                "segment_width": 8,
            },
        ),
        "l2u": Preset(
            summary="gives labelled images the look of the unlabelled ones (default)",
            overrides={"direction": "l2u"},
        ),
        "u2l": Preset(
            summary="gives unlabelled images the look of the labelled ones",
            overrides={"direction": "u2l"},
        ),
        "tutoring": Preset(
            summary="predicts by the network of translated labelled images",
            overrides={"use": "tutoring"},
        ),
        "adaptive": Preset(
            summary="predicts by the network that looks at translated unlabelled images",
            overrides={"use": "adaptive"},
        ),
        "unadapted": Preset(
            summary="predicts by a network of labelled images without translation: the control",
            overrides={"use": "unadapted"},
        ),
    },
    sizes=Sizes(min=64, multiple_of=32),
)
"""The card of the method."""

__all__ = ["REFERENCE", "SPEC", "SynDiffConfig"]
