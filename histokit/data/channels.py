"""Which channels the files of a data set have, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from histokit.errors import DataError
from histokit.interfaces.dataset import Finding
from histokit.io.decode import read_raster
from histokit.io.raster import Raster

WORDS = {"grey": "grey", "rgb": "RGB", "palette": "palette", "cmyk": "CMYK"}


def channels_of(raster: Raster) -> str:
    """The channels of a file in words, such as ``grey with alpha``."""
    word = WORDS[raster.colour]
    return word if raster.alpha == "none" else f"{word} with alpha"


def channel_findings(images: Sequence[Path]) -> Iterator[Finding]:
    """A note where the images of a data set differ in their channels, with an example of each.

    Files that cannot be read are told elsewhere.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for path in images:
        try:
            found[channels_of(read_raster(path))].append(path)
        except DataError:
            continue
    if len(found) > 1:
        told = (f"{len(paths)} {kind} (such as {paths[0].name})" for kind, paths in found.items())
        yield Finding("note", "channels", f"images differ: {', '.join(told)}; all become RGB")
