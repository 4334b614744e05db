"""Networks that turn images into features, for distances between sets of images.

Their weights come from a file, or are fetched where that is allowed; a network without its own
weights is never used, and never replaced by another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from histokit.errors import DataError, PluginError

PHV_NETWORK = "resnet50.tv_in1k"
"""The ResNet-50 (ImageNet, first weights of torchvision) of the perceptual hash value."""
PHV_LAYERS = ("layer1", "layer2", "layer3", "layer4")
FID_EXTRA = "pip install 'histokit-core[fid]'"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of images.

    Attributes:
        name: as it is told to the user.
        forward: uint8 images [B 3 H W] on the CPU to float32 features [B d] on the CPU.
    """

    name: str
    forward: Callable[[Tensor], Tensor]


def inception(weights: Path | None, device: torch.device, *, download: bool = False) -> Encoder:
    """The Inception of FID and KID, as torch-fidelity has it: TensorFlow's weights of 2015 and
    its way of resizing; 2048 features.

    Raises PluginError where torch-fidelity is missing, DataError where its weights are.
    """
    library = _library("torch_fidelity.feature_extractor_inceptionv3", FID_EXTRA)
    _require_weights("the Inception weights of FID", weights, download, "--inception FILE")
    with _loading("the Inception weights of FID", weights):
        _load_safely(weights)
        path = None if weights is None else str(weights)
        network = library.FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=path
        )
    network = network.to(device).eval()

    @torch.inference_mode()
    def forward(images: Tensor) -> Tensor:
        features: Tensor = network(images.to(device))[0]
        return features.float().cpu()

    return Encoder("inception-v3 (torch-fidelity)", forward)


def timm_encoder(
    name: str,
    weights: Path | None,
    device: torch.device,
    *,
    download: bool = False,
    antialias: bool = True,
) -> Encoder:
    """Any encoder that timm knows, with the size and colours that it was trained with.

    Images are resized bilinearly to the square that the network expects. Raises DataError where
    timm does not know it or its weights are missing or do not fit.
    """
    _require_weights(f"the weights of {name}", weights, download, f"--encoder {name}:FILE")
    network, config = _timm(name, weights)
    network.reset_classifier(0)
    network = network.to(device)
    side = config["input_size"][-1]
    prepare = _standardised(config["mean"], config["std"], device)

    @torch.inference_mode()
    def forward(images: Tensor) -> Tensor:
        values = images.to(device).float().div(255)
        size = (side, side)
        values = functional.interpolate(values, size, mode="bilinear", antialias=antialias)
        features: Tensor = network(prepare(values))
        return features.flatten(1).float().cpu()

    return Encoder(name, forward)


def phv_means(
    weights: Path | None, device: torch.device, *, asp: bool, download: bool = False
) -> Callable[[Tensor], Mapping[str, Tensor]]:
    """Channel means of the four stages of a ResNet-50: uint8 [B 3 H W] to float32 [B C] a layer.

    Args:
        weights: a file in timm's or torchvision's naming.
        device: where it runs.
        asp: give the network what the published code of ASP gives it: pixels of 0..1 taken for
            -1..1, and so squeezed into 0.5..1. False gives it 0..1.
        download: whether missing weights are fetched.

    Raises DataError where weights are missing or do not fit.
    """
    _require_weights("the ResNet-50 weights of PHV", weights, download, "--resnet FILE")
    network, _ = _timm(PHV_NETWORK, weights)
    network = network.to(device)
    prepare = _standardised(IMAGENET_MEAN, IMAGENET_STD, device)

    @torch.inference_mode()
    def forward(images: Tensor) -> Mapping[str, Tensor]:
        values = images.to(device).float().div(255)
        values = prepare((values + 1) / 2 if asp else values)
        values = network.maxpool(network.act1(network.bn1(network.conv1(values))))
        means = {}
        for layer in PHV_LAYERS:
            values = getattr(network, layer)(values)
            means[layer] = values.mean((2, 3)).float().cpu()
        return means

    return forward


def lpips(device: torch.device, *, download: bool = False) -> Callable[[Tensor, Tensor], float]:
    """LPIPS (VGG-16, version 0.1) of two uint8 images [1 3 H W], as torch-fidelity has it.

    Raises PluginError where torch-fidelity is missing, DataError where its weights are.
    """
    library = _library("torch_fidelity.sample_similarity_lpips", FID_EXTRA)
    _require_weights("the VGG-16 weights of LPIPS", None, download, "")
    with _loading("the VGG-16 weights of LPIPS", None):
        network = library.SampleSimilarityLPIPS("lpips", sample_similarity_dtype="uint8")
    network = network.to(device)

    @torch.inference_mode()
    def distance(output: Tensor, reference: Tensor) -> float:
        return float(network(output.to(device), reference.to(device)))

    return distance


def _timm(name: str, weights: Path | None) -> tuple[Any, Mapping[str, Any]]:
    """A network of timm with its weights, frozen, and how its images are prepared."""
    timm = _library("timm", "pip install timm")
    if not timm.is_model(name.partition(".")[0]):
        raise DataError(f"timm has no network called {name}", expected="such as resnet50.a1_in1k")
    with _loading(f"the weights of {name}", weights):
        _load_safely(weights)
        network = timm.create_model(
            name, pretrained=weights is None, checkpoint_path=str(weights or "")
        )
    return network.eval().requires_grad_(False), timm.data.resolve_model_data_config(network)


def _load_safely(weights: Path | None) -> None:
    """Raises where a file holds anything but tensors, before another library trusts it."""
    if weights is not None and weights.suffix != ".safetensors":
        torch.load(weights, map_location="cpu", weights_only=True)


def _standardised(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> Callable[[Tensor], Tensor]:
    shift = torch.tensor(mean, device=device)[:, None, None]
    scale = torch.tensor(std, device=device)[:, None, None]
    return lambda values: (values - shift) / scale


def _require_weights(what: str, weights: Path | None, download: bool, option: str) -> None:
    if weights is not None and not weights.is_file():
        raise DataError(f"there is no {weights}", expected=f"a file with {what}")
    if weights is None and not download:
        way = f"give {option}, or --download" if option else "--download fetches them"
        raise DataError(f"{what} are not here", hint=way)


@contextmanager
def _loading(what: str, weights: Path | None) -> Iterator[None]:
    """Whatever a library raises on missing or strange weights becomes a DataError."""
    try:
        yield
    except Exception as error:
        source = f"in {weights}" if weights is not None else "where they are published"
        raise DataError(
            f"{what} cannot be loaded",
            expected=f"weights {source} that fit the network",
            found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        ) from error


def _library(name: str, hint: str) -> Any:
    """A module of a library that only these networks need."""
    try:
        return import_module(name)
    except ImportError as error:
        raise PluginError(f"{name.partition('.')[0]} is not installed", hint=hint) from error
