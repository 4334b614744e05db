"""Each check of the kit is failed by a method that is broken just so, and by no sound one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from histokit.errors import ConfigError, UnknownName
from histokit.testing import check_method, loss_curve, parametrize
from histokit.testing.checks import NOT_CONCERNED
from histokit.testing.kit import METHOD_CHECKS
from testing.broken_cards import ADAPTED, BROKEN_METHODS, NORMED, OTHERS, SOUND, TINT

SMALL = {"tile": 32}
NAMING = ("phases", "stateful", "works")
CASES = [*BROKEN_METHODS.items(), *OTHERS]


def results(spec, **options):
    return {r.name: r for r in check_method(spec, settings=SMALL, **options)}


def failed(spec):
    return {name for name, result in results(spec).items() if result.status == "failed"}


@pytest.mark.parametrize("spec", [SOUND, ADAPTED, TINT, NORMED], ids=lambda spec: spec.name)
def test_a_sound_method_passes_every_check(spec):
    found = results(spec)
    assert list(found) == [one.name for one in METHOD_CHECKS]
    told = {r.name: r.reason for r in found.values() if r.status != "ok"}
    assert set(told.values()) <= {NOT_CONCERNED}
    assert set(told) == {"rehearsal"} if spec is SOUND else not told or spec in (TINT, NORMED)


@pytest.mark.parametrize(
    ("name", "spec"),
    CASES,
    ids=[f"{name}-{spec.factory.partition(':')[2]}" for name, spec in CASES],
)
def test_a_broken_method_fails_its_check_and_no_other(name, spec):
    assert failed(spec) == {name}


def test_a_card_that_needs_torch():
    from testing.broken_methods import HeavyConfig

    assert failed(replace(SOUND, config=HeavyConfig)) == {"light"}


def test_every_check_has_a_broken_method():
    assert {one.name for one in METHOD_CHECKS} == set(BROKEN_METHODS) | {"light"}


def test_reasons_name_the_culprit():
    assert (
        "feed that its access does not grant" in results(BROKEN_METHODS["phases"])["phases"].reason
    )
    assert "Forgetful.updater" in results(BROKEN_METHODS["stateful"])["stateful"].reason
    crash = results(dict(OTHERS)["works"])["works"].reason
    assert crash.startswith("KeyError: 'weight' (broken_methods.py:")
    assert "step 1" in results(BROKEN_METHODS["works"])["works"].reason


def test_what_rests_on_a_failed_check_is_skipped():
    found = results(BROKEN_METHODS["works"])
    assert found["resume"].status == "skipped"
    assert found["resume"].reason == "needs stateful"


def test_a_declared_failure_is_excused_with_its_reason():
    found = results(BROKEN_METHODS["tiled"], expected_failures={"tiled": "by design"})
    assert found["tiled"].status == "expected"
    assert found["tiled"].reason.startswith("by design: ")
    assert all(result.sound for result in found.values())


def test_an_excuse_without_a_cause_is_a_failure():
    found = results(SOUND, expected_failures={"tiled": "by design"})
    assert found["tiled"].status == "failed"
    assert "take that declaration out" in found["tiled"].reason


def test_an_excuse_for_no_check():
    with pytest.raises(UnknownName, match="no check is called 'tield'"):
        results(SOUND, expected_failures={"tield": "a slip"})


def cases(spec, **options):
    """The cases of pytest that `parametrize` makes, by their ids."""
    mark = parametrize(spec, settings=SMALL, **options)
    return {case.id: case.values[0] for case in mark.args[1]}


def test_each_check_is_a_case_of_pytest():
    broken = cases(BROKEN_METHODS["tiled"])
    assert list(broken) == [one.name for one in METHOD_CHECKS]
    broken["card"]()
    with pytest.raises(pytest.fail.Exception, match=r"tiled: .*\n.*an image in windows"):
        broken["tiled"]()
    broken["resume"]()
    excused = cases(BROKEN_METHODS["tiled"], expected_failures={"tiled": "by design"})
    with pytest.raises(pytest.xfail.Exception, match="by design"):
        excused["tiled"]()
    with pytest.raises(pytest.skip.Exception, match=NOT_CONCERNED):
        cases(TINT)["resume"]()


def test_settings_that_the_method_lacks():
    with pytest.raises(ConfigError, match="no such setting; did you mean tile"):
        list(check_method(SOUND, settings={"tiel": 3}))


def test_the_curve_of_a_loss_falls():
    (losses,) = loss_curve(SOUND, steps=12, settings=SMALL).values()
    assert len(losses) == 12
    assert losses[-1] < losses[0]
