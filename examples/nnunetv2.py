"""nnU-Net v2 itself on a data set of histokit, as AxonDeepSynth trains it.

    pip install 'histokit-core[nnunet]'
    python examples/nnunetv2.py DATASET FOLDER [--grey] [--types] [--folds 0 1 2 3 4]
    histokit eval --predictions FOLDER/predictions --target DATASET

It writes the training part as nnU-Net's raw data, plans, trains the folds, predicts the test part,
and keeps the predictions as label images with their classes. A fold takes about a day on a GPU.

With nnU-Net as the segmenter of syndiff-pl, by its tutoring path: train the translation alone,
translate the labelled images, and train nnU-Net on the translations to predict another data set.

    histokit train syndiff-pl --source L --target U --segment-steps 0
    histokit translate syndiff-pl l2u 'L-FOLDER/sub-*/micr/*.png' -o translated --norm tile
    python examples/nnunetv2.py L OUT --grey --types --translated translated --target U
    histokit eval --predictions OUT/predictions --target U --part all

By its adaptive path: leave out --translated and --target, and predict translations by u2l.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histokit.data.colour import as_grey
from histokit.interfaces import Record
from histokit.io.images import read_image
from histokit.io.labels import write_label_tiff
from histokit.io.nnunet_command import FOLDS, NnUNet
from histokit.io.nnunet_raw import Case, kinds_of, read_predictions, write_raw
from histokit.postprocess.pieces import class_pieces
from histokit.run.domains import Domain, open_domain

NUMBER = 42


def cases(
    domain: Domain, classes: int, *, grey: bool, translated: Path | None, target: Domain | None
) -> Iterator[Case]:
    """The training and validation images with labels, or their translations, and the test images
    without labels; with a target all images are for training, and those of the target for testing.
    """
    found = {path.stem: path for path in translated.rglob("*.png")} if translated else {}
    test = set() if target else {record.key for record in domain.part("test")}
    for record in domain.part("all"):
        alone = record.key in test
        image = domain.image(record)
        if translated and not alone and record.image:
            image = read_image(found[record.image.stem])
        kinds = None if alone else kinds_of(domain.labels(record), classes)
        yield Case(record.key, _channels(image, record, grey=grey), kinds, alone)
    if target is not None:
        for record in target.part("all"):
            yield Case(record.key, _channels(target.image(record), record, grey=grey), None, True)


def _channels(image: NDArray[np.uint8], record: Record, *, grey: bool) -> NDArray[np.uint8]:
    return as_grey(image, record.key)[..., 0] if grey else image


def main() -> None:
    """The whole walk; `prepare`, `train` and `predict` need an installed nnU-Net."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", help="name[@variant][:path]")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--grey", action="store_true", help="write grey images")
    parser.add_argument("--types", action="store_true", help="learn the classes of the objects")
    parser.add_argument("--translated", type=Path, help="what `histokit translate` wrote")
    parser.add_argument("--target", help="data set to predict, name[@variant][:path]")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu", "mps"))
    parser.add_argument("--trainer", default="nnUNetTrainer", help="nnUNetTrainer_1epoch to try")
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS))
    asked = parser.parse_args()

    whole = (1.0, 0.0, 0.0)
    domain = open_domain(asked.dataset, **({"shares": whole} if asked.target else {}))
    target = open_domain(asked.target, shares=whole) if asked.target else None
    names = domain.classes if asked.types else ()
    raw = asked.folder / "raw" / f"Dataset{NUMBER:03d}_Histokit"
    if not (raw / "dataset.json").exists():
        how = {"grey": asked.grey, "translated": asked.translated, "target": target}
        write_raw(raw, cases(domain, len(names), **how), class_names=names)
    network = NnUNet(asked.folder, NUMBER, asked.device, asked.trainer)
    network.prepare()
    for fold in asked.folds:
        network.train(fold)
    network.predict(raw / "imagesTs", asked.folder / "nnunet", asked.folds)
    for key, kinds in read_predictions(asked.folder / "nnunet", raw):
        found = class_pieces(kinds)
        about = {"classes": found.classes if names else {}}
        write_label_tiff(
            asked.folder / "predictions" / f"{key.replace('/', '_')}.tif",
            found.ids,
            mpp=(target or domain).mpp,
            provenance=about,
        )


if __name__ == "__main__":
    main()
