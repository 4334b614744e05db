"""A sound data set and network, and some that break each promise."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from histokit.errors import DataError
from histokit.interfaces import Dataset, Finding, Head, Instances, Labels, Maps, Record
from histokit.nn.heads import ForegroundHead


class Dots(Dataset):
    """Two images with a square each, named in ``dots.txt``."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    @classmethod
    def open(cls, root: Path, variant: str) -> Dots:
        file = root / "dots.txt"
        if not file.is_file():
            raise DataError("no dots here", expected="dots.txt", found=str(root))
        return cls(file.read_text().split())

    def records(self) -> list[Record]:
        return [Record(name, name) for name in self.names]

    def image(self, record: Record) -> Any:
        return np.full((16, 20, 3), 200, np.uint8)

    def labels(self, record: Record) -> Labels:
        ids = np.zeros((16, 20), np.int32)
        ids[4:8, 4:8] = 1
        return Labels(ids, {1: 1})

    def counterpart(self, record: Record) -> Any:
        return self.image(record) // 2

    def verify(self) -> Iterator[Finding]:
        yield Finding("note", "dots.txt", "is short")


class Twins(Dots):
    def records(self) -> list[Record]:
        return [Record("one", "one"), Record("one", "one")]


class Floating(Dots):
    def image(self, record: Record) -> Any:
        return super().image(record) / 255


class Gapped(Dots):
    def labels(self, record: Record) -> Labels:
        return Labels(super().labels(record).ids * 2)


class Nameless(Dots):
    def labels(self, record: Record) -> Labels:
        return changed(super().labels(record), classes={1: 2})


class Lopsided(Dots):
    def counterpart(self, record: Record) -> Any:
        return self.image(record)[:4]


class Torn(Dots):
    def verify(self) -> Iterator[Finding]:
        yield Finding("error", "one", "is torn")


class Anywhere(Dots):
    @classmethod
    def open(cls, root: Path, variant: str) -> Anywhere:
        return cls(["one", "two"])


class Blind(Dots):
    def image(self, record: Record) -> Any:
        raise DataError("cannot be read")


class Leaking(Dots):
    def image(self, record: Record) -> Any:
        with tempfile.TemporaryFile("w") as file:
            file.write("litter")
        return super().image(record)


class Asking(Dots):
    def image(self, record: Record) -> Any:
        socket.gethostbyname("localhost")
        return super().image(record)


class Half(Dataset):
    """Not all that a data set is."""


def pin(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1))


def narrow(in_channels: int, out_channels: int) -> nn.Module:
    """Its output is 60 pixels smaller than its input."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), nn.AvgPool2d(61, stride=1))


def function(in_channels: int, out_channels: int) -> Any:
    return torch.sigmoid


def detached(in_channels: int, out_channels: int) -> nn.Module:
    return pin(in_channels, out_channels).requires_grad_(False)


class LateHead(Head):
    """A head whose truth is of another shape than its foreground."""

    def __init__(self) -> None:
        self.sound = ForegroundHead()

    def losses(self, output: Any, batch: Any) -> Any:
        return self.sound.losses(output, batch)

    def foreground(self, output: Any) -> Any:
        return self.sound.foreground(output)

    def truth(self, batch: Any, output: Any) -> Any:
        return (batch.ids > 0).float()

    def maps(self, output: Any) -> Maps:
        return self.sound.maps(output)

    def decode(self, maps: Maps) -> Instances:
        return self.sound.decode(maps)


class GappyHead(LateHead):
    """A head that numbers objects 2, 4, …"""

    def truth(self, batch: Any, output: Any) -> Any:
        return self.sound.truth(batch, output)

    def decode(self, maps: Maps) -> Instances:
        return Instances(self.sound.decode(maps).ids * 2 + 2)
