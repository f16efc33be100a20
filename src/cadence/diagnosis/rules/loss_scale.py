"""The loss scale of half precision falls again and again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

HALVINGS = 6
"""Net halvings below the highest scale from which on gradients of half precision lose their small values: the first
search of a scaler that starts at 65536 is over after 3 to 5."""

FLOOR = 64.0
"""A scale below it no longer lifts gradients of 1e-7 into the range of half precision (6e-8 is its smallest)."""


@rule(
    "CL108",
    "loss_scale",
    Both("the loss scale collapses", "损失缩放系数崩溃"),
    severity="error",
    sound=Both("The loss scale holds.", "损失缩放系数稳定。"),
    after=(),
)
def loss_scale(view: View) -> Iterator[Found]:
    """A scale that has fallen by many halvings and does not come back."""
    scale = view.log.train.get("loss_scale")
    series = scale.finite() if scale is not None else None
    if series is None or len(series) < 3:
        raise CannotTell("the log has no loss scale", "日志中没有损失缩放系数")
    if float(series.values.max()) <= 0:
        return
    y = np.maximum(series.values, 1e-30)
    end = float(np.median(y[-max(3, len(y) // 10) :]))
    top = float(y.max())
    halvings = float(np.log2(top / end)) if end > 0 else float("inf")
    skips = int((np.diff(np.log2(y)) < -0.5).sum())
    if halvings < HALVINGS or not end < max(FLOOR, top / 2**12):
        return
    lowest = np.flatnonzero(y <= 4 * end)
    t = int(series.t[lowest[0]])
    begun = int(series.t[int(np.flatnonzero(y >= top)[-1])])
    yield Found(
        Both(
            f"The loss scale fell from {top:g} to {end:g} ({halvings:.0f} halvings, {skips} drops in the log) from "
            "update "
            f"{begun} on, and was down at update {t}.",
            f"损失缩放系数从第 {begun} 次更新起由 {top:g} 降至 {end:g}（{halvings:.0f} 次减半，日志中 {skips} 次下降"
            "），"
            f"在第 {t} 次更新时降到底。",
        ),
        Both(
            "Each halving is an update that was left out because gradients were not finite; at this scale small "
            "gradients become 0 in half precision.",
            "每次减半都意味着因梯度非有限而跳过一次更新；在此系数下，半精度中小梯度会变为 0。",
        ),
        Both(
            "Train in bf16; or find the layer that overflows (attention scores, a sum in half precision) and "
            "compute it "
            "in fp32, with a lower rate if the gradients grow.",
            "改用 bf16；或找出溢出的层（注意力分数、半精度求和）并以 fp32 计算，若梯度在增长则降低学习率。",
        ),
        Both(
            "The scale stays above 1000, and no update is left out after the first twenty.",
            "系数保持在 1000 以上，前二十次之后不再跳过更新。",
        ),
        Evidence(
            begun,
            int(series.t[-1]),
            Both("halvings of the loss scale", "损失缩放系数的减半次数"),
            halvings,
            halvings,
            halvings,
            float(HALVINGS),
        ),
        Picture(
            ("loss_scale", "loss"), begun, int(series.t[-1]), (t,), Both("the scale goes down in steps", "系数逐级下降")
        ),
    )
