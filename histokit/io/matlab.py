"""What SciPy raises on MATLAB files that it cannot read."""

from __future__ import annotations

import struct
import zlib

from scipy import io

DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    MemoryError,
    NotImplementedError,  # of version 7.3, which is HDF5
    struct.error,
    zlib.error,
    io.matlab.MatReadError,
)
"""Of a file that is damaged or of another version."""
