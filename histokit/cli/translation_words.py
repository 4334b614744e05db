"""The options of translators and of metrics of images that several verbs share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from histokit.cli import completion
from histokit.errors import UsageError

Norm: TypeAlias = Annotated[
    Literal["image", "tile"],
    typer.Option(
        help="Statistics of a translator's instance norms: of the whole image (the truer, the "
        "larger --batch), or of each window."
    ),
]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of a method without training, or one that is read only after it.",
    ),
]
Nuclei: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="METHOD|none",
        help="Segmenter that counts nuclei of translations and real images; by default otsu-hed.",
        autocompletion=completion.runs_or_methods,
    ),
]
Inception: TypeAlias = Annotated[
    Path | None, typer.Option(help="Weights file of torch-fidelity's Inception (FID, KID).")
]
Encoder: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME[:FILE]", help="A timm encoder for distances of its own.")
]
Resnet: TypeAlias = Annotated[Path | None, typer.Option(help="Weights file of PHV's ResNet-50.")]
Download: TypeAlias = Annotated[
    bool, typer.Option("--download", help="Fetch missing weights of networks.")
]
Stains: TypeAlias = Annotated[
    bool, typer.Option(help="Whether translations are stained with haematoxylin and DAB.")
]


def settings_of(texts: Iterable[str] | None) -> dict[str, str]:
    """The settings of ``--set KEY=VALUE``. Raises UsageError."""
    found = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"cannot read --set {text}", expected="--set KEY=VALUE")
        found[key] = value
    return found
