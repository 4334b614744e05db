"""What inversion would lose in the arithmetic of other machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from histokit_ostrich.generator import Generator

Precision = Literal["fp32", "tf32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16")


@torch.no_grad()
def round_trip(generator: Generator, images: Tensor) -> dict[Precision, Tensor]:
    """The largest difference, in 0..1, between each image [B 3 H W] and what G^-1(G(x)) gives of
    it, [B] by precision.

    The last two are emulated, so that every machine gives the same: operands of all convolutions
    are rounded as a GPU rounds them for its matrix units, sums stay in float32.
    """
    errors: dict[Precision, Tensor] = {}
    for precision in PRECISIONS:
        with arithmetic(precision):
            back = generator.inverse(generator(images)).clamp(0, 1)
        errors[precision] = (back - images).abs().amax((1, 2, 3)).nan_to_num(1.0)
    return errors


@contextmanager
def arithmetic(precision: Precision) -> Iterator[None]:
    """Convolutions round their operands to this precision as long as the context lasts."""
    if precision == "fp32":
        yield
        return
    with _Rounding({"tf32": to_tf32, "bf16": _to_bf16}[precision]):
        yield


def to_tf32(values: Tensor) -> Tensor:
    """Float32 rounded to 10 bits of mantissa, to the nearest, ties to even."""
    bits = values.float().contiguous().view(torch.int32)
    bits = bits + 0x0FFF + ((bits >> 13) & 1)
    return (bits & ~0x1FFF).view(torch.float32)


def _to_bf16(values: Tensor) -> Tensor:
    return values.bfloat16().float()


@final
class _Rounding(TorchFunctionMode):
    def __init__(self, rounded: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._rounded = rounded

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        if func is torch.conv2d:
            values, weight, *rest = args
            args = (self._rounded(values), self._rounded(weight), *rest)
        return func(*args, **(kwargs or {}))
