"""What tables of the page are headed with, in two languages; its sentences stand in `page.LANGUAGE.template`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEVELS = (
    "rules", "pilot", "adamw 1e-3", "adamw 1e-3 cosine", "hugging face", "range test", "find_lr", "prodigy",
    "schedule-free",
)  # fmt: skip
"""In the order of the tables."""

CLAIMED = ("claim steps", "claim cosine", "claim warmed cosine")
"""What claims about schedules are looked at with."""


@dataclass(frozen=True)
class Words:
    """One language.

    Attributes:
        levels: level -> what it is, and what heads its column.
        regimes: kind of small training -> name.
        of_levels, of_tasks, of_regimes, of_claims: heads of the columns of each table; of the second the first ones.
    """

    levels: Mapping[str, tuple[str, str]]
    regimes: Mapping[str, str]
    of_levels: tuple[str, ...]
    of_tasks: tuple[str, ...]
    of_regimes: tuple[str, ...]
    of_claims: tuple[str, ...]


ENGLISH = Words(
    levels={
        "rules": ("`cd.recommend`, no pilot", "no pilot"),
        "pilot": ("`cd.recommend`, pilot of 10 %", "pilot"),
        "adamw 1e-3": ("AdamW 1e-3, constant", "1e-3"),
        "adamw 1e-3 cosine": ("AdamW 1e-3, warmup and cosine", "1e-3 cosine"),
        "hugging face": ("Hugging Face's default: AdamW 5e-5, linear", "5e-5 linear"),
        "range test": ("range test of 100 updates, AdamW with warmup and cosine", "range test"),
        "find_lr": ("`cd.find_lr` of 100 updates, then the same", "find_lr"),
        "prodigy": ("Prodigy with cosine", "Prodigy"),
        "schedule-free": ("schedule-free AdamW 2.5e-3", "schedule-free"),
    },
    regimes={
        "fitting": "few passes, or text",
        "small": "classifier, small for its rows",
        "large": "classifier, large for its rows",
        "huge": "classifier, huge for its rows",
        "noisy": "the same two, many labels wrong (said with `noise=`, or seen by a pilot)",
        "table": "dense net on a table of few columns",
        "few targets": "numbers to predict, few rows",
        "targets": "numbers to predict, many rows; denoising",
    },
    of_levels=(
        "level", "regret: mean (95 % interval)", "worst task", "reaches oracle + 2 %", "time to it", "diverged"
    ),
    of_tasks=("task", "rows, passes", "oracle"),
    of_regimes=("kind", "rate of the matrices", "decay", "then", "why"),
    of_claims=(
        "task", "loss after steps", "cosine against it", "warmup against none", "rise: steps / cosine / with warmup"
    ),
)  # fmt: skip

CHINESE = Words(
    levels={
        "rules": ("`cd.recommend`，无试跑", "无试跑"),
        "pilot": ("`cd.recommend`，10% 试跑", "试跑"),
        "adamw 1e-3": ("AdamW 1e-3，恒定", "1e-3"),
        "adamw 1e-3 cosine": ("AdamW 1e-3，预热加余弦", "1e-3 余弦"),
        "hugging face": ("Hugging Face 默认：AdamW 5e-5，线性", "5e-5 线性"),
        "range test": ("100 次更新的学习率范围测试，再用 AdamW 预热加余弦", "范围测试"),
        "find_lr": ("100 次更新的 `cd.find_lr`，之后相同", "find_lr"),
        "prodigy": ("Prodigy 加余弦", "Prodigy"),
        "schedule-free": ("schedule-free AdamW 2.5e-3", "schedule-free"),
    },
    regimes={
        "fitting": "遍数少，或文本",
        "small": "分类，模型相对数据小",
        "large": "分类，模型相对数据大",
        "huge": "分类，模型相对数据极大",
        "noisy": "后两种，且许多标签是错的（以 `noise=` 说明，或由试跑发现）",
        "table": "列数少的表格上的全连接网络",
        "few targets": "预测数值，行数少",
        "targets": "预测数值，行数多；去噪",
    },
    of_levels=("做法", "遗憾：均值（95% 区间）", "最差任务", "达到参照 + 2%", "所需时间", "发散"),
    of_tasks=("任务", "行数，遍数", "参照"),
    of_regimes=("种类", "矩阵学习率", "衰减", "之后", "理由"),
    of_claims=("任务", "阶梯后的损失", "余弦相对它", "预热相对无预热", "上升：阶梯 / 余弦 / 有预热"),
)

WORDS = {"en": ENGLISH, "zh": CHINESE}
"""Language -> words."""
