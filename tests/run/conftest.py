"""The command fixture."""

from command import histokit

__all__ = ["histokit"]
