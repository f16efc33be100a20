"""The validation loss jumps from one evaluation to the next, and the training does not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.log import Series
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.rules.oscillation import batches, relative
from cadence.diagnosis.swings import rough
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

AT_REST = 0.072
"""Share of the loss by which evaluations may differ from their course while the rate is low."""

STAYS = 0.2
"""Share of the noise that must be left when the rate is low, if it is one of the examples."""

MORE = 2.0
"""How much more than single batches evaluations must differ where the rate is up all the time."""

AT_WORK = 0.15
"""And while it is high: then the weights themselves differ from one evaluation to the next."""

SINGLE = 0.5
"""What single batches may differ by where there are too few of them to tell."""

LOW = 0.2
"""Share of its peak below which a rate is low."""


@rule(
    "CL113",
    "noisy_validation",
    Both("the validation loss is noisy", "验证损失噪声过大"),
    severity="warning",
    sound=Both("The validation loss lies on a smooth course.", "验证损失沿平滑曲线变化。"),
    after=("divergence", "resume_jump", "oscillation", "rate_high"),
)
def noisy_validation(view: View) -> Iterator[Found]:
    """The part of the validation loss that is independent from one evaluation to the next, as a share of it."""
    if view.val is None or len(view.val) < 8:
        raise CannotTell("the log has fewer than 8 validation losses", "日志中的验证损失少于 8 个")
    val = view.val
    later = val.take(slice(len(val) // 4, None))
    rate = view.rate_at(later.t.astype(float))
    low = np.arange(len(rate)) > np.flatnonzero(np.append(True, rate >= LOW))[-1] - 1
    calm, work = later.take(low), later.take(~low)
    amount, limit, at, at_zh = _amount(later), AT_WORK, "after the first quarter", "在前四分之一之后"
    if len(calm) >= 5 and len(work) >= 3:
        # What moves weights goes with the rate; what a set lacks in examples stays.
        resting = _amount(calm)
        if resting < max(AT_REST, STAYS * amount):
            return
        if amount < AT_WORK:
            amount, limit, at, at_zh = resting, AT_REST, "while the rate is low", "在学习率较低时"
    elif amount < MORE * (batches(view) if view.loss is not None and len(view.loss) >= 12 else SINGLE):
        # Not much more than batches differ: it may be the weights that do.
        return
    fallen = abs(float(np.median(val.values[:2])) - float(np.min(val.values)))
    # A fixed set of few examples is as smooth as any other once the weights stand.
    halves = [later.take(slice(0, len(later) // 2)), later.take(slice(len(later) // 2, None))]
    rougher = max((later, *halves), key=lambda s: rough(s.values))
    if (
        amount < limit
        or float(np.sqrt(rough(rougher.values))) < 0.015 * fallen
        or not (_turns(rougher) or _turns(later))
    ):
        return
    yield Found(
        Both(
            f"From one evaluation to the next the validation loss goes {amount:.0%} up or down {at}, beside the "
            "course it "
            f"is on (standard deviation; {limit:.0%} would matter); the training loss does not.",
            f"{at_zh}，验证损失在相邻评估之间偏离其曲线 {amount:.0%}（标准差；达到 {limit:.0%} 即有影响），而训练损"
            "失没有。",
        ),
        Both(
            "A best checkpoint, a plateau rule and early stopping then choose by luck.",
            "最佳检查点、plateau 规则与早停此时全凭运气。",
        ),
        # Article [1] advises a lower factor here, which makes each cut that noise causes a larger one.
        Both(
            f"Evaluate on more examples, about {_more(amount / limit)} times as many. For a plateau "
            "rule: a "
            "larger patience, a cooldown, and a larger factor (0.5), not a lower one: a lower factor makes each "
            "mistaken "
            "cut deeper.",
            f"用更多样本评估，约为现在的 {_more(amount / limit)} 倍。对 plateau 规则：增大 patience、"
            "加冷却期，"
            "并使用更大的 factor（0.5）而不是更小：更小的 factor 会使每次误判的衰减更深。",
        ),
        Both(
            f"Noise below {limit:.0%}, and a course in which a trend can be seen.",
            f"噪声低于 {limit:.0%}，曲线可见趋势。",
        ),
        Evidence(
            int(later.t[0]),
            int(later.t[-1]),
            Both("noise as a share of the validation loss", "噪声占验证损失的份额"),
            amount,
            amount,
            amount,
            limit,
        ),
        Picture(
            (view.log.val_loss or "val_loss", "loss"),
            int(later.t[0]),
            int(later.t[-1]),
            (),
            Both("the points lie about the course, not on it", "各点散布在曲线周围"),
        ),
    )


def _amount(series: Series) -> float:
    y, scale = relative(series.values)
    return float(np.sqrt(rough(y))) / scale


def _turns(series: Series) -> bool:
    """Whether it goes up about as often as down: noise does, a single jump or a steep descent does not."""
    signs = np.sign(np.diff(series.values))
    turns = float((signs[1:] * signs[:-1] < 0).mean()) if len(signs) > 1 else 0.0
    # Independent numbers turn at two places of three.
    return turns > 0.35


def _more(ratio: float) -> int:
    """How many times as many examples bring noise down by a ratio; a ratio may be of any size."""
    return max(2, round(min(ratio, 1e6) ** 2))
