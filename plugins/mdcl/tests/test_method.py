"""MDCL as a whole: its plan, who is trained by what, its presets and its warnings."""

from __future__ import annotations

import copy
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import torch
from pydantic import ValidationError

from histokit.interfaces import Access, Feed, Translator
from histokit.interfaces.batch import Pair, Unlabelled
from histokit.training.updater import Updater
from histokit_mdcl import MIST_PAIRS, SPEC, UNPAIRED, MdclConfig, UnpairedConfig
from histokit_mdcl.losses import fooling_loss
from histokit_mdcl.method import signed, unsigned

SIDE = 36
TINY = {
    "width": 4,
    "blocks": 2,
    "taps": (0, 4, 8, 12, 13),
    "critic_width": 4,
    "critic_layers": 3,
    "head_width": 16,
    "patches": 16,
    "tile": SIDE,
    "epoch_steps": 5,
}
NETWORKS = ("generator", "heads", "critic")


class ToyContext:
    """A context on the CPU."""

    device = torch.device("cpu")
    precision = "32-true"
    channels = 3
    classes = ()
    outputs = 1
    tile = SIDE
    mpp = None

    def __init__(self, seed=0):
        self.seed = seed
        torch.manual_seed(seed)

    def updater(self, modules, lr, **options):
        return Updater(modules, lr, **options)


def build(seed=0, spec=SPEC, **settings):
    return spec.load().build(spec.config(**{**TINY, **settings}), ToyContext(seed))


