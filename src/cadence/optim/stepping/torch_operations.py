"""Operations of torch for symbols: each writes into memory that is there already, which may be that of an operand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cadence.optim.kernels.symbols import Operand, Symbol

Work = Callable[..., object]
"""``work(*tensors, *numbers, out)``."""


def chosen(x: Symbol) -> tuple[Work, Sequence[Operand], Sequence[Operand]]:
    """The operation of torch for a symbol: with its operands that are tensors, and those that are numbers."""
    operands = x.operands
    if x.operation in ("add", "subtract") and _is_tensor(operands[0]):
        a, product = operands[0], _product(operands[1])
        if product is not None:
            share, b = product
            if x.operation == "add" and isinstance(b, Symbol) and b.operation == "subtract" and b.operands[1] is a:
                return _mix, (a, b.operands[0]), (share,)
            return (_add_multiple if x.operation == "add" else _subtract_multiple), (a, b), (share,)
    if x.operation == "add" and (product := _product(operands[0])) is not None and _is_tensor(operands[1]):
        return _add_multiple, (operands[1], product[1]), (product[0],)
    tensors = [o for o in operands if _is_tensor(o)]
    numbers = [o for o in operands if not _is_tensor(o)]
    if numbers and not _is_tensor(operands[0]):
        return _NUMBER_FIRST[x.operation], tensors, numbers
    return _TENSOR_FIRST[x.operation], tensors, numbers


def _is_tensor(x: Operand) -> bool:
    return isinstance(x, Symbol) and x.elementwise


def _product(x: Operand) -> tuple[Operand, Operand] | None:
    """Number and tensor whose product this is."""
    if not isinstance(x, Symbol) or not x.elementwise or x.operation != "multiply":
        return None
    a, b = x.operands
    if _is_tensor(a) and _is_tensor(b):
        return None
    return (b, a) if _is_tensor(a) else (a, b)


def _mix(a: Tensor, b: Tensor, share: float, out: Tensor) -> None:
    torch.lerp(a, b, share, out=out)


def _add_multiple(a: Tensor, b: Tensor, share: float, out: Tensor) -> None:
    torch.add(a, b, alpha=share, out=out)


def _subtract_multiple(a: Tensor, b: Tensor, share: float, out: Tensor) -> None:
    torch.sub(a, b, alpha=share, out=out)


def copy(a: Tensor, out: Tensor) -> None:
    """Put one tensor where another is."""
    out.copy_(a)


def _add(a: Tensor, b: Any, out: Tensor) -> None:
    torch.add(a, b, out=out)


def _subtract(a: Tensor, b: Any, out: Tensor) -> None:
    torch.sub(a, b, out=out)


def _subtract_from(a: Tensor, number: float, out: Tensor) -> None:
    torch.neg(a, out=out).add_(number)


def _multiply(a: Tensor, b: Any, out: Tensor) -> None:
    torch.mul(a, b, out=out)


def _divide(a: Tensor, b: Any, out: Tensor) -> None:
    torch.div(a, b, out=out)


def _divide_number(a: Tensor, number: float, out: Tensor) -> None:
    torch.reciprocal(a, out=out).mul_(number)


def _negate(a: Tensor, out: Tensor) -> None:
    torch.neg(a, out=out)


def _root(a: Tensor, out: Tensor) -> None:
    torch.sqrt(a, out=out)


def _minimum(a: Tensor, b: Any, out: Tensor) -> None:
    torch.minimum(a, b, out=out) if isinstance(b, Tensor) else torch.clamp(a, max=b, out=out)


def _maximum(a: Tensor, b: Any, out: Tensor) -> None:
    torch.maximum(a, b, out=out) if isinstance(b, Tensor) else torch.clamp(a, min=b, out=out)


_TENSOR_FIRST: dict[str, Work] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negate": _negate,
    "sqrt": _root,
    "minimum": _minimum,
    "maximum": _maximum,
}

_NUMBER_FIRST: dict[str, Work] = {
    "add": _add,
    "subtract": _subtract_from,
    "multiply": _multiply,
    "divide": _divide_number,
    "minimum": _minimum,
    "maximum": _maximum,
}
