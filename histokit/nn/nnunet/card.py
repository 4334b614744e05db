"""The card of the planned U-Net; no torch is imported here."""

from __future__ import annotations

from histokit.interfaces.spec import NetworkSpec
from histokit.nn.nnunet.plan import sizes_of

REFERENCE = """@article{isensee2021nnunet,
  title   = {{nnU-Net}: a self-configuring method for deep learning-based biomedical image
             segmentation},
  author  = {Isensee, Fabian and Jaeger, Paul F. and Kohl, Simon A. A. and Petersen, Jens and
             Maier-Hein, Klaus H.},
  journal = {Nature Methods},
  volume  = {18},
  pages   = {203--211},
  year    = {2021},
  doi     = {10.1038/s41592-020-01008-z}
}"""
LEVELS = 7

NNUNET_PLAIN = NetworkSpec(
    name="nnunet-plain",
    summary="U-Net of 7 levels as nnU-Net plans it for 256 pixels, with deep supervision; it is "
    "not nnU-Net",
    factory="histokit.nn.nnunet.network:PlannedUNet",
    head="histokit.nn.nnunet.head:SemanticHead",
    class_head="histokit.nn.nnunet.head:SemanticHead",
    options={"levels": LEVELS},
    taps={"decoder_last": "decoder.0.mix", "bottleneck": "bottleneck"},
    sizes=sizes_of(LEVELS),
    reference=REFERENCE,
)
"""32 to 512 features; windows of 128 pixels and any larger multiple of 64."""
