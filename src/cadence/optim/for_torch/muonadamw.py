"""Muon for matrices and AdamW for the rest, for torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor

from cadence._errors import OptimizerError
from cadence.optim.matrices.rule import MOMENTUM, MuonAdamWRule
from cadence.optim.matrices.torch_turning import Matrix, turn
from cadence.optim.stepping.torch_checks import sparse
from cadence.optim.stepping.torch_memory import Item, misfit
from cadence.optim.stepping.torch_method import TorchMethod


class MuonAdamW(TorchMethod):
    """Muon for matrices, AdamW for everything else, in one optimizer with one rate.

    A matrix x with the running mean m of its gradients g:

        m = momentum * m + (1 - momentum) * g
        u = momentum * m + (1 - momentum) * g
        x = (1 - lr * weight_decay) * x - lr * 0.2 * sqrt(max(rows, columns)) * orthogonal(u)

    where orthogonal(u) has the singular vectors of u and singular values near 1, so that every direction is learnt at
    the same speed. The kernels of convolutions are matrices whose rows are their output channels. Biases, gains, and
    groups with ``orthogonal=False`` (embeddings and the output layer belong there) take AdamW's step. A step has the
    size of AdamW's, so that rates and decays of AdamW carry over.

    Args:
        params: parameters, or dicts that describe groups of them. Real numbers, dense gradients.
        lr: learning rate, 0 or more; a float or a tensor with one element, which is read at every step and never
            replaced.
        momentum: of the matrices, in [0, 1).
        betas: decay of the two moments of the rest, each in [0, 1).
        eps: added to the root of the second moment, 0 or more.
        weight_decay: share of x that goes with every update, times the rate; 0 or more.
        adamw_ratio: rate of AdamW's part, as a multiple of `lr`; above 0. Whatever schedules the rate keeps it.
        orthogonal: False in a group: its matrices take AdamW's step too.
        maximize: True: ascend.
        compiled, capturable: of AdamW's part; see `cadence.optim.stepping.torch_method.TorchMethod`.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex, or spread over
            processes (a part of a matrix cannot be made orthogonal alone).

    Source:
        Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; decay and size of the step: Liu
        et al. 2025, "Muon is scalable for LLM training", arXiv:2502.16982, equation 4.

    Example:
        >>> import torch
        >>> x = torch.nn.Parameter(torch.eye(2))
        >>> optimizer = MuonAdamW([x], lr=0.1)
        >>> x.square().sum().backward()
        >>> optimizer.step()  # 0.1 * 0.2 * sqrt(2), times 0.65 to 1.2
        >>> bool(((x.diag() < 0.982) & (x.diag() > 0.965)).all())
        True
    """

    rule = MuonAdamWRule

    def _items(self) -> list[Item]:
        """What AdamW updates."""
        return [item for item in super()._items() if not _is_matrix(item.x, item.group)]

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # Both parts are checked before either is changed.
        matrices = self._matrices()
        super().step()
        turn(matrices)
        return loss

    def _matrices(self) -> list[Matrix]:
        return [
            Matrix(x, self._gradient(x), self._momentum(x), group)
            for group in self.param_groups
            for x in group["params"]
            if x.grad is not None and _is_matrix(x, group)
        ]

    def _gradient(self, x: Tensor) -> Tensor:
        g = x.grad
        assert g is not None
        if g.layout is not torch.strided:
            raise sparse(x, self.rule.name)
        if g.shape != x.shape:
            raise misfit("gradient", g, x)
        if hasattr(x, "placements"):
            raise OptimizerError(
                f"a matrix of shape {tuple(x.shape)} is spread over processes, and {self.rule.name} works on whole "
                f"matrices; use 'adamw', or train with parallel='copies'"
            )
        return g

    def _momentum(self, x: Tensor) -> Tensor:
        state: dict[str, Any] = self.state[x]
        there = state.get(MOMENTUM)
        if there is None:
            state[MOMENTUM] = torch.zeros_like(x, memory_format=torch.preserve_format, requires_grad=False)
        elif not isinstance(there, Tensor) or there.shape != x.shape or there.layout is not torch.strided:
            raise misfit(f"state {MOMENTUM!r}", there, x)
        elif there.dtype != x.dtype or there.device != x.device:
            state[MOMENTUM] = there.to(x)
        return state[MOMENTUM]


def _is_matrix(x: Tensor, group: dict[str, Any]) -> bool:
    return bool(group["orthogonal"]) and x.ndim >= 2
