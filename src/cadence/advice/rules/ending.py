"""What targets are trained on and which weights are judged: label smoothing, averages of the weights."""

from __future__ import annotations

from cadence.advice.choice import Choice, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen, from_practice
from cadence.findings.finding import Both


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