def discs(generator, side):
    """Discs on a bright ground in two stains; in the second, which is shifted by up to two
    pixels, size decides the colour.
    """
    y, x = torch.arange(side)[:, None], torch.arange(side)
    first, second = torch.full((2, 3, side, side), 0.9)
    for _ in range(side * side // 200):
        row, column = torch.randint(0, side, (2,), generator=generator)
        radius = int(torch.randint(4, 10, (1,), generator=generator))
        down, right = torch.randint(-2, 3, (2,), generator=generator)
        inside = (y - row) ** 2 + (x - column) ** 2 < radius**2
        moved = (y - row - down) ** 2 + (x - column - right) ** 2 < radius**2
        colour = [0.45, 0.25, 0.1] if radius > 6 else [0.35, 0.4, 0.7]
        first[:, inside] = torch.tensor([0.5, 0.3, 0.6])[:, None]
        second[:, moved] = torch.tensor(colour)[:, None]
    return first, second


def pair(seed=1, count=1, side=SIDE):
    generator = torch.Generator().manual_seed(seed)
    made = [discs(generator, side) for _ in range(count)]
    noise = 0.03 * torch.randn(2, count, 3, side, side, generator=generator)
    keys = tuple(f"toy/{seed}-{i}" for i in range(count))
    both = [torch.stack(images) for images in zip(*made, strict=True)]
    source, target = ((b + n).clamp(0, 1) for b, n in zip(both, noise, strict=True))
    return Pair(Unlabelled(source, keys), Unlabelled(target, keys))


def trained(count=1, **settings):
    method = build(**settings)
    (phase,) = method.phases()
    return method, [phase.step(pair(seed)) for seed in range(1, count + 1)]


def weights(method):
    state = method.stateful()
    return {
        name: {key: value.clone() for key, value in state[name].state_dict().items()}
        for name in NETWORKS
    }


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def numbers(losses):
    return {name: float(value) for name, value in losses.items()}


# the cards


def test_cards_and_settings_are_torch_free():
    code = "import histokit_mdcl, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("spec", [SPEC, UNPAIRED], ids=lambda spec: spec.name)
def test_cards_tell_the_truth(spec):
    (entry,) = entry_points(group="histokit.methods", name=spec.name)
    assert entry.load() is spec
    method = build(spec=spec)
    assert isinstance(method, Translator)
    assert spec.roles == ("translator",)
    assert method.sizes == spec.sizes
    (phase,) = method.phases()
    expected = {Access.PAIRS: Feed.PAIRED, Access.IMAGES: Feed.UNPAIRED}
    assert phase.feed is expected[spec.access]
    assert phase.steps == 40 * TINY["epoch_steps"]


@pytest.mark.parametrize("spec", [SPEC, UNPAIRED], ids=lambda spec: spec.name)
def test_presets_are_legal_settings(spec):
    configs = {name: spec.config(**preset.overrides) for name, preset in spec.presets.items()}
    assert all(isinstance(config, spec.config) for config in configs.values())
    assert not configs["cut"].mix
    assert configs["cpu"].plan.steps <= 1000


def test_presets_of_the_family():
    configs = {name: MdclConfig(**preset.overrides) for name, preset in SPEC.presets.items()}
    assert configs["mdcl"] == configs["he2ihc"] == configs["he2her2"] == MdclConfig()
    terms = {
        name: (c.mix, c.identity, c.nce_weight, c.asp_weight, c.pyramid_weight, c.asp_schedule)
        for name, c in configs.items()
    }
    assert terms["mdcl"] == (True, True, 1, 1, 10, "linear")
    assert terms["asp"] == (False, False, 10, 10, 10, "linear")
    assert terms["cpt"] == (False, False, 10, 10, 10, "none")
    assert terms["cut"][:5] == (False, True, 0.5, 0, 0)
    for name in ("asp", "cut"):
        assert terms[f"cpu-{name}"] == terms[name]
        assert configs[f"cpu-{name}"].width == configs["cpu"].width
        assert configs[f"cpu-{name}"].spectral == configs[name].spectral


def test_stain_presets_name_weights_and_stains():
    for stain, count in MIST_PAIRS.items():
        preset = SPEC.presets[f"he2{stain.lower()}"]
        assert (preset.stain_in, preset.stain_out, preset.mpp) == ("HE", stain, 0.4661)
        assert preset.weights == f"he2{stain.lower()}.safetensors"
        assert MdclConfig(**preset.overrides).plan.steps == 40 * count


@pytest.mark.parametrize(
    "settings",
    [
        {"taps": (0, 4, 18)},
        {"taps": (4, 4)},
        {"taps": ()},
        {"taps": (-1, 4)},
        {"tile": 66},
        {"tile": 92},
        {"tile": 32, "critic_layers": 3},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValidationError, match=r"taps|tile"):
        MdclConfig(**settings)


def test_the_smallest_tile_works():
    method = build(tile=48, critic_layers=4)
    assert torch.isfinite(method.phases()[0].step(pair(side=48))["generator"])


# one step


def test_a_step_moves_all_networks_and_logs_scalars():
    method = build()
    before = weights(method)
    losses = method.phases()[0].step(pair())
    for name, tensors in weights(method).items():
        moved = {key: not torch.equal(value, before[name][key]) for key, value in tensors.items()}
        assert all(moved[key] for key in moved if key.endswith(("weight", "weight_orig"))), name
    assert set(losses) == {
        *("critic", "critic_fake", "critic_real"),
        *("gan", "nce", "nce_y", "asp", "pyramid", "generator"),
    }
    assert all(value.ndim == 0 and not value.requires_grad for value in losses.values())
    found = numbers(losses)
    assert found["critic"] == pytest.approx((found["critic_fake"] + found["critic_real"]) / 2)
    assert found["generator"] == pytest.approx(
        sum(found[name] for name in ("gan", "nce", "nce_y", "asp")) + 10 * found["pyramid"]
    )


def passes(network, part):
    """What each pass through `part` of `network` will see: batch size, graph on or off, and
    whether its input has a graph.
    """
    seen = []
    network.get_submodule(part).register_forward_pre_hook(
        lambda _, inputs: seen.append(
            (len(inputs[0]), torch.is_grad_enabled(), inputs[0].requires_grad)
        )
    )
    return seen


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "both queries"),
        ({"identity": False}, "x y query"),
        ({"identity": False, "asp_weight": 0}, "x query"),
        ({"asp_weight": 0}, "both queries"),
    ],
    ids=str,
)
def test_nothing_is_encoded_twice(settings, expected):
    kinds = {
        "both": (4, True, False),
        "x": (2, True, False),
        "y": (2, False, False),
        "query": (2, True, True),
        "queries": (4, True, True),
    }
    method = build(**settings)
    seen = passes(method.stateful()["generator"], "model.0")
    heads = []
    method.stateful()["heads"].register_forward_pre_hook(
        lambda *_: heads.append(torch.is_grad_enabled())
    )
    losses = method.phases()[0].step(pair(count=2))
    assert seen == [kinds[word] for word in expected.split()]
    assert heads == [False, True] * len({"nce", "nce_y", "asp"} & set(losses))


