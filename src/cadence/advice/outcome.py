"""What a pilot's run returns, in whatever form it does, as one form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from cadence._errors import AdviceError

Rate: TypeAlias = Callable[[int], float]
"""Update, counted from 0 -> absolute learning rate."""

UserRun: TypeAlias = Callable[[Callable[[Any], Any], int, Rate | None], Any]
"""(make_optimizer, updates, rate) -> losses; trains a copy of the initial model."""

PROBES = ("probe_loss", "held_out", "held_out_loss", "val_loss")
"""What a loss on rows that were not trained on may be called."""


@dataclass(frozen=True)
class Outcome:
    """One short training.

    Attributes:
        losses: of its updates, in order; the last may be no finite number, none after it.
        probe: loss on training data that it has not used; None where the run does not tell.
    """

    losses: tuple[float, ...]
    probe: float | None

    @property
    def diverged(self) -> bool:
        """Whether a loss is no finite number."""
        return not all(math.isfinite(x) for x in self.losses) or (
            self.probe is not None and not math.isfinite(self.probe)
        )

    def tail(self, share: float = 1 / 3) -> float:
        """Mean of the last losses; infinity where it diverged."""
        if self.diverged or not self.losses:
            return math.inf
        n = max(1, round(share * len(self.losses)))
        return math.fsum(self.losses[-n:]) / n


def outcome_of(returned: Any) -> Outcome:
    """Read what a run has returned.

    Args:
        returned: losses; or a mapping or an object with ``losses`` and, where it can, one of `PROBES`; or a pair of
            losses and the loss on unused data.

    Raises:
        AdviceError: none of these.

    Example:
        >>> outcome_of([2.0, 1.5])
        Outcome(losses=(2.0, 1.5), probe=None)
        >>> outcome_of({"losses": [2.0, 1.5], "probe_loss": 1.4}).probe
        1.4
    """
    if isinstance(returned, Outcome):
        return returned
    losses, probe = _parts(returned)
    return Outcome(_numbers(losses), None if probe is None else _number(probe))


def _parts(returned: Any) -> tuple[Any, Any]:
    if isinstance(returned, Mapping):
        table = cast("Mapping[str, Any]", returned)
        if "losses" not in table:
            raise AdviceError(
                f"the pilot returned a mapping without 'losses' (it has {sorted(map(str, table))}); add them"
            )
        return table["losses"], next((table[name] for name in PROBES if table.get(name) is not None), None)
    if hasattr(returned, "losses"):
        found = next((x for name in PROBES if (x := getattr(returned, name, None)) is not None), None)
        return returned.losses, found
    if isinstance(returned, tuple):
        pair = cast("tuple[Any, ...]", returned)
        if len(pair) == 2 and _is_list(pair[0]):
            return pair[0], pair[1]
    return cast("Any", returned), None


def _is_list(x: Any) -> bool:
    return isinstance(x, (list, tuple)) or (getattr(x, "ndim", 0) or 0) >= 1


def _numbers(losses: Any) -> tuple[float, ...]:
    if isinstance(losses, (str, bytes)) or not isinstance(losses, Iterable):
        raise AdviceError(
            f"the pilot returned {type(losses).__name__} where its losses should be; return a list of numbers, one for "
            f"each update"
        )
    return tuple(_number(x) for x in cast("Iterable[Any]", losses))


def _number(x: Any) -> float:
    try:
        return float(x)
    except (TypeError, ValueError, OverflowError):
        raise AdviceError(f"the pilot returned {x!r:.60} as a loss; return numbers, e.g. float(loss)") from None
