"""Contrast, pyramid and adversary, by reference values, closed forms and invariants."""

from __future__ import annotations

import pytest
import torch

from histokit_mdcl.config import MdclConfig
from histokit_mdcl.losses import (
    PyramidLoss,
    adaptive_weights,
    contrast,
    contrastive_logits,
    critic_terms,
    fooling_loss,
    off_diagonal,
    patch_losses,
    weighted_sum,
)
from histokit_mdcl.method import term_weights
from histokit_mdcl.schedule import Plan


def features(vectors):
    entry = vectors("mdcl")["patchnce_plain"]
    return torch.tensor(entry["q"])[None], torch.tensor(entry["k"])[None]


def drawn(images=1, patches=6, width=8, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    both = torch.randn(2, images, patches, width, generator=generator, dtype=dtype)
    return torch.nn.functional.normalize(both, dim=-1)


@pytest.mark.parametrize(("name", "mix"), [("patchnce_plain", False), ("patchnce_mix", True)])
def test_patch_losses(vectors, name, mix):
    entry = vectors("mdcl")[name]
    query, key = features(vectors)
    losses = patch_losses(query, key, mix=mix)
    assert losses[0].tolist() == pytest.approx(entry["expected"], abs=1e-4)
    assert float(contrast([query], [key], mix=mix)) == pytest.approx(
        entry["expected_mean"], abs=1e-4
    )


def test_gradient_reaches_a_patch_as_a_negative_of_others_too(vectors):
    entry = vectors("mdcl")["patchnce_mix_grad"]
    query, key = (x.requires_grad_() for x in features(vectors))
    patch_losses(query, key).mean().backward()
    expected, wrong = (
        torch.tensor(entry[name])
        for name in ("expected_grad_q", "wrong_if_intra_negatives_detached")
    )
    assert torch.allclose(query.grad[0], expected, rtol=0, atol=1e-4)
    assert not torch.allclose(query.grad[0], wrong, rtol=0, atol=1e-2)
    assert (key.grad is not None) == entry["k_receives_gradient"]


def test_closed_forms(vectors):
    entry = vectors("mdcl")["patchnce_closed_forms"]
    same = torch.zeros(1, 256, 300, dtype=torch.float64)
    same[..., 0] = 1.0
    apart = torch.eye(256, dtype=torch.float64)[None]
    for mix, name in ((False, "plain"), (True, "mix")):
        for kind, query in (("identical", same), ("orthonormal", apart)):
            found = float(patch_losses(query, query, mix=mix).mean())
            assert found == pytest.approx(entry[f"{kind}_{name}"], rel=1e-6), (kind, name)


def test_order_off_the_diagonal(vectors):
    entry = vectors("mdcl")["offdiagonal_order"]
    square = torch.tensor(entry["S"])
    found = off_diagonal(torch.stack([square, square + 100]))
    assert found[0].tolist() == entry["expected"]
    assert torch.equal(found[1], found[0] + 100)


def test_rows_of_the_adaptive_contrast(vectors):
    entry = vectors("mdcl")["asp_mix"]
    query, key = features(vectors)
    plan = Plan(30, 10, 1)
    for row in entry["rows"]:
        uniform = plan.uniform(row["epoch"] - 1)
        weights = adaptive_weights(query, key, uniform)[0]
        assert uniform == pytest.approx(row["p"])
        assert weights.tolist() == pytest.approx(row["weights"], abs=1e-4)
        weighted = weights * patch_losses(query, key)[0]
        assert weighted.tolist() == pytest.approx(row["weighted_loss"], abs=1e-3)
        assert float(contrast([query], [key], uniform=uniform)) == pytest.approx(
            row["mean"], abs=1e-3
        )


# the invariants of the method


def test_adaptive_weights_are_constants_of_mean_one():
    query, key = drawn(images=3)
    for uniform in (1.0, 0.5, 0.1):
        weights = adaptive_weights(query.requires_grad_(), key, uniform)
        assert not weights.requires_grad
        assert torch.allclose(weights.mean(-1), torch.ones(3, dtype=weights.dtype))
    assert torch.equal(adaptive_weights(query, key, 1.0), torch.ones_like(weights))
    weights, cosine = adaptive_weights(query, key, 0.3), (query * key).sum(-1)
    lowest = weights.amin(-1, keepdim=True).expand_as(weights)
    assert torch.allclose(weights[cosine < 0], lowest[cosine < 0])


def test_mixed_negatives_only_add():
    query, key = drawn(images=2)
    plain, mixed = (patch_losses(query, key, mix=mix) for mix in (False, True))
    assert (mixed > plain).all()
    alone = [patch_losses(query[:, :1], key[:, :1], mix=mix) for mix in (False, True)]
    assert torch.equal(*alone)


def test_logits_by_hand():
    query, key = drawn(patches=3)
    q, k = query[0], key[0]
    found = contrastive_logits(query, key, temperature=0.5)[0, 1]
    by_hand = [q[1] @ k[1], q[1] @ k[0], torch.tensor(-10.0), q[1] @ k[2], q[1] @ q[0], q[1] @ q[2]]
    assert found.tolist() == pytest.approx([2 * float(score) for score in by_hand])
    assert contrastive_logits(query, key, mix=False).shape == (1, 3, 4)


def test_the_order_of_patches_does_not_matter():
    query, key = drawn()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    found = patch_losses(query[:, order], key[:, order])
    assert torch.allclose(found, patch_losses(query, key)[:, order])


def test_an_image_that_is_its_own_key():
    query, _ = drawn()
    cosines = (query @ query.mT)[0]
    others = ((cosines - 1) / 0.07).exp().sum(1) - 1
    assert torch.allclose(patch_losses(query, query)[0], (1 + 2 * others).log())


def test_negatives_stay_within_their_image():
    queries, keys = drawn(images=3), drawn(images=3, seed=1)
    together = contrast(list(queries), list(keys), uniform=0.4)
    alone = [
        contrast([q[i : i + 1] for q in queries], [k[i : i + 1] for k in keys], uniform=0.4)
        for i in range(3)
    ]
    assert torch.allclose(together, torch.stack(alone).mean())


def test_half_precision_is_scored_in_full():
    query, key = drawn(dtype=torch.float32).bfloat16()
    expected = patch_losses(query.float(), key.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = patch_losses(query, key)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


# the pyramid


def test_pyramid(vectors):
    entry = vectors("mdcl")["gaussian_pyramid"]
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    left = torch.stack([(x / 5).sin(), (y / 7).cos(), ((x + y) / 11).sin()])[None]
    right = torch.stack([(x / 6).cos(), (y / 9).sin(), ((x - y) / 13).cos()])[None]
    pyramid = PyramidLoss()
    levels = pyramid.levels(left - right)
    assert [list(level.shape[2:]) for level in levels] == entry["level_shapes"]
    found = [float(level.abs().mean()) for level in levels]
    assert found == pytest.approx(entry["level_l1"], abs=1e-5)
    weight = MdclConfig().pyramid_weight
    assert weight * float(pyramid(left, right)) == pytest.approx(entry["expected"], abs=1e-5)


def test_pyramid_of_a_constant(vectors):
    entry = vectors("mdcl")["gaussian_pyramid_constant"]
    images = torch.rand(2, 3, 33, 40)
    found = MdclConfig().pyramid_weight * float(PyramidLoss()(images + entry["c"], images))
    assert found == pytest.approx(entry["expected"], abs=1e-5)


def test_pyramid_under_autocast_is_full_precision_and_has_no_state():
    pyramid = PyramidLoss()
    left, right = torch.rand(2, 1, 3, 36, 36)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = pyramid(left, right)
    assert torch.equal(found, pyramid(left, right))
    assert pyramid.state_dict() == {}


# the adversary and the sum


def test_least_squares(vectors):
    entry = vectors("mdcl")["lsgan"]
    scores = torch.tensor(entry["logits"])
    fake, real = critic_terms(scores, scores)
    assert float(fake) == pytest.approx(entry["fake_term"])
    assert float(real) == pytest.approx(entry["real_term"])
    assert float(fooling_loss(scores)) == pytest.approx(entry["real_term"])


def test_sum_of_the_generator(vectors):
    entry = vectors("mdcl")["generator_total"]
    inputs = entry["inputs"]
    config = MdclConfig()
    terms = {name: torch.tensor(inputs[name]).mean() for name in ("gan", "nce", "nce_y", "asp")}
    terms["pyramid"] = torch.tensor(inputs["gp"] / config.pyramid_weight)
    assert float(weighted_sum(terms, term_weights(config))) == pytest.approx(entry["expected"])
