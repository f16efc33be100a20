"""The rate was high before the weights could bear it: the loss rose at the beginning and came back by itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.estimate import improvement, level
from cadence.diagnosis.excursion import Excursion, excursion, surge
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

EARLY = 0.2
"""Share of the run in which a rise is one of the beginning."""

WARMED = 0.025
"""Share of the run from which on there was a warmup."""

MATTERS = 0.2
"""Share of the initial loss by which the loss must have risen."""


@rule(
    "CL103",
    "under_warmup",
    Both("the warmup is too short", "预热过短"),
    severity="warning",
    sound=Both("The loss did not rise at the beginning.", "损失在开始阶段没有上升。"),
    after=("divergence", "resume_jump"),
)
def under_warmup(view: View) -> Iterator[Found]:
    """A rise above the initial loss in the first fifth, after which the loss falls at the rate it rose at."""
    if view.loss is None:
        raise CannotTell("the log has too few losses", "日志中的损失太少")
    found = first_rise(view)
    if found is None or not recovers(view, found):
        return
    rate = view.rate
    reached = 0 if rate is None else int(rate.t[int((rate.values >= 0.9).argmax())])
    length = f"after {reached} updates" if reached else "from the first update on"
    length_zh = f"在 {reached} 次更新后" if reached else "从第一次更新起"
    longer = max(3 * reached, 3 * (found.back or found.peak), view.end // 20)
    norm = view.log.train.get("grad_norm")
    if norm is not None and len(norm) > 20:
        early = float(norm.between(0, found.peak + 2).values.max(initial=0.0))
        grown = f" The gradient's norm was {early:.3g} then."
        grown_zh = f"此时梯度范数为 {early:.3g}。"
    else:
        grown = grown_zh = ""
    yield Found(
        Both(
            f"The loss rose from {found.low:.4g} to {found.high:.4g} at update {found.peak} ({found.sigmas:.0f} "
            f"standard deviations of its noise) and was back at update {found.back}, at the same rate.{grown}",
            f"损失在第 {found.peak} 次更新时由 {found.low:.4g} 升至 {found.high:.4g}（噪声标准差的 "
            f"{found.sigmas:.0f} 倍），"
            f"并在同样的学习率下于第 {found.back} 次更新时恢复。{grown_zh}",
        ),
        Both(
            f"The rate was at its peak {length}: the first updates threw the weights about, and moments of Adam kept "
            "the large gradients for long.",
            f"学习率{length_zh}就达到峰值：最初的更新使权重剧烈移动，Adam 的矩会长时间保留这些大梯度。",
        ),
        Both(
            f'Begin with warmup("{longer} steps"), or half the rate.',
            f'以 warmup("{longer} steps") 开始，或将学习率减半。',
        ),
        Both(
            "The loss falls from the first update on; the end is at least as good, more so with large batches.",
            "损失从第一次更新起就下降；终点至少同样好，大批量时更好。",
        ),
        Evidence(
            found.begin,
            found.back or found.peak,
            Both("rise of the loss", "损失的上升"),
            found.height,
            found.height,
            found.height,
            MATTERS * abs(view.initial),
        ),
        Picture(
            ("loss", "lr"),
            found.begin,
            found.back or found.peak,
            (found.peak,),
            Both("the loss peaks at the mark while the rate is high", "损失在标记处达到峰值，此时学习率很高"),
        ),
    )


def first_rise(view: View) -> Excursion | None:
    """The rise of the loss, or else of the validation loss, in the first fifth of the run; None where there is none."""
    for series in (view.loss, view.val):
        if series is None:
            continue
        until = float(series.t[0]) + EARLY * view.end
        found = surge(view, until, least=5.0) if series is view.loss else excursion(series, until, least=5.0)
        if found is not None and found.begin <= EARLY * view.end and rises_above(view, found):
            return found
    return None


def rises_above(view: View, found: Excursion) -> bool:
    """Whether a rise goes well beyond the loss before anything was learnt."""
    high = found.high > view.initial + 0.5 * MATTERS * abs(view.initial)
    return found.height > MATTERS * abs(view.initial) and (high or found.height > 0.6 * (view.initial - found.low))


def recovers(view: View, found: Excursion) -> bool:
    """Whether a rise was one of the beginning only: the loss came back at that rate and fell on, without another."""
    if not (borne(view, found) and learns(view)) or found.peak > EARLY * view.end:
        return False
    if view.rate is not None and (view.warmup is None or view.warmup >= WARMED):
        # There was a warmup, or may have been, and it did not help: then it is the rate.
        return False
    assert view.loss is not None
    assert found.back is not None
    # What follows at once is of the same turmoil.
    later = view.loss.between(found.back + 0.1 * view.end, float("inf"))
    again = excursion(later, float("inf")) if len(later) >= 8 else None
    if again is not None and again.height > 0.5 * min(found.height, abs(view.initial)):
        return False
    meanwhile = level(view.loss, 0.2 * view.end, 0.4 * view.end)
    return view.initial - meanwhile.value > 0.25 * view.gain and not stands(view)


def stands(view: View) -> bool:
    """Whether the loss is level over the last two fifths, at a rate that is as high as ever."""
    assert view.loss is not None
    first, end = view.whole_of(view.loss)
    since = end - 0.4 * (end - first)
    rate = view.rate_at(view.loss.between(since, end).t.astype(float))
    gained = improvement(view.loss, since, end)
    return bool(len(rate) and rate.min() > 0.75) and gained is not None and gained.value < 0.05 * view.gain


def learns(view: View) -> bool:
    """Whether anything was learnt in the end: weights that were thrown out too far learn nothing any more."""
    return view.initial - view.last.value > 0.15 * abs(view.initial)


def borne(view: View, found: Excursion) -> bool:
    """Whether the loss came back while the rate was about what it was at the rise."""
    if found.back is None:
        return False
    then, now = view.rate_at(np.array([float(found.peak), float(found.back)]))
    return bool(now >= 0.7 * then) and found.back <= 0.5 * view.end
