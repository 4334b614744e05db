"""HoVer-Net: one residual encoder, and a decoder for each of nuclei, distances and types."""

from histokit.nn.hovernet.network import SIZES, HoVerNet, Mode

__all__ = ["SIZES", "HoVerNet", "Mode"]
