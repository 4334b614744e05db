"""Results of blocks on disk, so that a slide that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from histokit.errors import ContractError
from histokit.interfaces import Instances
from histokit.io.chunks import Arrays, Chunks
from histokit.run.events import Event, Noted
from histokit.run.slide.blocks import Pixels
from histokit.run.slide.engine import Engine
from histokit.run.slide.plan import Block

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Form(Generic[R]):
    """How the result of a block becomes arrays, and is made of them again, the same."""

    pack: Callable[[R], Arrays]
    unpack: Callable[[Arrays], R]


@dataclass(frozen=True, slots=True)
class Kept:
    """The blocks of a slide that are on disk.

    Attributes:
        chunks: where they are.
        key: all that they depend on.
        core: side of a block's own area where there are some; None where the work begins.
        stored: their numbers.
    """

    chunks: Chunks
    key: Mapping[str, Any]
    core: int | None = None
    stored: frozenset[int] = field(default_factory=frozenset)

    def begin(self, core: int) -> None:
        """Says what size blocks are, where the work begins; what lay there is removed."""
        if self.core is None:
            self.chunks.begin({"key": self.key, "core": core})

    def results(
        self, blocks: Sequence[Block], engine: Engine[R], form: Form[R]
    ) -> Generator[tuple[Block, R], None, None]:
        """Each block with its result, in order, worked out by an engine unless it is on disk; it is
        from then on. Raises DataError where a chunk was damaged meanwhile or cannot be written.
        """
        there = set(self.stored)
        missing = [block for block in blocks if block.number not in there]
        with closing(engine(missing)) as made:
            for block in blocks:
                if block.number not in there:
                    yield block, self._made(block, made, form, there)
                else:
                    yield block, form.unpack(self.chunks.read(block.number))

    def _made(
        self, block: Block, made: Iterable[tuple[Block, R]], form: Form[R], there: set[int]
    ) -> R:
        """The result of a block; those that come before it wait on disk."""
        for other, result in made:
            self.chunks.write(other.number, form.pack(result))
            there.add(other.number)
            if other.number == block.number:
                return result
        raise ContractError("an engine left a block out", found=f"block {block.number}")


def kept_for(output: Path) -> Path:
    """Where the blocks wait until an output is whole."""
    return output.with_name(f".{output.name}.work")


def found_before(
    folder: Path, key: Mapping[str, Any], label: str, *, resume: bool
) -> Generator[Event, None, Kept]:
    """What an earlier command left in a folder, as far as it is of use; yields lines about it.

    Args:
        folder: see `kept_for`.
        key: what the results depend on, as JSON has it; chunks of another one are of no use.
        label: what the slide is called.
        resume: whether anything is to be used at all.
    """
    chunks, key = Chunks(folder), json.loads(json.dumps(key))
    if not resume or not folder.exists():
        return Kept(chunks, key)
    about = chunks.about()
    others = _others(about, key)
    if others:
        yield Noted(f"{label}: blocks that an earlier command left are not used: {others}")
        return Kept(chunks, key)
    whole, damaged = chunks.sound()
    if damaged:
        found = f"{len(damaged)} of the blocks that an earlier command left are damaged"
        yield Noted(f"{label}: {found} and are worked out again", warning=True)
    yield Noted(f"{label}: {len(whole)} blocks are there from an earlier command")
    return Kept(chunks, key, about["core"], frozenset(whole))


def _others(about: Any, key: Mapping[str, Any]) -> str:
    """Why chunks do not fit a key, in words; empty where they do."""
    before = about.get("key") if isinstance(about, dict) else None
    if not isinstance(before, dict) or not isinstance(about.get("core"), int):
        return "nobody can tell what they are of"
    changed = sorted(name for name in {*before, *key} if before.get(name) != key.get(name))
    return f"they are of other {', '.join(changed)}" if changed else ""


def _packed(found: Instances) -> Arrays:
    narrow = np.min_scalar_type(int(found.ids.max(initial=0)))
    arrays = {"ids": found.ids.astype(narrow)}
    for name, values, kind in (
        ("classes", found.classes, np.int64),
        ("scores", found.scores, np.float64),
    ):
        arrays[f"{name}.ids"] = np.array(list(values), np.int64)
        arrays[name] = np.array(list(values.values()), kind)
    return arrays


def _unpacked(arrays: Arrays) -> Instances:
    classes, scores = (
        dict(zip(arrays[f"{name}.ids"].tolist(), arrays[name].tolist(), strict=True))
        for name in ("classes", "scores")
    )
    return Instances(arrays["ids"].astype(np.int32), classes, scores)


OBJECTS: Form[Instances] = Form(_packed, _unpacked)
PIXELS: Form[Pixels] = Form(lambda pixels: {"pixels": pixels}, lambda arrays: arrays["pixels"])
