"""histokit: segment, translate and adapt histology images with published methods as plugins."""

__version__ = "0.1.0"
API_VERSION = "1.0"
