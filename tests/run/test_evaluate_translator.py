"""A translator against a data set of pairs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from histokit.errors import DataError, UsageError
from histokit.interfaces import Dataset, DatasetSpec, Method, Record, Translator
from histokit.io.images import read_image
from histokit.run.domains import Domain
from histokit.run.evaluate_translator import evaluate_translator, translation_path
from histokit.run.events import ItemDone, ItemFailed
from histokit.run.image_metrics import Measured
from histokit.run.infer import Windows
from histokit.run.models import Trained
from toys import cpu, image


class Inverted(Dataset):
    """Four images whose counterpart is the negative; the last one has none."""

    @classmethod
    def open(cls, root, variant):
        return cls()

    def records(self):
        return [Record(f"s/{n}", f"g{n}", split="test") for n in range(4)]

    def image(self, record):
        return image(24, 24, int(record.key[-1]))

    def labels(self, record):
        raise DataError("none")

    def counterpart(self, record):
        if record.key == "s/3":
            raise DataError("s/3 has lost its partner")
        return 255 - self.image(record)

    def verify(self):
        return iter(())


class Negative(Method, Translator):
    """Turns images into their negative."""

    @classmethod
    def build(cls, config, context):
        return cls()

    def stateful(self):
        return {}

    def phases(self):
        return []

    def translate(self, images):
        return 1 - images


@pytest.fixture
def domain():
    spec = DatasetSpec("toy-pairs", "toys", "x:Y", "pairs", "none", "none", "none")
    keys = [record.key for record in Inverted().records()]
    return Domain("toy-pairs", spec, Inverted(), {"train": [], "val": [], "test": keys})


def trained(method):
    return Trained(method, SimpleNamespace(name="negative", roles=()), {}, None, "")


def test_the_test_part_is_translated_and_measured(domain, tmp_path):
    events = list(
        evaluate_translator(
            trained(Negative()), domain, cpu(), windows=Windows(16, 4), out=tmp_path
        )
    )
    *told, measured = events
    assert [type(event) for event in told] == [ItemDone, ItemDone, ItemDone, ItemFailed]
    assert isinstance(measured, Measured)
    assert measured.pairs == 3
    assert "lost its partner" in measured.failures["s/3"]
    rows = {row.measure.name: row for row in measured.rows}
    assert rows["ssim"].value == pytest.approx(1)
    assert rows["ssim"].n == 3
    assert rows["psnr"].note.startswith("not computed: 3 pairs of equal images")
    assert rows["stain_h_ssim"].n == 3
    written = read_image(translation_path(tmp_path, Record("s/1", "g")))
    assert np.array_equal(written, 255 - image(24, 24, 1))
    assert Path(tmp_path / "translations" / "s_1.png").exists()


def test_what_cannot_be_evaluated_is_told(domain):
    with pytest.raises(UsageError, match="val part of toy-pairs is empty"):
        list(evaluate_translator(trained(Negative()), domain, cpu(), part="val"))
    with pytest.raises(UsageError, match="does not translate"):
        list(evaluate_translator(trained(object()), domain, cpu()))