@pytest.mark.parametrize("identity", [True, False])
def test_keys_are_the_features_of_the_real_images_and_constants(identity, monkeypatch):
    method = build(spectral=False, identity=identity)
    generator, batch, met = method.stateful()["generator"], pair(), []
    with torch.no_grad():
        real = [
            generator.features(signed(side.images), TINY["taps"])
            for side in (batch.source, batch.target)
        ]
        fake = generator(signed(batch.source.images))[0]
        query = generator.features(fake, TINY["taps"])
    contrast = method._contrast

    def watched(*given):
        met.append(given[:2])
        return contrast(*given)

    monkeypatch.setattr(method, "_contrast", watched)
    method.phases()[0].step(batch)
    terms = {"nce": 0, "nce_y": 1, "asp": 1} if identity else {"nce": 0, "asp": 1}
    for (found, key), (term, side) in zip(met, terms.items(), strict=True):
        assert not any(each.requires_grad for each in key)
        torch.testing.assert_close(list(key), real[side])
        if term != "nce_y":
            torch.testing.assert_close([each.detach() for each in found], query)


def test_the_critic_learns_from_constants_and_teaches_through_its_update():
    method = build(spectral=False)
    critic = method.stateful()["critic"]
    seen = passes(critic, "enc")
    met = []
    critic.register_forward_hook(lambda _, inputs, output: met.append((inputs[0], output)))
    losses = method.phases()[0].step(pair())
    assert seen == [(1, True, False), (1, True, False), (1, True, True)]
    fake = met[-1][0].detach()
    assert float(fooling_loss(critic(fake).detach())) == pytest.approx(float(losses["gan"]))
    assert not torch.equal(met[0][1], met[-1][1])


def test_a_step_of_the_generator_leaves_no_gradient_in_the_critic():
    method = build()
    critic = method.stateful()["critic"]
    kept = []
    update = method.stateful()["updater_critic"].update

    def watched(loss):
        update(loss)
        kept.extend(p.grad.clone() for p in critic.parameters())

    method.stateful()["updater_critic"].update = watched
    method.phases()[0].step(pair())
    assert all(torch.equal(p.grad, g) for p, g in zip(critic.parameters(), kept, strict=True))


@pytest.mark.parametrize("term", ["gan", "nce", "nce_y", "asp", "pyramid"])
def test_each_term_reaches_whom_it_should(term, monkeypatch):
    def alone(terms, _):
        return terms[term]

    monkeypatch.setattr("histokit_mdcl.method.weighted_sum", alone)
    method = build()
    method.phases()[0].step(pair())
    state = method.stateful()
    contrastive = term in ("nce", "nce_y", "asp")
    last = state["generator"].model[-2].weight_orig.grad
    assert last is not None
    assert float(last.abs().max()) > 0
    for head in state["heads"].heads:
        assert (head[2].bias.grad is not None) == contrastive


def test_both_players_have_the_optimiser_of_the_authors():
    state = build().stateful()
    for name in ("updater", "updater_critic"):
        (group,) = state[name].optimiser.param_groups
        assert (group["lr"], group["betas"], group["weight_decay"]) == (2e-4, (0.5, 0.999), 0)


def test_two_equal_pairs_are_as_one():
    one = pair()
    images = [torch.cat([side.images] * 2) for side in (one.source, one.target)]
    two = Pair(*(Unlabelled(i, ("a", "b")) for i in images))
    single, double = build(), build()
    torch.manual_seed(3)
    expected = numbers(single.phases()[0].step(one))
    torch.manual_seed(3)
    assert numbers(double.phases()[0].step(two)) == pytest.approx(expected, rel=1e-4)


def test_trust_in_the_pairs_follows_the_plan():
    short = {"epochs": 1, "decay_epochs": 3, "epoch_steps": 1}
    trusting, plain = build(**short), build(asp_schedule="none", **short)
    steps = [method.phases()[0].step for method in (trusting, plain)]
    for number in range(3):
        found = []
        for step in steps:
            torch.manual_seed(number)
            found.append(numbers(step(pair(number))))
        assert (found[0]["asp"] == found[1]["asp"]) == (number < 2)
    rates = [m.stateful()["updater"].optimiser.param_groups[0]["lr"] for m in (trusting, plain)]
    assert rates == pytest.approx([2e-4 / 2] * 2)


def test_mixed_negatives_raise_the_loss():
    mixed, plain = (trained(mix=mix)[1][0] for mix in (True, False))
    assert float(mixed["nce"]) > float(plain["nce"]) + 0.1


def test_everything_trained_is_stateful():
    method, _ = trained(2)
    other = build(seed=5)
    for name, part in method.stateful().items():
        other.stateful()[name].load_state_dict(copy.deepcopy(part.state_dict()))
    for one in (method, other):
        torch.manual_seed(9)
        one.phases()[0].step(pair(9))
    assert all(same(weights(method)[name], weights(other)[name]) for name in NETWORKS)


