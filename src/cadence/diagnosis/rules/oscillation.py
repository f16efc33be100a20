"""The loss goes up and down more than its batches explain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.estimate import roughness
from cadence.diagnosis.log import Floats, Series
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.swings import chi_limit, rough, swings
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

AMPLITUDE = 0.15
"""Standard deviation of the ups and downs, as a share of the loss, from which on they matter."""

DESCENT = 0.25
"""Share of the run that is left out: there the loss falls too fast to tell a swing from it."""

UP = 0.3
"""Share of its peak above which a rate can make weights swing."""

DOWN = 0.2
"""Share of its peak below which a rate has come down: it takes the swings with it, which are then no fault."""

OF_GAIN = 0.015
"""Share of all that was gained that ups and downs must have."""

REPAIRED = 0.4
"""The same where the rate came down behind them."""


class Swinging(NamedTuple):
    """Ups and downs: their share of the loss, how often each comes in updates, and their variance over the noise's."""

    amplitude: float
    length: int
    ratio: float
    limit: float
    series: str
    spikes: tuple[int, ...] = ()


@rule(
    "CL112",
    "oscillation",
    Both("the loss oscillates", "损失振荡"),
    severity="warning",
    sound=Both(
        "The loss goes up and down by no more than its batches explain.", "损失的起伏没有超过批次噪声所能解释的范围。"
    ),
    after=("divergence", "resume_jump", "under_warmup", "rate_high"),
)
def oscillation(view: View) -> Iterator[Found]:
    """Variance of block means over that of independent noise, at several scales; spikes; swings of evaluations."""
    if view.loss is None or len(view.loss) < 12:
        raise CannotTell("the log has fewer than 12 losses", "日志中的损失少于 12 个")
    found = swinging(view)
    if found is not None:
        yield _found(view, found)


def swinging(view: View) -> Swinging | None:
    """The strongest sign of an oscillation; None where there is none."""
    assert view.loss is not None
    part = _settled(view, view.loss)
    if len(part) < 6:
        return None
    y, scale = relative(part.values)
    size = float(np.median(np.abs(part.values)))
    least = 2 / 3 * of_gain(view)
    found = [
        Swinging(s.amplitude / scale, int(2 * s.width * part.every), s.ratio, s.limit, "loss")
        for s in swings(y)
        if s.ratio > 1.3 * s.limit
        and s.amplitude / scale > AMPLITUDE
        and s.amplitude / scale * size > least * view.gain
    ]
    found.extend(_spikes(part))
    found.extend(_evaluations(view))
    return max(found, key=lambda s: s.ratio / s.limit, default=None)


def relative(y: Floats) -> tuple[Floats, float]:
    """A series and the size that its ups and downs are shares of: logarithms and 1, or itself and its median."""
    if float(y.min()) > 0:
        return np.log(y), 1.0
    return y, max(float(np.median(np.abs(y))), 1e-300)


def of_gain(view: View) -> float:
    """Share of all that was gained that ups and downs must have to matter."""
    return REPAIRED if view.rate is not None and float(view.rate.values[-1]) < DOWN else OF_GAIN


def _settled(view: View, series: Series) -> Series:
    """The part after the descent, in which the rate is up."""
    part = series.between(float(series.t[0]) + DESCENT * (view.end - float(series.t[0])), float("inf"))
    return part.take(view.rate_at(part.t.astype(float)) >= UP)


def _spikes(part: Series) -> list[Swinging]:
    """Single losses far above everything about them, several times over."""
    y = part.values
    if len(y) < 30 or float(y.min()) <= 0:
        return []
    logs = np.log(y)
    half = 7
    padded = np.concatenate([np.repeat(logs[:1], half), logs, np.repeat(logs[-1:], half)])
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
    above = logs - middle
    noise = max(roughness(logs), 1e-3)
    # A mean of batches that are sometimes hard has a long tail by itself, on its low side too where it is near 0.
    limit = max(8 * noise, 2.5 * float(np.abs(np.minimum(above, 0)).max()), float(np.log(1.5)))
    high = np.flatnonzero(above > limit)
    clusters = [int(i) for k, i in enumerate(high.tolist()) if k == 0 or i - high[k - 1] > 5]
    if len(clusters) < 3:
        return []
    height = float(np.median(above[high]))
    return [
        Swinging(
            height,
            int((part.t[clusters[-1]] - part.t[clusters[0]]) / (len(clusters) - 1)),
            height / noise,
            8.0,
            "loss",
            tuple(int(part.t[i]) for i in clusters),
        )
    ]


