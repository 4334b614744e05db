"""A pydantic model seen as a list of settings: what the help, the tables and the parser need."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_WORDS: Mapping[Any, str] = {bool: "flag", int: "integer", float: "number", str: "text"}
_SIGNS = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="), ("multiple_of", "multiple of"))


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a settings model.

    Attributes:
        name: the field, such as ``mi_weight``.
        type: its type in words: ``number``, ``integer``, ``text``, ``flag``, ``path``, ``list of
            number``, or the choices as ``a|b``.
        default: its default, as the model holds it.
        bounds: such as ``> 0, <= 1``; empty where there are none.
        help: its description.
        choices: the values that are allowed; empty where any of the type is.
        optional: whether ``none`` is a value.
        many: whether it is a list or tuple.
        alias: another name of the option, from the field's ``json_schema_extra={"alias": …}``;
            empty for none. Files and `--set` know `name` alone.
    """

    name: str
    type: str
    default: Any
    bounds: str = ""
    help: str = ""
    choices: tuple[Any, ...] = ()
    optional: bool = False
    many: bool = False
    alias: str = ""

    @property
    def option(self) -> str:
        """The option on the command line, ``--mi-weight``."""
        return self.options[0]

    @property
    def options(self) -> tuple[str, ...]:
        """`option`, and that of its alias where it has one."""
        return tuple("--" + n.replace("_", "-") for n in (self.name, self.alias) if n)

    @property
    def flag(self) -> bool:
        """Whether the option takes no value: ``--x`` or ``--no-x``."""
        return self.type == _WORDS[bool] and not self.optional

    @property
    def shown_default(self) -> str:
        """The default as a user would type it."""
        return show(self.default)

    def parse(self, text: str) -> Any:
        """The value of an option typed as `text`; types and bounds are checked by `resolve`."""
        if self.optional and text.lower() in {"none", "null"}:
            return None
        if self.many:
            return [part.strip() for part in text.strip("[]() ").split(",") if part.strip()]
        by_text = {show(choice): choice for choice in self.choices}
        return by_text.get(text, text)


def describe(model: type[BaseModel]) -> list[Setting]:
    """The settings of a model, in the order of its fields."""
    return [_setting(name, field) for name, field in model.model_fields.items()]


def show(value: Any) -> str:
    """A value as a user would type it: ``none``, ``true``, ``0.8,0.1,0.1``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, Sequence):
        return ",".join(show(item) for item in value)
    return repr(value)


def _setting(name: str, field: FieldInfo) -> Setting:
    inner, optional = _without_none(field.annotation)
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return Setting(
        name=name,
        type=_type(inner),
        default=default,
        bounds=_bounds(field),
        help=" ".join((field.description or "").split()),
        choices=_choices(inner),
        optional=optional,
        many=_is_many(inner),
        alias=_alias(field),
    )


def _alias(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("alias", "")) if isinstance(extra, dict) else ""


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in {Union, UnionType}:
        return annotation, False
    rest = [part for part in get_args(annotation) if part is not NoneType]
    optional = len(rest) < len(get_args(annotation))
    return (rest[0] if len(rest) == 1 else annotation), optional


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return tuple(member.value for member in annotation)
    return ()


def _is_many(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset)


def _type(annotation: Any) -> str:
    if choices := _choices(annotation):
        return "|".join(show(choice) for choice in choices)
    if _is_many(annotation):
        item = next((part for part in get_args(annotation) if part is not Ellipsis), str)
        return f"list of {_type(item)}"
    if isinstance(annotation, type) and issubclass(annotation, Path):
        return "path"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _bounds(field: FieldInfo) -> str:
    parts = []
    for attribute, sign in _SIGNS:
        limits = [getattr(rule, attribute, None) for rule in field.metadata]
        parts += [f"{sign} {limit}" for limit in limits if limit is not None]
    return ", ".join(parts)
