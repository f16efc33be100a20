"""MuonAdamW: orthogonal steps for matrices, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cadence.optim.rules.adamw import AdamWRule
from cadence.optim.rules.settings import Betas, Flag, Number, Positive, Rate, Share

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of x + x^3 + x^5 in the iteration: steepest at 0 of those that end between 0.65 and 1.2."""

ITERATIONS = 5

MOMENTUM = "momentum_buffer"
"""Name of the state of a matrix."""

SIZE = 0.2
"""Root mean square of a matrix's step at rate 1: about that of AdamW, so that one rate serves both."""


@dataclass(frozen=True)
class MuonAdamWRule(AdamWRule):
    """A matrix x with the running mean m of its gradients g, and u, what m will be once g is in it twice:

        m = momentum * m + (1 - momentum) * g
        u = momentum * m + (1 - momentum) * g
        x = (1 - lr * weight_decay) * x - lr * 0.2 * sqrt(max(rows, columns)) * orthogonal(u)

    where orthogonal(u) has the singular vectors of u and singular values near 1: five steps of a Newton-Schulz
    iteration. Everything else, and groups with ``orthogonal=False``, takes the step of AdamW at `adamw_ratio` times the
    rate. Embeddings and output layers belong into such a group. The kernel of a convolution is a matrix whose rows are
    its output channels.

    Source:
        Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; size of the step and decay: Liu
        et al. 2025, "Muon is scalable for LLM training", arXiv:2502.16982, equation 4.
    """

    name = "muonadamw"
    settings = (
        Rate("lr", 1e-2, "learning rate"),
        Share("momentum", 0.95, "of the matrices"),
        Betas("betas", (0.9, 0.999), "decay of the two moments of everything else"),
        Number("eps", 1e-8, "added to the root of the second moment"),
        Number("weight_decay", 0.0, "share of the parameter that goes with every update, times the rate"),
        Positive("adamw_ratio", 1.0, "rate of AdamW's part, as a multiple of lr"),
        Flag("orthogonal", True, "True: matrices of the group are updated by Muon; False: by AdamW, as the rest"),
        Flag("maximize", False, "True: ascend"),
    )

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        return cls(amsgrad=False, independent_decay=False, maximize=group["maximize"])

    def numbers(self, group: Mapping[str, Any]) -> dict[str, float]:
        return super().numbers({**group, "lr": group["lr"] * group["adamw_ratio"]})


def step_size(rows: int, columns: int) -> float:
    """What an orthogonal matrix is multiplied by, so that its root mean square is `SIZE`.

    Example:
        >>> round(step_size(64, 256), 4)
        3.2
    """
    return SIZE * max(rows, columns) ** 0.5
