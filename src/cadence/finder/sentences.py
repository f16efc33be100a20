"""What the losses of a test say, as a sentence, in each language."""

from __future__ import annotations

SENTENCES: dict[str, dict[str, str]] = {
    "clear": {
        "en": "Recommended learning rate: {rate} (the middle: half of the fall of the loss lies behind). With other "
        "batches the test would move it by a factor of {factor} or less, 95 times in 100.",
        "zh": "推荐学习率：{rate}（中点：损失总降幅的一半已经实现）。换用其他批次，测试结果的变动有 95% 的把握不超过 "
        "{factor} 倍。",
    },
    "near": {
        "en": "Recommended learning rate: {rate} (a third of the edge, {edge}: the middle of the fall, {middle}, comes "
        "too near to it). With other batches the test would move it by a factor of {factor} or less, 95 times in 100.",
        "zh": "推荐学习率：{rate}（发散边缘 {edge} 的三分之一：降幅中点 {middle} 离边缘太近）。换用其他批次，"
        "测试结果的变动有 95% 的把握不超过 {factor} 倍。",
    },
    "disagree": {
        "en": "The repeats do not agree: half of the fall lies behind somewhere between {low} and {high}. A single "
        "rate would pretend to know; more updates or a larger batch would tell more.",
        "zh": "各次重复的结果不一致：降幅中点在 {low} 与 {high} 之间的某处。给出单一数值等于假装知道；"
        "增加更新数或批大小会更清楚。",
    },
    "flat": {
        "en": "The loss does not fall clearly at any rate from {first} to {last}: {fall} at most, beside {noise} from "
        "one batch to the next. More updates, a larger batch or higher rates would tell more.",
        "zh": "从 {first} 到 {last}，没有任何学习率使损失明显下降：最多 {fall}，而批次之间的波动为 {noise}。"
        "增加更新数、批大小或学习率上限会更清楚。",
    },
    "constant": {
        "en": "The loss is {start} whatever the rate: nothing is trained. Look whether the optimizer has the model's "
        "parameters, whether they are frozen, and whether the loss is that of the update.",
        "zh": "无论学习率为何，损失都是 {start}：没有任何参数在训练。请检查优化器是否包含模型参数、参数是否被冻结，"
        "以及损失是否属于该次更新。",
    },
    "diverges": {
        "en": "The loss diverges at the lowest rate, {first}; begin the test lower, or look at data and model.",
        "zh": "损失在最低学习率 {first} 下就已发散；请从更低处开始测试，或检查数据和模型。",
    },
    "nan": {
        "en": "The loss is not a number before anything was trained; look at data and model.",
        "zh": "训练开始之前损失就不是数；请检查数据和模型。",
    },
}
"""Reason -> language -> text."""

MEANINGS: dict[str, dict[str, str]] = {
    "steepest": {"en": "the loss falls fastest here", "zh": "损失下降最快处"},
    "middle": {"en": "half of the fall lies behind", "zh": "降幅的一半已经实现"},
    "valley": {
        "en": "three quarters of the fall lie behind: in the valley, clear of its bottom",
        "zh": "降幅的四分之三已经实现：位于谷中，离谷底尚有距离",
    },
    "edge": {"en": "just below divergence: beyond, the loss rises again", "zh": "发散前一步：再高损失就会回升"},
}
"""Name of a suggestion -> language -> what it means."""


def short(x: float, digits: int = 2) -> str:
    """A number with so many digits, and no more zeros than are needed.

    Example:
        >>> short(0.00551), short(0.1), short(3e-06, 1), short(1234.0, 3)
        ('0.0055', '0.1', '3e-6', '1230')
    """
    rounded = float(f"{x:.{digits - 1}e}")
    mantissa, mark, exponent = f"{rounded:.{max(digits, 6)}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else mantissa