def test_a_seed_decides_everything():
    first, again = (weights(trained(2)[0]) for _ in range(2))
    assert all(same(first[name], again[name]) for name in NETWORKS)


def test_half_precision_trains_heads_and_meets_the_updated_critic():
    method = build(spectral=False)
    before = weights(method)
    critic = method.stateful()["critic"]
    met = []
    critic.register_forward_hook(lambda _, inputs, output: met.append((inputs[0], output)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = method.phases()[0].step(pair())
    assert {value.dtype for value in losses.values()} == {torch.float32}
    assert all(torch.isfinite(value) for value in losses.values())
    after = weights(method)["heads"]
    assert all(
        not torch.equal(after[f"heads.{n}.2.weight"], before["heads"][f"heads.{n}.2.weight"])
        for n in range(5)
    )
    fake, scores = met[-1]
    assert scores.dtype == torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(critic(fake.detach()), scores)


# translation


def test_saved_pixels(vectors):
    entry = vectors("mdcl")["tensor_to_uint8"]
    found = (unsigned(torch.tensor(entry["x"])) * 255).to(torch.uint8)
    assert found.tolist() == entry["expected"]
    assert torch.allclose(
        unsigned(signed(torch.tensor([0.0, 0.3, 1.0]))), torch.tensor([0, 0.3, 1])
    )


def test_translation_does_not_depend_on_what_came_before():
    method, _ = trained()
    generator = method.stateful()["generator"].eval()
    with torch.inference_mode():
        first, second = (method.translate(pair(seed, count=2).source.images) for seed in (1, 2))
        again = method.translate(pair(1, count=2).source.images)
        alone = method.translate(pair(1, count=2).source.images[1:])
    assert torch.equal(first, again)
    assert torch.allclose(first[1:], alone, atol=1e-6)
    assert not torch.equal(first, second)
    assert first.shape == (2, 3, SIDE, SIDE)
    assert first.dtype == torch.float32
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    generator.train()
    with torch.no_grad():
        moved = [method.translate(pair().source.images) for _ in range(2)]
    assert not torch.equal(*moved)


# without pairs


def test_without_pairs_no_term_needs_a_partner():
    method = build(spec=UNPAIRED)
    losses = method.phases()[0].step(pair())
    assert not {"asp", "pyramid"} & set(losses)
    found = numbers(losses)
    assert found["generator"] == pytest.approx(found["gan"] + found["nce"] + found["nce_y"])
    assert not {"asp_weight", "asp_schedule", "pyramid_weight"} & set(UnpairedConfig.model_fields)


def test_without_pairs_the_user_is_told():
    assert "not the published method" in UNPAIRED.summary
    (notice,) = build(spec=UNPAIRED).warnings({"nce": 1.0, "critic": 0.2}, 1)
    assert "not the published method" in notice


# warnings


@pytest.mark.parametrize(
    ("losses", "settings", "step", "word"),
    [
        ({"nce": 3.43, "critic": 0.2}, {}, 2000, "contrast has learned nothing"),
        ({"nce": 2.76, "critic": 0.2}, {"mix": False}, 2000, "contrast has learned nothing"),
        ({"nce": 1.0, "critic": 0.004}, {}, 2000, "critic tells"),
        ({"nce": 1.0, "critic": 0.2}, {}, 9000, ""),
        ({"nce": 3.43, "critic": 0.004}, {}, 1999, ""),
        ({"nce": 3.3, "critic": 0.006}, {}, 9000, ""),
    ],
)
def test_known_failures_are_told(losses, settings, step, word):
    found = build(**settings).warnings(losses, step)
    assert [word in text for text in found] == ([True] if word else [])


# behaviour over many steps


def mean_of(losses, name):
    return sum(float(found[name]) for found in losses) / len(losses)


def test_it_learns_in_miniature():
    _, losses = trained(30, lr=1e-3, epoch_steps=100)
    assert mean_of(losses[-10:], "pyramid") < 0.6 * mean_of(losses[:10], "pyramid")
    assert mean_of(losses[-10:], "nce") < mean_of(losses[:10], "nce") - 0.5


@pytest.mark.slow
def test_smoke_acceptance():
    shape = {"width": 8, "critic_width": 8, "head_width": 64, "patches": 32, "tile": 64}
    method = build(**shape, epoch_steps=200)
    step = method.phases()[0].step
    losses = [step(pair(number % 16, side=64)) for number in range(200)]
    assert mean_of(losses[-20:], "nce") < 3.0
    assert mean_of(losses[-20:], "pyramid") < 0.6 * mean_of(losses[:20], "pyramid")
