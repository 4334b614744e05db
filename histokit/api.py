"""The verbs of the command line as functions, with the same names and the same results.

For example::

    import histokit

    run = histokit.train("mani", source="consep", target="pannuke", preset="cpu")
    model = histokit.load(run)
    found = model.predict(image)  # found.ids, found.probabilities
    report = histokit.evaluate(run)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from histokit.config.run import RunConfig
from histokit.errors import DataError, PartialFailure
from histokit.interfaces import Instances
from histokit.report.data import Report
from histokit.run.evaluate import evaluate as evaluation
from histokit.run.evaluation.typed import typed_options
from histokit.run.events import Evaluated, Event, Finished
from histokit.run.folder_work import scale_factor
from histokit.run.infer import Windows, probabilities
from histokit.run.machine import Machine, open_machine
from histokit.run.models import Trained, segmenter_of
from histokit.run.plan import make_plan
from histokit.run.train import resume as resumed
from histokit.run.train import train as training
from histokit.run.translate_image import Norm
from histokit.run.translators import WINDOWS, load_with, shared_norms, translator_of
from histokit.run.whole import segment_whole, translate_whole

Kind = TypeVar("Kind")
Watch = Callable[[Event], None]
"""Takes what happens while a verb works (see `histokit.run.events`)."""


@final
@dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """What a segmenter finds in an image.

    Attributes:
        instances: ids int32 [H W], and class and score of each object where there are any.
        probabilities: of the maps, float32 [K h w], at the pixel size of the weights.
    """

    instances: Instances
    probabilities: NDArray[np.float32]

    @property
    def ids(self) -> NDArray[np.int32]:
        """The objects, int32 [H W]; 0 = background."""
        return self.instances.ids


@final
class Model:
    """A trained method, ready for images in memory.

    Attributes:
        name: of the method.
        mpp: micrometres a pixel that the weights expect; None where any will do.
        classes: names of the object classes; empty where there are none.
        note: which weights were taken.
    """

    def __init__(self, trained: Trained, machine: Machine) -> None:
        self._trained = trained
        self._machine = machine
        self.name = trained.spec.name
        self.mpp: float | None = trained.card.get("mpp")
        self.classes = tuple(trained.card.get("classes", ()))
        self.note = trained.note

    def predict(
        self,
        image: NDArray[np.uint8],
        *,
        mpp: float | None = None,
        window: int | None = None,
        overlap: int | None = None,
        batch: int = 1,
    ) -> Prediction:
        """The objects of an image of any size, as `histokit predict` finds them in a file.

        Args:
            image: uint8 [H W 3] RGB.
            mpp: its micrometres a pixel; None takes it as those of the weights.
            window: side of a window in pixels; None for the default of the command.
            overlap: of windows in pixels; None for the default of the command.
            batch: windows through the network at once.

        Raises UsageError where the method does not segment, DataError for another kind of array.
        """
        segmenter = segmenter_of(self._trained)
        factor, _ = scale_factor(mpp, self.mpp)
        cut = Windows().given(window, overlap, batch)
        found = segment_whole(segmenter, _rgb(image), factor, self._machine, cut)
        return Prediction(found.instances, probabilities(found.maps))

    def translate(
        self,
        image: NDArray[np.uint8],
        *,
        mpp: float | None = None,
        norm: Norm = "image",
        window: int | None = None,
        overlap: int | None = None,
        batch: int = 1,
    ) -> NDArray[np.uint8]:
        """The translation of an image of any size, as `histokit translate` writes it to a file.

        Args:
            image: uint8 [H W 3] RGB.
            mpp: its micrometres a pixel; None takes it as those of the weights.
            norm: whose statistics instance norms use: the image's or each window's own.
            window: side of a window in pixels; None for the default of the command.
            overlap: of windows in pixels; None for the default of the command.
            batch: windows through the network at once.

        Returns:
            uint8 [H W 3], or [H W] from a translator into grey.

        Raises UsageError where the method does not translate, DataError for another kind of array.
        """
        translator = translator_of(self._trained)
        factor, _ = scale_factor(mpp, self.mpp)
        norms = shared_norms(self._trained, norm)
        cut = WINDOWS.given(window, overlap, batch)
        done = translate_whole(translator, _rgb(image), factor, self._machine, cut, norms)
        return done.image


def train(
    method: str,
    *,
    preset: str = "",
    config: Path | str | None = None,
    watch: Watch | None = None,
    **settings: Any,
) -> Path:
    """Trains a method as `histokit train METHOD` does, and gives its run folder.

    Args:
        method: its name.
        preset: a variant; several are parted by commas.
        config: a YAML file of settings.
        watch: is told what happens.
        settings: of the method and of the run, by the names of the options with underscores,
            such as ``source="tnbc"``, ``adapt_steps=400``, ``seed=1``.

    Several runs come of ``repeats`` and ``folds``: then the folder of the last is given, and
    `watch` sees all of them. Raises ConfigError with all wrong settings at once, and what the
    training raises.
    """
    shared = set(RunConfig.model_fields)
    plan = make_plan(
        method,
        preset=preset,
        file=None if config is None else Path(config),
        method_values={name: value for name, value in settings.items() if name not in shared},
        run_values={name: value for name, value in settings.items() if name in shared},
    )
    return _last(training(plan), Finished, watch).run


def resume(run: Path | str, *, watch: Watch | None = None) -> Path:
    """Goes on with a run that was stopped, as ``histokit train METHOD --resume RUN`` does."""
    for _ in _told(resumed(Path(run)), watch):
        pass
    return Path(run)


def load(
    ref: Path | str,
    *,
    run: Path | str | None = None,
    runs: Path | str = "runs",
    device: str = "auto",
    precision: str = "auto",
    **settings: Any,
) -> Model:
    """A trained method by ``method``, ``method:preset``, run folder or weights file.

    Args:
        ref: names it.
        run: run folder or weights to take, where `ref` is only a method.
        runs: where run folders are looked for.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``auto``, ``32`` or ``bf16``.
        settings: of a method that needs no training any; else those read only after training.

    Raises UsageError, naming the command that makes them, where there are no weights.
    """
    machine = open_machine(device, precision)
    given = None if run is None else Path(run)
    trained = load_with(str(ref), machine, Path(runs), run=given, settings=settings)
    return Model(trained, machine)


def predict(ref: Path | str, image: NDArray[np.uint8], **how: Any) -> Prediction:
    """One image by one method: `Model.predict` of `load`; load once for many images."""
    return load(ref).predict(image, **how)


def translate(ref: Path | str, image: NDArray[np.uint8], **how: Any) -> NDArray[np.uint8]:
    """One image by one method: `Model.translate` of `load`; load once for many images."""
    return load(ref).translate(image, **how)


def evaluate(ref: Path | str = "", *, watch: Watch | None = None, **options: Any) -> Report:
    """Scores a trained method as `histokit eval` does, and gives what the report page shows.

    Args:
        ref: method, ``method:preset``, run folder or weights file.
        watch: is told what happens.
        options: by the names of the options with underscores, such as ``target="tnbc"``,
            ``perturb="blur,jpeg"``; ``set`` is a mapping.

    Raises UnknownName for an unknown option, PartialFailure after the report is written when
    images failed.
    """
    asked = typed_options(str(ref), options)
    return _last(evaluation(asked), Evaluated, watch).report


def _last(events: Iterator[Event], kind: type[Kind], watch: Watch | None) -> Kind:
    """The last event of a kind."""
    found = [event for event in _told(events, watch) if isinstance(event, kind)]
    if not found:
        raise PartialFailure(f"it ended without {kind.__name__.lower()}")
    return found[-1]


def _told(events: Iterable[Event], watch: Watch | None) -> Iterator[Event]:
    for event in events:
        if watch is not None:
            watch(event)
        yield event


def _rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3:
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else repr(image)
    elif image.shape[2] != 3 or 0 in image.shape:
        found = f"{image.dtype} {image.shape}"
    else:
        return image
    raise DataError(
        "this is no RGB image",
        expected="a NumPy array, uint8 [H W 3]",
        found=found[:200],
        hint="histokit.io.images.read_image reads one from a file",
    )
