"""The loss, or the rate, jumps in the middle of a run, as after a resume that forgot something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.estimate import roughness
from cadence.diagnosis.events import RateEvent, jumps_of
from cadence.diagnosis.excursion import Excursion, broken, excursion, smoothed
from cadence.diagnosis.log import Floats, Series
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.shifts import Shift, shifts
from cadence.diagnosis.view import MANY, View
from cadence.findings.finding import Both

MATTERS = 0.1
"""Share of all that had been learnt that a jump must undo."""

FEW_ROWS = 8
"""Rows of a cycle that are too few to show its end."""

SURE = 15.0
"""Noise that a jump must stand above in a log of few losses and no evaluations."""

FEW_SURE = 10.0
"""The same where evaluations see it as well."""

APART = 0.4
"""Logarithm of the ratio that an evaluation must stand above those before it: half as much again."""

LEFT = 0.25
"""Share of a rise that is left at the end at most, where all but that has been learnt again."""

ABRUPT = 0.5
"""Share of a rise that must come between two logged losses."""

LOW = 0.12
"""Share of the peak below which a cycle is at its end whatever its shape, as one that is to fall to a tenth."""

STAIRS = 0.9
"""Share of updates that leave the rate as it is from which on it comes down in stairs."""

NEARLY = 0.08
"""Share of a cycle's length within which it would have come to 0."""


class Jump(NamedTuple):
    """A sudden rise: first update with the new level, last with the old one, both levels, height in its noise."""

    t: int
    since: int
    before: float
    after: float
    sigmas: float
    series: str


@rule(
    "CL110",
    "resume_jump",
    Both("the training jumps, as after a resume", "训练出现跳变，如同恢复训练之后"),
    severity="error",
    sound=Both("Neither loss nor rate jumps in the middle of the run.", "训练中途损失与学习率均无跳变。"),
    after=("divergence",),
)
def resume_jump(view: View) -> Iterator[Found]:
    """The schedule begun anew, or a sudden rise of the loss without an event of the rate."""
    if view.loss is None and view.rate is None:
        raise CannotTell("the log has neither loss nor rate", "日志中既无损失也无学习率")
    again = begun_anew(view)
    if again is not None:
        yield _anew(view, again)
        return
    jump = sudden_rise(view)
    if jump is not None:
        yield _rise(view, jump)


def begun_anew(view: View) -> RateEvent | None:
    """The place where the rates are those of the beginning again, in the middle of what they were at."""
    for series in view.log.lr.values():
        rate = series.finite()
        for jump in _breaks(rate):
            i = int(np.searchsorted(rate.t, jump.t))
            if i < 3 or i < 0.05 * len(rate):
                continue
            if _repeats(rate, i) and not _complete(rate, i):
                return jump
    return None


def _repeats(rate: Series, i: int) -> bool:
    """Whether the rates from a place on are those of the beginning."""
    k = min(len(rate) - i, i)
    if k < 3:
        return False
    here = rate.values[i : i + k]
    # A log that leaves updates out does not say at which of them the schedule began anew.
    first, last = float(rate.t[i - 1]), float(rate.t[i])
    # Between two updates there is none; between two epochs there are.
    zero = float(rate.t[0]) if rate.t[0] >= rate.every else 0.0
    begins = np.linspace(first + 1, last, 11) if last > first + 1 else np.linspace(first, last + 1, 21)
    for begin in begins.tolist():
        at: Floats = rate.t[i : i + k].astype(np.float64) - begin + zero
        meant: Floats = np.interp(at, rate.t, rate.values)
        same = np.abs(here - meant) <= 0.02 * np.abs(meant) + 1e-3 * float(rate.values.max())
        if same.mean() > 0.8 and meant.max() > 1.1 * meant.min():
            return True
    return False


def _breaks(rate: Series) -> list[RateEvent]:
    """Places where a rate changes its course, also those where it jumps into the middle of a warmup."""
    y, t = rate.values, rate.t
    if len(y) < 8:
        return []
    change = np.diff(y)
    bend = np.abs(change[1:] - change[:-1]) > 0.02 * float(y.max())
    turn = (change[:-1] <= 0) & (change[1:] > 0)
    at = np.flatnonzero(bend & ((np.abs(change[1:]) > np.abs(change[:-1])) | turn)) + 1
    return [RateEvent(int(t[i + 1]), "restart", float(y[i]), float(y[i + 1]), int(t[i])) for i in at[:200].tolist()]


