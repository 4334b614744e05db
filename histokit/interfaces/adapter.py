"""What adaptation is for: a segmenter that works on the target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from histokit.interfaces.segmenter import Segmenter


class Adapter(ABC):
    """Adapts a segmenter from labelled source images to unlabelled target images."""

    @abstractmethod
    def segmenter(self) -> Segmenter:
        """The adapted segmenter; `predict` and `eval` use only this."""

    def rehearsal(self) -> Segmenter | None:
        """What validation on source images measures; `segmenter` by default.

        An adapter whose segmenter of the target is no measure on the source gives another, and
        None while there is nothing to validate yet.
        """
        return self.segmenter()
