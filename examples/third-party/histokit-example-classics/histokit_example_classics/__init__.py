"""The cards and settings of two classics; no torch is imported here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from histokit.config.base import MethodConfig
from histokit.interfaces import Access, MethodSpec


class ColourTransferConfig(MethodConfig):
    """Settings of the colour transfer."""

    steps: int = Field(50, ge=2, description="Batches that the statistics are taken of.")
    batch: int = Field(8, ge=1, description="Images a batch, of the source and of the target each.")
    tile: int = Field(128, ge=8, description="Side of a window in pixels.")


class DistanceMapConfig(MethodConfig):
    """Settings of the regression of the distance map."""

    steps: int = Field(2000, ge=1, description="Training steps.")
    batch: int = Field(8, ge=1, description="Images a step.")
    tile: int = Field(128, ge=16, description="Side of a training window in pixels.")
    augment: Literal["none", "flip", "flip+rotate", "dihedral+stain"] = Field(
        "dihedral+stain", description="Random changes of the training windows."
    )
    width: int = Field(16, ge=1, description="Channels of the network.")
    farthest: float = Field(8.0, gt=0, description="Distance in pixels from which on all is deep.")
    lr: float = Field(3e-3, gt=0, description="Adam learning rate.")


COLOUR_TRANSFER = MethodSpec(
    name="colour-transfer",
    roles=("translator",),
    summary="gives images the mean colour and the covariance of the target's",
    config=ColourTransferConfig,
    factory="histokit_example_classics.colour_transfer:ColourTransfer",
    access=Access.IMAGES,
    reference="""@inproceedings{pitie2007linear,
  title     = {The linear {Monge-Kantorovitch} linear colour mapping for example-based colour
               transfer},
  author    = {Piti{\\'e}, Fran{\\c{c}}ois and Kokaram, Anil},
  booktitle = {European Conference on Visual Media Production (CVMP)},
  year      = {2007}
}""",
)

DISTANCE_MAP = MethodSpec(
    name="distance-map",
    roles=("segmenter",),
    summary="nuclei by regression of the distance to their border",
    config=DistanceMapConfig,
    factory="histokit_example_classics.distance_map:DistanceMap",
    access=Access.SOURCE,
    reference="""@article{naylor2019distance,
  title   = {Segmentation of Nuclei in Histopathology Images by Deep Regression of the Distance
             Map},
  author  = {Naylor, Peter and La{\\'e}, Marick and Reyal, Fabien and Walter, Thomas},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {38},
  number  = {2},
  pages   = {448--459},
  year    = {2019}
}""",
)
