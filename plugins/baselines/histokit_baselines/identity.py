"""The translation that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from histokit.interfaces import Context, Method, Phase, Stateful, Translator
from histokit_baselines.config import IdentityConfig

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images


class Identity(Method, Translator):
    """Gives its input back: what a translation must beat to be worth anything."""

    @classmethod
    def build(cls, config: IdentityConfig, context: Context) -> Self:
        """The method; it holds no weights."""
        del config, context
        return cls()

    def stateful(self) -> Mapping[str, Stateful]:
        """Nothing."""
        return {}

    def phases(self) -> Sequence[Phase]:
        """None."""
        return []

    def translate(self, images: Images) -> Images:
        """The same images."""
        return images
