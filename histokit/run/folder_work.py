"""What `predict` and `translate` share: how they begin and end, which inputs are slides, their
pixel size, and what their outputs depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from histokit import __version__
from histokit.errors import HistokitError, UsageError
from histokit.io.files import write_json
from histokit.io.slides_open import is_slide
from histokit.run.cohort.claims import AT_THE_END, BRIEFLY, Claim
from histokit.run.cohort.item import Item
from histokit.run.cohort.state import State, checksum
from histokit.run.cohort.tables import left_lines, write_tables
from histokit.run.cohort.walk import Cohort, Tally, Work, keys_of_others, known, walk
from histokit.run.domains import SAME_MPP
from histokit.run.events import Event, Noted
from histokit.run.infer import Windows
from histokit.run.machine import Machine, open_machine
from histokit.run.models import Trained
from histokit.run.provenance import RECORD
from histokit.run.slide.key import identity
from histokit.run.slide.work import Recipe, SlideOptions
from histokit.run.translators import load_with


class FolderOptions(Protocol):
    """What both are asked."""

    @property
    def ref(self) -> str:
        """Method, preset, run folder or weights file."""
        ...

    @property
    def mpp(self) -> float | None:
        """Micrometres a pixel of the inputs, where known."""
        ...

    @property
    def windows(self) -> Windows:
        """How images are cut."""
        ...

    @property
    def slides(self) -> SlideOptions:
        """What is asked of slides alone."""
        ...

    @property
    def settings(self) -> Mapping[str, str]:
        """Of the method, by name."""
        ...

    @property
    def runs(self) -> Path:
        """Where run folders are looked for."""
        ...

    @property
    def run(self) -> Path | None:
        """Run folder or weights to take, where `ref` is only a method."""
        ...

    @property
    def device(self) -> str:
        """What is asked of `open_machine`."""
        ...

    @property
    def precision(self) -> str:
        """What is asked of `open_machine`."""
        ...


def begun(
    options: FolderOptions, items: Sequence[Item], slides: set[Path], after: str = ""
) -> Generator[Event, None, tuple[Machine, Trained]]:
    """The machine, and the method with its weights; yields lines about these and about the sizes
    of the items that are plain images. `after` is what else is said where they are resampled.
    """
    machine = open_machine(options.device, options.precision)
    trained = load_with(
        options.ref, machine, options.runs, run=options.run, settings=options.settings
    )
    yield Noted(trained.note)
    plain = [item for item in items if item.path not in slides]
    for line in size_notes(plain, options.mpp, trained.card.get("mpp"), after):
        yield Noted(line)
    return machine, trained


@dataclass(frozen=True, slots=True)
class Tables:
    """What is written into the output folder of some items beside their outputs.

    Attributes:
        columns: of summary.csv.
        record: of where all comes from, as JSON has it.
        more: writes what else there is of the states of items, and gives lines about it.
    """

    columns: Sequence[str]
    record: Mapping[str, Any]
    more: Callable[[Sequence[State]], Sequence[str]] = lambda states: ()

    def write(self, cohort: Cohort, states: Sequence[State]) -> list[str]:
        """Writes them and gives lines about them."""
        write_tables(cohort.out, self.columns, cohort.items, states)
        write_json(cohort.out / RECORD, self.record)
        return [*self.more(states), *left_lines(cohort.items, states)]


def worked(
    cohort: Cohort, work: Work, claim: Claim, tables: Tables
) -> Generator[Event, None, Tally]:
    """Works on the items of a cohort; then, and also where something ends the work early, the
    tables are written of all that is known.

    Raises what `walk` raises, whatever becomes of the tables then, and RunBusy where other
    processes keep this one from writing them.
    """
    ended: dict[str, State] = {}

    def written(wait: float) -> list[str]:
        mine = list(ended.values())
        keys = keys_of_others(cohort, mine)
        again = "the same command with --resume: all is done, and it writes the tables"
        with claim.alone(wait, again):
            return tables.write(cohort, known(cohort, mine, keys))

    try:
        tally = yield from walk(cohort, work, ended)
    except BaseException as error:
        try:
            written(BRIEFLY)
        except (HistokitError, OSError) as second:
            error.add_note(f"the tables of {cohort.out} are not written: {second}")
        raise
    yield from map(Noted, written(AT_THE_END))
    return tally


def of_the_method(options: FolderOptions, trained: Trained) -> dict[str, Any]:
    """What outputs depend on of the method: its weights and its settings, as JSON has it."""
    weights = trained.weights
    return {
        "method": trained.spec.name,
        "weights": options.ref if weights is None else checksum(weights),
        "settings": {key: _with_file(value) for key, value in options.settings.items()},
    }


def what_matters(options: FolderOptions, machine: Machine, **more: Any) -> dict[str, Any]:
    """All that outputs depend on but the image, as JSON has it; `more` is the verb's own, and what
    `of_the_method` gives. What changes no more than the speed (device, batch, memory) is left out.
    """
    slides = options.slides
    return {
        "histokit": __version__,
        "mpp": options.mpp,
        "windows": [options.windows.side, options.windows.overlap],
        "slides": [_with_file(slides.mask), slides.margin, slides.preview],
        "precision": machine.precision,
        **more,
    }


def _with_file(value: str) -> list[Any]:
    """A setting, and the file that it names, if it names one."""
    path = Path(value).expanduser()
    return [value, identity(path) if value and path.is_file() else None]


def scale_factor(mpp: float | None, expected: float | None, after: str = "") -> tuple[float, str]:
    """The factor that brings inputs to the pixel size of the weights, and what to say of it.

    Args:
        mpp: micrometres a pixel of the inputs; None where nobody knows.
        expected: those of the weights; None where any will do.
        after: what else is to be said where images are resampled.
    """
    if expected is None:
        return 1.0, ""
    if mpp is None:
        return 1.0, f"pixel size of the images unknown, taken as {expected:.4g} µm/px (or --mpp)"
    if abs(mpp / expected - 1) <= SAME_MPP:
        return 1.0, ""
    return mpp / expected, f"images resampled from {mpp:.4g} to {expected:.4g} µm/px{after}"


def slide_options(options: SlideOptions, item: Item, *, resume: bool) -> SlideOptions:
    """What is asked of one slide, where its manifest may name a mask."""
    return replace(options, mask=item.mask or options.mask, resume=resume)


def recipe_of(options: FolderOptions, trained: Trained, machine: Machine) -> Recipe:
    """How other processes make the method of a command: of trained weights by their file, as there
    may be newer ones when they begin.
    """
    return Recipe(
        ref=options.ref if trained.weights is None else str(trained.weights),
        device=options.device,
        precision="bf16" if machine.precision == "bf16-mixed" else "32",
        runs=options.runs,
        settings=options.settings,
    )


def slides_of(images: Sequence[Path], *, preview: bool) -> set[Path]:
    """Those of the images that are slides. Raises UsageError for a preview of something else."""
    slides = {path for path in images if is_slide(path)}
    plain = [path for path in images if path not in slides]
    if preview and plain:
        raise UsageError(
            "--preview shows what would run on slides",
            found=f"{plain[0]}, a plain image",
            hint="leave --preview or the plain images out",
        )
    return slides


def size_notes(
    items: Sequence[Item], given: float | None, expected: float | None, after: str = ""
) -> list[str]:
    """What is to be said of the pixel sizes of plain images, each line once; see `scale_factor`."""
    lines = (scale_factor(item.mpp or given, expected, after)[1] for item in items)
    return [line for line in dict.fromkeys(lines) if line]
