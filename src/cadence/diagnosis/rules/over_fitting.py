"""The validation loss rises while the training loss falls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.estimate import Estimate, level, roughness
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

MATTERS = 0.15
"""Share of the best validation loss by which it must have risen."""

OF_GAIN = 0.05
"""And share of all that the validation loss had fallen by."""

SMOOTH = 0.02
"""Noise of a validation loss, as a share of its range, below which single evaluations can be told apart."""

MOST = 0.7
"""Share of the highest rise that is left at the end of one which came early and then only settled."""


@rule(
    "CL105",
    "over_fitting",
    Both("the model over-fits", "模型过拟合"),
    severity="warning",
    sound=Both("The validation loss is at its end about where it was best.", "验证损失结束时与其最佳值相近。"),
    after=("divergence", "resume_jump"),
)
def over_fitting(view: View) -> Iterator[Found]:
    """A rise from the lowest running mean of the validation loss to its end, beyond its noise and of a size."""
    if view.val is None:
        raise CannotTell("the log has no validation loss, or fewer than 5 of them", "日志中没有验证损失，或少于 5 个")
    if len(view.val) < 6:
        raise CannotTell("there are fewer than 6 evaluations", "评估次数少于 6 次")
    y, t = view.val.values, view.val.t
    # Means of several only where single ones are noisy: an early rise is over before five have been seen.
    noisy = roughness(y) > SMOOTH * float(np.ptp(y))
    width = max(1, min(5, len(y) // 6)) if noisy else 1
    means = np.convolve(y, np.ones(width) / width, mode="valid")
    best = int(np.argmin(means))
    noise = roughness(y) / np.sqrt(width)
    end = float(means[-1])
    rise = Estimate(end - float(means[best]), noise * np.sqrt(2), max(4, len(y) - 2))
    # The lowest of many is low by about two standard deviations.
    low = rise.low - 2 * noise
    fallen = float(y[0]) - float(means[best])
    learnt = view.loss is None or _falls(view, float(t[best]))
    if not (low > 0 and rise.value > MATTERS * abs(float(means[best])) and rise.value > OF_GAIN * fallen and learnt):
        return
    if not _keeps_rising(means[best:]):
        return
    since = int(t[min(len(t) - 1, best + width // 2)])
    lowest = float(means[best])
    yield Found(
        Both(
            f"The validation loss was lowest at update {since} ({lowest:.4g}) and rose by "
            f"{rise.value / abs(lowest):.0%} "
            f"until the end ({end:.4g}; the rise is {rise.value:.3g}, interval {rise.low:.3g} to {rise.high:.3g}), "
            "while the training loss went on falling.",
            f"验证损失在第 {since} 次更新时最低（{lowest:.4g}），到结束时上升了 {rise.value / abs(lowest):.0%}"
            f"（{end:.4g}；上升 {rise.value:.3g}，区间 {rise.low:.3g} 至 {rise.high:.3g}），而训练损失继续下降。",
        ),
        Both(
            f"The last {view.end - since} of {view.end} updates made the model worse on what it has not seen.",
            f"{view.end} 次更新中的最后 {view.end - since} 次使模型在未见数据上变差。",
        ),
        Both(
            f"End the schedule near update {since}: a run of {since} updates with the same schedule, not this one cut "
            "off; or more regularisation (weight decay, dropout, augmentation).",
            f"让调度在第 {since} 次更新附近结束：以同样的调度训练 {since} 次更新，而不是把这一次截断；或加强正则化"
            "（权重衰减、dropout、数据增强）。",
        ),
        Both(
            f"A validation loss of about {lowest:.4g} or below, for {since / view.end:.0%} of the time.",
            f"验证损失约为 {lowest:.4g} 或更低，只需 {since / view.end:.0%} 的时间。",
        ),
        Evidence(
            since,
            int(t[-1]),
            Both("rise of the validation loss", "验证损失的上升"),
            rise.value,
            rise.low,
            rise.high,
            MATTERS * abs(lowest),
        ),
        Picture(
            ("loss", view.log.val_loss or "val_loss"),
            since,
            int(t[-1]),
            (since,),
            Both("the two losses part at the mark", "两条损失曲线在标记处分开"),
        ),
    )


def _falls(view: View, since: float) -> bool:
    """Whether the training loss is at the end no higher than where the validation loss was lowest."""
    assert view.loss is not None
    first, end = view.whole_of(view.loss)
    span = (end - first) / 10
    there = level(view.loss, max(first, since - span), since + span)
    return view.last.low <= there.high


def _keeps_rising(means: np.ndarray) -> bool:
    """Whether the rise is a trend and not one bump: its later half lies above its earlier one, or most of it stays."""
    if len(means) < 3:
        return False
    half = len(means) // 2
    kept = float(means[-1] - means[0]) / float(means.max() - means[0])
    return kept > MOST or (kept > 0.5 and bool(np.mean(means[half:]) > np.mean(means[:half])))
