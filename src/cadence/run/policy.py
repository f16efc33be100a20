"""What becomes of an update that diverges: the run stops, leaves it out, or goes back to a checkpoint."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from cadence.recipe.parts import Action, DivergenceRecipe
from cadence.run.engine import Update

NORMAL = 1.4826
"""1 / the third quartile of the normal distribution: MAD times this is its standard deviation."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with an update or an evaluation.

    Attributes:
        action: what is to be done.
        now: what is wrong, as the beginning of a sentence: ``"The loss of update 7 is nan"``.
        then: the same for the journal, of an update that lies behind: ``"the loss was nan"``.
        loss: of the update.
        parameters: names of those whose gradient is not finite.
    """

    action: Action
    now: str
    then: str
    loss: float
    parameters: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """How a run ends for this reason."""
        return f"{self.now}: the training diverged; lower the learning rate or clip."


@final
class Policy:
    """Says of each update whether it diverges. Pure given the losses it has been told of.

    A spike is a loss above median + max(threshold * 1.4826 * MAD, floor * abs(median)) of the last losses. Median and
    MAD, because up to half of the losses may be anything without moving them far. The 1.4826 makes of the MAD what the
    standard deviation is to normal losses; beyond 10 standard deviations lies at most 1 in 101 of any distribution
    (Cantelli), and next to nothing of those that losses have. The floor is for losses that hardly vary.

    Args:
        rules: of the recipe.

    Source:
        Hampel 1974, The influence curve and its role in robust estimation, J. Am. Stat. Assoc. 69:383; Leys et al.
        2013, Detecting outliers, J. Exp. Soc. Psychol. 49:764.

    Example:
        >>> policy = Policy(DivergenceRecipe(spike="skip", window=10, threshold=5.0))
        >>> for loss in (1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.2, 0.8, 1.1, 0.9):
        ...     policy.passed(loss)
        >>> round(policy.ceiling, 4)  # 1 + 5 * 1.4826 * 0.1
        1.7413
    """

    def __init__(self, rules: DivergenceRecipe) -> None:
        self._rules = rules
        self._losses: deque[float] = deque(maxlen=rules.window)
        self._median = math.nan
        self._ceiling = math.inf
        self.rollbacks = 0

    @property
    def ceiling(self) -> float | None:
        """The largest loss with which the next update may be done, as `Engine.update` takes it."""
        looked_at = self._rules.nonfinite is not None or self._rules.spike is not None
        return self._ceiling if looked_at else None

    def judge(self, update: Update, t: int) -> Fault | None:
        """What is wrong with the update in the place of update `t`, and what is to be done about it."""
        unchanged = ", and no weight was changed" if update.left_out else ""
        if update.overflowed:
            names = named(update.overflowed)
            return Fault(
                self._rules.nonfinite or "stop",
                f"The gradient of {names} in update {t} is not finite{unchanged}",
                f"the gradient of {names} was not finite",
                update.loss,
                update.overflowed,
            )
        if not update.left_out:
            return None
        if not math.isfinite(update.loss):
            return self.not_finite(f"The loss of update {t} is {update.loss}{unchanged}", update.loss)
        high = f"{update.loss:.6g}, above {self._ceiling:.6g} (the median of the last {len(self._losses)} is "
        high += f"{self._median:.6g})"
        action = self._rules.spike or "stop"
        return Fault(action, f"The loss of update {t} is {high}{unchanged}", f"the loss was {high}", update.loss)

    def not_finite(self, now: str, loss: float) -> Fault:
        """The fault of a loss that is no finite number."""
        return Fault(self._rules.nonfinite or "stop", now, f"the loss was {loss}", loss)

    def passed(self, loss: float) -> None:
        """Take in the loss of an update that was done."""
        if self._rules.spike is None:
            return
        self._losses.append(loss)
        if len(self._losses) == self._rules.window:
            self._median, self._ceiling = _median_and_ceiling(self._losses, self._rules)

    def may_go_back(self) -> bool:
        """Whether a rollback is left."""
        return self.rollbacks < self._rules.rollbacks

    def state(self) -> dict[str, Any]:
        """What must be remembered, as plain data."""
        return {"losses": list(self._losses), "rollbacks": self.rollbacks}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._losses.clear()
        self._ceiling = math.inf
        for loss in state["losses"]:
            self._losses.append(float(loss))
        if len(self._losses) == self._rules.window:
            self._median, self._ceiling = _median_and_ceiling(self._losses, self._rules)
        self.rollbacks = int(state["rollbacks"])


def skips(faults: Sequence[Fault], t: int) -> dict[str, Any]:
    """The journal's entry about updates that were left out in the place of update `t`."""
    count = len(faults)
    names = tuple(dict.fromkeys(name for fault in faults for name in fault.parameters))
    reasons = [f"the gradient of {named(names)} was not finite"] if names else []
    reasons += dict.fromkeys(fault.then for fault in faults if not fault.parameters)
    told = f"Skipped {count} update{'s' * (count > 1)} in the place of update {t}: {'; '.join(reasons[:3])}."
    losses = [fault.loss for fault in faults]
    return {
        "t": t, "kind": "skip", "updates": count, "parameters": list(names), "losses": losses, "sentence": told,
    }  # fmt: skip


def named(names: Sequence[str]) -> str:
    """Names of parameters for a sentence, the first few."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} others" if len(names) > 3 else "")


def _median_and_ceiling(losses: Sequence[float], rules: DivergenceRecipe) -> tuple[float, float]:
    median = statistics.median(losses)
    spread = NORMAL * statistics.median([abs(loss - median) for loss in losses])
    return median, median + max(rules.threshold * spread, rules.floor * abs(median))