def _complete(rate: Series, i: int) -> bool:
    """Whether a cycle had come to its end: then it begins anew on purpose.

    It has if it is low or level there, if it goes on from where it is, or if a little more of the same would bring it
    to 0. A cosine that is cut at three quarters of its way is none of these: 15 % of the peak, and falling. Stairs are
    level everywhere, and do not go up again on purpose.
    """
    if np.mean(np.diff(rate.values[:i]) == 0) > STAIRS:
        return False
    peak = float(rate.values.max())
    last = float(rate.values[i - 1])
    back = max(0, i - 1 - max(2, i // 20))
    fallen = float(rate.values[back]) - last
    level = abs(fallen) < 0.02 * peak
    goes_on = abs(float(rate.values[i]) - last) < 0.02 * peak
    # At the pace of the last stretch, in shares of the course so far.
    nearly = 0 < last < fallen * NEARLY * i / (i - 1 - back) if back < i - 1 else False
    # Of few rows the end of a cycle lies between two of them: one more step like the last would have brought it there.
    unseen = 2 <= i < FEW_ROWS and 2 * last - float(rate.values[i - 2]) < LOW * peak
    return last < LOW * peak or (last < 0.7 * peak and (level or goes_on)) or nearly or unseen


def sudden_rise(view: View) -> Jump | None:
    """The largest sudden rise of the loss, or of the validation loss, that no event of the rate explains."""
    found: list[Jump] = []
    for name, series in (("loss", view.loss), (view.log.val_loss or "val_loss", view.val)):
        if series is None:
            continue
        gain = float(series.values[: max(1, len(series) // 50)].mean()) - float(np.min(series.values))
        found.extend(
            Jump(s.t, s.since, s.before, s.after, s.sigmas, name)
            for s in shifts(series, least=MATTERS * abs(gain))
            if s.after > s.before and _in_proportion(series, s)
        )
        found.extend(_onset(series, name, MATTERS * abs(gain)))
        if series is view.val:
            found.extend(_learnt_again(series, name))
    found = [j for j in found if j.series == "loss" or _at_once(view, j, found)]
    resumes = [e.t for e in view.log.events if e.kind in ("resume", "restart")]
    found = [j for j in found if _in_the_middle(view, j) and not _by_rate(view, j) and _stays(view, j)]
    near = [j for j in found if any(j.since - 1 <= t <= j.t + 1 for t in resumes)]
    return max(near or found, key=lambda j: j.sigmas, default=None)


def _at_once(view: View, jump: Jump, found: list[Jump]) -> bool:
    """Whether the training loss jumps as well, where it was logged often enough to tell a jump from a climb."""
    if view.loss is None or view.val is None or 5 * view.loss.every > view.val.every:
        return True
    return any(j.series == "loss" and jump.since - 1 <= j.since and j.t <= jump.t + 1 for j in found)


def _onset(series: Series, name: str, least: float) -> list[Jump]:
    """The beginning of the largest rise, where it came at once."""
    rise = excursion(series, float("inf"))
    if rise is None or rise.height < least:
        return []
    near = smoothed(series)[0].between(rise.begin, rise.peak + max(1.0, series.every))
    if len(near) < 2:
        return []
    steps = np.diff(near.values)
    i = int(np.argmax(steps))
    if steps[i] < ABRUPT * rise.height:
        return []
    if float(near.values.min()) > 0 and np.log(near.values[i + 1] / near.values[i]) < ABRUPT * np.log(
        rise.high / rise.low
    ):
        return []
    before = float(np.median(series.between(0, float(near.t[i]) + 1).values[-5:]))
    return [Jump(int(near.t[i + 1]), int(near.t[i]), before, float(near.values[i + 1]), rise.sigmas, name)]


def _learnt_again(series: Series, name: str) -> list[Jump]:
    """The one evaluation that stands far above those before it, and above which the next ones fall again.

    What a resume has lost may be learnt again within a few evaluations: no level that lasts, but a slope behind a step.
    """
    y, t = series.values, series.t
    if len(y) < 12 or float(y.min()) <= 0:
        return []
    logs = np.log(y)
    noise = max(roughness(logs), 1e-3)
    before = np.array([np.median(logs[i - 4 : i]) for i in range(4, len(y) - 2)])
    rises = logs[4:-2] - before
    # In the first descent nothing stands above what was before it.
    i = int(np.argmax(rises))
    others = np.concatenate([rises[: max(0, i - 2)], rises[i + 5 :]])
    at = i + 4
    sigmas = float(rises[i]) / noise
    falls = logs[at] > logs[at + 1] > logs[at + 2]
    slowly = logs[at + 1] - before[i] > 0.2 * rises[i]
    if sigmas < FEW_SURE or rises[i] < APART or not (falls and slowly) or np.max(others, initial=0.0) > 0.35 * rises[i]:
        return []
    return [Jump(int(t[at]), int(t[at - 1]), float(np.exp(before[i])), float(y[at]), sigmas, name)]


def _in_the_middle(view: View, jump: Jump) -> bool:
    """Not at the very beginning, where a rate too high does it, and after something was learnt."""
    if jump.t < 0.2 * view.end or view.loss is None:
        return False
    learnt = view.initial - jump.before
    return learnt > 0.2 * max(view.gain, 1e-300) and jump.after - jump.before > MATTERS * learnt


def _by_rate(view: View, jump: Jump) -> bool:
    """Whether a rate goes up at the same time."""
    for series in view.log.lr.values():
        rate = series.finite()
        # What a rate does to a loss may take some updates to be seen.
        slack = max(rate.every, float(jump.t - jump.since), 0.02 * view.end)
        if any(jump.since - slack <= r.t <= jump.t + slack and r.factor > 1.2 for r in jumps_of(rate)):
            return True
    return False


def _stays(view: View, jump: Jump) -> bool:
    """Whether the loss stays up for several logged values, and no other rise of the kind is there: one is a resume,
    many are an instability."""
    assert view.loss is not None
    series = view.loss if jump.series == "loss" else view.val
    assert series is not None
    after = series.between(jump.t, float("inf")).values[:2]
    # Of few losses the noise itself is uncertain.
    few = jump.series == "loss" and len(series) < 2 * MANY
    if few and (jump.sigmas < FEW_SURE or not _seen_by_evaluations(view, jump)):
        return False
    positive = float(series.values.min()) > 0
    half = float(np.sqrt(jump.before * jump.after)) if positive and jump.before > 0 else (jump.before + jump.after) / 2
    if len(after) < 2 or not (np.sqrt(after[0] * after[1]) if positive else after.mean()) > half:
        return False
    calm = smoothed(series)[0] if jump.series == "loss" else series
    near = calm.between(jump.since, jump.t + max(3 * series.every, 0.1 * view.end) + 1).values
    if float(near.max()) > jump.before + 1.6 * (jump.after - jump.before):
        # It goes on rising: a climb, not a step.
        return False
    back = float(np.median(calm.values[-3:])) < jump.before + LEFT * (jump.after - jump.before)
    if not back and broken(view, calm, jump.t, jump.before):
        return False
    others = _others(view, series, jump)
    if positive and jump.before > 0:
        return not any(np.log(o.high / o.low) > 0.35 * np.log(jump.after / jump.before) for o in others if o.low > 0)
    return not any(o.height > 0.35 * (jump.after - jump.before) for o in others)


def _seen_by_evaluations(view: View, jump: Jump) -> bool:
    """Whether the next validation loss is up as well, where there is one: few losses of training say little."""
    if view.val is None:
        return jump.sigmas > SURE
    before = view.val.between(0, jump.since + 1).values
    after = view.val.between(jump.since + 1, jump.t + 3 * view.val.every).values[:2]
    if not len(before) or not len(after):
        return True
    return float(after.max()) > float(before[-1]) + max(0.1 * abs(float(before[-1])), 2 * roughness(view.val.values))


def _others(view: View, series: Series, jump: Jump) -> list[Excursion]:
    """The largest rises before and behind a jump."""
    start = float(series.t[0]) + 0.1 * view.end
    sides = (
        series.between(start, jump.since),
        series.between(jump.t + max(3 * series.every, 0.05 * view.end), float("inf")),
    )
    found = [excursion(side, float("inf")) for side in sides if len(side) >= 8]
    return [each for each in found if each is not None]


def _in_proportion(series: Series, shift: Shift) -> bool:
    """Whether a loss that is noisy in proportion to itself shows the shift in its logarithm, too."""
    if float(series.values.min()) <= 0:
        return True
    logs = shifts(Series(series.t, np.log(series.values)))
    return any(abs(s.t - shift.t) <= 3 * series.every and s.after > s.before for s in logs)


def _anew(view: View, jump: RateEvent) -> Found:
    return Found(
        Both(
            f"At update {jump.t} the rate goes from {jump.before:.4g} to {jump.after:.4g}, and from there on it is "
            "what it "
            "was from the first update on: the schedule began anew.",
            f"在第 {jump.t} 次更新时学习率由 {jump.before:.4g} 变为 {jump.after:.4g}，此后与从第一次更新开始时相同："
            "调度重新开始了。",
        ),
        Both(
            "The run has two beginnings and no end: it stops at a rate that was meant for its middle.",
            "训练有两个开头而没有结尾：它停在本应属于中段的学习率上。",
        ),
        Both(
            "Save and load the schedule's state with the optimizer's: driver.state_dict() in the checkpoint, "
            "driver.load_state_dict(...) after both were made.",
            "把调度的状态与优化器一起保存和加载：将 driver.state_dict() 放入检查点，两者创建后调用 "
            "driver.load_state_dict(...)。",
        ),
        Both(
            "The rate goes on where it stood, and ends where it was planned to.",
            "学习率从原处继续，并在计划的终点结束。",
        ),
        Evidence(
            jump.since, jump.t, Both("factor of the rate", "学习率的倍数"), jump.factor, jump.factor, jump.factor, 1.0
        ),
        Picture(
            ("lr", "loss"),
            jump.since,
            view.end - 1,
            (jump.t,),
            Both("the rate begins anew at the mark", "学习率在标记处重新开始"),
        ),
    )


def _rise(view: View, jump: Jump) -> Found:
    said = any(
        e.kind in ("resume", "restart") and abs(e.t - jump.t) <= jump.t - jump.since + 1 for e in view.log.events
    )
    where = "the log has a resume there" if said else "no event of the learning rate is near"
    where_zh = "日志在此处有一次恢复" if said else "附近没有学习率事件"
    what = "loss" if jump.series == "loss" else f"metric {jump.series}"
    height = jump.after - jump.before
    return Found(
        Both(
            f"The {what} jumps from {jump.before:.4g} to {jump.after:.4g} between updates {jump.since} and {jump.t} "
            f"({jump.sigmas:.0f} standard deviations); {where}.",
            f"{'损失' if jump.series == 'loss' else '指标 ' + jump.series} 在第 {jump.since} 与第 {jump.t} 次更新之"
            f"间由 {jump.before:.4g} "
            f"跳至 {jump.after:.4g}（{jump.sigmas:.0f} 个标准差）；{where_zh}。",
        ),
        Both("What was learnt before is partly lost, and learnt a second time.", "之前学到的部分丢失，需要重新学习。"),
        Both(
            "If the run was taken up there: load weights, optimizer and schedule from one checkpoint, and the "
            "position in "
            "the data. If not, look at what changed there: data, augmentation, a layer that was thawed.",
            "若训练在此处恢复：从同一个检查点加载权重、优化器、调度以及数据位置。若不是，检查此处发生的变化：数据、"
            "增强、解冻的层。",
        ),
        Both("The loss goes on where it stood.", "损失从原处继续。"),
        Evidence(jump.since, jump.t, Both("height of the jump", "跳变的高度"), height, height, height, 0.0),
        Picture(
            (jump.series, "lr"),
            jump.since,
            jump.t,
            (jump.t,),
            Both("the curve is broken at the mark", "曲线在标记处断开"),
        ),
    )
