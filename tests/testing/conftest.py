"""The data of whole commands."""

from command import pair

__all__ = ["pair"]
