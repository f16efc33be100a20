"""What is evaluated and when it ends: label smoothing, averages of the weights, stopping."""

from __future__ import annotations

from cadence.advice.choice import Alternative, Choice, article, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen, from_practice
from cadence.findings.finding import Both

PATIENCE = 10
"""Evaluations without improvement after which a constant schedule is given up."""


def label_smoothing(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """Share of the target that is spread over all classes, in training only."""
    del chosen
    if profile.noise and profile.task == "classification":
        value = round(min(0.3, profile.noise), 3)
        return Choice(
            "label_smoothing",
            value,
            Both(
                f"{100 * profile.noise:.3g} % of the labels are wrong, and smoothing by as much keeps the model from "
                "trusting them",
                f"有 {100 * profile.noise:.3g}% 的标签是错的，同等程度的平滑可避免模型过信",
            ),
            paper("Lukasik et al. 2020, arXiv:2003.02819"),
            "medium",
        )
    if practice_.label_smoothing:
        return from_practice("label_smoothing", practice_.label_smoothing, practice_, _SOME)
    return Choice(
        "label_smoothing",
        0.0,
        Both("losses stay comparable", "损失值保持可比"),
        practice("most code"),
        "medium",
        pilot=None
        if profile.noise is not None or profile.task != "classification"
        else Both(
            "how many labels are wrong is not said; a look at a hundred rows that the model misses would tell",
            "未说明标签错误率；查看模型判错的一百行即可知道",
        ),
    )


def averaging(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """A running average of the weights, as in a recipe; None: none."""
    del profile
    if str(chosen["optimizer"].value["name"]).startswith("schedule_free"):
        return Choice(
            "averaging", None, Both("the method averages by itself", "该方法自带平均"), practice("schedulefree"), "high"
        )
    value = None if practice_.average is None else dict(practice_.average)
    return from_practice("averaging", value, practice_, _AVERAGED if value else _NOT)


def stopping(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """A rule that ends the run early, as text; None: it runs to its end."""
    del practice_
    text = str(chosen["schedule"].value)
    decays = any(word in text for word in ("cosine", "linear(", "decay(", "power", "steps", "exponential"))
    rule = f"early_stop('val_loss', patience={PATIENCE})"
    if decays:
        return Choice(
            "stopping",
            None,
            Both(
                "a schedule that falls to its end is worth most there, and a run that is stopped before has "
                "paid for "
                "high rates and not been given low ones; keep the best checkpoint, or cool down early "
                "(driver.cooldown) where it should end sooner",
                "降到末尾的调度在末尾收益最大，提前停止等于付出了高学习率却没有得到低学习率；应保留最佳检查点，"
                "需要提前结束时用冷却（driver.cooldown）",
            ),
            paper("Hägele et al. 2024, arXiv:2405.18392, section 4"),
            "high",
            (
                Alternative(
                    rule,
                    article("early stopping, with more patience than the plateau's"),
                    Both(
                        "where rows are few and the validation loss has turned for good: a curve of it decides",
                        "数据很少且验证损失已不可逆转地上升时：看其曲线即可判断",
                    ),
                ),
            ),
        )
    if (profile.passes or 0) > 1:
        return Choice(
            "stopping",
            rule,
            Both(
                "a constant rate has no end of its own; patience must exceed that of any plateau rule and its cooldown",
                "恒定学习率没有自然的终点；耐心值须大于任何平台规则的耐心与冷却之和",
            ),
            article("early stopping, with more patience than the plateau's"),
            "medium",
        )
    return Choice(
        "stopping",
        None,
        Both("no row comes twice, so nothing is learnt by heart", "数据不重复，不会死记硬背"),
        practice("language models"),
        "medium",
    )


_SOME = Why(Both("a little", "少量"), paper("Szegedy et al. 2015, arXiv:1512.00567, section 7"), "medium")
_AVERAGED = Why(
    Both("an average of the weights stands in for a lower rate", "权重平均相当于更低的学习率"),
    paper("Izmailov et al. 2018, SWA, arXiv:1803.05407"),
    "medium",
)
_NOT = Why(
    Both("a schedule that falls to (nearly) 0 has averaged already", "降到（接近）0 的调度已起到平均的作用"),
    paper("Sandler et al. 2023, arXiv:2301.04693"),
    "medium",
)
