"""Muon for matrices and AdamW for the rest, for paddle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cadence._errors import OptimizerError
from cadence.optim.matrices.paddle_turning import Matrix, turn
from cadence.optim.matrices.rule import MOMENTUM, MuonAdamWRule
from cadence.optim.stepping.paddle_checks import HALVES, Tensor
from cadence.optim.stepping.paddle_groups import multiple_of
from cadence.optim.stepping.paddle_memory import misfit
from cadence.optim.stepping.paddle_method import Item, PaddleMethod
from cadence.optim.stepping.paddle_plain import put


class MuonAdamW(PaddleMethod):
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
        learning_rate: 0 or more, or a scheduler.
        parameters, grad_clip, multi_precision, compiled, name: see
            `cadence.optim.stepping.paddle_method.PaddleMethod`.
        momentum: of the matrices, in [0, 1).
        betas: decay of the two moments of the rest, each in [0, 1).
        eps: added to the root of the second moment, 0 or more.
        weight_decay: share of x that goes with every update, times the rate; 0 or more.
        adamw_ratio: rate of AdamW's part, as a multiple of `lr`; above 0. Whatever schedules the rate keeps it.
        orthogonal: False in a group: its matrices take AdamW's step too.
        maximize: True: ascend.

    Raises:
        OptimizerError: a setting out of its range, no parameters, parameters that are complex, or a static program,
            for which it is not made.

    Source:
        Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; decay and size of the step: Liu
        et al. 2025, "Muon is scalable for LLM training", arXiv:2502.16982, equation 4.

    Example:
        >>> import paddle
        >>> x = paddle.create_parameter([2, 2], "float32", default_initializer=paddle.nn.initializer.Constant(1.0))
        >>> optimizer = MuonAdamW(0.1, [x])
        >>> x.sum().backward()
        >>> optimizer.step()  # one direction only: 0.1 * 0.2 * sqrt(2) / 2, times 0.65 to 1.2
        >>> 0.983 < x[0, 0].item() < 0.991
        True
    """

    rule = MuonAdamWRule

    def _states_of(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return (*super()._states_of(settings), MOMENTUM)

    def _update_all(self, items: list[Item], rate: float) -> None:
        settings, bases = self._all_settings(), self._bases()
        own: dict[tuple[int, float], dict[str, Any]] = {}
        matrices: list[Matrix] = []
        halves: list[tuple[Tensor, Tensor]] = []
        rest: list[Item] = []
        for item in items:
            x, g, group = item
            if not settings[group]["orthogonal"] or x.ndim < 2:
                rest.append(item)
                continue
            key = (group, multiple_of(x))
            if key not in own:
                own[key] = self._variant(*key, rate, bases[group], None).settings
            target = x
            if self._multi_precision and x.dtype in HALVES:
                target = self._master(x)
                halves.append((x, target))
            momentum = self._state(target, MOMENTUM, 0.0)
            for what, tensor in (("gradient", g), (f"state {MOMENTUM!r}", momentum)):
                if list(tensor.shape) != list(x.shape):
                    raise misfit(what, tensor, x)
            matrices.append(Matrix(target, g, momentum, own[key]))
        super()._update_all(rest, rate)
        turn(matrices)
        for x, master in halves:
            put(master, x)

    def _create_accumulators(self, block: Any, parameters: Any) -> None:
        raise OptimizerError(f"{self.rule.name} has no operations for static programs; use 'adamw' there")
