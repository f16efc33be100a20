"""Muon for matrices and AdamW for the rest: settings, and what both frameworks share."""

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
    """The rule of the tensors that are no matrices, and the settings of both."""

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
