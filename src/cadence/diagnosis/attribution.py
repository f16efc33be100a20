"""What the events of a rate did to the loss, and which of them a sudden change of a metric belongs to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from cadence.diagnosis.estimate import Estimate, level, roughness, slope
from cadence.diagnosis.events import RateEvent
from cadence.diagnosis.log import Log, Series
from cadence.diagnosis.shifts import SIGMAS, Shift, shifts
from cadence.diagnosis.view import View, bounded
from cadence.findings.finding import Both

Judgement: TypeAlias = Literal["helped", "no effect", "hurt", "cannot tell"]
"""What an event did to the loss."""

REACH = 0.15
"""Share of the run before and behind an event that its effect is looked for in."""

MATTERS = 0.02
"""Share of all that was gained by which a loss must differ to say that an event helped or hurt."""

ZH: dict[Judgement, str] = {
    "helped": "有帮助", "no effect": "无作用", "hurt": "有损害", "cannot tell": "无法判断",
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What one event of the rate did.

    Attributes:
        event: the change of the rate.
        before, after: slope of the loss, per update, on both sides.
        effect: how much lower the loss lies behind the event than where its course before it led; above 0 is better.
        judgement: what that says.
        sentence: all of it, in English and Chinese.
    """

    event: RateEvent
    before: Estimate
    after: Estimate
    effect: Estimate
    judgement: Judgement
    sentence: Both

    def to_json(self) -> dict[str, Any]:
        """Plain data; numbers that do not exist are null."""

        def numbers(e: Estimate) -> dict[str, float | None]:
            return {name: x if math.isfinite(x) else None for name, x in
                    (("value", e.value), ("low", e.low), ("high", e.high))}  # fmt: skip

        return {
            "t": self.event.t, "kind": self.event.kind,
            "rate_before": self.event.before, "rate_after": self.event.after,
            "slope_before": numbers(self.before), "slope_after": numbers(self.after), "effect": numbers(self.effect),
            "judgement": self.judgement, "sentence": self.sentence.en,
        }  # fmt: skip


@dataclass(frozen=True)
class MetricJump:
    """A sudden change of a metric, and the event of the rate that it belongs to.

    Attributes:
        metric: its name.
        t, since: the first evaluation with the new level, and the last with the old one.
        before, after: the levels.
        event: the event within one evaluation of it; None: there is none.
        nearest: the nearest event otherwise; None where the rate has no events.
        sentence: all of it, in English and Chinese.
    """

    metric: str
    t: int
    since: int
    before: float
    after: float
    event: RateEvent | None
    nearest: RateEvent | None
    sentence: Both

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "metric": self.metric, "t": self.t, "since": self.since, "before": self.before, "after": self.after,
            "event": None if self.event is None else self.event.t,
            "nearest": None if self.nearest is None else self.nearest.t, "sentence": self.sentence.en,
        }  # fmt: skip


def verdicts(view: View, events: Sequence[RateEvent]) -> tuple[Verdict, ...]:
    """What each event did to the training loss.

    Args:
        view: of the log.
        events: of the rate, by update.
    """
    if view.loss is None:
        return ()
    first, end = view.whole_of(view.loss)
    edges = [first, *(float(e.t) for e in events), end]
    least = max(REACH * (end - first), 8 * view.loss.every)
    found: list[Verdict] = []
    for i, event in enumerate(events):
        # A long stretch before an event says well where the loss was heading, but for its beginning.
        start = max(edges[i], event.t - max(least, 0.6 * (event.t - edges[i])))
        stop = min(edges[i + 2], event.t + max(least, 0.5 * (event.t - start)))
        found.append(_verdict(view, view.loss, event, start, stop))
    return tuple(found)


def _verdict(view: View, loss: Series, event: RateEvent, start: float, end: float) -> Verdict:
    t = float(event.t)
    before, after = slope(loss, start, t), slope(loss, t, end)
    effect = _effect(loss, start, t, end, before)
    if view.val is not None:
        # An evaluation at update t was made before update t was.
        judged = _effect(view.val, start + 1, t + 1, end + 1, slope(view.val, start + 1, t + 1))
        if judged.half < 0.7 * effect.half or not math.isfinite(effect.half):
            effect = judged
    matters = max(MATTERS * view.gain, 1e-12)
    # Where the loss is near 0 a small share of all that was gained is much of what is left.
    there = abs(level(loss, t, end).value)
    matters = min(matters, max(0.1 * there, 0.2 * matters)) if math.isfinite(there) else matters
    judgement: Judgement = "cannot tell"
    if t - view.whole_of(loss)[0] < 0.1 * view.end:
        # In the first descent there is no course yet that the loss could have gone on.
        effect = Estimate(math.nan, math.inf, 0)
    elif effect.low > 0 and effect.value > matters:
        judgement = "helped"
    elif effect.high < 0 and effect.value < -matters:
        judgement = "hurt"
    elif math.isfinite(effect.half) and max(abs(effect.low), abs(effect.high)) < 4 * matters:
        judgement = "no effect"
    return Verdict(event, before, after, effect, judgement, _said(event, before, after, effect, judgement))


