"""Muon's update of matrices in torch, those of one shape at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cadence.optim.matrices.rule import COEFFICIENTS, ITERATIONS, step_size


class Matrix(NamedTuple):
    """One matrix to update.

    Attributes:
        x: the parameter.
        g: its gradient.
        momentum: its state, of the same shape.
        group: its settings.
    """

    x: Tensor
    g: Tensor
    momentum: Tensor
    group: dict[str, Any]


def orthogonal(u: Tensor) -> Tensor:
    """The nearest matrices with singular values near 1: between 0.65 and 1.2 where they were above 0.01 of the norm.

    Args:
        u: matrices, shape (n, rows, columns).

    Source:
        Newton-Schulz iteration with the quintic of Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural
        networks"; the iteration: Bernstein, Newhouse 2024, "Old optimizer, new norm", arXiv:2409.20325.

    Example:
        >>> u = orthogonal(torch.tensor([[[3.0, 0.0], [0.0, -2.0]]]))
        >>> bool(((u[0].diag().abs() > 0.65) & (u[0].diag().abs() < 1.2)).all())
        True
    """
    a, b, c = COEFFICIENTS
    tall = u.shape[1] > u.shape[2]
    x = u.transpose(1, 2) if tall else u
    x = x / (torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x


def turn(matrices: Sequence[Matrix]) -> None:
    """Update matrices; tensors of more dimensions count as matrices whose rows are their first."""
    alike: dict[tuple[int, torch.Size, torch.dtype, torch.device], list[Matrix]] = {}
    for matrix in matrices:
        x = matrix.x
        alike.setdefault((id(matrix.group), x.shape, x.dtype, x.device), []).append(matrix)
    for some in alike.values():
        _turn_alike(some)


def _turn_alike(matrices: list[Matrix]) -> None:
    xs, group = [matrix.x for matrix in matrices], matrices[0].group
    grads = [-matrix.g if group["maximize"] else matrix.g for matrix in matrices]
    moments, share = [matrix.momentum for matrix in matrices], group["momentum"]
    torch._foreach_lerp_(moments, grads, 1 - share)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
    # Nesterov's: what the average will be once this gradient is in it as often as the one before.
    ahead = torch.stack(torch._foreach_lerp(grads, moments, share)).flatten(2)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
    steps = orthogonal(ahead.to(_computed_in(ahead))).to(ahead.dtype)
    rate, size = group["lr"], step_size(*ahead.shape[1:])
    if isinstance(rate, Tensor):
        rate = rate.reshape(())  # what multiplies a list may have one element, but no dimension
    torch._foreach_mul_(xs, 1 - rate * group["weight_decay"])  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
    shaped = (steps * (rate * size)).view(len(xs), *xs[0].shape)
    torch._foreach_sub_(xs, list(shaped.unbind()))  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]


def _computed_in(u: Tensor) -> torch.dtype:
    """The iteration corrects its own rounding: half the precision is enough where it is fast."""
    if u.is_cuda and u.dtype in (torch.float32, torch.float16):
        return torch.bfloat16
    return torch.float32 if u.dtype in (torch.float16, torch.bfloat16) and not u.is_cuda else u.dtype
