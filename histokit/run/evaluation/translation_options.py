"""What `histokit eval` is asked beyond the usual where it scores a translator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from histokit.run.evaluation.set_distances import Networks
from histokit.run.infer import Windows
from histokit.run.translate_image import Norm
from histokit.run.translators import WINDOWS


@dataclass(frozen=True, slots=True)
class TranslationOptions:
    """How images are translated and compared.

    Attributes:
        windows: how images are cut.
        norm: whose statistics instance norms use: the image's or each window's own.
        settings: of a method that needs no training, by name; such as a reference image.
        networks: what metrics of deep features may use.
        stains: whether references are stained with haematoxylin and DAB.
        nuclei: the segmenter that counts nuclei, a method or run; ``none`` for nobody; empty for
            `NUCLEI` where it is installed.
    """

    windows: Windows = WINDOWS
    norm: Norm = "image"
    settings: Mapping[str, str] = field(default_factory=dict)
    networks: Networks = field(default_factory=Networks)
    stains: bool = True
    nuclei: str = ""

    def asked(self) -> list[str]:
        """The options, as typed, that say something which only a translator understands."""
        plain, usual = TranslationOptions(), Networks()
        own = {
            "--norm": self.norm != plain.norm,
            "--nuclei": self.nuclei != plain.nuclei,
            "--no-stains": self.stains != plain.stains,
            "--inception": self.networks.inception != usual.inception,
            "--encoder": self.networks.encoder != usual.encoder,
            "--resnet": self.networks.resnet != usual.resnet,
            "--download": self.networks.download != usual.download,
        }
        return [word for word, given in own.items() if given]
