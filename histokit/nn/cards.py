"""The cards of the networks that the core brings; no torch is imported here."""

from __future__ import annotations

from histokit.interfaces.spec import NetworkSpec, Sizes

_FACTORY = "histokit.nn.unet:UNet"
_SIZES = Sizes(min=16, multiple_of=16)
_TAPS = {
    "decoder_last": "decoder.3.mix",
    "bottleneck": "encoder.4.1",
    "enc1": "encoder.0",
    **{f"enc{level}": f"encoder.{level - 1}.1" for level in (2, 3, 4)},
    **{f"dec{level}": f"decoder.{4 - level}.mix" for level in (1, 2, 3, 4)},
}
_REFERENCE = """@inproceedings{ronneberger2015unet,
  title     = {{U-Net}: Convolutional Networks for Biomedical Image Segmentation},
  author    = {Ronneberger, Olaf and Fischer, Philipp and Brox, Thomas},
  booktitle = {Medical Image Computing and Computer-Assisted Intervention (MICCAI)},
  series    = {LNCS},
  volume    = {9351},
  pages     = {234--241},
  year      = {2015},
  doi       = {10.1007/978-3-319-24574-4_28}
}"""

UNET = NetworkSpec(
    name="unet",
    summary="U-Net with batch norm and bilinear upsampling, 17.3 M parameters",
    factory=_FACTORY,
    taps=_TAPS,
    sizes=_SIZES,
    reference=_REFERENCE,
)
"""The backbone of the MaNi experiments."""

UNET_TRANSPOSE = NetworkSpec(
    name="unet-transpose",
    summary="U-Net with batch norm and transposed convolutions, 31.0 M parameters",
    factory=_FACTORY,
    options={"upsample": "transpose"},
    taps=_TAPS,
    sizes=_SIZES,
    reference=_REFERENCE,
)
"""The same network with learned upsampling and a bottleneck twice as wide."""

UNET_SMALL = NetworkSpec(
    name="unet-small",
    summary="U-Net a quarter as wide, 1.1 M parameters, for CPUs and small data",
    factory=_FACTORY,
    options={"width": 16},
    taps=_TAPS,
    sizes=_SIZES,
    reference=_REFERENCE,
)
"""The bilinear network with 16 channels at full resolution instead of 64."""

_HOVER_HEAD = "histokit.nn.hovernet_head:HoverHead"
_HOVERNET_TAPS = {
    "decoder_last": "branches.np.u0.relu",
    "np_tap": "branches.np.u0.relu",
    "u1": "branches.np.u1",
    "bottleneck": "bottom",
    **{f"enc{level}": f"encoder.d{level - 1}" for level in (1, 2, 3, 4)},
    "dec1": "branches.np.u0.relu",
    "dec2": "branches.np.u2",
    "dec3": "branches.np.u3",
}
_HOVERNET_FREEZE = {
    "reference": ("encoder.d0.units", "encoder.d1", "encoder.d2", "encoder.d3"),
    "full": ("encoder",),
}
_ENCODER_FREEZE = {"reference": ("encoder.backbone",), "full": ("encoder.backbone",)}
_HOVERNET_REFERENCE = """@article{graham2019hovernet,
  title   = {{HoVer-Net}: Simultaneous segmentation and classification of nuclei in multi-tissue
             histology images},
  author  = {Graham, Simon and Vu, Quoc Dang and Raza, Shan E Ahmed and Azam, Ayesha and
             Tsang, Yee Wah and Kwak, Jin Tae and Rajpoot, Nasir},
  journal = {Medical Image Analysis},
  volume  = {58},
  pages   = {101563},
  year    = {2019},
  doi     = {10.1016/j.media.2019.101563}
}"""


def _hovernet(name: str, mode: str, summary: str, sizes: Sizes, *, narrow: int = 1) -> NetworkSpec:
    return NetworkSpec(
        name=name,
        summary=summary,
        factory="histokit.nn.hovernet:HoVerNet",
        head=_HOVER_HEAD,
        class_head=_HOVER_HEAD,
        options={"mode": mode, "narrow": narrow},
        taps=_HOVERNET_TAPS,
        freeze=_HOVERNET_FREEZE,
        encoder_freeze={} if mode == "original" else _ENCODER_FREEZE,
        sizes=sizes,
        reference=_HOVERNET_REFERENCE,
    )


HOVERNET = _hovernet(
    "hovernet",
    "fast",
    "HoVer-Net in fast mode (256 in, 164 out), splits touching nuclei, 33.6 M parameters",
    Sizes(min=96, multiple_of=8, shrink=92),
)
"""The variant of the authors' release for 256-pixel tiles."""

HOVERNET_ORIGINAL = _hovernet(
    "hovernet-original",
    "original",
    "HoVer-Net as in its paper (270 in, 80 out), 45.0 M parameters",
    Sizes(min=198, multiple_of=8, shrink=190, offset=6),
)
"""The variant of the paper."""

HOVERNET_SAME = _hovernet(
    "hovernet-same",
    "same",
    "HoVer-Net with padding everywhere (256 in, 256 out)",
    Sizes(min=16, multiple_of=8),
)
"""The variant whose output has the size of its input."""

HOVERNET_SMALL = _hovernet(
    "hovernet-small",
    "fast",
    "HoVer-Net in fast mode, a quarter as wide, 2.1 M parameters, for CPUs and small data",
    Sizes(min=96, multiple_of=8, shrink=92),
    narrow=4,
)
"""The layers of `HOVERNET` with a quarter of their channels."""
