"""A trained translator against the other stain of a data set of pairs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from histokit.errors import ConfigError, ContractError, DeviceError, HistokitError, UsageError
from histokit.interfaces import Record, Translator
from histokit.io.pictures import write_picture
from histokit.run.domains import Domain
from histokit.run.events import Event, ItemDone, ItemFailed
from histokit.run.image_metrics import Measured
from histokit.run.infer import Windows
from histokit.run.machine import Machine
from histokit.run.models import Trained
from histokit.run.norms import InstanceNorms
from histokit.run.pair_scorer import PairImages, PairScorer
from histokit.run.set_distances import Networks, Paper
from histokit.run.translate import WINDOWS, shared_norms, translator_of
from histokit.run.translate_image import Norm, translate_image


def evaluate_translator(
    trained: Trained,
    domain: Domain,
    machine: Machine,
    *,
    part: str = "test",
    windows: Windows = WINDOWS,
    norm: Norm = "image",
    paper: Paper = "",
    networks: Networks | None = None,
    stains: bool = True,
    out: Path | None = None,
) -> Iterator[Event | Measured]:
    """Translates a part of a data set of pairs and measures it; ends with `Measured`.

    Args:
        trained: a method that translates.
        domain: a data set of pairs, at the pixel size of the weights.
        machine: where it runs.
        part: ``train``, ``val``, ``test`` or ``all``.
        windows: how images are cut.
        norm: whose statistics instance norms use.
        paper: whose protocol is followed; empty for all metrics.
        networks: what metrics of deep features may use; by default none.
        stains: whether references are stained with haematoxylin and DAB.
        out: a folder for the translations, or None.

    An image that cannot be translated or measured is counted in `Measured.failures`; nothing is
    raised for it. Raises UsageError where the part is empty or the method does not translate.
    """
    translator = translator_of(trained)
    norms = shared_norms(trained, norm)
    records = domain.part(part)
    if not records:
        raise UsageError(f"the {part} part of {domain.name} is empty")
    scorer = PairScorer(paper, networks or Networks(), machine.device, stains=stains)
    failures: dict[str, str] = {}
    for number, record in enumerate(records, 1):
        began = time.perf_counter()
        try:
            pair = _translated(translator, domain, record, machine, windows, norms)
            shown = scorer.add(record.key, pair)
        except (DeviceError, ConfigError, ContractError):
            raise
        except HistokitError as error:
            failures[record.key] = str(error)
            yield ItemFailed(record.key, number, len(records), str(error))
            continue
        if out is not None:
            write_picture(translation_path(out, record), pair.output, "png", mpp=domain.mpp)
        yield ItemDone(record.key, number, len(records), time.perf_counter() - began, shown)
    yield Measured(scorer.rows(), len(records) - len(failures), failures, (), ())


def translation_path(out: Path, record: Record) -> Path:
    """Where the translation of a record is written."""
    return out / "translations" / f"{record.key.replace('/', '_')}.png"


def _translated(
    translator: Translator,
    domain: Domain,
    record: Record,
    machine: Machine,
    windows: Windows,
    norms: InstanceNorms | None,
) -> PairImages:
    source = domain.image(record)
    done = translate_image(translator, source, machine, windows, norms)
    return PairImages(done.image, domain.counterpart(record), source)
