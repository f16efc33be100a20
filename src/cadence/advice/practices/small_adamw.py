"""Small trainings with AdamW: those whose method was asked for, or whose parameters are complex numbers.

What decides between two of them is how often each row comes: trainings that see their data a few times are limited by
fitting, and want high rates that stay high; trainings that repeat few rows are hurt by whatever fits faster, and want
low rates that fall throughout.
"""

from __future__ import annotations

from cadence.advice.choice import MEASURED, Alternative, article
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

FEW_PASSES = 8.0
"""Passes over the data up to which a training is limited by fitting."""


def small_adamw(profile: Profile) -> Practice:
    """The numbers for a small training.

    Args:
        profile: of which the passes over the data, the task and the normalisation count.
    """
    passes = 1.0 if profile.passes is None else profile.passes
    # Rows that are changed strongly each time are nearly new ones.
    fitting = passes <= FEW_PASSES or profile.augmentation == "strong"
    rate = _rate(profile, min(passes, FEW_PASSES) if fitting else passes)
    told = "one pass" if profile.passes is None else f"{passes:.3g} passes"
    zh = "一遍" if profile.passes is None else f"{passes:.3g} 遍"
    return Practice(
        "small",
        Both(
            f"a small training: {profile.updates} updates of {profile.parameters:,} parameters",
            f"小规模训练：{profile.updates} 次更新，{profile.parameters:,} 个参数",
        ),
        "adamw",
        rate,
        {
            "optimizer": Why(
                Both(
                    "AdamW at a rate of its own lies within a few percent of the better of AdamW and SGD on every kind "
                    "of data that was measured, and its rate is easier to guess",
                    "在所有实测的数据类型上，配以合适学习率的 AdamW 与 AdamW、SGD 中较好者相差仅百分之几，且学习率更容"
                    "易估计",
                ),
                MEASURED,
                "medium",
                (
                    Alternative(
                        f"sgd, momentum 0.9, at {_short(30 * rate)}",
                        MEASURED,
                        Both(
                            "a little ahead on some nets with batch normalisation; its best rate lies 3 to 30 times "
                            "higher",
                            "在部分带批归一化的网络上略好；其最佳学习率高 3 到 30 倍",
                        ),
                    ),
                ),
            ),
            "batch_scaling": Why(
                Both("the rate is chosen for this batch", "学习率就是为此批量选取的"), MEASURED, "low"
            ),
            "learning_rate": Why(
                Both(
                    f"{told} over the data: "
                    + (
                        "limited by fitting, which wants a high rate"
                        if fitting
                        else "the rate falls with the root of the passes, because fast fitting of repeated rows hurts"
                    ),
                    f"数据经过{zh}："
                    + (
                        "受拟合速度限制，需要高学习率"
                        if fitting
                        else "学习率随遍数的平方根下降，因为过快拟合重复数据有害"
                    ),
                ),
                MEASURED,
                "low",
                (
                    Alternative(
                        0.001,
                        article("AdamW begins at 1e-3"),
                        Both(
                            "below the best rate where rows come a few times, above it where they come a hundred times",
                            "数据只经过几遍时低于最佳值，经过上百遍时又高于最佳值",
                        ),
                    ),
                ),
                Both(
                    "a race of a few rates over a tenth of the run, judged on rows that it has not trained on",
                    "用全程十分之一让几个学习率竞速，并以未训练过的数据评判",
                ),
            ),
            "warmup": Why(
                Both("a twentieth of the run", "全程的二十分之一"),
                article("warmup takes 5 to 10 % of the run"),
                "medium",
            ),
            "schedule": Why(
                Both(
                    "constant, then a straight line to 0 over the last fifth: 3 to 4 % ahead of a cosine where data "
                    "are fresh",
                    "先恒定，最后五分之一直线降到 0：数据新鲜时比余弦好 3% 到 4%",
                )
                if fitting
                else Both(
                    "a cosine to 0: up to 8 % ahead of a late decay where rows are repeated",
                    "余弦降到 0：数据反复出现时比后期才衰减最多好 8%",
                ),
                MEASURED,
                "medium",
            ),
            "weight_decay": Why(
                Both("0.01: too few updates for it to matter much", "0.01：更新次数太少，影响不大"), MEASURED, "low"
            ),
        },
        arguments={"betas": (0.9, 0.95 if profile.task in ("lm", "masked_lm") else 0.999)},
        warmup="5%",
        decay="constant() >> decay('20%', shape='linear')" if fitting else "cosine()",
        weight_decay=0.01,
        clip_norm=profile.clip_norm if profile.clip_norm is not None else 1.0 if profile.model.attention else None,
    )


def _rate(profile: Profile, passes: float) -> float:
    """The rate of AdamW by the passes over the data."""
    rate = 4e-3 * max(1.0, passes / FEW_PASSES) ** -0.5
    if profile.model.batch_statistics:
        # What a batch normalisation follows has no scale of its own: such nets stand three times the rate.
        rate = min(4e-3, 3 * rate)
    return float(_short(rate))


def _short(x: float) -> str:
    return f"{x:.2g}"
