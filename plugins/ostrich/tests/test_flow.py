"""The reversible backward pass: same gradients, constant memory; and full precision."""

from __future__ import annotations

import pytest
import torch

from histokit.errors import ContractError
from histokit_ostrich.couplings import on_lattice
from histokit_ostrich.flow import exact
from histokit_ostrich.memory import MemoryGate, gradient_gap

BUILDS = [
    {"coupling": coupling, "mix": mix}
    for coupling in ("affine", "additive")
    for mix in ("orthogonal", "lu", "permutation")
]
LATTICE = {"coupling": "additive", "mix": "permutation", "lattice": True}


def features(dtype=torch.float64):
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3), dtype=dtype)


@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_recomputed_gradients_are_the_plain_ones(small, build):
    flow = small(torch.float64, depth=2, **build).flow
    assert gradient_gap(flow, features()) <= 1e-10
    assert gradient_gap(flow.float(), features().float()) <= 1e-3


def test_recomputed_gradients_of_the_lattice(small):
    flow = small(depth=2, **LATTICE).flow
    assert gradient_gap(flow, on_lattice(features().float())) <= 1e-6


@pytest.mark.parametrize("back", [False, True])
def test_the_gradient_of_the_input_too(small, back):
    flow = small(torch.float64, 0.05).flow
    found = []
    for flow.reversible in (False, True):
        given = features().requires_grad_()
        (flow.inverse(given) if back else flow(given)).square().sum().backward()
        found.append(given.grad)
    assert torch.allclose(*found, rtol=1e-10, atol=1e-12)
    assert float(found[0].abs().max()) > 0


def test_frozen_weights_get_no_gradient(small):
    flow = small(torch.float64).flow
    first = next(flow.parameters())
    first.requires_grad_(False)
    flow.reversible = True
    flow(features()).square().sum().backward()
    assert first.grad is None
    assert all(weight.grad is not None for weight in list(flow.parameters())[1:])


def saved(flow):
    bytes_ = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: bytes_.append(t.numel() * t.element_size()) or t, lambda t: t
    ):
        flow(features(torch.float32))
    return sum(bytes_)


def test_memory_does_not_grow_with_depth(small):
    flows = [small(depth=depth).flow for depth in (1, 3)]
    plain = [saved(flow) for flow in flows]
    for flow in flows:
        flow.reversible = True
    recomputed = [saved(flow) for flow in flows]
    assert recomputed[0] == recomputed[1] == features(torch.float32).numel() * 4
    assert plain[1] > 2 * plain[0] > 100 * recomputed[0]


def test_gradients_of_gradients_are_refused(small):
    flow = small().flow
    flow.reversible = True
    given = features(torch.float32).requires_grad_()
    with pytest.raises(ContractError, match="gradient of a gradient"):
        torch.autograd.grad(flow(given).sum(), given, create_graph=True)


def test_half_precision_stays_outside(small):
    flow = small().flow
    given = features(torch.float32)
    expected = flow(given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(flow(given), expected)


def test_exact_gives_autocast_back():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with exact(torch.device("cpu")):
            assert not torch.is_autocast_enabled("cpu")
        assert torch.is_autocast_enabled("cpu")


# the gate


def test_the_gate_stays_open_on_sound_weights(small):
    flow = small().flow
    gate = MemoryGate(flow, wanted=True)
    gate.test(features(torch.float32)[:1])
    assert flow.reversible
    assert gate.state_dict() == {"failed": False}


def test_the_gate_closes_on_a_bad_inverse_for_good(small):
    flow = small(clamp=8.0, scale=1.5, depth=3).flow
    gate = MemoryGate(flow, wanted=True)
    gate.test(features(torch.float32)[:1])
    assert not flow.reversible
    other = MemoryGate(small().flow, wanted=True)
    other.load_state_dict(gate.state_dict())
    assert other.failed
    other.test(features(torch.float32)[:1])
    assert other.failed


def test_stored_memory_needs_no_gate(small):
    flow = small().flow
    gate = MemoryGate(flow, wanted=False)
    gate.test(features(torch.float32)[:1])
    assert not flow.reversible
    assert not gate.failed
