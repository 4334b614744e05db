"""`histokit metrics A B`: two folders of images compared, pair by pair and as sets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from histokit.errors import DataError, DeviceError, HistokitError, PartialFailure
from histokit.io.files import write_json
from histokit.io.images import read_image, read_mask
from histokit.run.evaluation.pair_scorer import PairImages, PairScorer, shown
from histokit.run.evaluation.set_distances import Networks, Paper
from histokit.run.events import Event, ItemDone, ItemFailed, Measured
from histokit.run.items import images_below
from histokit.run.machine import open_machine
from histokit.run.provenance import environment


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """What `metrics` is asked to do.

    Attributes:
        output: folder of translated images.
        reference: folder of real images under the same names.
        source: folder of the images that were translated, for what must be kept.
        output_nuclei: folder of id maps of the translated images.
        reference_nuclei: folder of id maps of the real ones.
        paper: whose protocol is followed; empty for all metrics.
        networks: what metrics of deep features may use.
        stains: whether the images are stained with haematoxylin and DAB.
        out: a JSON file of the table, or None.
    """

    output: Path
    reference: Path
    source: Path | None = None
    output_nuclei: Path | None = None
    reference_nuclei: Path | None = None
    paper: Paper = ""
    networks: Networks = field(default_factory=Networks)
    stains: bool = True
    out: Path | None = None
    device: str = "auto"

    def folders(self) -> dict[str, Path]:
        """The folders that were named, by role."""
        named = {
            "output": self.output,
            "reference": self.reference,
            "source": self.source,
            "output_nuclei": self.output_nuclei,
            "reference_nuclei": self.reference_nuclei,
        }
        return {role: folder for role, folder in named.items() if folder is not None}


def measure_folders(options: MetricsOptions) -> Iterator[Event]:
    """Measures every pair; yields an event a pair and ends with `Measured`.

    Pairs have the same path below their folders, but for the suffix. Images without a partner are
    listed, and count in the distances of sets. Raises PartialFailure at the end where pairs
    failed, DataError where all did or there are none.
    """
    folders = {role: _by_name(folder) for role, folder in options.folders().items()}
    outputs, references = folders["output"], folders["reference"]
    names = [name for name in outputs if name in references]
    if not names:
        raise DataError(
            f"no image of {options.output} has a partner in {options.reference}",
            expected="the same names in both folders, but for the suffix",
            found=f"{_first(outputs)} and {_first(references)}, for example",
        )
    machine = open_machine(options.device)
    scorer = PairScorer(options.paper, options.networks, machine.device, stains=options.stains)
    failures: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        began = time.perf_counter()
        try:
            values = scorer.add(str(name), _pair(folders, name))
        except DeviceError:
            raise
        except HistokitError as error:
            failures[str(name)] = str(error)
            yield ItemFailed(str(name), number, len(names), str(error))
            continue
        seconds = time.perf_counter() - began
        yield ItemDone(str(name), number, len(names), seconds, shown(values))
    lonely = (
        [n for n in outputs if n not in references],
        [n for n in references if n not in outputs],
    )
    pairs = len(names) - len(failures)
    failures |= _take_unmatched(scorer, lonely, outputs, references)
    measured = Measured(
        scorer.rows(),
        pairs,
        failures,
        [str(name) for name in lonely[0]],
        [str(name) for name in lonely[1]],
    )
    if options.out is not None:
        write_json(options.out, {**measured.as_dict(), "provenance": environment(machine)})
    yield measured
    if failures:
        kind = PartialFailure if measured.pairs else DataError
        raise kind(f"{len(failures)} images could not be measured; {measured.pairs} pairs are")


def _by_name(folder: Path) -> dict[PurePath, Path]:
    """The images below a folder by name. Raises DataError where there are none, or twins."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", expected="a folder of images")
    found: dict[PurePath, Path] = {}
    for item in images_below(folder):
        other = found.setdefault(item.name, item.path)
        if other is not item.path:
            raise DataError(
                "two images have one name", found=f"{other} and {item.path}", hint="rename one"
            )
    if not found:
        raise DataError(f"no images in {folder}")
    return found


def _first(images: Mapping[PurePath, Path]) -> Path:
    return next(iter(images.values()))


def _pair(folders: Mapping[str, Mapping[PurePath, Path]], name: PurePath) -> PairImages:
    """The images of a name, by role. Raises DataError where one is missing or damaged."""
    for role, images in folders.items():
        if name not in images:
            raise DataError(
                f"{name} has no {role.replace('_', ' ')}",
                expected="an image of this name",
                found=f"{_first(images).parent}, which lacks it",
            )
    paths = {role: images[name] for role, images in folders.items()}
    output_ids, reference_ids = paths.get("output_nuclei"), paths.get("reference_nuclei")
    source = paths.get("source")
    return PairImages(
        read_image(paths["output"]),
        read_image(paths["reference"]),
        None if source is None else read_image(source),
        None if output_ids is None else read_mask(output_ids),
        None if reference_ids is None else read_mask(reference_ids),
    )


def _take_unmatched(
    scorer: PairScorer,
    names: tuple[Sequence[PurePath], Sequence[PurePath]],
    outputs: Mapping[PurePath, Path],
    references: Mapping[PurePath, Path],
) -> dict[str, str]:
    """Gives images without a partner to the distances of sets; returns what could not be read."""
    failures = {}
    takers = ((names[0], outputs, scorer.add_output), (names[1], references, scorer.add_reference))
    for lonely, images, take in takers:
        for name in lonely:
            try:
                take(read_image(images[name]))
            except DataError as error:
                failures[str(images[name])] = str(error)
    return failures
