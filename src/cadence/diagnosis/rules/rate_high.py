"""The rate is too high: nothing is learnt while it is up, and all of it when it comes down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.estimate import Estimate, level, roughness
from cadence.diagnosis.excursion import SIGMAS, Excursion, broken, excursion, smoothed, surge
from cadence.diagnosis.log import Series
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.rules.rate_low import blown, creeps, exponent, knows, ratio
from cadence.diagnosis.rules.under_warmup import EARLY, recovers, rises_above
from cadence.diagnosis.smoothness import crawl
from cadence.diagnosis.swings import rough
from cadence.diagnosis.view import MANY, View
from cadence.findings.finding import Both

UP = 0.5
"""Share of its peak above which a rate is up."""

STUCK = 0.05
"""Share of the loss that must be gained for anything to have been learnt."""

OWED = 0.35
"""Share of the whole gain that the fall of the rate alone must have brought."""


class Plateau(NamedTuple):
    """A loss that stood while the rate was up, and fell with it.

    Attributes:
        begin, end: updates between which the loss stood.
        owed: what the fall of the rate brought, as a share of the whole gain.
        standing: the level of the loss meanwhile.
    """

    begin: int
    end: int
    owed: Estimate
    standing: float


@rule(
    "CL104",
    "rate_high",
    Both("the learning rate is too high", "学习率过高"),
    severity="warning",
    sound=Both(
        "The loss fell while the rate was up, and did not rise above where it began.",
        "学习率较高时损失仍在下降，也没有升到初始水平之上。",
    ),
    after=("divergence", "under_warmup", "resume_jump"),
)
def rate_high(view: View) -> Iterator[Found]:
    """A rise above the initial loss that did not come back at that rate, or a plateau that ends when the rate falls."""
    if view.loss is None:
        raise CannotTell("the log has too few losses", "日志中的损失太少")
    for series in (view.loss, view.val):
        if series is None:
            continue
        found = surge(view, float("inf")) if series is view.loss else excursion(series, float("inf"))
        if found is None or not rises_above(view, found) or recovers(view, found):
            continue
        if series is not view.loss and learns_on(view, found):
            # The validation loss alone rises: over-fitting.
            continue
        alone = view.val is None and len(series) < MANY and found.peak > EARLY * view.end
        if warms_up_again(view, found) or (alone and found.sigmas < 2 * SIGMAS):
            continue
        where = "never came back" if found.back is None else f"came back at update {found.back} only"
        where_zh = "再未恢复" if found.back is None else f"直到第 {found.back} 次更新才恢复"
        yield _found(
            view,
            found.begin,
            found.back or view.end - 1,
            (found.peak,),
            Both(
                f"The loss rose from {found.low:.4g} to {found.high:.4g} at update {found.peak} "
                f"({found.sigmas:.0f} standard deviations of its noise) and {where}; it began at {view.initial:.4g}.",
                f"损失在第 {found.peak} 次更新时由 {found.low:.4g} 升至 {found.high:.4g}（噪声标准差的 "
                f"{found.sigmas:.0f} "
                f"倍），{where_zh}；初始为 {view.initial:.4g}。",
            ),
            Estimate(found.height, 0.0, 9),
            0.2 * abs(view.initial),
            Both("rise of the loss", "损失的上升"),
        )
        return
    if blown(view):
        top = float(view.loss.values[0])
        yield _found(
            view,
            0,
            int(view.loss.t[1]),
            (0,),
            Both(
                f"The first row has a mean loss of {top:.4g}, the next one {float(view.loss.values[1]):.4g}: the loss "
                "exploded in the first updates, and came back.",
                f"第一行的平均损失为 {top:.4g}，下一行为 {float(view.loss.values[1]):.4g}：损失在最初几次更新中爆炸，"
                "随后回落。",
            ),
            Estimate(top, 0.0, 9),
            abs(view.last.value),
            Both("mean loss of the first row", "第一行的平均损失"),
        )
        return
    climbed = climb(view)
    if climbed is not None:
        since, rise = climbed
        yield _found(
            view,
            since,
            view.end - 1,
            (since,),
            Both(
                f"From update {since} on the loss rises again, by {rise.value:.4g} ({rise.low:.4g} to "
                f"{rise.high:.4g}), "
                "while the rate is up.",
                f"从第 {since} 次更新起，学习率较高时损失再次上升 {rise.value:.4g}（{rise.low:.4g} 至 "
                f"{rise.high:.4g}）。",
            ),
            rise,
            0.15 * view.gain,
            Both("rise of the loss", "损失的上升"),
        )
        return
    lost = setback(view)
    if lost is not None:
        yield _found(
            view,
            lost.begin,
            view.end - 1,
            (lost.peak,),
            Both(
                f"The loss rose from {lost.low:.4g} to {lost.high:.4g} at update {lost.peak} ({lost.sigmas:.0f} "
                "standard deviations of its noise) while the rate was up, and never came below that again.",
                f"学习率较高时，损失在第 {lost.peak} 次更新由 {lost.low:.4g} 升至 {lost.high:.4g}（噪声标准差的 "
                f"{lost.sigmas:.0f} 倍），此后再未降到更低。",
            ),
            Estimate(lost.height, 0.0, 9),
            0.2 * abs(lost.low),
            Both("rise of the loss", "损失的上升"),
        )
        return
    nothing = stuck(view)
    if nothing is not None:
        yield _found(
            view,
            0,
            view.end - 1,
            (),
            Both(
                f"Nothing is learnt: the loss is {view.initial:.4g} at first and {view.last.value:.4g} at the end, and "
                "what there is of a change does not follow the rate. Units may have died in the first updates; or "
                "the weights get no gradient at all.",
                f"什么也没有学到：损失开始时为 {view.initial:.4g}，结束时为 {view.last.value:.4g}，其变化也不随学习率。"
                "神经元可能在最初几次更新中失活，或权重根本没有梯度。",
            ),
            nothing,
            STUCK,
            Both("share of the loss that was gained", "损失下降的份额"),
        )
        return
    stood = plateau(view)
    if stood is not None:
        yield _found(
            view,
            stood.begin,
            stood.end,
            (stood.end,),
            Both(
                f"The loss stood at {stood.standing:.4g} from update {stood.begin} to {stood.end}, while the rate was "
                f"up; {stood.owed.value:.0%} ({stood.owed.low:.0%} to {stood.owed.high:.0%}) of all that was gained "
                "came as the rate came down.",
                f"从第 {stood.begin} 到第 {stood.end} 次更新学习率较高时，损失停在 {stood.standing:.4g}；全部收益的 "
                f"{stood.owed.value:.0%}（{stood.owed.low:.0%} 至 {stood.owed.high:.0%}）来自学习率的下降。",
            ),
            stood.owed,
            OWED,
            Both("share of the gain that the fall of the rate brought", "学习率下降带来的收益份额"),
        )


def trained_before(view: View) -> bool:
    """Whether the model seems to have been trained before: its batches differ, and it ends about as good or better."""
    assert view.loss is not None
    # A rate too high makes batches differ as well; not yet the first ones, and no longer the last.
    y = view.loss.values
    differ = min(roughness(y[: max(8, len(y) // 50)]), roughness(y[-40:])) * np.sqrt(view.averaged)
    told = len(y) >= 12 and not differ > 0.05 * abs(view.initial)
    return not told and 0.5 * view.initial < view.last.value < 1.03 * view.initial


def warms_up_again(view: View, found: Excursion) -> bool:
    """Whether a model that was trained before rises a little as its rate does."""
    return trained_before(view) and found.height < 2.5 * abs(view.initial) and found.back is not None


def setback(view: View) -> Excursion | None:
    """A rise at a high rate after which the loss never came below where it had been."""
    for series in (view.loss, view.val):
        found = excursion(series, view.end - 0.25 * view.end) if series is not None else None
        if series is None or found is None or (series is not view.loss and learns_on(view, found)):
            continue
        up = float(view.rate_at(np.array([float(found.peak)]))[0]) >= UP
        if not up or found.height < max(0.4 * abs(found.low), 0.05 * view.gain):
            continue
        if broken(view, smoothed(series)[0], found.peak, found.low):
            return found
    return None


def stuck(view: View) -> Estimate | None:
    """What was gained of the loss as a share, where it is next to nothing and no rate too low explains it."""
    assert view.loss is not None
    series: list[Series] = [s for s in (view.loss, view.val) if s is not None]
    if len(view.loss) < 8 or knows(view) or view.initial <= 0:
        return None
    if view.val is not None:
        crawls = crawl(view, view.val)
        if crawls is not None and creeps(crawls):
            return None
    if all(_guesses(view, s) for s in series):
        return Estimate(0.0, 0.0, 9)
    lowest = min(float(smoothed(s)[0].values.min()) for s in series)
    gained = (view.initial - max(view.best, lowest)) / view.initial
    if gained > STUCK or (view.val is not None and float(view.val.values[-1]) < (1 - STUCK) * view.initial):
        return None
    followed = [e for s in series if (e := exponent(view, s, float("inf"))) is not None and e[0] > 0.5]
    return None if followed else Estimate(gained, 0.0, 9)


def _guesses(view: View, series: Series) -> bool:
    """Whether a loss stands at what guessing among some classes costs, and never was below."""
    half = series.between(view.end / 2, float("inf")).values
    if len(half) < 4:
        return False
    first, last = (float(np.median(part)) for part in (half[: len(half) // 2], half[len(half) // 2 :]))
    costs = np.log(np.arange(2, 21))
    guess = float(costs[np.abs(costs - last).argmin()])
    at_rest = roughness(half) < 0.02 * last and abs(first - last) < 0.02 * last
    return abs(last - guess) < 0.006 * last and at_rest and float(smoothed(series)[0].values.min()) > 0.95 * last


def learns_on(view: View, found: Excursion) -> bool:
    """Whether the training loss falls while the validation loss rises, for good."""
    if found.back is not None and found.peak <= 0.12 * view.end:
        return False
    assert view.loss is not None
    reach = max(0.03 * view.end, 3 * view.loss.every)
    before, there = (level(view.loss, t - reach, t + reach) for t in (found.begin, found.peak))
    return there.value < before.value


def climb(view: View) -> tuple[int, Estimate] | None:
    """Where the training loss was lowest, and how far it has risen since over a good part of the run at a high rate."""
    assert view.loss is not None
    high = view.rate_at(np.array([(a + b) / 2 for a, b, _ in view.blocks])) >= UP
    if high.sum() < 6:
        return None
    up = view.blocks[: int(np.flatnonzero(high)[-1]) + 1]
    # Three blocks together, so that the lowest of many is not low by chance.
    joined = [level(view.loss, up[i][0], up[i + 2][1]) for i in range(len(up) - 2)]
    lowest = int(np.argmin([e.value for e in joined]))
    rise = joined[-1].minus(joined[lowest])
    since = up[lowest][0]
    long = up[-1][1] - since > 0.3 * view.end
    size = abs(joined[lowest].value)
    if not (long and rise.low - rise.error > 0 and rise.value > 0.15 * view.gain and rise.value > 0.1 * size):
        return None
    half = (len(joined) + lowest) // 2
    risen = joined[half].value - joined[lowest].value
    return (int(since), rise) if risen > 0.2 * rise.value else None


def plateau(view: View) -> Plateau | None:
    """The last two thirds of the time at a high rate, if the loss did not fall in them but fell afterwards."""
    if view.loss is None or view.rate is None or view.gain <= 0 or trained_before(view):
        return None
    return _plateau(view, view.loss) or (_plateau(view, view.val) if view.val is not None else None)


def _plateau(view: View, series: Series) -> Plateau | None:
    t = series.t.astype(float)
    up = np.flatnonzero(view.rate_at(t) >= UP)
    if len(up) < 6 or up[-1] >= len(t) - 4:
        return None
    begin, end = float(t[up[0]]), float(t[up[-1]]) + 1
    if end - begin < 0.25 * view.end:
        return None
    third = (end - begin) / 3
    early, late = _level(series, begin + third, begin + 2 * third), _level(series, begin + 2 * third, end)
    last = _level(series, float(t[-1]) - max(0.05 * view.end, 2.5 * series.every), float("inf"))
    fell, after = early.minus(late), late.minus(last)
    gain = max(view.initial if series is view.loss else float(series.values[0]), early.value) - last.value
    if gain < 0.15 * abs(last.value) or gain <= 3 * last.error or not np.isfinite(after.error):
        return None
    owed = Estimate(after.value / gain, after.error / gain, max(9, after.n))
    # What the loss would have gained in the same time anyway, had it gone on as before.
    owed = Estimate(owed.value - 1.5 * max(0.0, fell.value) / gain, owed.error, owed.n)
    if owed.low < OWED or fell.value > 0.25 * gain:
        return None
    return Plateau(int(begin + third), int(end), owed, late.value)


def _level(series: Series, first: float, end: float) -> Estimate:
    """The level of a stretch; of few numbers their mean, with the noise of the whole."""
    found = level(series, first, end)
    if not found.n:
        return found
    noise = float(np.sqrt(rough(series.values))) if len(series) < MANY else 0.0
    error = max(found.error if np.isfinite(found.error) else 0.0, noise / np.sqrt(found.n))
    return Estimate(found.value, error, found.n)


def _found(
    view: View, first: int, last: int, marks: tuple[int, ...], message: Both, size: Estimate, against: float, name: Both
) -> Found:
    peak = max((float(s.finite().values.max()) for s in view.log.lr.values() if len(s.finite())), default=float("nan"))
    to = f" ({peak / 3:.3g} instead of {peak:.3g})" if np.isfinite(peak) else ""
    to_zh = f"（由 {peak:.3g} 改为 {peak / 3:.3g}）" if np.isfinite(peak) else ""
    moved = ratio(view)
    big = "" if moved is None else f" An update moved the weights by {moved:.1e} of their size (1e-3 is usual)."
    big_zh = "" if moved is None else f"一次更新使权重移动其大小的 {moved:.1e}（通常约为 1e-3）。"
    return Found(
        Both(message.en + big, message.zh + big_zh),
        Both(
            "The time at the high rate was spent on moving about, not on learning.",
            "高学习率的时间用在来回移动上，而没有用于学习。",
        ),
        # Article [1] advises a larger gamma here; see below why that points the wrong way.
        Both(
            f"Train with a third of the rate{to}. A larger gamma of a step decay is no remedy: it keeps the rate "
            "higher, and does nothing before its first step.",
            f"改用三分之一的学习率{to_zh}。增大阶梯衰减的 gamma 不是办法：它使学习率保持更高，而且在第一次衰减之前毫"
            "无作用。",
        ),
        Both(
            "The loss falls from the beginning, and ends lower than today's end.", "损失从一开始就下降，终点低于现在。"
        ),
        Evidence(first, last, name, size.value, size.low, size.high, against),
        Picture(
            ("loss", "lr"),
            first,
            last,
            marks,
            Both("the loss while the rate is up, and after", "学习率较高时及其后的损失"),
        ),
    )
