"""All that a log tells: its faults, the events of its rate, the schedule behind it, and milestones it suggests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cadence.diagnosis.diagnose import Diagnosis
from cadence.diagnosis.events import RateEvent, rate_events
from cadence.diagnosis.log import Clock, Log, Series
from cadence.diagnosis.milestones import Milestone, milestones
from cadence.diagnosis.reverse import Reversed, reverse
from cadence.findings.finding import Both

RATIO = 1e-6
"""Groups whose rates keep their ratio as closely as this have one schedule."""

_UNITS = {
    "updates": ("updates", "次更新"),
    "epochs": ("epochs, one for each of its updates", "个 epoch（长度以 epoch 计）"),
    "rows": ("rows, one for each of its updates", "行（长度以行计）"),
}


@final
@dataclass(frozen=True)
class GroupRate:
    """The rate of one parameter group.

    Attributes:
        group: its name.
        events: of its rate.
        schedule: what explains its column; None where nothing was looked for, or there is nothing to explain.
        times: it is always so many times the rate of the first group, whose schedule and events it has; None for the
            first group, and for those with a course of their own.
        clock: what its lengths count.
    """

    group: str
    events: tuple[RateEvent, ...]
    schedule: Reversed | None
    times: float | None = None
    clock: Clock = "updates"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        found = self.schedule
        return {
            "group": self.group,
            "times": self.times,
            "schedule": None if found is None else {
                "text": found.schedule, "base": found.base, "total": found.total,
                "steps_per_epoch": found.steps_per_epoch, "residual": found.residual, "exact": found.exact,
            },
            "events": [
                {"t": e.t, "since": e.since, "kind": e.kind, "before": e.before, "after": e.after} for e in self.events
            ],
        }  # fmt: skip

    @property
    def sentence(self) -> Both:
        """What the column is, in English and Chinese."""
        if self.times is not None:
            return Both(f"always {self.times:.6g} times the first group's", f"始终是第一组的 {self.times:.6g} 倍")
        found = self.schedule
        if found is None:
            return Both("no schedule can be told from it", "无法从中得出调度")
        how = (
            Both("exactly, as far as its digits go", "在其位数范围内完全吻合")
            if found.exact
            else Both(f"with a largest relative residual of {found.residual:.2g}", f"最大相对残差 {found.residual:.2g}")
        )
        epoch, epoch_zh = "", ""
        if found.steps_per_epoch:
            epoch = f", {found.steps_per_epoch:,} updates to an epoch"
            epoch_zh = f"，每个 epoch {found.steps_per_epoch:,} 次更新"
        unit, unit_zh = _UNITS[self.clock]
        return Both(
            f"{found.schedule}, base {found.base:g}, {found.total:,} {unit}{epoch}: {how.en}",
            f"{found.schedule}，基准 {found.base:g}，{found.total:,} {unit_zh}{epoch_zh}：{how.zh}",
        )


@final
@dataclass(frozen=True)
class Story:
    """A diagnosis, with what else a log tells.

    Attributes:
        diagnosis: faults, verdicts, jumps.
        rates: by parameter group.
        milestones: updates at which the rate could have been lowered.
    """

    diagnosis: Diagnosis
    rates: tuple[GroupRate, ...]
    milestones: tuple[Milestone, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `cadence diagnose --json` prints it; numbers that do not exist may be NaN."""
        return {
            **self.diagnosis.to_json(),
            "rates": [rate.to_json() for rate in self.rates],
            "milestones": [
                {"t": m.t, "until": m.until, "metric": m.metric, "slope": m.slope, "low": m.low, "high": m.high,
                 "gain": m.gain, "reason": m.reason.en} for m in self.milestones
            ],
        }  # fmt: skip


def story_of(diagnosis: Diagnosis) -> Story:
    """Everything that the log of a diagnosis tells.

    Args:
        diagnosis: made by `diagnose`.
    """
    # Numbers of any size may stand in a log; what overflows explains nothing, and needs no warning.
    with np.errstate(all="ignore"):
        return _story(diagnosis)


def _story(diagnosis: Diagnosis) -> Story:
    # A loss that has left its course says nothing of when a lower rate was due.
    end = min((d.evidence.first for d in diagnosis.findings if d.fault == "divergence"), default=math.inf)
    found = tuple(m for m in milestones(diagnosis.log) if m.until <= end)
    return Story(diagnosis, tuple(_rates(diagnosis.log)), found)


def _rates(log: Log) -> list[GroupRate]:
    found: list[GroupRate] = []
    first = log.rate
    length = log.facts.steps_per_epoch
    seen: Mapping[str, Series] = log.lr
    for group, series in seen.items():
        times = _times(series, first) if found and first is not None else None
        if times is not None:
            found.append(GroupRate(group, found[0].events, None, times, log.facts.clock))
            continue
        events = tuple(rate_events(series, steps_per_epoch=length))
        total = log.facts.total if log.facts.clock == "updates" else None
        found.append(
            GroupRate(group, events, reverse(series, total=total, steps_per_epoch=length), None, log.facts.clock)
        )
    return found


def _times(series: Series, first: Series) -> float | None:
    """The constant ratio of two rates; None where they have none."""
    if len(series) != len(first) or not np.array_equal(series.t, first.t):
        return None
    some = np.isfinite(series.values) & np.isfinite(first.values) & (first.values > 0)
    if not some.any():
        return None
    ratios = series.values[some] / first.values[some]
    middle = float(np.median(ratios))
    return middle if float(np.abs(ratios - middle).max()) <= RATIO * middle else None
