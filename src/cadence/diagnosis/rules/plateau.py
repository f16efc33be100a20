"""A rule that cuts the rate: too eager, or too late."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.estimate import Estimate, improvement, level
from cadence.diagnosis.events import RateEvent
from cadence.diagnosis.log import Floats
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

CUTS = 3
"""Cuts from which on a rate came down step by step."""

EARLY, SMALL = 0.5, 0.1
"""Share of the run before which, and share of the peak below which, a rate that was cut is down too early."""

WAITED = 0.44
"""Share of the run that may pass without progress before a cut."""

HELPED = 0.03
"""Share of all that was gained that the cut must have brought to say that it came late."""


class Cut(NamedTuple):
    """A cut of a rate that stood before it and behind it."""

    jump: RateEvent
    since: int
    until: int


def cuts(view: View) -> list[Cut]:
    """The cuts of a rate that is otherwise constant; empty where it is not."""
    for series in view.log.lr.values():
        rate = series.finite()
        if len(rate) < 4:
            continue
        y, t = rate.values, rate.t
        y = np.maximum(y, 1e-300)
        moved = np.flatnonzero(np.abs(np.diff(y)) > 1e-6 * np.abs(y[:-1]))
        # A warmup may stand before the first cut; behind it there are cuts and constant stretches, nothing else.
        down = [int(i) for i in moved if 0 < y[i + 1] < 0.95 * y[i]]
        if not down:
            continue
        since = [int(i) for i in moved if i >= down[0]]
        if (
            len(since) > 1.25 * len(down)
            or len(since) > 0.5 * (len(y) - down[0])
            or _curved(since, np.log(y[moved + 1] / y[moved])[-len(since) :])
        ):
            return []
        found = [RateEvent(int(t[i + 1]), "drop", float(y[i]), float(y[i + 1]), int(t[i])) for i in down]
        before = [int(i) for i in moved if i < down[0]]
        begins = [int(t[before[-1] + 1]) if before else int(t[0]), *(j.t for j in found[:-1])]
        ends = [*(j.t for j in found[1:]), int(t[-1]) + 1]
        return [Cut(j, b, e) for j, b, e in zip(found, begins, ends, strict=True)]
    return []


def _curved(moved: list[int], steps: Floats) -> bool:
    """Whether a rate moves several times in succession, and not by powers of one factor: then it follows a curve."""
    run = longest = 1
    for a, b in pairwise(moved):
        run = run + 1 if b == a + 1 else 1
        longest = max(longest, run)
    if longest < 3:
        return False
    # A log that leaves updates out may show several cuts as one.
    powers: Floats = steps / -float(np.abs(steps).min())
    return longest >= 6 or bool(np.abs(powers - np.round(powers)).max() > 0.1)


@rule(
    "CL115",
    "plateau_eager",
    Both("the rate was cut too eagerly", "学习率衰减过于频繁"),
    severity="warning",
    sound=Both("The rate was not cut while the loss was falling fast.", "没有在损失快速下降时衰减学习率。"),
    after=("divergence", "resume_jump"),
)
def plateau_eager(view: View) -> Iterator[Found]:
    """Several cuts that brought the rate down while the loss was still falling, and after which it fell no more."""
    if view.rate is None or view.loss is None:
        raise CannotTell("the log has no learning rate, or no losses", "日志中没有学习率或损失")
    made = cuts(view)
    journaled = [e for e in view.log.events if e.kind == "cut"]
    if len(made) < (CUTS if not journaled else 2):
        return
    peak = max(c.jump.before for c in made)
    down = next((c for c in made if c.jump.after <= SMALL * peak), None)
    first, end = view.whole_of(view.loss)
    if down is None or down.jump.t - first > EARLY * (end - first):
        return
    t = float(down.jump.t)
    fallen = improvement(view.loss, first, t)
    later = improvement(view.loss, t + 0.1 * (end - t), end)
    if later is None:
        raise CannotTell("there are too few losses behind the cuts", "衰减之后的损失太少")
    if fallen is not None and np.isfinite(fallen.error):
        falling = fallen.low > 0
    else:
        falling = view.initial - level(view.loss, t, end).value > 0.2 * abs(view.initial)
    # What was gained in the same number of updates: if the rate was still of use, much less behind the cuts.
    speed = (view.initial - level(view.loss, t, t + 0.1 * (end - t)).value) / max(1.0, t - first)
    slow = later.value / (0.45 * (end - t)) < 0.1 * max(speed, 0.0)
    if not (falling and slow):
        return
    low = made[-1].jump.after
    yield Found(
        Both(
            f"{len(made)} cuts from update {made[0].jump.t} to {made[-1].jump.t} brought the rate from {peak:.4g} to "
            f"{low:.4g}; by update {down.jump.t} ({(t - first) / (end - first):.0%} of the run) it was below a "
            "tenth. The "
            f"loss was still falling then, and gained only {later.value:.2g} ({later.low:.2g} to {later.high:.2g}) "
            "in all the "
            "rest.",
            f"从第 {made[0].jump.t} 到第 {made[-1].jump.t} 次更新的 {len(made)} 次衰减使学习率由 {peak:.4g} 降至 "
            f"{low:.4g}；到第 "
            f"{down.jump.t} 次更新（训练的 {(t - first) / (end - first):.0%}）已低于十分之一。当时损失仍在下降，而其"
            "后总共只收益 "
            f"{later.value:.2g}（{later.low:.2g} 至 {later.high:.2g}）。",
        ),
        Both(
            f"{view.end - down.jump.t} of {view.end} updates were done at a rate that moves nothing.",
            f"{view.end} 次更新中有 {view.end - down.jump.t} 次的学习率几乎不起作用。",
        ),
        # Article [1] advises a lower factor against noise: that makes each cut which noise causes deeper.
        Both(
            "A larger patience, a cooldown, significance=0.05, and a larger factor (0.5), not a lower one: a lower "
            "factor "
            "makes each mistaken cut deeper.",
            "增大 patience、加冷却期、设 significance=0.05，并使用更大的 factor（0.5）而不是更小：更小的 factor 使每"
            "次误判的衰减更深。",
        ),
        Both(
            "Cuts come when the loss has really stopped; it goes on falling until then.",
            "只有在损失真正停止时才衰减；在此之前继续下降。",
        ),
        Evidence(
            made[0].jump.t,
            made[-1].jump.t,
            Both("gain behind the cuts", "衰减之后的收益"),
            later.value,
            later.low,
            later.high,
            0.1 * speed * 0.45 * (end - t),
        ),
        Picture(
            ("loss", "lr"),
            made[0].jump.t,
            view.end - 1,
            tuple(c.jump.t for c in made)[:20],
            Both("the rate goes down in steps while the loss falls", "损失下降时学习率逐级降低"),
        ),
    )


@rule(
    "CL116",
    "plateau_late",
    Both("the rate was cut too late", "学习率衰减过晚"),
    severity="warning",
    sound=Both("No cut came long after the loss had stopped.", "没有在损失停止很久之后才衰减。"),
    after=("divergence", "resume_jump", "plateau_eager"),
)
def plateau_late(view: View) -> Iterator[Found]:
    """A cut that helped, and a long level stretch before it."""
    if view.rate is None or view.loss is None:
        raise CannotTell("the log has no learning rate, or no losses", "日志中没有学习率或损失")
    first, end = view.whole_of(view.loss)
    for cut in cuts(view):
        t = float(cut.jump.t)
        start = t - WAITED * (end - first)
        if start < cut.since:
            continue
        waited = level_since(view, float(cut.since), t)
        if waited is None or t - waited < WAITED * (end - first):
            continue
        before = level(view.loss, t - 0.5 * (t - waited), t)
        after = level(view.loss, t + 0.1 * (cut.until - t), min(float(cut.until), t + 0.5 * (t - waited)))
        if not np.isfinite(after.error):
            after = level(view.loss, t, float(cut.until))
        helped = before.minus(after)
        if helped.low > 0.2 * helped.value and helped.value > min(
            HELPED * view.gain, max(0.1 * abs(before.value), 0.01 * view.gain)
        ):
            yield _late(view, cut, int(waited), helped, (t - waited) / (end - first))
            return


def level_since(view: View, first: float, t: float) -> float | None:
    """The earliest update from which on the loss was level until `t`, in twentieths of the stretch; None: never."""
    assert view.loss is not None
    close = level(view.loss, t - max(0.15 * (t - first), 3 * view.loss.every), t)
    found = None
    for k in range(16):
        a = first + (t - first) * k / 20
        here = level(view.loss, a, a + 0.15 * (t - first))
        ahead = here.minus(close)
        if (
            np.isfinite(ahead.error)
            and ahead.high < 0.2 * view.gain
            and ahead.value < max(min(0.04 * view.gain, 0.05 * abs(close.value)), 0.5 * ahead.half)
        ):
            found = a
            break
    return found


def _late(view: View, cut: Cut, waited: int, helped: Estimate, share: float) -> Found:
    t = cut.jump.t
    return Found(
        Both(
            f"The loss stood from update {waited} to {t}, {share:.0%} of the run, before the rate was cut from "
            f"{cut.jump.before:.4g} to {cut.jump.after:.4g}; the cut brought {helped.value:.3g} ({helped.low:.3g} to "
            f"{helped.high:.3g}).",
            f"在学习率由 {cut.jump.before:.4g} 降至 {cut.jump.after:.4g} 之前，损失从第 {waited} 到第 {t} 次更新（训"
            f"练的 {share:.0%}）停滞；"
            f"该次衰减带来 {helped.value:.3g}（{helped.low:.3g} 至 {helped.high:.3g}）。",
        ),
        Both(f"{t - waited} updates were spent waiting.", f"{t - waited} 次更新用于等待。"),
        Both(
            f"Cut at about update {waited + (t - waited) // 4}: a smaller patience (a quarter of today's), or a "
            "milestone "
            "there; a cosine needs neither.",
            f"在第 {waited + (t - waited) // 4} 次更新附近衰减：减小 patience（约为现在的四分之一）或在此设置里程碑"
            "；cosine 则都不需要。",
        ),
        Both(
            "The same loss, that much earlier, and time for one more cut.", "提前达到同样的损失，并留出再次衰减的时间。"
        ),
        Evidence(
            waited,
            t,
            Both("gain by the cut", "衰减带来的收益"),
            helped.value,
            helped.low,
            helped.high,
            HELPED * view.gain,
        ),
        Picture(
            ("loss", "lr"),
            waited,
            t,
            (t,),
            Both("the loss is level before the mark and falls behind it", "损失在标记之前水平、之后下降"),
        ),
    )