def _effect(loss: Series, start: float, t: float, end: float, before: Estimate) -> Estimate:
    """Where the course before would have led to, less where the loss lies."""
    if not math.isfinite(before.error):
        return Estimate(math.nan, math.inf, 0)
    middle = (start + t) / 2
    early, late = slope(loss, start, middle), slope(loss, middle, t)
    # A loss that is slowing down goes on slowing down: a straight line would promise too much.
    slowing = 0.5
    if math.isfinite(early.error) and math.isfinite(late.error) and early.value < 0:
        slowing = min(1.0, max(0.0, late.value / early.value)) if late.value < 0 else 0.0
    # The first updates at another rate are a passage.
    begin = t + 0.1 * (end - t)
    here, there = level(loss, middle, t), level(loss, begin, end)
    if not (math.isfinite(here.error) and math.isfinite(there.error)):
        return Estimate(math.nan, math.inf, 0)
    way = (begin + end) / 2 - (middle + t) / 2
    led = here.value + before.value * slowing * way
    # How far the slope is uncertain, and by how much it was slowed down.
    doubt = math.hypot(before.error * way * max(slowing, 0.25), 0.5 * before.value * (1 - slowing) * way)
    error = math.sqrt(here.error**2 + there.error**2 + doubt**2)
    return Estimate(led - there.value, error, min(here.n, there.n))


def _said(event: RateEvent, before: Estimate, after: Estimate, effect: Estimate, judgement: Judgement) -> Both:
    """As much of it as can be told."""
    what = event.sentence
    told, told_zh = _slopes(before, after)
    if math.isfinite(effect.half):
        lies = Estimate(-effect.value, effect.error, effect.n) if effect.value < 0 else effect
        side, side_zh = ("above", "高") if effect.value < 0 else ("below", "低")
        told.append(f"it lies {_en(lies)} {side} where it was heading")
        told_zh.append(f"比原来的走势{side_zh} {_zh(lies)}")
    else:
        told.append("too little is known of its course before to say where it was heading")
        told_zh.append("此前的走势信息太少，无法得知原本的去向")
    return Both(
        f"{what.en[0].upper()}{what.en[1:]}: {'; '.join(told)}: {judgement}.",
        f"{what.zh}：{'；'.join(told_zh)}：{ZH[judgement]}。",
    )


def _slopes(before: Estimate, after: Estimate) -> tuple[list[str], list[str]]:
    """How the loss changed on both sides, in English and Chinese; nothing of a side with too few losses."""
    sides = ((before, "an update before it", "此前"), (after, "an update behind it", "此后"))
    known = [(e, where, zh) for e, where, zh in sides if math.isfinite(e.half)]
    if not known:
        return [], []
    en = " and by ".join(f"{_en(e)} {where}" for e, where, _ in known)
    return [f"the loss changed by {en}"], [f"{zh}损失每次更新变化 {_zh(e)}" for e, _, zh in known]


def _en(e: Estimate) -> str:
    return f"{e.value:.2g} ({e.low:.2g} to {e.high:.2g})"


def _zh(e: Estimate) -> str:
    return f"{e.value:.2g}（{e.low:.2g} 至 {e.high:.2g}）"


def metric_jumps(log: Log, events: Sequence[RateEvent]) -> tuple[MetricJump, ...]:
    """Sudden changes of all metrics, each with the event of the rate that it belongs to.

    Args:
        log: of a training.
        events: of the rate, by update.
    """
    # A metric does not jump because a slope begins.
    events = [event for event in events if event.sudden]
    found: list[MetricJump] = []
    for name, series in log.metrics.items():
        part = bounded(series.finite())
        if len(part) < 8:
            continue
        span = float(np.quantile(part.values, 0.95) - np.quantile(part.values, 0.05))
        seen = _settled(part, [s for s in shifts(part, least=0.1 * span) if s.t > part.t[min(3, len(part) - 1)]])
        for event in events:
            tested = _at_event(part, event, 0.1 * span, seen)
            if tested is not None and not any(_explains(part, event, s) for s in seen):
                seen.append(tested)
        seen.extend(s for s in _leaps(part, 0.1 * span) if all(abs(s.t - o.t) > 2 * part.every for o in seen))
        found.extend(_attributed(name, part, s, events) for s in sorted(seen))
    return tuple(found)


def _settled(series: Series, found: list[Shift]) -> list[Shift]:
    """Shifts without those of the first descent, in which every evaluation is far below the one before."""
    y = series.values
    steps = np.abs(np.diff(y))
    kept: list[Shift] = []
    for shift in found:
        i = int(np.searchsorted(series.t, shift.t))
        before = steps[max(0, i - 4) : i - 1]
        if not len(before) or steps[i - 1] > 2.5 * float(np.median(before)):
            kept.append(shift)
    return kept