def _evaluations(view: View) -> list[Swinging]:
    """Swings of the validation loss that the training loss goes along with."""
    if view.val is None or view.loss is None:
        return []
    part = _settled(view, view.val)
    if len(part) < 8:
        return []
    y, scale = relative(part.values)
    amplitude = float(np.sqrt(rough(y))) / scale
    if amplitude < AMPLITUDE:
        return []
    limit = chi_limit(max(2.0, 0.514 * (len(y) - 2)))
    moved = (amplitude * scale if scale != 1.0 else _size(part)) > of_gain(view) * abs(view.gain)
    if moved and (_together(view.loss, part) or AMPLITUDE + 0.05 < amplitude < 0.8 * batches(view)):
        return [Swinging(amplitude, int(2 * part.every), 2 * limit, limit, view.log.val_loss or "val_loss")]
    return []


def _size(part: Series) -> float:
    return float(np.sqrt(rough(part.values)))


def batches(view: View) -> float:
    """Noise of one training batch, as a share of the loss.

    A validation set is larger than a batch. Evaluations that differ by less than batches do, and still by much, differ
    because of the weights; if they differ by more, the set is smaller than a batch.
    """
    assert view.loss is not None
    part = _settled(view, view.loss)
    y, scale = relative((part if len(part) >= 8 else view.loss).values)
    return roughness(y) / scale * float(np.sqrt(view.averaged))


def _together(loss: Series, val: Series) -> bool:
    """Whether training and validation losses go up and down together, from one evaluation to the next."""
    half = max(val.every / 2, loss.every)
    pairs: list[tuple[float, float]] = []
    for t, v in val:
        near = loss.between(t - half, t + half).values
        if len(near) and v > 0 and float(near.min()) > 0:
            pairs.append((float(np.log(near).mean()), float(np.log(v))))
    if len(pairs) < 10:
        return False
    a, b = np.array(pairs).T
    da, db = (x[2:] - 2 * x[1:-1] + x[:-2] for x in (a, b))
    size = float(np.sqrt((da @ da) * (db @ db)))
    r = float(da @ db) / size if size > 0 else 0.0
    # Second differences of independent numbers depend on each other: as if there were half as many.
    return r > 0.4 and r * np.sqrt(0.5 * len(da)) > 1.8


def _found(view: View, s: Swinging) -> Found:
    assert view.loss is not None
    first = int(view.loss.t[0] + DESCENT * (view.end - view.loss.t[0]))
    peak = max((float(x.finite().values.max()) for x in view.log.lr.values() if len(x.finite())), default=float("nan"))
    to = f" ({peak / 3:.3g} instead of {peak:.3g})" if np.isfinite(peak) else ""
    to_zh = f"（由 {peak:.3g} 改为 {peak / 3:.3g}）" if np.isfinite(peak) else ""
    if s.spikes:
        en = (
            f"{len(s.spikes)} times from update {s.spikes[0]} to {s.spikes[-1]} the loss jumps up by a factor of "
            f"{np.exp(s.amplitude):.3g} ({s.ratio:.0f} standard deviations of its noise) and comes back."
        )
        zh = (
            f"从第 {s.spikes[0]} 到第 {s.spikes[-1]} 次更新，损失 {len(s.spikes)} 次跳升 {np.exp(s.amplitude):.3g} 倍"
            f"（噪声标准差的 {s.ratio:.0f} 倍）后回落。"
        )
    else:
        en = (
            f"From update {first} on the {'loss' if s.series == 'loss' else s.series} goes up and down by "
            f"{s.amplitude:.0%} "
            f"over about {s.length} updates; the variance is {s.ratio:.1f} times what independent batches leave "
            f"(by chance up to {s.limit:.1f})."
        )
        zh = (
            f"从第 {first} 次更新起，{'损失' if s.series == 'loss' else s.series} 在约 {s.length} 次更新的尺度上起伏 "
            f"{s.amplitude:.0%}；方差是独立批次所留的 {s.ratio:.1f} 倍（偶然最多 {s.limit:.1f} 倍）。"
        )
    return Found(
        Both(en, zh),
        Both(
            "The weights are thrown across the valley and back; where the run ends is a matter of luck.",
            "权重在谷的两侧来回摆动；训练在何处结束全凭运气。",
        ),
        # Article [1] advises "a lower rate or a larger gamma": the second keeps the rate higher.
        Both(
            f"Train with a third of the rate{to}, or let it decay earlier (cosine). Not a larger gamma: that keeps "
            "the rate "
            "higher, and early it does nothing at all.",
            f"改用三分之一的学习率{to_zh}，或更早开始衰减（cosine）。不要增大 gamma：那会使学习率更高，而在早期毫无"
            "作用。",
        ),
        Both(
            "Ups and downs shrink with the rate, and the end is lower than today's mean.",
            "起伏随学习率减小，终点低于现在的平均值。",
        ),
        Evidence(
            first,
            view.end - 1,
            Both("ups and downs as a share of the loss", "起伏占损失的份额"),
            s.amplitude,
            s.amplitude,
            s.amplitude,
            AMPLITUDE,
        ),
        Picture(
            (s.series, "lr"),
            first,
            view.end - 1,
            s.spikes[:20],
            Both("the curve swings while the rate is up", "学习率较高时曲线摆动"),
        ),
    )
