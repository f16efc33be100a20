"""Precision, and clipping of gradients."""

from __future__ import annotations

import re

from cadence.advice.choice import Alternative, Choice, article, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen, from_practice
from cadence.findings.finding import Both

MIXED = paper("Micikevicius et al. 2017, arXiv:1710.03740")
BFLOAT = paper("Kalamkar et al. 2019, arXiv:1905.12322")

_BF16 = re.compile(
    r"(?<![a-wyz])(a100|a800|a10g?|a30|a40|a6000|l4|l40s?|h100|h200|h20|h800|b100|b200|gb200|rtx ?[345]0\d0"
    r"|mi[23]\d\dx?)\b|ampere|hopper|ada lovelace|blackwell|tpu",
    re.IGNORECASE,
)
_FP16 = re.compile(r"(?<![a-wyz])(v100|t4|p100|rtx ?20\d0|titan v|gtx ?16\d0)\b|volta|turing", re.IGNORECASE)
_SLOW = re.compile(r"\b(cpu|xeon|epyc|ryzen|core|none)\b", re.IGNORECASE)


def precision(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """Arithmetic of forward and backward: ``"fp32"``, ``"bf16"``, ``"fp16"``."""
    del practice_, chosen
    named = profile.hardware
    if _BF16.search(named):
        return Choice(
            "precision",
            "bf16",
            Both(
                f"{named} computes bf16 natively, and it has the range of fp32: no loss scaler, no skipped updates",
                f"{named} 原生支持 bf16，其数值范围与 fp32 相同：无需损失缩放，也不会跳过更新",
            ),
            BFLOAT,
            "high",
            (
                Alternative(
                    "fp16",
                    article("mixed precision is about twice as fast"),
                    Both(
                        "equally fast there, but overflows skip updates, and a schedule that counts calls runs ahead",
                        "速度相同，但溢出会跳过更新，按调用计数的调度会跑在前面",
                    ),
                ),
            ),
        )
    if _FP16.search(named):
        return Choice(
            "precision",
            "fp16",
            Both(
                f"{named} has no bf16 units; with a loss scaler, whose skipped updates the schedule waits for",
                f"{named} 没有 bf16 单元；使用损失缩放，调度会等待被跳过的更新",
            ),
            MIXED,
            "high",
        )
    if _SLOW.search(named) or (not named and profile.ranks == 1 and profile.parameters < 2_000_000):
        return Choice(
            "precision",
            "fp32",
            Both(
                "on a CPU, and for models of this size, half precision gains nothing",
                "在 CPU 上，或对这种规模的模型，半精度没有收益",
            ),
            practice("torch on CPUs"),
            "high" if named else "medium",
        )
    if named:
        return Choice(
            "precision",
            "fp32",
            Both(
                f"nothing is known here of {named}: fp32 is right everywhere, and bf16 is worth a try if it has it",
                f"这里不了解 {named}：fp32 处处适用，若其支持 bf16 值得一试",
            ),
            practice("cadence"),
            "low",
        )
    told = f"{profile.ranks} accelerators" if profile.ranks > 1 else "the accelerator"
    zh = f"{profile.ranks} 个加速卡" if profile.ranks > 1 else "加速卡"
    return Choice(
        "precision",
        "bf16",
        Both(
            f"{told} of which nobody said the kind: bf16 if it is of 2020 or later",
            f"未说明{zh}型号：2020 年以后的用 bf16",
        ),
        BFLOAT,
        "medium",
        (
            Alternative(
                "fp16 with a loss scaler",
                MIXED,
                Both("hardware='V100' or older decides", "hardware='V100' 或更旧的型号时"),
            ),
        ),
    )


def clip_norm(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """Largest gradient norm; None: gradients are left as they are."""
    del chosen
    value = practice_.clip_norm
    if value is None:
        return from_practice("clip_norm", None, practice_, _NONE)
    if profile.clip_norm is not None:
        value = profile.clip_norm
    return from_practice("clip_norm", value, practice_, _ONE)


_NONE = Why(
    Both(
        "gradients of such nets do not explode after a warmup; a record of their norms would tell",
        "此类网络预热后梯度不会爆炸；范数记录可以确认",
    ),
    practice("most code for such nets"),
    "medium",
)
_ONE = Why(
    Both("a bound that only the few largest gradients meet", "只约束最大的少数梯度"),
    paper("Pascanu et al. 2012, arXiv:1211.5063"),
    "medium",
)