def _leaps(series: Series, least: float) -> list[Shift]:
    """Single steps far larger than those about them, of a metric that is smooth otherwise."""
    y = series.values
    steps = np.diff(y)
    found: list[Shift] = []
    for i in range(3, len(steps)):
        before, behind = np.abs(steps[max(0, i - 8) : i]), np.abs(steps[i + 3 : i + 8])
        if len(before) < 3 or abs(steps[i]) < least:
            continue
        # Against the course a step is compared with what came before it: the way back is steep, too.
        against = steps[i] * float(np.median(steps[max(0, i - 8) : i])) <= 0
        near = before[-4:] if against else np.concatenate([before, behind])
        usual, most = 1.4826 * float(np.median(near)), float(near.max())
        if against and i >= 5:
            # What leaves a smooth course stands out of its roughness, not of its slope.
            usual = min(usual, max(0.25 * usual, 2 * roughness(y[max(0, i - 8) : i + 1])))
        later = y[i + 1 : i + 3]
        stays = len(later) > 1 and abs(float(np.mean(later)) - y[i]) > 0.5 * abs(steps[i])
        if abs(steps[i]) > SIGMAS * usual and abs(steps[i]) > (2 if against else 3) * most and stays:
            z = float(abs(steps[i]) / max(usual, 1e-300))
            found.append(Shift(int(series.t[i + 1]), int(series.t[i]), float(y[i]), float(y[i + 1]), min(z, 1e6)))
    return found


def _at_event(series: Series, event: RateEvent, least: float, seen: Sequence[Shift]) -> Shift | None:
    """The change of a metric at an event, if it is there: one place is looked at, so less is asked of it."""
    found = [shift for most in (10, 20) if (shift := _change(series, event, least, most, seen)) is not None]
    return max(found, key=lambda shift: shift.sigmas, default=None)


def _change(series: Series, event: RateEvent, least: float, most: int, seen: Sequence[Shift]) -> Shift | None:
    """The same, told by a number of evaluations on each side."""
    i = int(np.searchsorted(series.t, event.t + 1))
    # Up to the next change that is known: what that did is not the event's.
    others = (abs(int(np.searchsorted(series.t, shift.t)) - i) for shift in seen)
    k = min(most, i, len(series) - i, *others)
    if k < 3:
        return None
    y = series.values
    before, after = y[i - k : i], y[i : i + k]
    change = float(after.mean() - before.mean())
    # What the course before would have brought anyway, as far as it is one.
    drift = slope(series.take(slice(i - k, i)), 0, math.inf)
    real = math.isfinite(drift.error) and drift.low * drift.high > 0
    brought = drift.value * series.every * k if real else 0.0
    own = change - brought
    noise = math.sqrt(float(before.var(ddof=1) + after.var(ddof=1)) / k) + 0.5 * abs(brought)
    z = abs(own) / max(noise, 1e-300) * (1 - 1.5 / k)
    if z < 3.5 or abs(own) < least or own * change <= 0:
        return None
    return Shift(int(series.t[i]), int(series.t[i - 1]), float(before.mean()), float(after.mean()), min(z, 1e6))


def _explains(series: Series, event: RateEvent, shift: Shift) -> bool:
    """Whether an event lies within one evaluation of a change."""
    return shift.since - series.every < event.t <= shift.t


def _attributed(name: str, series: Series, shift: Shift, events: Sequence[RateEvent]) -> MetricJump:
    near = [e for e in events if _explains(series, e, shift)]
    event = min(near, key=lambda e: abs(e.t - shift.t), default=None)
    nearest = min(events, key=lambda e: abs(e.t - shift.t), default=None)
    said = f"{name} goes from {shift.before:.4g} to {shift.after:.4g} between updates {shift.since} and {shift.t}"
    said_zh = f"{name} 在第 {shift.since} 与第 {shift.t} 次更新之间由 {shift.before:.4g} 变为 {shift.after:.4g}"
    if event is not None:
        sentence = Both(
            f"{said}: with the change of the rate at update {event.t}.",
            f"{said_zh}：与第 {event.t} 次更新的学习率变化同时。",
        )
    elif nearest is not None:
        apart = abs(shift.t - nearest.t)
        side = "earlier" if nearest.t < shift.t else "later"
        side_zh = "早" if nearest.t < shift.t else "晚"
        sentence = Both(
            f"{said}: no event of the rate is near; the nearest, at update {nearest.t}, is {apart} updates {side}.",
            f"{said_zh}：附近没有学习率事件；最近的在第 {nearest.t} 次更新，{side_zh} {apart} 次更新。",
        )
    else:
        sentence = Both(f"{said}: the rate has no events.", f"{said_zh}：学习率没有任何事件。")
    return MetricJump(name, shift.t, shift.since, shift.before, shift.after, event, nearest, sentence)
