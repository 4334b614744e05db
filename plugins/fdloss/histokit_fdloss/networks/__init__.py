"""The cards of the networks that the paper uses; no torch is imported here."""

from __future__ import annotations

from typing import Any

from histokit.interfaces.spec import NetworkSpec, Sizes

_ATTENTION = "histokit_fdloss.networks.attention_unet"
_ATTENTION_REFERENCE = """@inproceedings{oktay2018attention,
  title     = {Attention {U-Net}: Learning Where to Look for the Pancreas},
  author    = {Oktay, Ozan and Schlemper, Jo and Le Folgoc, Loic and Lee, Matthew and others},
  booktitle = {Medical Imaging with Deep Learning (MIDL)},
  year      = {2018},
  note      = {arXiv:1804.03999}
}"""
_JIMENEZ_REFERENCE = """@inproceedings{jimenez2022visual,
  title     = {Visual Deep Learning-Based Explanation for Neuritic Plaques Segmentation in
               {Alzheimer's} Disease Using Weakly Annotated Whole Slide Histopathological Images},
  author    = {Jimenez, Gabriel and Kar, Anuradha and Ounissi, Mehdi and others},
  booktitle = {Medical Image Computing and Computer Assisted Intervention (MICCAI)},
  series    = {LNCS},
  volume    = {13432},
  year      = {2022}
}"""
_RELEASED_REFERENCE = """@misc{roy2025exchangeability,
  title = {Is Exchangeability better than {I.I.D} to handle Data Distribution Shifts while Pooling
           Data for Data-scarce Medical image segmentation?},
  author = {Roy, Ayush and others},
  year   = {2025},
  note   = {arXiv:2507.19575}
}"""
_NUCLEISEGNET_REFERENCE = """@article{lal2021nucleisegnet,
  title   = {{NucleiSegNet}: Robust deep learning architecture for the nuclei segmentation of
             liver cancer histopathology images},
  author  = {Lal, Shyam and Das, Devikalyan and Alabhya, Kumar and Kanfade, Anirudh and
             Kumar, Aman and Kini, Jyoti},
  journal = {Computers in Biology and Medicine},
  volume  = {128},
  pages   = {104075},
  year    = {2021},
  doi     = {10.1016/j.compbiomed.2020.104075}
}"""
_CMUNET_REFERENCE = """@inproceedings{tang2023cmunet,
  title     = {{CMU-Net}: A Strong {ConvMixer}-based Medical Ultrasound Image Segmentation Network},
  author    = {Tang, Fenghe and Wang, Lingtao and Ning, Chunping and Xian, Min and Ding, Jianrui},
  booktitle = {IEEE International Symposium on Biomedical Imaging (ISBI)},
  year      = {2023},
  note      = {arXiv:2210.13012}
}"""


def _card(
    name: str,
    summary: str,
    factory: str,
    reference: str,
    *,
    depth: int = 4,
    encoder: str = "encoder",
    options: dict[str, Any] | None = None,
) -> NetworkSpec:
    """A network of `depth` halvings; `encoder` names the modules that are its encoder layers."""
    taps = {"decoder_last": f"decoder.{depth - 1}", "bottleneck": "bottom"}
    for level in range(1, depth + 1):
        taps[f"enc{level}"] = f"{encoder}.{level - 1}"
        taps[f"dec{level}"] = f"decoder.{depth - level}"
    side = 2**depth
    return NetworkSpec(
        name=name,
        summary=summary,
        factory=factory,
        options=options or {},
        taps=taps,
        sizes=Sizes(min=side, multiple_of=side),
        reference=reference,
    )


ATTENTION_UNET = _card(
    "attention-unet",
    "Attention U-Net with a gate on each skip, 34.9 M parameters",
    f"{_ATTENTION}:attention_unet",
    _ATTENTION_REFERENCE,
)
"""The standard one."""

ATTENTION_UNET_JIMENEZ = _card(
    "attention-unet-jimenez",
    "Attention U-Net with three halvings and dropout, 13.4 M parameters",
    f"{_ATTENTION}:attention_unet_jimenez",
    _JIMENEZ_REFERENCE,
    depth=3,
)
"""The variant that the paper names, with the mistakes of its code put right."""

ATTENTION_UNET_JIMENEZ_RELEASED = _card(
    "attention-unet-jimenez-released",
    "the same as its authors' code has it: dropout is never off, one decoder block is never used",
    f"{_ATTENTION}:attention_unet_jimenez",
    _JIMENEZ_REFERENCE,
    depth=3,
    options={"wiring": "released"},
)
"""For comparing with that code; two predictions of one image differ."""

ATTENTION_UNET_RELEASED = _card(
    "attention-unet-released",
    "Attention U-Net of the feature-distance scripts, gates by channel, 8.1 M parameters",
    f"{_ATTENTION}:attention_unet_released",
    _RELEASED_REFERENCE,
    depth=3,
    encoder="pools",
)
"""The variant of the published script, whose encoder layers are tapped behind the pooling."""

NUCLEISEGNET = _card(
    "nucleisegnet",
    "NucleiSegNet with robust residual blocks and attention, 12.4 M parameters",
    "histokit_fdloss.networks.nucleisegnet:nucleisegnet",
    _NUCLEISEGNET_REFERENCE,
)
"""The same function in its own release and in the published script."""

CMUNET = _card(
    "cmunet",
    "CMU-Net with ConvMixer and multi-scale gates, 49.9 M parameters",
    "histokit_fdloss.networks.cmunet:cmunet",
    _CMUNET_REFERENCE,
)
"""The network of its authors' code."""

CMUNET_RELEASED = _card(
    "cmunet-released",
    "CMU-Net of the feature-distance scripts: fewer batch norms and another mixer",
    "histokit_fdloss.networks.cmunet:cmunet",
    _CMUNET_REFERENCE,
    options={"variant": "released"},
)
"""The variant of the published script."""
