"""The kit's front: the checks that a card of each kind is put to, and how they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from histokit.config.resolve import Layer, resolve
from histokit.interfaces import DatasetSpec, MethodSpec, NetworkSpec
from histokit.testing.card_checks import CARD, METHOD_CARD
from histokit.testing.checks import CheckResult, examine
from histokit.testing.data_checks import READING, DatasetSubject
from histokit.testing.deed_checks import DEEDS
from histokit.testing.network_checks import BUILDING, NetworkSubject
from histokit.testing.optional_checks import OPTIONAL
from histokit.testing.output_checks import OUTPUT, tiled
from histokit.testing.subject import MethodSubject
from histokit.testing.training_checks import TRAINING, reload

METHOD_CHECKS = (*METHOD_CARD, *TRAINING, *OUTPUT, reload, tiled, *OPTIONAL, *DEEDS)
DATASET_CHECKS = (*CARD, *READING, *DEEDS)
NETWORK_CHECKS = (*CARD, *BUILDING, *OUTPUT, *DEEDS)

Spec = MethodSpec | DatasetSpec | NetworkSpec


def check_method(
    spec: MethodSpec,
    expected_failures: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[CheckResult]:
    """Puts a method to every check, on a CPU, on made-up images, for a few steps of training.

    Args:
        spec: its card.
        expected_failures: names of checks that cannot hold, each with the reason; see
            `histokit.testing.checks.examine`.
        settings: settings to check it with, over those of its preset ``cpu`` (where it has one),
            windows of 64 pixels, batches of 2 and the network ``unet-small``.

    Yields a result a check, as soon as it is there. Raises ConfigError for `settings` that the
    method does not have.
    """
    given = settings or {}
    resolve(spec.config, [Layer("the check", given)])
    with TemporaryDirectory(prefix="histokit-check-") as folder:
        subject = MethodSubject(spec, Path(folder), given)
        yield from examine(METHOD_CHECKS, subject, expected_failures or {})


def check_dataset(
    spec: DatasetSpec,
    root: Path | None = None,
    variant: str = "",
    expected_failures: Mapping[str, str] | None = None,
) -> Iterator[CheckResult]:
    """Puts a data set to every check, on its first images.

    Args:
        spec: its card.
        root: a copy of it, such as a tiny one made for the test; None where the data is made, or
            for the folder of ``HISTOKIT_DATA``.
        variant: what stands after ``@``.
        expected_failures: as for `check_method`.

    Yields a result a check.
    """
    subject = DatasetSubject(spec, root, variant)
    yield from examine(DATASET_CHECKS, subject, expected_failures or {})


def check_network(
    spec: NetworkSpec, expected_failures: Mapping[str, str] | None = None
) -> Iterator[CheckResult]:
    """Puts a network and its heads to every check, with fresh weights, on made-up images.

    Args:
        spec: its card.
        expected_failures: as for `check_method`.

    Yields a result a check.
    """
    yield from examine(NETWORK_CHECKS, NetworkSubject(spec), expected_failures or {})
