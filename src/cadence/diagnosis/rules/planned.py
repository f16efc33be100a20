"""The rate was not what the schedule says, or somebody else wrote it for a while."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.events import RateEvent, jumps_of
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

SAME = 1e-3
"""Rates that differ by a smaller share are the same: logs keep few digits."""


@rule(
    "CL111",
    "planned",
    Both("the rate was not what was planned", "学习率与计划不符"),
    severity="error",
    sound=Both(
        "The rate follows one course, the planned one where the log knows it.",
        "学习率沿一条曲线变化；日志中有计划时与其相符。",
    ),
    after=("resume_jump",),
)
def planned(view: View) -> Iterator[Found]:
    """Logged rates against the schedule's; without one, a stretch that leaves a course which goes on behind it."""
    if not view.log.lr:
        raise CannotTell("the log has no learning rate", "日志中没有学习率")
    for group, held in view.log.lr.items():
        meant = view.log.planned.get(group)
        if meant is not None and len(meant):
            expected = np.interp(held.t, meant.t, meant.values)
            good = np.isfinite(held.values) & np.isfinite(expected)
            wrong = np.flatnonzero(good & (np.abs(held.values - expected) > SAME * np.abs(expected) + 1e-12))
            if len(wrong):
                worst = int(wrong[np.argmax(np.abs(held.values[wrong] - expected[wrong]))])
                yield _found(
                    view,
                    group,
                    int(held.t[wrong[0]]),
                    int(held.t[wrong[-1]]),
                    int(held.t[worst]),
                    float(held.values[worst]),
                    float(expected[worst]),
                    len(wrong),
                )
                return
            continue
        pair = _written(view, group)
        if pair is not None:
            first, back = pair
            yield _found(
                view,
                group,
                first.t,
                back.since,
                first.t,
                first.after,
                first.before,
                len(held.between(first.t, back.t)),
            )
            return


def _written(view: View, group: str) -> tuple[RateEvent, RateEvent] | None:
    """Two jumps that undo each other, with a course that goes on: as though nothing had been between."""
    rate = view.log.lr[group].finite()
    jumps = jumps_of(rate)
    for first, back in pairwise(jumps):
        if first.before <= 0 or first.after <= 0 or back.before <= 0 or back.t - first.t > 0.5 * view.end:
            continue
        i, j = int(np.searchsorted(rate.t, first.t)), int(np.searchsorted(rate.t, back.t))
        if i < 3 or j > len(rate) - 3:
            continue
        # What the course outside says about the stretch between: a polynomial through three values on each side.
        ts = np.concatenate([rate.t[i - 3 : i], rate.t[j : j + 3]]).astype(float)
        ys = np.concatenate([rate.values[i - 3 : i], rate.values[j : j + 3]])
        middle, half = ts.mean(), max(1.0, (ts[-1] - ts[0]) / 2)
        fit = np.polynomial.polynomial.Polynomial.fit((ts - middle) / half, ys, 3)
        meant = fit((rate.t[i:j] - middle) / half)
        factors = rate.values[i:j] / np.where(np.abs(meant) > 0, meant, np.nan)
        apart = abs(np.log(first.factor))
        steady = len(factors) and np.all(np.isfinite(factors)) and np.all(factors > 0)
        if steady and apart > 0.2 and abs(np.log(first.factor * back.factor)) < 0.35 * apart:
            logs = np.log(factors)
            if np.abs(logs - np.median(logs)).max() < 0.25 and abs(np.median(logs)) > 0.2:
                return first, back
    return None


def _found(view: View, group: str, first: int, last: int, t: int, had: float, meant: float, count: int) -> Found:
    of = f" of group {group!r}" if len(view.log.lr) > 1 else ""
    of_zh = f"（参数组 {group!r}）" if len(view.log.lr) > 1 else ""
    known = group in view.log.planned
    says = "where the schedule has" if known else "where the course before and behind it has"
    says_zh = "而调度给出" if known else "而前后曲线给出"
    factor = had / meant if meant else float("inf")
    return Found(
        Both(
            f"The rate{of} was {had:.4g} at update {t}, {says} {meant:.4g} ({factor:.3g} times); from update "
            f"{first} to "
            f"{last}, {count} logged rates.",
            f"学习率{of_zh}在第 {t} 次更新时为 {had:.4g}，{says_zh} {meant:.4g}（{factor:.3g} 倍）；从第 {first} 到"
            f"第 {last} 次更新，"
            f"共 {count} 个记录。",
        ),
        Both(
            "Something else than the schedule set the rate; the run is not the one that was written down.",
            "有调度以外的东西设置了学习率；这次训练与写下的不一致。",
        ),
        Both(
            "Find what else writes it: a second scheduler, a callback, a warmup by hand; to change a rate by hand "
            "write "
            "driver.set(...), which goes into the journal.",
            "找出还有谁在写它：第二个调度器、回调、手写的预热；要手动修改请用 driver.set(...)，它会记入日志。",
        ),
        Both("The logged rate lies on the planned one.", "记录的学习率与计划重合。"),
        Evidence(first, last, Both("rate over the planned one", "学习率与计划之比"), factor, factor, factor, 1.0),
        Picture(
            ("lr",),
            first,
            last,
            (first, last),
            Both("the rate leaves its course between the marks", "学习率在两个标记之间偏离曲线"),
        ),
    )
