"""Plans: layers and origins, what the digest sees, and the way through run.yaml."""

from __future__ import annotations

import hashlib
import json

import pytest

from histokit.errors import ConfigError, UsageError
from histokit.interfaces import Access, MethodSpec
from histokit.io.runs import RunFolder
from histokit.run.plan import make_plan, plan_of_run, require_data

DATA = {"source": "synth-he@breast", "target": "synth-he@kidney"}
NOT_IN_THE_DIGEST = {
    "runs", "repeats", "tensorboard", "workers", "log_every", "checkpoint_every",
    "checkpoint_minutes", "strategy", "sync_batchnorm",
}  # fmt: skip


def _mani(**run):
    return make_plan("mani", run_values={**DATA, **run})


def test_later_layers_win_and_each_value_knows_its_origin(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("lr: 0.5\nbatch: 7\nseed: 3\ntile: 64\n")
    plan = make_plan(
        "mani",
        preset="cpu",
        file=file,
        sets=["batch=8", "tile=96"],
        method_values={"tile": 128},
        run_values=DATA,
    )
    assert (plan.config.lr, plan.config.batch, plan.config.tile) == (0.5, 8, 128)
    assert (plan.config.network, plan.run.seed) == ("unet-small", 3)
    wanted = {
        "network": "preset cpu", "lr": str(file), "seed": str(file), "batch": "--set",
        "tile": "option", "source": "option", "mi_weight": "default", "precision": "default",
    }  # fmt: skip
    assert {name: plan.origins[name] for name in wanted} == wanted


def test_all_wrong_settings_are_told_at_once():
    with pytest.raises(ConfigError) as error:
        make_plan("mani", sets=["lr=-1", "tyle=3"], run_values={**DATA, "split": "0.5,0.5,0.5"})
    assert len(error.value.problems) == 3
    assert "did you mean tile" in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"runs": "elsewhere"}, {"repeats": 3}, {"tensorboard": True}, {"log_every": 1},
        {"checkpoint_every": 7}, {"checkpoint_minutes": 1.5}, {"workers": 5},
    ],
)  # fmt: skip
def test_the_digest_ignores_what_cannot_change_the_result(change):
    assert _mani(**change).digest() == _mani().digest()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1}, {"split_seed": 1}, {"split": "0.6,0.2,0.2"}, {"selection": "last"},
        {"val_every": 7}, {"precision": "32"}, {"devices": 2}, {"mpp": 0.5}, {"threads": 1},
        {"deterministic": True}, {"source": "synth-he@colon"}, {"sync_batchnorm": True},
        {"strategy": "fsdp"},
    ],
)  # fmt: skip
def test_the_digest_sees_what_can(change):
    assert _mani(**change).digest() != _mani().digest()


def test_settings_that_came_later_leave_the_digest_as_it_was():
    """It is worked out here from what runs were made of before there were these settings."""
    plan = _mani()
    shared = plan.run.model_dump(mode="json")
    early = {name: value for name, value in shared.items() if name not in NOT_IN_THE_DIGEST}
    value = [plan.spec.name, plan.config.model_dump(mode="json"), early]
    text = json.dumps(value, sort_keys=True).encode()
    assert plan.digest() == hashlib.sha256(text).hexdigest()


def test_the_digest_sees_the_method_and_its_settings():
    plans = [_mani(), make_plan("mani", method_values={"lr": 0.1}, run_values=DATA)]
    plans.append(make_plan("adabn", run_values=DATA))
    assert len({plan.digest() for plan in plans}) == 3


def test_a_plan_comes_back_from_run_yaml(tmp_path):
    plan = make_plan(
        "mani", preset="cpu", sets=["mi_weight=0.25"],
        run_values={**DATA, "split": "0.5,0.25,0.25", "data_root": tmp_path, "mpp": 0.25},
    )  # fmt: skip
    run = RunFolder.create(tmp_path, "mani", plan.digest())
    run.write_settings(plan.settings())
    again = plan_of_run(run.settings())
    assert again == plan
    assert again.digest() == plan.digest() == run.settings()["digest"]


def test_with_seed_changes_the_seed_alone():
    once = _mani(repeats=4).with_seed(9)
    assert once.run == _mani(seed=9).run
    assert once.config == _mani().config


NEEDS = {
    Access.NOTHING: [], Access.SOURCE: ["source"], Access.TARGET_IMAGES: ["source", "target"],
    Access.TARGET_LABELS: ["target"], Access.IMAGES: ["source", "target"],
    Access.PAIRS: ["pairs"],
}  # fmt: skip


@pytest.mark.parametrize("access", Access)
def test_missing_data_sets_are_named(access):
    plan = _mani()
    spec = MethodSpec("toy", ("adapter",), "", type(plan.config), "", access=access)
    bare = plan.run.model_copy(update={"source": "", "target": ""})
    if not NEEDS[access]:
        require_data(spec, bare)
        return
    with pytest.raises(UsageError) as error:
        require_data(spec, bare)
    for name in ("source", "target", "pairs"):
        assert (f"--{name} DATASET" in str(error.value)) == (name in NEEDS[access])
    given = bare.model_copy(update=dict.fromkeys(NEEDS[access], "synth-he"))
    require_data(spec, given)


def test_choosing_by_target_labels_needs_a_target():
    with pytest.raises(UsageError, match="--target DATASET"):
        make_plan(
            "source-only",
            run_values={"source": "synth-he", "selection": "target-val-oracle"},
        )


def test_a_plan_is_run_once_a_fold_and_seed():
    plans = _mani(folds=3, repeats=2, seed=5).rounds()
    assert [(p.run.seed, p.run.fold) for p in plans] == [(s, f) for s in (5, 6) for f in range(3)]
    assert [p.run.fold for p in _mani(folds=3, fold=1).rounds()] == [1]
    assert [p.run.fold for p in _mani().rounds()] == [None]
    for wrong in ({"folds": 1}, {"folds": 3, "fold": 3}, {"fold": 0}):
        with pytest.raises(ConfigError, match="fold"):
            _mani(**wrong)
