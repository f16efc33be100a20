"""Masked language models and sequence to sequence from scratch, and text models that go on from published weights."""

from __future__ import annotations

from cadence.advice.choice import Alternative, article, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

BERT = paper("Devlin et al. 2018, BERT, arXiv:1810.04805, appendix A.2 and A.3")
BERT_CODE = practice("google-research/bert, optimization.py")
ROBERTA = paper("Liu et al. 2019, RoBERTa, arXiv:1907.11692, tables 9 and 10")
VASWANI = paper("Vaswani et al. 2017, arXiv:1706.03762, sections 5.3 and 5.4")


def masked_language_model(profile: Profile) -> Practice:
    """BERT from scratch."""
    return Practice(
        "masked_lm",
        Both("a masked language model from scratch", "从头训练的掩码语言模型"),
        "adamw",
        1e-4,
        {
            "optimizer": Why(
                Both(
                    "AdamW with betas 0.9 and 0.98" if profile.batch_size >= 2048 else "AdamW, as both sources",
                    "AdamW，beta 为 0.9 和 0.98" if profile.batch_size >= 2048 else "AdamW，两个来源都如此",
                ),
                ROBERTA,
                "high",
                (
                    Alternative(
                        "lamb",
                        paper("You et al. 2019, LAMB, arXiv:1904.00962, section 4.1"),
                        Both(
                            "beyond 16,384 sequences in one update, where AdamW stops gaining",
                            "单次更新超过 16384 条序列、AdamW 不再受益时",
                        ),
                    ),
                ),
            ),
            "batch_scaling": Why(
                Both(
                    "0.0001 for 256 sequences, as the square root of the batch: BERT's 0.0001 for 256 and RoBERTa's "
                    "0.0006 for 8,192 lie on it, to 6 %",
                    "每 256 条序列 0.0001，按批量平方根：BERT 的 256→0.0001 与 RoBERTa 的 8192→0.0006 都符合",
                ),
                ROBERTA,
                "high",
            ),
            "learning_rate": Why(
                Both(f"0.0001 x sqrt({profile.batch_size} / 256)", f"0.0001 × sqrt({profile.batch_size} / 256)"),
                BERT,
                "high" if profile.batch_size >= 64 else "low",
            ),
            "warmup": Why(
                Both("5 % of the run, as RoBERTa; BERT had 1 %", "全程 5%，同 RoBERTa；BERT 为 1%"), ROBERTA, "medium"
            ),
            "schedule": Why(
                Both("a straight line to 0", "直线降到 0"),
                BERT,
                "high",
                (
                    Alternative(
                        "cosine()",
                        article("warmup + cosine is widely used by BERT"),
                        Both(
                            "BERT itself has a line, and so does RoBERTa",
                            "BERT 本身是直线，RoBERTa 也是",
                        ),
                    ),
                ),
            ),
            "weight_decay": Why(Both("what the source trains with", "来源使用的数值"), BERT, "high"),
            "clip_norm": Why(
                Both("1.0, as BERT's code; RoBERTa had none", "1.0，同 BERT 代码；RoBERTa 不裁剪"), BERT_CODE, "medium"
            ),
        },
        reference_batch=256,
        scaling="sqrt",
        arguments={"betas": (0.9, 0.98 if profile.batch_size >= 2048 else 0.999)},
        warmup="5%",
        decay="linear()",
        weight_decay=0.01,
        clip_norm=1.0,
    )


