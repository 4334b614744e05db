"""Layers and couplings against their formulas, their inverses and their determinants."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from histokit.errors import DataError
from histokit_ostrich.couplings import AdditiveCoupling, AffineCoupling, Subnet, on_lattice
from histokit_ostrich.flow import Flow
from histokit_ostrich.layers import (
    ActNorm,
    LuMix,
    OrthogonalMix,
    Permutation,
    Squeeze,
    require_invertible,
)

DOUBLE = torch.float64


def doubles(values):
    return torch.tensor(values, dtype=DOUBLE)


def column(values):
    return doubles(values).view(1, -1, 1, 1)


def test_orthogonal_mix(vector):
    entry = vector("orthogonal_mix")
    layer = OrthogonalMix(3).double()
    assert torch.equal(layer.matrix(), torch.eye(3, dtype=DOUBLE))
    layer.skew.data = doubles(entry["A"])
    matrix = layer.matrix().detach()
    assert torch.allclose(matrix, doubles(entry["W"]), rtol=0, atol=1e-12)
    assert float(torch.linalg.det(matrix)) == pytest.approx(entry["det"], abs=1e-12)
    features = torch.rand(2, 3, 4, 4, dtype=DOUBLE)
    assert torch.allclose(layer(features)[0, :, 1, 2], matrix @ features[0, :, 1, 2])
    assert torch.allclose(layer.inverse(layer(features)), features, atol=1e-14)


def test_lu_mix(vector):
    entry = vector("lu_mix")
    layer = LuMix(3).double()
    assert torch.equal(layer.matrix(), torch.eye(3, dtype=DOUBLE))
    layer.permutation.copy_(doubles(entry["P"]))
    layer.sign.copy_(doubles(entry["sign"]))
    layer.lower.data, layer.upper.data = doubles(entry["L"]), doubles(entry["U"])
    layer.log_diagonal.data = doubles(entry["logs"])
    matrix = layer.matrix().detach()
    assert torch.allclose(matrix, doubles(entry["W"]), rtol=0, atol=1e-12)
    back = layer.inverse(torch.eye(3, dtype=DOUBLE)[..., None, None])[..., 0, 0].T
    assert torch.allclose(back, doubles(entry["W_inv"]), rtol=0, atol=1e-12)
    log = layer.log_det(torch.zeros(1, 3, 1, 1, dtype=DOUBLE))
    assert float(log.detach()) == pytest.approx(entry["logabsdet"], abs=1e-12)
    assert float(torch.linalg.slogdet(matrix).logabsdet) == pytest.approx(entry["logabsdet"])


def test_additive_coupling(vector, formula):
    entry = vector("coupling_additive4")
    nets = (
        lambda b, c, d: 0.5 * b - c + 0.25 * d,
        lambda a, c, d: a**2 + 0.1 * c - d,
        lambda a, b, d: torch.tanh(a + b) - d,
        lambda a, b, c: a - 0.5 * b + c**2,
    )
    layer = AdditiveCoupling(4, 1)
    layer.subnets = nn.ModuleList(formula(lambda x, net=net: net(*x.chunk(3, 1))) for net in nets)
    given = column(entry["x"])
    found = layer(given)
    assert torch.allclose(found, column(entry["y"]), rtol=0, atol=1e-12)
    assert torch.allclose(layer.inverse(found), column(entry["x_back"]), rtol=0, atol=1e-12)
    assert float(layer.log_det(given)) == 0


def test_affine_coupling(vector, formula):
    entry = vector("coupling_affine2")
    layer = AffineCoupling(2, 1, clamp=1.0)
    layer.first = layer.second = formula(lambda u: torch.cat((0.9 * u, 0.3 - u), 1))
    given = column(entry["x"])
    found = layer(given)
    assert torch.allclose(found, column(entry["y"]), rtol=0, atol=1e-12)
    assert torch.allclose(layer.inverse(found), given, rtol=0, atol=1e-12)
    assert float(layer.log_det(given)) == pytest.approx(entry["logdet"], abs=1e-12)
    assert entry["l"][0] + entry["l"][1] == pytest.approx(entry["logdet"])


def test_log_dets_add_up(vector, formula):
    norm, mix = ActNorm(2).double(), OrthogonalMix(2).double()
    norm.log_scale.data = doubles([0.1, -0.3])
    coupling = AffineCoupling(2, 1)
    raw = torch.atanh(doubles(0.05))
    coupling.first = formula(lambda u: torch.cat((0 * u, u), 1))
    coupling.second = formula(lambda u: torch.cat((0 * u + raw, u), 1))
    flow = Flow([norm, mix, coupling])
    found = flow.log_det(torch.rand(2, 2, 3, 3, dtype=DOUBLE))
    assert found.tolist() == pytest.approx([vector("logdet_total")["total"]] * 2, abs=1e-12)


def test_the_lattice(vector):
    entry = vector("lattice_mode")
    given, gain = torch.tensor(entry["x"]), torch.tensor(entry["f"])
    assert torch.equal(on_lattice(given, 12), given)
    assert torch.equal(on_lattice(gain + 2**-14, 12), gain)
    found = given + gain
    assert torch.equal(found, torch.tensor(entry["y"]))
    assert torch.equal(found - gain, given) == entry["x_back_equal"]


def test_gradients_pass_the_lattice():
    values = torch.rand(5, requires_grad=True)
    on_lattice(values).square().sum().backward()
    assert torch.equal(values.grad, 2 * on_lattice(values.detach()))


def test_lattice_coupling_takes_back_every_bit(randomised):
    layer = randomised(AdditiveCoupling(8, 4, lattice=True), 0.1)
    features = on_lattice(3 * torch.randn(2, 8, 6, 6))
    assert torch.equal(layer.inverse(layer(features)), features)
    plain = randomised(AdditiveCoupling(8, 4), 0.1)
    assert not torch.equal(plain.inverse(plain(features)), features)


def test_subnets_start_as_zero():
    found = Subnet(3, 5, 4)(torch.rand(1, 3, 4, 4))
    assert torch.equal(found, torch.zeros(1, 5, 4, 4))


def test_act_norm_fits():
    layer = ActNorm(3)
    features = 5 + 2 * torch.randn(4, 3, 8, 8)
    layer.fit(features)
    found = layer(features)
    assert torch.allclose(found.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(found.std((0, 2, 3)), torch.ones(3), atol=1e-5)
    assert torch.allclose(layer.inverse(found), features, atol=1e-5)


LAYERS = {
    "squeeze": lambda: Squeeze(2),
    "unsqueeze": lambda: Squeeze(2, back=True),
    "norm": lambda: ActNorm(4),
    "orthogonal": lambda: OrthogonalMix(4),
    "lu": lambda: LuMix(4),
    "permutation": lambda: Permutation(4),
    "affine": lambda: AffineCoupling(4, 3),
    "additive": lambda: AdditiveCoupling(4, 3),
}


@pytest.mark.parametrize("name", LAYERS)
def test_inverse_and_determinant_of_every_layer(name, randomised):
    layer = randomised(LAYERS[name]().double(), 0.3)
    features = torch.rand(1, 4, 4, 4, dtype=DOUBLE)
    assert torch.allclose(layer.inverse(layer(features)), features, atol=1e-12)
    back = layer.inverse(features)
    assert torch.allclose(layer(back), features, atol=1e-12)
    jacobian = torch.autograd.functional.jacobian(layer, features).reshape(64, 64)
    expected = torch.linalg.slogdet(jacobian).logabsdet
    found = layer.log_det(features).detach()
    assert float(found) == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.parametrize(
    ("layer", "weight", "value"),
    [
        (LuMix, "log_diagonal", [0.0, 0.0, -40.0]),
        (OrthogonalMix, "skew", [[0.0, float("nan"), 0.0]] * 3),
        (ActNorm, "log_scale", [0.0, 60.0, 0.0]),
        (ActNorm, "log_scale", [0.0, float("nan"), 0.0]),
    ],
)
def test_weights_that_cannot_be_inverted_are_named(layer, weight, value):
    flow = Flow([Permutation(3), layer(3)])
    require_invertible(flow)
    getattr(flow.layers[1], weight).data = torch.tensor(value)
    with pytest.raises(DataError, match=r"layers\.1"):
        require_invertible(flow)
