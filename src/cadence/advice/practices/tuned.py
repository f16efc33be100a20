"""Text models that write, and go on from published weights: instructions, adapters, sequence to sequence."""

from __future__ import annotations

from cadence.advice.choice import Alternative, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

LLAMA2 = paper("Touvron et al. 2023, Llama 2, arXiv:2307.09288, section 3.1")
LORA = paper("Hu et al. 2021, LoRA, arXiv:2106.09685")
QLORA = paper("Dettmers et al. 2023, QLoRA, arXiv:2305.14314")
REGRET = practice("LoRA Without Regret, Thinking Machines Lab 2025; transformers' TRL, guide to PEFT")
TRAINER = practice("transformers' Trainer")
T5 = practice("transformers, documentation of T5")
BART = practice("facebookresearch/fairseq, examples/bart")

LARGE = 1e9
"""Parameters from which the recipes for instructions were published."""

FROZEN = 5
"""So many times as many numbers as are trained stand still, where adapters are trained."""

FEW_TENSORS = 8
"""More than these many are trained in adapters; a new head alone has two."""


def has_adapters(profile: Profile) -> bool:
    """Whether small matrices between frozen ones are what is trained."""
    counts = profile.model
    return counts.frozen > FROZEN * counts.trained and counts.tensors > FEW_TENSORS


def instructions(profile: Profile) -> Practice:
    """A causal language model, all of it."""
    large = profile.model.total >= LARGE
    rate = 2e-5 if large else 5e-5
    return Practice(
        "fine_tuning_lm",
        Both("a language model that goes on from published weights", "从已发布权重继续训练的语言模型"),
        "adamw",
        rate,
        {
            "optimizer": Why(
                Both("AdamW, as in pre-training", "与预训练一样用 AdamW"),
                LLAMA2,
                "high",
                (
                    Alternative(
                        "adapters (LoRA) at ten times the rate",
                        REGRET,
                        Both(
                            "as good for data of the size of instructions, at a fraction of the memory; behind where "
                            "the "
                            "data hold more than the adapters can",
                            "对指令规模的数据效果相当，显存只需一小部分；数据超出适配器容量时落后",
                        ),
                    ),
                ),
            ),
            "batch_scaling": Why(
                Both("none: the source's updates have 64 rows", "不缩放：来源每次更新 64 行"), LLAMA2, "low"
            ),
            "learning_rate": Why(
                Both(
                    "0.00002, for 7 to 70 billion parameters alike"
                    if large
                    else "0.00005, the default that small models are mostly tuned with",
                    "0.00002，70 亿到 700 亿参数都如此" if large else "0.00005，小模型微调最常用的默认值",
                ),
                LLAMA2 if large else TRAINER,
                "medium" if large else "low",
                (
                    Alternative(
                        2e-4,
                        QLORA,
                        Both(
                            "with adapters on 7 to 13 billion parameters; 1e-4 for 33 to 65",
                            "在 70 亿到 130 亿参数上用适配器时；330 亿到 650 亿为 1e-4",
                        ),
                    ),
                ),
                Both("1e-5, 2e-5 and 5e-5, each for a tenth of the run", "1e-5、2e-5、5e-5 各跑全程的十分之一"),
            ),
            "warmup": Why(
                Both(
                    "3 % of the run, as adapters have it; the other source speaks of none",
                    "全程的 3%，与适配器相同；另一来源未提及",
                ),
                QLORA,
                "low",
            ),
            "schedule": Why(Both("a cosine to 0", "余弦降到 0"), LLAMA2, "high"),
            "weight_decay": Why(
                Both("what the source trains with", "来源使用的数值"),
                LLAMA2,
                "medium",
                (
                    Alternative(
                        0,
                        TRAINER,
                        Both("at such rates and lengths it hardly moves anything", "在此学习率和长度下几乎不起作用"),
                    ),
                ),
            ),
            "clip_norm": Why(Both("1.0, the Trainer's default", "1.0，Trainer 的默认"), TRAINER, "medium"),
            "averaging": Why(
                Both("a cosine to 0 has averaged already", "余弦降到 0 已起到平均的作用"), LLAMA2, "medium"
            ),
        },
        arguments={"betas": (0.9, 0.999)},
        warmup="3%",
        decay="cosine()",
        weight_decay=0.1,
        clip_norm=1.0,
    )


