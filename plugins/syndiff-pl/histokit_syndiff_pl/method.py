"""`syndiff-pl` as a histokit method: translation, its check, and segmentation by either path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Self, final

import torch
from torch import Tensor

from histokit.interfaces import (
    Adapter,
    Context,
    Feed,
    Labelled,
    Method,
    Pair,
    Phase,
    Segmenter,
    Sizes,
    Stateful,
    Translator,
)
from histokit_syndiff_pl.check import Check, Direction, measured, verdict, votes
from histokit_syndiff_pl.players import Name
from histokit_syndiff_pl.segmenters import Agreeing, Translated, Untaught
from histokit_syndiff_pl.students import Path, Student
from histokit_syndiff_pl.translation import SynDiff

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images
    from histokit.interfaces.method import Losses
    from histokit_syndiff_pl.config import SynDiffConfig

UNLABELLED: Mapping[Path, Name | None] = {"tutoring": None, "adaptive": "l"}
"""The look that the network of a path must be shown unlabelled images in; None for their own."""
LABELLED: Mapping[Path, Name | None] = {"tutoring": "u", "adaptive": None}
"""The same of labelled images."""


@final
class SynDiffPL(Method, Translator, Adapter):
    """Pseudo-labels by unpaired modality translation (arXiv 2412.02858), with SynDiff.

    ``translate`` trains SynDiff, ``check`` measures its translations, ``segment`` trains the
    networks of the chosen paths. Departures from the authors' code: labelled images are translated
    window by window while the networks learn, each time with fresh noise, and not once beforehand;
    and the segmenter is a network of histokit trained by nnU-Net's recipe, not an ensemble of five
    by nnU-Net.
    """

    def __init__(
        self, config: SynDiffConfig, translation: SynDiff, students: Mapping[Path, Student]
    ) -> None:
        self._config = config
        self.translation = translation
        self._students = students
        self._check = Check()

    @classmethod
    def build(cls, config: SynDiffConfig, context: Context) -> Self:
        """The untrained networks: eight to translate, and one to segment for each path.

        Raises ConfigError where the segmenter does not take `tile`.
        """
        translation = SynDiff.build(config, context)
        students = {path: Student.build(config, context) for path in config.paths}
        method = cls(config, translation, students)
        method._check.to(context.device)
        return method

    def stateful(self) -> Mapping[str, Stateful]:
        """All networks, averages, optimisers and pools, and the measures of the translations."""
        learned = {
            f"{name}_{path}": item
            for path, student in self._students.items()
            for name, item in student.stateful().items()
        }
        return {**self.translation.stateful(), **learned, "check": self._check}

    def phases(self) -> Sequence[Phase]:
        """``translate`` and ``check`` on images of both domains that have nothing to do with each
        other, then ``segment`` on labelled images.
        """
        config = self._config
        return (
            Phase("translate", config.steps, Feed.UNPAIRED, self.translation.step),
            Phase("check", config.check_steps, Feed.UNPAIRED, self._measure),
            Phase("segment", config.segment_steps, Feed.LABELLED, self._teach),
        )

    @property
    def sizes(self) -> Sizes:
        """What the translation takes."""
        return self.translation.sizes

    @property
    def channels(self) -> int:
        """As trained."""
        return self._config.channels

    def translate(self, images: Images) -> Images:
        """The images in the look of the domain that `direction` leads to.

        Raises DataError where the images have another number of channels than the networks.
        """
        return self.translation.translate(images, "u" if self._config.direction == "l2u" else "l")

    def segmenter(self) -> Segmenter:
        """The segmenter of unlabelled images that `use` names: of the trained path or paths."""
        config = self._config
        if config.use == "unadapted":
            return self._students["adaptive"].segmenter()
        chosen = config.paths if config.use == "path" else (config.use,)
        return self._segmenter(chosen, UNLABELLED)

    def rehearsal(self) -> Segmenter | None:
        """What finds the objects of labelled images, to choose weights by; None before anything is
        learned. A network that learned from translations sees translations.
        """
        if not all(student.taught for student in self._students.values()):
            return None
        return self._segmenter(self._config.paths, LABELLED)

    def facts(self) -> Mapping[str, Mapping[str, float]]:
        """The measures of the translations, and how many favour each path."""
        means = self._check.means()
        if not means:
            return {}
        counts = {str(path): float(count) for path, count in votes(means).items()}
        tables = {f"translation {direction}": row for direction, row in means.items()}
        return {**tables, "measures that favour a path": counts}

    def warnings(self, losses: Mapping[str, float], step: int) -> Sequence[str]:
        """Which path the check favours and what is out of place, once the check is over."""
        del step
        return (
            verdict(self._check.means()) if any(path in losses for path in self._students) else ()
        )

    def _segmenter(self, paths: Sequence[Path], looks: Mapping[Path, Name | None]) -> Segmenter:
        """The network of a path, or two together, each shown what `looks` says."""
        made = []
        for path in paths:
            segmenter, goal = self._students[path].segmenter(), looks[path]
            if goal is not None:
                translate = partial(self.translation.translate, goal=goal)
                segmenter = Translated(translate, self.sizes, segmenter)
            made.append(segmenter)
        found = Agreeing(*made) if len(made) == 2 else made[0]
        return found if self._config.segment_steps else Untaught(found)

    @torch.no_grad()
    def _measure(self, batch: Pair) -> Losses:
        found: dict[Direction, dict[str, float]] = {
            "l2u": self._measured(batch.source.images, "u", "l"),
            "u2l": self._measured(batch.target.images, "l", "u"),
        }
        self._check.add(found)
        device = batch.source.images.device
        return {
            f"{direction}_{name}": torch.tensor(value, device=device)
            for direction, values in found.items()
            for name, value in values.items()
        }

    def _measured(self, images: Images, goal: Name, home: Name) -> dict[str, float]:
        there = self.translation.translate(images, goal)
        return measured(images, there, self.translation.translate(there, home))

    def _teach(self, batch: Labelled) -> Losses:
        losses: dict[str, Tensor] = {}
        for path, student in self._students.items():
            losses[path] = student.learn(self._tutored(batch) if path == "tutoring" else batch)
        return losses

    @torch.no_grad()
    def _tutored(self, batch: Labelled) -> Labelled:
        """The batch in the look of the unlabelled domain, from noise that never comes again."""
        seed = int(torch.randint(2**31, ()))
        images = self.translation.translate(batch.images, "u", seed=seed)
        return Labelled(images, batch.ids, batch.classes, batch.keys)
