"""Settings as text: a YAML file, or `key=value` on the command line."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from histokit.errors import ConfigError

_BOOL = "tag:yaml.org,2002:bool"
_FLOAT = "tag:yaml.org,2002:float"


class _Loader(yaml.SafeLoader):
    """Plain values only, no key twice; ``yes`` and ``off`` are words and ``1e-4`` is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"{key} stands twice, first in line {seen[key]}",
                    key_node.start_mark,
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag not in {_BOOL, _FLOAT}]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"(?:[-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+|[-+]?\.inf|\.nan)$"
    ),
    list("-+.0123456789"),
)


def load_file(path: Path) -> dict[str, Any]:
    """The settings of a YAML file; an empty file has none.

    Raises ConfigError, with the line, where it cannot be read, is not YAML, names a key twice or
    is not a mapping.
    """
    if path.exists() and not path.is_file():  # a pipe might be waited for for ever
        raise ConfigError([f"{path} cannot be read: it is no file"])
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path} cannot be read: {error}"]) from error
    try:
        value = _parse(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError([f"{path}, {_told(error)}"]) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise ConfigError([f"{path}, line 1: expected `key: value` lines, found a {kind}"])
    return {str(key): item for key, item in value.items()}


def parse_set(pairs: Sequence[str]) -> dict[str, Any]:
    """The values of ``--set key=value``, each read as YAML; the last of a key wins.

    Raises ConfigError with every pair that cannot be read.
    """
    values: dict[str, Any] = {}
    problems = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            problems.append(f"--set {pair}: expected KEY=VALUE")
            continue
        try:
            values[key.strip()] = _parse(text)
        except (yaml.YAMLError, ValueError) as error:
            problems.append(f"--set {pair}: {_told(error)}")
    if problems:
        raise ConfigError(problems)
    return values


def _parse(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _told(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = " ".join(str(getattr(error, "problem", None) or error).split())
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem
