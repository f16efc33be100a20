"""The rate is near 0 for too long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.estimate import slope
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

NEAR_ZERO = ((0.005, 0.2), (0.015, 0.4))
"""Share of the peak, and share of the run from which on a rate below it is a waste. A cosine to 0 is below a hundredth
for 6 % of the run; the third stage of a step decay by tenths, a third of the run at a hundredth, is customary."""


@rule(
    "CL106",
    "wasted_tail",
    Both("the learning rate is near 0 for too long", "学习率接近 0 的时间过长"),
    severity="warning",
    sound=Both(
        "The rate is not near 0 for longer than the end of a schedule takes.",
        "学习率接近 0 的时间没有超过调度收尾所需。",
    ),
    after=("divergence", "loss_scale"),
)
def wasted_tail(view: View) -> Iterator[Found]:
    """A last stretch at a small share of the peak in which the loss does not move."""
    if view.rate is None:
        raise CannotTell("the log has no learning rate", "日志中没有学习率")
    rate = view.rate
    span = float(rate.t[-1] - rate.t[0])
    # The end of a logged rate may be what a scheduler wrote after the last update.
    for near, least in NEAR_ZERO:
        up = np.flatnonzero(rate.values > near)
        if not len(up) or up[-1] + 1 >= len(rate):
            continue
        since = float(rate.t[up[-1] + 1])
        share = (float(rate.t[-1]) - since) / span if span > 0 else 0.0
        if share >= least and _stands(view, since):
            yield _found(view, int(since), share, near, least)
            return


def _stands(view: View, since: float) -> bool:
    """Whether the loss gains less in this stretch than a twentieth of what it gained before."""
    if view.loss is None:
        return True
    fall = slope(view.loss, since, view.end)
    total = -fall.value * (view.end - since)
    return not (fall.high < 0 and total > 0.05 * max(view.gain, 0.0))


def _found(view: View, since: int, share: float, near: float, least: float) -> Found:
    fall = slope(view.loss, since, view.end) if view.loss is not None else None
    gained = "" if fall is None else f" The loss changed by {fall.value * (view.end - since):.2g} in all that time."
    gained_zh = "" if fall is None else f"在这段时间里损失只变化了 {fall.value * (view.end - since):.2g}。"
    return Found(
        Both(
            f"From update {since} on, {share:.0%} of the run, the rate is below {near:.1%} of its peak, and the "
            "loss has "
            f"stalled.{gained}",
            f"从第 {since} 次更新起（占训练的 {share:.0%}）学习率低于峰值的 {near:.1%}，损失停滞。{gained_zh}",
        ),
        Both(
            "These updates cost as much as the others and move nothing.", "这些更新与其他更新同样昂贵，却没有任何作用。"
        ),
        Both(
            f"Let the schedule end with the run: cosine(to=0.01) over all {view.end} updates in place of one that "
            "is over "
            f"at {since}. With a step decay: later milestones, or a larger gamma.",
            f"让调度与训练同时结束：用覆盖全部 {view.end} 次更新的 cosine(to=0.01) 代替在第 {since} 次更新就结束的调"
            "度。"
            "阶梯衰减则推迟里程碑，或增大 gamma。",
        ),
        Both(
            f"A lower loss for the same updates, or the same loss for {1 - share:.0%} of them.",
            f"同样的更新次数得到更低的损失，或只用 {1 - share:.0%} 的更新得到同样的损失。",
        ),
        Evidence(since, view.end - 1, Both("share of the run", "占训练的份额"), share, share, share, least),
        Picture(
            ("loss", "lr"),
            since,
            view.end - 1,
            (since,),
            Both("the rate lies on the floor, the loss is level", "学习率贴近底部，损失水平不动"),
        ),
    )
