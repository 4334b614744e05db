"""timm networks as encoders of HoVer-Net, their weights from a file, and what is refused."""

from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import save_file

from histokit.errors import DataError, UsageError
from histokit.nn.backbones import backbone
from histokit.nn.hovernet import HoVerNet
from histokit.run.context import RunContext
from histokit.run.machine import open_machine


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return timm.create_model("resnet18", num_classes=3).state_dict()


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_pretrained_weights_come_from_a_file(tmp_path, state, ending):
    path = tmp_path / f"weights{ending}"
    save_file(state, path) if ending == ".safetensors" else torch.save({"state_dict": state}, path)
    found = backbone("resnet18", 3, str(path)).state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())
    assert len(found) > 60


@pytest.mark.parametrize("mode", ["fast", "same"])
@pytest.mark.parametrize("name", ["resnet18", "convnext_atto"])
def test_hovernet_takes_another_encoder(mode, name):
    """A ResNet begins at stride 2, a ConvNeXt at 4."""
    network = HoVerNet(3, 1, mode=mode, narrow=4, encoder=name).train()
    maps = network(torch.rand(2, 3, 104, 104))
    side = 12 if mode == "fast" else 104
    assert {m.shape for m in maps.values()} == {(2, 2, side, side)}
    sum(m.square().mean() for m in maps.values()).backward()
    used = [p.grad is not None for p in network.encoder.backbone.parameters()]
    assert sum(used) > 10


def test_the_card_says_what_may_be_frozen():
    context = RunContext(open_machine("cpu"), encoder="resnet18")
    network = context.network("hovernet-small", 3, 1)
    for paths in network.freeze.values():
        assert all(network.module.get_submodule(path) for path in paths)


def test_networks_without_the_option_are_told():
    context = RunContext(open_machine("cpu"), encoder="resnet18")
    with pytest.raises(UsageError, match="takes no --encoder") as told:
        context.network("unet", 3, 1)
    assert "hovernet" in told.value.expected
    with pytest.raises(UsageError, match="mode original"):
        HoVerNet(3, 1, mode="original", encoder="resnet18")


def test_what_cannot_be_an_encoder_is_told(tmp_path):
    with pytest.raises(UsageError, match="did you mean resnet50"):
        backbone("resnet5O", 3)
    with pytest.raises(DataError, match="cannot be read as weights"):
        backbone("resnet18", 3, str(tmp_path / "none.safetensors"))
    torn = tmp_path / "torn.pth"
    torn.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"torn\.pth cannot be read"):
        backbone("resnet18", 3, str(torn))
    other = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(1)}, other)
    with pytest.raises(DataError, match="cannot be used"):
        backbone("resnet18", 3, str(other))
