"""The page a plugin author reads: what to implement, and what flows through it."""

from histokit.interfaces.adapter import Adapter
from histokit.interfaces.batch import Batch, Feed, Labelled, Pair, SourceTarget, Unlabelled
from histokit.interfaces.context import Context
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.interfaces.method import Method, Phase, Stateful
from histokit.interfaces.network import Head, Network
from histokit.interfaces.segmenter import Instances, Maps, Segmenter
from histokit.interfaces.spec import Access, DatasetSpec, MethodSpec, NetworkSpec, Preset, Sizes
from histokit.interfaces.translator import Translator

__all__ = [
    "Access",
    "Adapter",
    "Batch",
    "Context",
    "Dataset",
    "DatasetSpec",
    "Feed",
    "Finding",
    "Head",
    "Instances",
    "Labelled",
    "Labels",
    "Maps",
    "Method",
    "MethodSpec",
    "Network",
    "NetworkSpec",
    "Pair",
    "Phase",
    "Preset",
    "Record",
    "Segmenter",
    "Sizes",
    "SourceTarget",
    "Stateful",
    "Translator",
    "Unlabelled",
]
