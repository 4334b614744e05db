"""The fixtures that all tests share."""

from hypothesis import settings

from shared_fixtures import shared_data, vectors

__all__ = ["shared_data", "vectors"]

settings.register_profile("histokit", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("histokit")
