"""The cards of the networks that the core brings; no torch is imported here."""

from __future__ import annotations

from histokit.interfaces.spec import NetworkSpec, Sizes

_FACTORY = "histokit.nn.unet:UNet"
_SIZES = Sizes(min=16, multiple_of=16)
_TAPS = {"decoder_last": "decoder.3.mix", "bottleneck": "encoder.4.1"}
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
