"""The rate is too low: the loss falls in proportion to the rates that were ridden."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.estimate import Estimate, improvement, level, roughness
from cadence.diagnosis.log import Series
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.shifts import shifts
from cadence.diagnosis.smoothness import Crawl, crawl, shaken
from cadence.diagnosis.view import FEWEST, View
from cadence.findings.finding import Both

PROPORTIONAL = 0.5
"""Share of the exponent of progress from which on a rate is too low: 1 is in proportion, a training that has used up
what is easy has 0.05 to 0.3."""

COARSE = 0.85
"""The same in logs whose first number comes after a good part of the first descent."""

STEP = 0.04
"""Way of the weights, in multiples of their size, below which nothing much can have been learnt: in sound trainings it
is about 1."""

FROM_NOTHING = 0.33
"""The same of weights that were drawn at random: of 143 sound trainings that begin from nothing none moved them less
than 0.38 of their size, half of them more than 2."""

FALLING = 0.01
"""Share of the gain that must still come in the later half of the high rates, where the way was short."""

SMOOTH = 0.042
"""Roughness of evaluations, in what they fall by from one to the next, below which the weights were hardly shaken: at
the best rate and a third of it it is 0.04 to 1, at a tenth 0.02 to 0.1."""

BLOWN = 1e4
"""Multiple of what comes behind it that no mean of a first epoch has."""

SLIGHT = 0.2
"""Share of the loss below which little was gained."""

PACE = 0.01
"""Share by which the loss must still fall over a tenth of the run."""

BONUS = 0.3
"""What a fall of the rate may bring beyond the rates added up, in multiples of that."""

HIGH = 0.3
"""Share of its peak above which a rate still moves the weights as it should."""


@rule(
    "CL102",
    "rate_low",
    Both("the learning rate is too low", "学习率过低"),
    severity="warning",
    sound=Both(
        "The loss fell quickly at first and slowly later, as it does where the rate is high enough.",
        "损失先快后慢地下降，说明学习率足够高。",
    ),
    after=("divergence", "rate_high", "under_warmup", "resume_jump", "oscillation", "loss_scale", "still_groups"),
)
def rate_low(view: View) -> Iterator[Found]:
    """The exponent of what was gained in the rates added up; 1 means that each update brought as much as any other."""
    if view.loss is None:
        raise CannotTell("the log has too few losses", "日志中的损失太少")
    end = _end(view)
    first, whole = view.whole_of(view.loss)
    if end - first < 0.3 * (whole - first):
        return
    way = _way(view)
    if way is not None and _moved_little(view, way, (first + end) / 2, end):
        yield _short_way(view, way, int(end))
        return
    crawls = crawl(view, view.val) if view.val is not None and not blown(view) else None
    if crawls is not None and creeps(crawls):
        yield _creeping(view, crawls)
        return
    power = _proportional(view, end)
    if power is not None:
        yield _found(view, *power, int(end))


def blown(view: View) -> bool:
    """Whether the first row, a mean, is beyond all measure: then the rate was too high before the first row ended."""
    assert view.loss is not None
    y = view.loss.values
    return view.averaged > 1 and float(y[0]) > BLOWN * abs(float(np.median(y[len(y) // 2 :])))


def creeps(crawls: Crawl) -> bool:
    """Whether a loss is so smooth beside its steps that the weights were hardly shaken."""
    # Of a few evaluations the roughness is uncertain, and smooth ones come by chance.
    limit = SMOOTH * min(1.0, (crawls.n - 1) / 10)
    if crawls.rough < limit / 2:
        return True
    falls = crawls.pace > PACE and (crawls.bonus is None or crawls.bonus < BONUS)
    return crawls.rough < limit and falls


def _proportional(view: View, end: float) -> tuple[float, float, float] | None:
    """The exponent, where it says that the rate is too low; None where it does not."""
    measured = [found for s in (view.val, view.loss) if s is not None and (found := exponent(view, s, end)) is not None]
    if not measured:
        raise CannotTell(
            "the loss is too noisy to tell how its fall slows down", "损失噪声太大，无法判断其下降如何变慢"
        )
    if _falls_at_once(view):
        raise CannotTell("most of what was gained came at once", "大部分收益是一次性出现的")
    power, low, high = min(measured, key=lambda m: m[2] - m[1])
    least = COARSE if all(_coarse(view, s) for s in (view.val, view.loss) if s is not None) else PROPORTIONAL
    if least == COARSE and power > 1.4:
        # It falls ever faster as the rate comes down: the rate was not too low.
        return None
    if power < least or low < 0.6 * least or any(m[2] < least for m in measured):
        return None
    if view.val is not None and shaken(view, view.val):
        return None
    if view.val is not None and view.gain < SLIGHT * abs(view.initial) and len(view.val) >= FEWEST:
        # So little may be what a model that was trained before has left to learn; its evaluations are not as smooth.
        crawls = crawl(view, view.val)
        if crawls is not None and crawls.rough > 3 * SMOOTH:
            return None
    if knows(view) or (view.val is not None and len(view.val) >= FEWEST and exponent(view, view.val, end) is None):
        raise CannotTell(
            "the loss falls nearly in proportion to the rates, which a model that was trained before does as well",
            "损失几乎与累计学习率成正比下降，但已预训练的模型也会如此",
        )
    return power, low, high


def _coarse(view: View, series: Series) -> bool:
    """Whether the first descent may lie before the first number: then what follows is straighter than all of it."""
    return float(series.t[0]) > 0.02 * view.end or (series is view.loss and series.every > 0.03 * view.end)


def _way(view: View) -> float | None:
    """How far the weights of the group that moves most went in all, in multiples of their size, step by step."""
    found = [
        float(np.trapezoid(s.values, s.t)) for s in map(Series.finite, view.log.update_ratio.values()) if len(s) > 4
    ]
    return max(found, default=None)


def _moved_little(view: View, way: float, half: float, end: float) -> bool:
    """Whether the weights went less far than weights must, and the loss was still falling for want of it."""
    assert view.loss is not None
    if way < STEP:
        return view.gain > 0.25 * abs(view.initial) or not knows(view)
    if way > FROM_NOTHING or knows(view):
        return False
    sides = [improvement(s, half, end) for s in (view.val, view.loss) if s is not None]
    return any(side is not None and side.low > 0 and side.value > FALLING * view.gain for side in sides)


def _falls_at_once(view: View) -> bool:
    """Whether a sudden fall makes up a good part of the gain: then something else than the rate has changed."""
    assert view.loss is not None
    start = float(view.loss.t[0]) + 0.1 * view.end
    sides = [s.between(start, float("inf")) for s in (view.loss, view.val) if s is not None]
    return any(s.before - s.after > 0 for side in sides for s in shifts(side, least=0.3 * view.gain))


def knows(view: View) -> bool:
    """Whether the model seems to have been trained before: its batches differ, and little is left to learn.

    One that knows nothing is wrong about all batches alike.
    """
    assert view.loss is not None
    single = roughness(view.loss.values[:40]) * math.sqrt(view.averaged)
    differ = single / max(abs(view.initial), 1e-300)
    return differ > 0.04


def _end(view: View) -> float:
    """One past the last update at which the rate is well above 0."""
    assert view.loss is not None
    high = np.flatnonzero(view.rate_at(view.loss.t.astype(float)) >= HIGH)
    return float(view.loss.t[high[-1]]) + 1 if len(high) else float(view.loss.t[-1]) + 1


def exponent(view: View, series: Series, end: float) -> tuple[float, float, float] | None:
    """How the gain grows with the rates added up, over the last halving, with an interval.

    Returns:
        log2 of gain / (gain at half the sum), and its 95 % interval; None where nothing was gained that can be told
        from noise.
    """
    part = series.between(0, end)
    if len(part) < 6:
        return None
    ridden = view.ridden(part.t.astype(float))
    span = ridden[-1] - ridden[0]
    if span <= 0:
        return None
    share = (ridden - ridden[0]) / span
    begin, middle, close = (_around(part, share, a, b) for a, b in ((0.0, 0.04), (0.4, 0.6), (0.85, 1.0)))
    # The stretches have a width: what counts is where their middles are.
    at = [0.0, 0.5, 0.925]
    whole, half = begin.minus(close), begin.minus(middle)
    if not (math.isfinite(whole.error) and math.isfinite(half.error)):
        return None
    if whole.low <= 0 or half.value <= 0:
        return None
    between = part.values[(share >= 0.15) & (share <= 0.35)]
    early = begin.value - float(np.median(between)) if len(part) >= 12 and len(between) else whole.value
    if early < 0.03 * whole.value:
        # It rises or stands before it falls: that is no slow course but another fault.
        return None
    power = math.log(whole.value / half.value) / math.log(at[2] / at[1])
    later = middle.minus(close)
    spread = (
        math.hypot(later.half / whole.value, whole.half * abs(later.value) / whole.value**2)
        * whole.value
        / half.value
        / math.log(at[2] / at[1])
    )
    return power, power - spread, power + spread


def _around(series: Series, share: np.ndarray, low: float, high: float) -> Estimate:
    chosen = np.flatnonzero((share >= low) & (share <= high))
    if len(chosen) >= 3:
        return level(series, float(series.t[chosen[0]]), float(series.t[chosen[-1]]) + 1)
    # Few numbers, as of evaluations: the line between the neighbours, with the noise of the whole.
    value = float(np.interp((low + high) / 2 if low else 0.0, share, series.values))
    return Estimate(value, roughness(series.values) / math.sqrt(max(1, len(chosen))), max(3, len(series)))


def _found(view: View, power: float, low: float, high: float, end: int) -> Found:
    peak = max((float(s.finite().values.max()) for s in view.log.lr.values() if len(s.finite())), default=math.nan)
    assert view.loss is not None
    fell = (view.initial - view.last.value) / abs(view.initial) if view.initial else 0.0
    factor = 10 if power > 0.8 else 3
    to = f" ({factor * peak:.3g} instead of {peak:.3g})" if math.isfinite(peak) else ""
    to_zh = f"（由 {peak:.3g} 改为 {factor * peak:.3g}）" if math.isfinite(peak) else ""
    moved = ratio(view)
    small = "" if moved is None else f" An update moved the weights by {moved:.1e} of their size (1e-3 is usual)."
    small_zh = "" if moved is None else f"一次更新使权重移动其大小的 {moved:.1e}（通常约为 1e-3）。"
    return Found(
        Both(
            f"The loss fell by {fell:.0%}, and until update {end} nearly in proportion to the rates added up: exponent "
            f"{power:.2f} ({low:.2f} to {high:.2f}; 0.05 to 0.3 is usual).{small}",
            f"损失下降了 {fell:.0%}，且直到第 {end} 次更新几乎与累计学习率成正比：指数 {power:.2f}（{low:.2f} 至 "
            f"{high:.2f}；通常为 0.05 至 0.3）。{small_zh}",
        ),
        Both(
            "Each update brought as much as any before it: the training was ended by its length, not by its task.",
            "每次更新的收益与之前相同：训练因长度而结束，而不是因为任务已学会。",
        ),
        Both(
            f"Train with {factor} times the rate{to}; `cadence find-lr` shows how far it can go.",
            f"将学习率提高到 {factor} 倍{to_zh}；`cadence find-lr` 可显示上限。",
        ),
        Both(
            f"The loss reaches today's end after about {1 / factor:.0%} of the updates, and then slows down.",
            f"约用 {1 / factor:.0%} 的更新即可达到现在的终点，之后下降变慢。",
        ),
        Evidence(
            int(view.loss.t[0]),
            end,
            Both("exponent of the gain in the rates added up", "收益对累计学习率的指数"),
            power,
            low,
            high,
            PROPORTIONAL,
        ),
        Picture(
            ("loss", "lr"),
            int(view.loss.t[0]),
            end,
            (),
            Both("the loss is nearly straight over the rates added up", "损失对累计学习率近乎直线"),
        ),
    )


def _short_way(view: View, way: float, end: int) -> Found:
    peak = max((float(s.finite().values.max()) for s in view.log.lr.values() if len(s.finite())), default=math.nan)
    assert view.loss is not None
    factor = 10 if way < FROM_NOTHING / 3 else 3
    to = f" ({factor * peak:.3g} instead of {peak:.3g})" if math.isfinite(peak) else ""
    to_zh = f"（由 {peak:.3g} 改为 {factor * peak:.3g}）" if math.isfinite(peak) else ""
    return Found(
        Both(
            f"All updates together moved the weights by {way:.2g} of their size; those of a net that begins at random "
            f"move by as much as their size or more before it has learnt what it can. The loss was still falling at "
            f"update {end}.",
            f"所有更新合计使权重移动了其大小的 {way:.2g}；从随机权重开始的网络在学完之前，移动量通常不小于权重自身的大"
            f"小。到第 {end} 次更新时损失仍在下降。",
        ),
        Both("The training was ended by its length, not by its task.", "训练因长度而结束，而不是因为任务已学会。"),
        Both(
            f"Train with {factor} times the rate{to}; `cadence find-lr` shows how far it can go.",
            f"将学习率提高到 {factor} 倍{to_zh}；`cadence find-lr` 可显示上限。",
        ),
        Both(
            f"The loss reaches today's end after about {1 / factor:.0%} of the updates, and goes on from there.",
            f"约用 {1 / factor:.0%} 的更新即可达到现在的终点，并从那里继续下降。",
        ),
        Evidence(
            int(view.loss.t[0]),
            end,
            Both("way of the weights, in multiples of their size", "权重移动的路程（以其大小为单位）"),
            way,
            way,
            way,
            FROM_NOTHING,
        ),
        Picture(
            ("loss", "lr"),
            int(view.loss.t[0]),
            end,
            (),
            Both("the loss still falls where the rate comes down", "学习率下降时损失仍在下降"),
        ),
    )


def _creeping(view: View, crawls: Crawl) -> Found:
    peak = max((float(s.finite().values.max()) for s in view.log.lr.values() if len(s.finite())), default=math.nan)
    to = f" ({3 * peak:.3g} to {10 * peak:.3g} instead of {peak:.3g})" if math.isfinite(peak) else ""
    to_zh = f"（由 {peak:.3g} 改为 {3 * peak:.3g} 至 {10 * peak:.3g}）" if math.isfinite(peak) else ""
    name = view.log.val_loss or "val_loss"
    return Found(
        Both(
            f"From update {crawls.first} to {crawls.last} {name} falls at every evaluation, by {crawls.step:.2%}, and "
            f"leaves a smooth course by no more than {crawls.rough:.1%} of that: the rate hardly shakes the weights, "
            "and when it comes down nothing is gained by it.",
            f"从第 {crawls.first} 到第 {crawls.last} 次更新，{name} 每次评估都下降 {crawls.step:.2%}，偏离平滑曲线"
            f"仅为其 {crawls.rough:.1%}：学习率几乎不扰动权重，降低学习率也没有额外收益。",
        ),
        Both(
            "Time stands in for the rate: the training was ended by its length, not by its task.",
            "以时间代替学习率：训练因长度而结束，而不是因为任务已学会。",
        ),
        Both(
            f"Train with 3 to 10 times the rate{to}; `cadence find-lr` shows how far it can go.",
            f"将学习率提高到 3 至 10 倍{to_zh}；`cadence find-lr` 可显示上限。",
        ),
        Both(
            "The loss reaches today's end in a fraction of the updates, and ends lower.",
            "用一小部分更新即可达到现在的终点，且最终更低。",
        ),
        Evidence(
            crawls.first,
            crawls.last,
            Both("roughness of the evaluations in their steps", "评估的粗糙度（以每步下降为单位）"),
            crawls.rough,
            crawls.rough,
            crawls.rough,
            SMOOTH,
        ),
        Picture(
            (name, "lr"),
            crawls.first,
            crawls.last,
            (),
            Both("the curve is as smooth as a drawn one", "曲线平滑如画"),
        ),
    )


def ratio(view: View) -> float | None:
    """Median update/weight ratio while the rate is high, of the group that moves most; None where it is not known."""
    found: list[float] = []
    for series in view.log.update_ratio.values():
        part = series.finite()
        high = view.rate_at(part.t.astype(float)) >= HIGH
        if high.any():
            found.append(float(np.median(part.values[high])))
    return max(found, default=None)
