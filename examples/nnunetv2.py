"""nnU-Net v2 itself on a data set of histokit, as AxonDeepSynth trains it.

    pip install 'histokit-core[nnunet]'
    python examples/nnunetv2.py DATASET FOLDER [--grey] [--types] [--folds 0 1 2 3 4]
    histokit eval --predictions FOLDER/predictions --target DATASET

It writes the training part as nnU-Net's raw data, plans, trains the folds, predicts the test part,
and keeps the predictions as label images with their classes. A fold takes about a day on a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from histokit.data.colour import as_grey
from histokit.io.labels import write_label_tiff
from histokit.io.nnunet_command import FOLDS, NnUNet
from histokit.io.nnunet_raw import Case, kinds_of, read_predictions, write_raw
from histokit.postprocess.pieces import class_pieces
from histokit.run.domains import Domain, open_domain

NUMBER = 42


def cases(domain: Domain, classes: int, *, grey: bool) -> Iterator[Case]:
    """The training and validation images with labels, then the test images without."""
    test = {record.key for record in domain.part("test")}
    for record in domain.part("all"):
        image = domain.image(record)
        if grey:
            image = as_grey(image, record.key)[..., 0]
        alone = record.key in test
        kinds = None if alone else kinds_of(domain.labels(record), classes)
        yield Case(record.key, image, kinds, alone)


def main() -> None:
    """The whole walk; `prepare`, `train` and `predict` need an installed nnU-Net."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", help="name[@variant][:path]")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--grey", action="store_true", help="write grey images")
    parser.add_argument("--types", action="store_true", help="learn the classes of the objects")
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS))
    asked = parser.parse_args()

    domain = open_domain(asked.dataset)
    names = domain.classes if asked.types else ()
    raw = asked.folder / "raw" / f"Dataset{NUMBER:03d}_Histokit"
    if not (raw / "dataset.json").exists():
        write_raw(raw, cases(domain, len(names), grey=asked.grey), class_names=names)
    network = NnUNet(asked.folder, NUMBER)
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
            mpp=domain.mpp,
            provenance=about,
        )


if __name__ == "__main__":
    main()
