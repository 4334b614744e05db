"""The command fixture and its data."""

from command import histokit, pair

__all__ = ["histokit", "pair"]
