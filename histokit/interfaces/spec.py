"""The cards: what a plugin says of itself before any of its heavy code is imported.

An entry point of group ``histokit.methods`` names a `MethodSpec`, one of ``histokit.datasets`` a
`DatasetSpec`, one of ``histokit.networks`` a `NetworkSpec`. A card imports no torch and no NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from histokit.errors import PluginError

if TYPE_CHECKING:
    from pydantic import BaseModel

Role = Literal["translator", "segmenter", "adapter"]


class Access(Enum):
    """Which data a method may read while it trains. The core opens nothing beyond it."""

    NOTHING = "nothing"
    """No training."""
    SOURCE = "source"
    """Labelled source images."""
    TARGET_IMAGES = "target images"
    """Labelled source images and target images; target labels stay shut."""
    TARGET_LABELS = "target labels"
    """The labels of the target: an upper bound, never a result of adaptation."""
    IMAGES = "images"
    """Source and target images without any labels."""
    PAIRS = "pairs"
    """Pairs of images of the same place in two stains, without labels."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The square input sizes that a network takes, in pixels.

    Attributes:
        min: the smallest side.
        multiple_of: the side less `offset` must be a multiple of this.
        shrink: how many pixels smaller the output is than the input.
        offset: see `multiple_of`.
    """

    min: int = 1
    multiple_of: int = 1
    shrink: int = 0
    offset: int = 0

    def allows(self, side: int) -> bool:
        """Whether `side` pixels are a legal input."""
        return side >= self.min and (side - self.offset) % self.multiple_of == 0

    def fit(self, side: int) -> int:
        """The smallest legal input side that is at least `side`."""
        side = max(side, self.min)
        return side + (self.offset - side) % self.multiple_of


@dataclass(frozen=True, slots=True)
class Preset:
    """A named variant of a method.

    Attributes:
        summary: one line for `histokit methods info`.
        overrides: settings that differ from the defaults.
        weights: file name of published weights, looked for in the folder of
            ``HISTOKIT_WEIGHTS``, in the plugin package and in what was fetched from `hub`; empty
            where there are none.
        hub: ``owner/name`` on the Hugging Face hub that holds `weights`; empty for none.
        mpp: micrometres a pixel that the weights expect.
        stain_in, stain_out: stains, such as ``HE`` and ``IHC``.
        classes: names of the object classes.
    """

    summary: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    hub: str = ""
    mpp: float | None = None
    stain_in: str = ""
    stain_out: str = ""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """The card of a method.

    Attributes:
        name: the word typed on the command line.
        roles: what a trained instance does.
        summary: one line.
        config: the settings, a `histokit.config.MethodConfig` class.
        factory: ``module:Class`` of the `Method`, imported only when a command needs it.
        access: which data it may read while it trains.
        reference: BibTeX of the paper; empty for a plain baseline.
        presets: variants by name.
        sizes: legal input sizes where the method brings its own network.
        api: range of interface versions it was written for.
        licence: SPDX name of the plugin's own licence.
    """

    name: str
    roles: tuple[Role, ...]
    summary: str
    config: type[BaseModel]
    factory: str
    access: Access = Access.SOURCE
    reference: str = ""
    presets: Mapping[str, Preset] = field(default_factory=dict)
    sizes: Sizes = Sizes()
    api: str = ">=1,<2"
    licence: str = "Apache-2.0"

    def load(self) -> Any:
        """The `Method` class. Raises PluginError where it cannot be imported."""
        return load_object(self.factory, f"method {self.name}")


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """The card of a data set.

    Attributes:
        name: the word typed on the command line.
        summary: one line.
        reader: ``module:Class`` of the `histokit.interfaces.dataset.Dataset`.
        task: ``instances``, ``semantic`` or ``pairs``.
        licence: licence of the data, in words.
        homepage: where to get it: page name and DOI or record, not a download.
        tree: the expected folders and files, as shown to the user.
        reference: BibTeX.
        mpp: usual micrometres a pixel, or None where the files say it or nobody does.
        classes: names of the object classes without background.
        variant_classes: the same of the variants whose classes differ.
        variants: what may stand after ``@``, with a line each; the first is the default.
        on_disk: False where the data is made, not read.
        own: True for the user's own files, which only their folder tells apart.
        group: what shares a `Record.group`, such as ``patient``.
        api: range of interface versions it was written for.
    """

    name: str
    summary: str
    reader: str
    task: Literal["instances", "semantic", "pairs"]
    licence: str
    homepage: str
    tree: str
    reference: str = ""
    mpp: float | None = None
    classes: tuple[str, ...] = ()
    variant_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)
    on_disk: bool = True
    own: bool = False
    group: str = "image"
    api: str = ">=1,<2"

    def load(self) -> Any:
        """The reader class. Raises PluginError where it cannot be imported."""
        return load_object(self.reader, f"data set {self.name}")

    def class_names(self, variant: str = "") -> tuple[str, ...]:
        """Names of the object classes of a variant, or of the default."""
        return self.variant_classes.get(variant, self.classes)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """The card of a network.

    Attributes:
        name: the word given to ``--network``.
        summary: one line.
        factory: ``module:callable`` taking ``(in_channels, out_channels, **options)`` and giving
            a torch module.
        head: ``module:Class`` of the `histokit.interfaces.network.Head` that reads its output.
        class_head: the same for a network of more than one output map: background and classes.
        options: fixed options that this name passes to the factory.
        taps: feature maps by name, each the path of a submodule.
        freeze: by name, paths of the submodules whose parameters a method may stop training.
        encoder_freeze: the same as `freeze` where the factory also takes ``encoder`` (the name of a
            timm network) and ``encoder_weights``; empty where it does not.
        sizes: legal input sizes.
        reference: BibTeX.
        api: range of interface versions it was written for.
    """

    name: str
    summary: str
    factory: str
    head: str = "histokit.nn.heads:ForegroundHead"
    class_head: str = "histokit.nn.heads:ClassHead"
    options: Mapping[str, Any] = field(default_factory=dict)
    taps: Mapping[str, str] = field(default_factory=dict)
    freeze: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    encoder_freeze: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: Sizes = Sizes()
    reference: str = ""
    api: str = ">=1,<2"


def load_object(path: str, owner: str) -> Any:
    """The object that ``module:attribute`` names.

    Raises PluginError, naming `owner`, when the module cannot be imported, whatever it does
    instead (even leaving the program), or lacks the attribute.
    """
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module_name), attribute)
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{owner} cannot be loaded from {path!r}",
            expected="an importable module and an attribute in it",
            found=f"{type(error).__name__}: {error}",
            hint="reinstall the plugin that offers it, or see `histokit plugins list`",
        ) from error