def fine_tuning_text(profile: Profile) -> Practice:
    """Text models that go on from published weights."""
    size = profile.model.total
    rate = 3e-5 if size < 200e6 else 2e-5 if size < 1e9 else 1e-5
    few = profile.dataset_size is not None and profile.dataset_size < 10_000
    mosbach = paper("Mosbach et al. 2020, arXiv:2006.04884, section 6")
    return Practice(
        "fine_tuning_text",
        Both("a text model that goes on from published weights", "从已发布权重继续训练的文本模型"),
        "adamw",
        rate,
        {
            "optimizer": Why(
                Both(
                    "AdamW with bias correction, whose lack made early fine-tuning fail on few rows",
                    "带偏差修正的 AdamW；早期缺少它曾使少量数据的微调失败",
                ),
                paper("Mosbach et al. 2020, arXiv:2006.04884; Zhang et al. 2020, arXiv:2006.05987"),
                "high",
            ),
            "batch_scaling": Why(
                Both(
                    "none between 16 and 64 rows; the sources searched the rate for each",
                    "16 到 64 行之间不缩放；来源对每种批量都搜索了学习率",
                ),
                BERT,
                "medium",
                (
                    Alternative(
                        "the square root of the batch",
                        paper("Malladi et al. 2022, arXiv:2205.10287"),
                        Both("for updates of more than 64 rows", "用于单次更新超过 64 行时"),
                    ),
                ),
            ),
            "learning_rate": Why(
                Both(
                    f"{rate:g}: the middle of what BERT's and RoBERTa's authors searched for this size",
                    f"{rate:g}：BERT 与 RoBERTa 作者在此规模上搜索范围的中间",
                ),
                BERT,
                "high"
                if 60e6 <= size <= 1e9 and 8 <= profile.batch_size <= 128
                else "medium"
                if size >= 10e6
                else "low",
                (
                    Alternative(
                        5e-5,
                        article("Transformers fine-tune at 3e-5 to 5e-5 with AdamW; 5e-5 is transformers' default"),
                        Both(
                            "the upper end of the same search; a pilot of three rates decides, cheaply",
                            "同一搜索范围的上端；三个学习率的试跑即可判断，代价很小",
                        ),
                    ),
                ),
                Both("2e-5, 3e-5 and 5e-5, each for a tenth of the run", "2e-5、3e-5、5e-5 各跑全程的十分之一"),
            ),
            "warmup": Why(
                Both(
                    "a tenth of the run on few rows" if few else "6 % of the run",
                    "数据少时取全程的十分之一" if few else "全程的 6%",
                ),
                mosbach if few else ROBERTA,
                "high",
            ),
            "schedule": Why(
                Both("a straight line to 0", "直线降到 0"),
                BERT,
                "high",
                (
                    Alternative(
                        "cosine()",
                        article("BERT fine-tuning: a cosine is 1.2 points ahead of steps"),
                        Both(
                            "steps are the wrong rival: every source of this practice has a line",
                            "与阶梯比较并不恰当：本做法的来源都用直线",
                        ),
                    ),
                ),
            ),
            "weight_decay": Why(
                Both("what the source trains with", "来源使用的数值"),
                BERT,
                "medium",
                (Alternative(0.1, ROBERTA, Both("both were used with the same success", "两者都曾同样成功")),),
            ),
            "groups": Why(
                Both("no decay on biases and normalisation", "偏置和归一化不衰减"),
                BERT_CODE,
                "high",
                (
                    Alternative(
                        "layer_decay 0.8 to 0.9",
                        practice("google-research/electra, configure_finetuning.py"),
                        Both(
                            "0.8 for small and base models at 0.0001, 0.9 for large ones at 0.00005: with it the rate "
                            "of "
                            "the head is higher",
                            "小型和基础模型为 0.8（0.0001），大型为 0.9（0.00005）：此时输出层的学习率更高",
                        ),
                    ),
                ),
            ),
            "clip_norm": Why(Both("what the source trains with", "来源使用的数值"), BERT_CODE, "high"),
        },
        arguments={"betas": (0.9, 0.999)},
        warmup="10%" if few else "6%",
        decay="linear()",
        weight_decay=0.01,
        clip_norm=1.0,
    )


def translation(profile: Profile) -> Practice:
    """Sequence to sequence from scratch."""
    warm = min(4000, max(1, profile.updates // 10))
    return Practice(
        "translation",
        Both("a sequence-to-sequence model from scratch", "从头训练的序列到序列模型"),
        "adamw",
        7e-4,
        {
            "optimizer": Why(Both("Adam with betas 0.9 and 0.98", "Adam，beta 为 0.9 和 0.98"), VASWANI, "high"),
            "batch_scaling": Why(
                Both(
                    "as the square root of the batch beyond 25,000 tokens in one update, where the rate was found",
                    "学习率取自每次更新 25000 个 token；超出按平方根",
                ),
                VASWANI,
                "low",
            ),
            "learning_rate": Why(
                Both("0.0007, the peak of the paper's schedule for a width of 512", "0.0007，论文宽度 512 时的峰值"),
                VASWANI,
                "medium",
            ),
            "warmup": Why(
                Both("4,000 updates, or a tenth of a shorter run", "4000 次更新，较短的训练取十分之一"), VASWANI, "high"
            ),
            "schedule": Why(
                Both("a straight line to 0, because the length is known", "长度已知，因此直线降到 0"),
                paper("Bergsma et al. 2025, arXiv:2502.15938"),
                "medium",
                (
                    Alternative(
                        f"inverse(timescale={warm})",
                        VASWANI,
                        Both(
                            "the paper's own, for runs of unknown length: it ends higher",
                            "论文所用，适合长度未知的训练：结尾较高",
                        ),
                    ),
                ),
            ),
            "weight_decay": Why(
                Both("1e-4, as fairseq's examples; the paper speaks of none", "1e-4，同 fairseq 的示例；论文未提及"),
                practice("fairseq, examples/translation"),
                "low",
            ),
            "label_smoothing": Why(
                Both("0.1 gains BLEU, at some perplexity", "0.1 提高 BLEU，但困惑度略升"), VASWANI, "high"
            ),
        },
        arguments={"betas": (0.9, 0.98), "eps": 1e-9},
        warmup=warm,
        decay="linear()",
        weight_decay=1e-4,
        label_smoothing=0.1,
    )
