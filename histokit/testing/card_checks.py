"""What a card promises: whole, light, and settings that survive a file."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml
from pydantic import ValidationError

from histokit import API_VERSION
from histokit.config.base import MethodConfig
from histokit.config.files import load_file
from histokit.config.options import describe
from histokit.config.resolve import Layer, resolve
from histokit.config.run import RunConfig
from histokit.interfaces import (
    Adapter,
    DatasetSpec,
    Method,
    MethodSpec,
    NetworkSpec,
    Segmenter,
    Translator,
)
from histokit.registry.discovery import DATASETS, METHODS, NETWORKS, scan
from histokit.testing.checks import broken, check

HEAVY = ("torch", "numpy", "scipy", "skimage", "PIL", "timm", "h5py", "matplotlib")
ROLES = {"translator": Translator, "segmenter": Segmenter, "adapter": Adapter}
GROUPS = {MethodSpec: METHODS, DatasetSpec: DATASETS, NetworkSpec: NETWORKS}
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PLACE = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
ENTRY = re.compile(r"@\w+\s*\{\s*[^,{}\s]+\s*,")


@check()
def card(subject: Any) -> None:
    """The card has a plain name, a summary of one line, a licence and places of its code."""
    spec = subject.spec
    faults = list(_card_faults(spec))
    if faults:
        raise broken(f"the card of {spec.name} is not whole", found="; ".join(faults))


def _card_faults(spec: Any) -> Iterator[str]:
    if not NAME.fullmatch(spec.name):
        yield f"the name {spec.name!r} is not of a-z, 0-9 and single hyphens"
    if not spec.summary.strip() or "\n" in spec.summary:
        yield "the summary is not one line"
    if not getattr(spec, "licence", "none is asked for").strip():
        yield "it names no licence"
    places = [_place(spec)]
    places += [spec.head, spec.class_head] if isinstance(spec, NetworkSpec) else []
    for place in places:
        if not PLACE.fullmatch(place):
            yield f"{place!r} is not of the form module:name"
    if isinstance(spec, MethodSpec):
        if not spec.roles or len(set(spec.roles)) < len(spec.roles) or set(spec.roles) - set(ROLES):
            yield f"the roles are {spec.roles!r}, not some of {', '.join(ROLES)}, each once"
        for name, preset in spec.presets.items():
            if preset.weights and preset.mpp is None:
                yield f"preset {name} has weights but says no mpp"


def _place(spec: Any) -> str:
    return str(spec.reader if isinstance(spec, DatasetSpec) else spec.factory)


@check()
def api(subject: Any) -> None:
    """The card is made for a range of interface versions that holds the present one."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        holds = SpecifierSet(subject.spec.api).contains(API_VERSION, prereleases=True)
    except InvalidSpecifier as error:
        raise broken("the range of interface versions cannot be read", found=str(error)) from error
    if not holds:
        raise broken("made for other interfaces", expected=API_VERSION, found=subject.spec.api)


@check()
def reference(subject: Any) -> None:
    """The reference is BibTeX, or empty where there is no paper."""
    text = subject.spec.reference.strip()
    plain = re.sub(r"\\.", "", text)
    if text and not (ENTRY.match(text) and plain.count("{") == plain.count("}")):
        raise broken(
            "the reference is not BibTeX", expected="@type{key, …}", found=text.partition("\n")[0]
        )


@check()
def light(subject: Any) -> None:
    """Importing the card imports neither torch nor another heavy library nor another plugin."""
    modules = _card_modules(subject.spec)
    loaded = _loaded(tuple(modules))
    own = {module.partition(".")[0] for module in modules} | {"histokit"}
    others = {offer.object.partition(":")[0].partition(".")[0] for offer in scan().offers}
    unwanted = sorted(loaded & ({*HEAVY, *others} - own))
    if unwanted:
        raise broken(
            f"importing {' and '.join(modules)} imports {', '.join(unwanted)}",
            expected="these only behind the factory, when a command works",
        )


@lru_cache(maxsize=64)
def _loaded(modules: tuple[str, ...]) -> frozenset[str]:
    """The top-level modules that a fresh interpreter has after importing some."""
    script = (
        "import sys\n"
        + "".join(f"import {module}\n" for module in modules)
        + "print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    if done.returncode:
        found = done.stderr.strip().splitlines()[-1:]
        raise broken("the card cannot be imported by itself", found=" ".join(found))
    return frozenset(done.stdout.rpartition("LOADED ")[2].split())


def _card_modules(spec: Any) -> list[str]:
    """The modules that are imported before the factory is asked for."""
    group = GROUPS[type(spec)]
    offered = [o for o in scan().offers if (o.group, o.name) == (group, spec.name)]
    module = _place(spec).partition(":")[0]
    package = module.rpartition(".")[0]
    found = {offer.object.partition(":")[0] for offer in offered if len(offered) == 1}
    if isinstance(spec, MethodSpec):
        found.add(spec.config.__module__)
    found |= {package} if package and package != "histokit" else set()
    return sorted(found)


@check()
def settings(subject: Any) -> None:
    """Every setting has a default, a help text and a name that no option of `train` has."""
    model = subject.spec.config
    if not issubclass(model, MethodConfig):
        raise broken(f"{model.__name__} is no MethodConfig")
    try:
        model()
    except ValidationError as error:
        raise broken(f"{model.__name__} has no sound defaults", found=str(error)) from error
    bare = [setting.name for setting in describe(model) if not setting.help]
    if bare:
        raise broken("settings without a description", found=", ".join(bare))
    clash = sorted(set(model.model_fields) & set(RunConfig.model_fields))
    if clash:
        raise broken("settings with the name of a run's option", found=", ".join(clash))


@check(needs=("settings",))
def round_trip(subject: Any) -> None:
    """The settings of every preset are legal and come back from a file as they were."""
    spec = subject.spec
    for name, preset in {"": None, **spec.presets}.items():
        layer = Layer(f"preset {name}", preset.overrides if preset else {})
        config = resolve(spec.config, [layer]).config
        path = subject.folder / "settings.yaml"
        path.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
        again = resolve(spec.config, [Layer(str(path), load_file(path))]).config
        if again != config:
            changed = [
                f for f in type(config).model_fields if getattr(again, f) != getattr(config, f)
            ]
            raise broken("settings change on their way through a file", found=", ".join(changed))


@check()
def factory(subject: Any) -> None:
    """The class behind the card is a Method, has the declared roles and leaves nothing abstract."""
    spec = subject.spec
    made = spec.load()
    if not (isinstance(made, type) and issubclass(made, Method)):
        raise broken(f"{spec.factory} is no subclass of Method", found=repr(made))
    if inspect.isabstract(made):
        missing = ", ".join(sorted(made.__abstractmethods__))
        raise broken(f"{made.__name__} does not implement {missing}")
    has = {role for role, base in ROLES.items() if issubclass(made, base)}
    if has != set(spec.roles):
        raise broken(
            "the roles of the card are not those of the class",
            expected=", ".join(spec.roles),
            found=", ".join(sorted(has)) or "none",
        )


CARD = (card, api, reference, light)
METHOD_CARD = (*CARD, settings, round_trip, factory)
