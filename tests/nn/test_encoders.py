"""Encoders with weights from files; none is used without its own."""

from __future__ import annotations

import pickle

import pytest
import timm
import torch

from histokit.errors import DataError, PluginError
from histokit.nn.encoders import IMAGENET_MEAN, IMAGENET_STD, inception, lpips, phv_means
from histokit.nn.encoders import timm_encoder as encoder

CPU = torch.device("cpu")


def images(side=40):
    torch.manual_seed(0)
    return torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)


@pytest.fixture(scope="module")
def resnets(tmp_path_factory):
    """Files of random weights by name."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name in ("resnet10t", "resnet50"):
        torch.save(timm.create_model(name).state_dict(), folder / f"{name}.pth")
    return folder


def test_a_timm_encoder_gives_the_pooled_features(resnets):
    path = resnets / "resnet10t.pth"
    found = encoder("resnet10t", path, CPU)
    features = found.forward(images(176))
    network = timm.create_model("resnet10t", checkpoint_path=str(path)).eval()
    config = timm.data.resolve_model_data_config(network)
    assert config["input_size"][-1] == 176
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
    with torch.inference_mode():
        expected = network.forward_head(
            network.forward_features((images(176) / 255 - mean) / std), pre_logits=True
        )
    assert torch.allclose(features, expected, atol=1e-4)
    assert encoder("resnet10t", path, CPU).forward(images(30)).shape == features.shape


def test_channel_means_are_those_of_the_four_stages(resnets):
    path = resnets / "resnet50.pth"
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    network = timm.create_model("resnet50", features_only=True, out_indices=(1, 2, 3, 4)).eval()
    weights = torch.load(path, weights_only=True)
    network.load_state_dict({k: v for k, v in weights.items() if not k.startswith("fc.")})
    for asp in (False, True):
        values = images() / 255
        with torch.inference_mode():
            stages = network(((values + 1) / 2 - mean) / std if asp else (values - mean) / std)
        found = phv_means(path, CPU, asp=asp)(images())
        assert list(found) == ["layer1", "layer2", "layer3", "layer4"]
        for stage, layer in zip(stages, found.values(), strict=True):
            assert torch.allclose(stage.mean((2, 3)), layer, atol=1e-4)


def test_no_weights_no_encoder(tmp_path, resnets):
    with pytest.raises(DataError, match="--encoder resnet10t:FILE"):
        encoder("resnet10t", None, CPU)
    with pytest.raises(DataError, match="no network called nonsense"):
        encoder("nonsense", resnets / "resnet50.pth", CPU)
    with pytest.raises(DataError, match="there is no"):
        encoder("resnet10t", tmp_path / "none.pth", CPU)
    with pytest.raises(DataError, match="cannot be loaded"):
        encoder("resnet10t", resnets / "resnet50.pth", CPU)
    with pytest.raises(DataError, match="--resnet FILE"):
        phv_means(None, CPU, asp=True)
    for build in (lambda: inception(None, CPU), lambda: lpips(CPU)):
        with pytest.raises((DataError, PluginError)):
            build()


def test_a_file_that_would_run_code_is_refused(tmp_path):
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (ran.touch, ())

    (tmp_path / "bomb.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="cannot be loaded"):
        encoder("resnet10t", tmp_path / "bomb.pth", CPU)
    assert not ran.exists()