def adapters(profile: Profile) -> Practice:
    """Small matrices between frozen ones: LoRA and its kin."""
    rate = 2e-4 if profile.model.total < 20e9 else 1e-4
    return Practice(
        "adapters",
        Both("adapters in a frozen text model", "冻结文本模型中的适配器"),
        "adamw",
        rate,
        {
            "optimizer": Why(Both("AdamW, as both sources", "AdamW，两个来源都如此"), LORA, "high"),
            "batch_scaling": Why(
                Both(
                    "none, and rather small updates: adapters take large ones worse than the whole model does",
                    "不缩放，且批量宜小：适配器比全参数训练更难承受大批量",
                ),
                REGRET,
                "low",
            ),
            "learning_rate": Why(
                Both(
                    f"{rate:g}: about ten times what the whole model would be tuned with",
                    f"{rate:g}：约为全参数微调学习率的十倍",
                ),
                QLORA,
                "high" if profile.model.total >= LARGE else "medium",
                (
                    Alternative(
                        "10 x the rate of the whole model",
                        REGRET,
                        Both(
                            "fitted at 9.8 over 14 models, whatever the rank with alpha / rank scaling",
                            "在 14 个模型上拟合为 9.8 倍；采用 alpha / rank 缩放时与秩无关",
                        ),
                    ),
                ),
                Both("1e-4, 2e-4 and 5e-4, each for a tenth of the run", "1e-4、2e-4、5e-4 各跑全程的十分之一"),
            ),
            "warmup": Why(Both("3 % of the run", "全程的 3%"), QLORA, "medium"),
            "schedule": Why(
                Both("a straight line to 0, the Trainer's default", "直线降到 0，Trainer 的默认"),
                TRAINER,
                "medium",
                (Alternative("constant()", QLORA, Both("the source's own", "来源所用")),),
            ),
            "weight_decay": Why(
                Both("none: what is trained is small already", "不用：训练的部分本来就小"), TRAINER, "low"
            ),
            "clip_norm": Why(
                Both("1.0, the Trainer's default", "1.0，Trainer 的默认"),
                TRAINER,
                "medium",
                (Alternative(0.3, QLORA, Both("the source's own", "来源所用")),),
            ),
            "averaging": Why(Both("none", "不用"), TRAINER, "medium"),
        },
        arguments={"betas": (0.9, 0.999)},
        warmup="3%",
        decay="linear()",
        weight_decay=0.0,
        no_decay=False,
        clip_norm=1.0,
    )


def sequence_to_sequence(profile: Profile) -> Practice:
    """An encoder with a decoder, all of it: translation, summaries."""
    is_t5 = "t5" in profile.model.kind.lower()
    rate, whose = (1e-4, T5) if is_t5 else (3e-5, BART)
    return Practice(
        "fine_tuning_seq2seq",
        Both(
            "a sequence-to-sequence model that goes on from published weights", "从已发布权重继续训练的序列到序列模型"
        ),
        "adamw",
        rate,
        {
            "optimizer": Why(
                Both("AdamW", "AdamW"),
                whose,
                "medium",
                (
                    Alternative(
                        "adafactor at a constant 0.001",
                        paper("Raffel et al. 2019, T5, arXiv:1910.10683, section 3.1.2"),
                        Both("how T5 itself was fine-tuned, with less memory", "T5 原文的微调方式，占用更少显存"),
                    ),
                )
                if is_t5
                else (),
            ),
            "batch_scaling": Why(Both("none: the sources do not scale", "不缩放：来源没有缩放"), whose, "low"),
            "learning_rate": Why(
                Both(
                    "0.0001: T5 wants more than other models, 0.0001 to 0.0003"
                    if is_t5
                    else "0.00003, as BART is fine-tuned for summaries",
                    "0.0001：T5 需要比其他模型更高的学习率，0.0001 到 0.0003"
                    if is_t5
                    else "0.00003，BART 微调摘要时如此",
                ),
                whose,
                "medium" if is_t5 else "low",
                (),
                Both(
                    "a third, once and three times it, each for a tenth of the run",
                    "三分之一、一倍、三倍各跑全程的十分之一",
                ),
            ),
            "warmup": Why(Both("6 % of the run", "全程的 6%"), practice("cadence"), "low"),
            "schedule": Why(
                Both("a straight line to 0, the Trainer's default", "直线降到 0，Trainer 的默认"), TRAINER, "medium"
            ),
            "weight_decay": Why(Both("0.01", "0.01"), practice("most code"), "low"),
            "label_smoothing": Why(
                Both("0.1, as from scratch", "0.1，与从头训练相同"),
                paper("Vaswani et al. 2017, arXiv:1706.03762, sections 5.3 and 5.4"),
                "medium",
            ),
            "clip_norm": Why(Both("1.0, the Trainer's default", "1.0，Trainer 的默认"), TRAINER, "medium"),
        },
        arguments={"betas": (0.9, 0.999)},
        warmup="6%",
        decay="linear()",
        weight_decay=0.01,
        label_smoothing=0.1,
        clip_norm=1.0,
    )
