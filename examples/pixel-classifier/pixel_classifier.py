"""The card of an example method; it imports no torch."""

from pydantic import Field

from histokit.config.base import MethodConfig
from histokit.interfaces import Access, MethodSpec


class PixelClassifierConfig(MethodConfig):
    """What a user may set; each field becomes an option of `histokit train pixel-classifier`."""

    steps: int = Field(200, ge=1, description="Training steps.")
    batch: int = Field(4, ge=1, description="Images a step.")
    tile: int = Field(128, ge=16, description="Side of a training window in pixels.")
    lr: float = Field(0.05, gt=0, description="Adam learning rate.")


SPEC = MethodSpec(
    name="pixel-classifier",
    roles=("segmenter",),
    summary="logistic regression on the colour of each pixel",
    config=PixelClassifierConfig,
    factory="pixel_classifier_method:PixelClassifier",
    access=Access.SOURCE,
)
