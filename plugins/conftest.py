"""The fixtures that all tests share."""

from shared_fixtures import shared_data, vectors

__all__ = ["shared_data", "vectors"]
