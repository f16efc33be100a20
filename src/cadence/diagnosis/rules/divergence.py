"""The loss went up and did not come back, or is no number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.rules.rate_low import blown
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

WORSE = 0.5
"""Share of what had been learnt that must be lost at the end."""

EXPLODED = 10.0
"""Multiple of the initial loss that no training comes by with a rate it can bear."""


@rule(
    "CL101",
    "divergence",
    Both("the loss diverged", "损失发散"),
    severity="error",
    sound=Both(
        "The loss stayed finite and did not end above where it had been.", "损失始终有限，结束时没有高于之前的水平。"
    ),
)
def divergence(view: View) -> Iterator[Found]:
    """Non-finite losses at the end, or an end far above what had been reached."""
    if view.log.loss is None or not len(view.log.loss):
        raise CannotTell("the log has no training loss", "日志中没有训练损失")
    lost = _not_finite(view)
    if lost is not None:
        t, last = lost
        yield _found(
            view,
            t,
            f"From update {t} on the loss is no finite number.",
            f"从第 {t} 次更新起损失不再是有限数。",
            np.inf,
            last,
        )
        return
    if view.loss is None:
        raise CannotTell("the log has too few losses", "日志中的损失太少")
    end, initial, best = view.last, view.initial, view.best
    gain = max(initial - best, 0.0)
    top = float(view.loss.values.max())
    rise = end.value - best
    beyond = end.low > initial + max(WORSE * gain, 0.2 * abs(initial))
    undone = gain > 0.2 * abs(initial) and end.low - best > WORSE * gain and _climbs(view, best, rise)
    exploded = top > EXPLODED * abs(initial) + initial and end.value > initial - 0.25 * abs(initial)
    if not (beyond or undone or exploded or _at_once(view) or _judged(view)):
        return
    # A peak far above the end says nothing of where it began: what is left of the rise does.
    t = _began(view, best, rise if rise > WORSE * gain else max(rise, 0.1 * (top - best)))
    loss = f"{end.value:.4g}"
    yield _found(
        view,
        t,
        f"The loss left {best:.4g} at about update {t}, went up to {top:.4g}, and ends at {loss}; at the "
        f"beginning it was {initial:.4g}.",
        f"损失约在第 {t} 次更新时离开 {best:.4g}，升至 {top:.4g}，结束时为 {loss}；开始时为 {initial:.4g}。",
        end.value,
        view.end - 1,
    )


def _at_once(view: View) -> bool:
    """Whether the first row of few is beyond all measure, and nothing was learnt behind it."""
    assert view.loss is not None
    y = view.loss.values
    half = y[len(y) // 2 :]
    stands = float(np.median(half[: len(half) // 2])) < 1.05 * float(np.median(half[len(half) // 2 :]))
    return blown(view) and stands


def _judged(view: View) -> bool:
    """Whether the validation loss ends far above where it began, and the training loss no lower."""
    if view.val is None:
        return False
    first, last = float(view.val.values[0]), float(view.val.values[-1])
    return last > first + 5 * abs(first) and view.last.value > 0.9 * view.initial > 0


def _not_finite(view: View) -> tuple[int, int] | None:
    """First update from which on all losses, or all validation losses, are no numbers."""
    found: list[tuple[int, int]] = []
    val = view.log.metrics.get(view.log.val_loss) if view.log.val_loss is not None else None
    for series in (view.log.loss, val):
        if series is None or not len(series) or np.isfinite(series.values[-1]):
            continue
        good = np.flatnonzero(np.isfinite(series.values))
        first = int(good[-1]) + 1 if len(good) else 0
        found.append((int(series.t[first]), int(series.t[-1])))
    return min(found) if found else None


def _climbs(view: View, best: float, rise: float) -> bool:
    """Whether the end is no better than what came before it: a training that recovers is not lost."""
    values = [block.value for *_, block in view.blocks]
    after = values[int(np.argmin(values)) :]
    worst = max(after) - best
    return values[-1] - best > 0.7 * worst and rise > 0


def _began(view: View, best: float, rise: float) -> int:
    """The last update at which the loss was still near its best."""
    assert view.loss is not None
    values = [block.value for *_, block in view.blocks]
    lowest = int(np.argmin(values))
    tops = int(np.argmax(values))
    if tops < lowest:
        return int(view.loss.t[0])
    near = [i for i in range(lowest, tops + 1) if values[i] <= best + 0.25 * rise]
    return int(view.blocks[near[-1]][1])


def _found(view: View, t: int, en: str, zh: str, value: float, last: int) -> Found:
    rate = float(view.rate_at(np.array([float(t)]))[0])
    share = "" if view.rate is None else f" The rate stood at {rate:.0%} of its peak there."
    share_zh = "" if view.rate is None else f"当时学习率为峰值的 {rate:.0%}。"
    lower = f"a third of the rate{_absolute(view, t)}"
    return Found(
        Both(en + share, zh + share_zh),
        Both(
            "Nothing that was learnt after that is of use; what follows in the log is a consequence.",
            "此后学到的都没有用；日志中其后的现象都是其后果。",
        ),
        Both(
            f"Train with {lower}, and a longer warmup if it began in the first tenth; clip_norm=1 as a belt.",
            f"改用三分之一的学习率{_absolute_zh(view, t)}；若发生在前十分之一，同时延长预热；可用 clip_norm=1 作保险。",
        ),
        Both(
            "The loss keeps falling past this update. If it diverges at the same place at any rate, look at the "
            "batch, the precision or the loss there.",
            "损失会在此处之后继续下降。若在任何学习率下都在同一处发散，请检查那里的批次、精度或损失函数。",
        ),
        Evidence(
            t, last, Both("loss at the end", "结束时的损失"), value, value, value, view.initial if view.loss else 0.0
        ),
        Picture(("loss", "lr"), t, last, (t,), Both("the loss leaves its course at the mark", "损失在标记处偏离")),
    )


def _absolute(view: View, t: int) -> str:
    highest = max((s.at(t) for s in view.log.lr.values()), default=float("nan"))
    return f", {highest / 3:.3g} where it was {highest:.3g}" if np.isfinite(highest) else ""


def _absolute_zh(view: View, t: int) -> str:
    highest = max((s.at(t) for s in view.log.lr.values()), default=float("nan"))
    return f"（由 {highest:.3g} 改为 {highest / 3:.3g}）" if np.isfinite(highest) else ""
