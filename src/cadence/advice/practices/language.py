"""Language models from scratch."""

from __future__ import annotations

import math
from itertools import pairwise

from cadence.advice.choice import Alternative, article, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

GPT3 = paper("Brown et al. 2020, GPT-3, arXiv:2005.14165, table 2.1 and appendix B")
KAPLAN = paper("Kaplan et al. 2020, arXiv:2001.08361, appendix D.6, equation D.1")
STEP = paper("Li et al. 2025, Step Law, arXiv:2503.04715")
LLAMA = paper("Touvron et al. 2023, LLaMA, arXiv:2302.13971, table 2 and section 2.3")
HAEGELE = paper("Hägele et al. 2024, arXiv:2405.18392, sections 3 and 4")
DEEPSEEK = paper("DeepSeek-AI 2024, arXiv:2401.02954, section 3.1")

_SMALLEST = 10e6
"""Parameters outside of embeddings below which the rule of Kaplan et al. is asked."""


def _kaplan(parameters: float) -> float:
    return 0.003239 - 0.0001395 * math.log(max(parameters, 1e6))


_SIZES = (
    (_SMALLEST, _kaplan(_SMALLEST)),
    (85.1e6, 6e-4),
    (302e6, 3e-4),
    (679e6, 2.5e-4),
    (1.21e9, 2e-4),
    (2.52e9, 1.6e-4),
    (6.44e9, 1.2e-4),
    (12.7e9, 1e-4),
    (174e9, 0.6e-4),
)
"""Parameters outside of embeddings -> rate, as GPT-3's models were trained.

Its table has names of models (125M to 175B), whose layers and widths are 12 n d ** 2 such numbers.
"""


def rate_for_size(parameters: float) -> float:
    """The rate of a language model of a size, in updates of about half a million tokens.

    Args:
        parameters: trained numbers outside of the embeddings, at least 1.

    Source:
        Brown et al. 2020, arXiv:2005.14165, table 2.1, from 85 million on (the model called 125M), by a straight line
        between logarithms; Kaplan et al. 2020, arXiv:2001.08361, equation D.1, below 10 million. Between the two a
        straight line: at 85 million the rule alone would say 6.9e-4 and the table says 6e-4.

    Example:
        >>> round(rate_for_size(10e6), 5), rate_for_size(85.1e6), rate_for_size(1.21e9)
        (0.00099, 0.0006, 0.0002)
    """
    first, last = _SIZES[0], _SIZES[-1]
    if parameters <= first[0]:
        return _kaplan(parameters)
    if parameters >= last[0]:
        return last[1]
    for (n0, r0), (n1, r1) in pairwise(_SIZES):
        if parameters <= n1:
            share = math.log(parameters / n0) / math.log(n1 / n0)
            return r0 * (r1 / r0) ** share
    raise AssertionError("sizes cover everything")


SMALLEST_OF_TABLE = 84e6
"""Parameters outside of embeddings of the smallest model in GPT-3's table."""


def language_model(profile: Profile) -> Practice:
    """Language models from scratch."""
    size = profile.model.without_embeddings or profile.parameters
    rate = float(f"{rate_for_size(size):.3g}")
    others = (*_llama(size), *_deepseek(profile, size), *_step_law(profile, size))
    per_step = profile.tokens_per_step
    known_batch = per_step is not None and 65_536 <= per_step <= 4_000_000
    short = profile.updates < 40_000
    return Practice(
        "lm",
        Both("a language model from scratch", "从头训练的语言模型"),
        "adamw",
        rate,
        {
            "optimizer": Why(
                Both(
                    "AdamW with betas 0.9 and 0.95: a second moment that forgets sooner survives the spikes of large "
                    "runs",
                    "AdamW，beta 为 0.9 和 0.95：二阶矩忘得更快，能经受大规模训练的尖峰",
                ),
                GPT3,
                "high",
                (
                    Alternative(
                        "muon for the matrices, adamw for the rest",
                        paper("Liu et al. 2025, Moonlight, arXiv:2502.16982, section 3.2"),
                        Both(
                            "52 % of the compute to the same loss there, with AdamW's own rate and weight decay, "
                            "because "
                            "its updates are brought to AdamW's size; ask for it with optimizer='muonadamw'",
                            "该文以 52% 的算力达到相同损失；其更新被调到 AdamW 的大小，因此学习率和权重衰减沿用 AdamW；"
                            "可用 "
                            "optimizer='muonadamw' 指定",
                        ),
                    ),
                ),
            ),
            "batch_scaling": Why(
                Both(
                    "the rates of the sources were found together with their batches of half a million to four "
                    "million tokens",
                    "来源的学习率与其五十万到四百万 token 的批量一同确定",
                ),
                GPT3,
                "medium" if known_batch else "low",
                (
                    Alternative(
                        "the square root of the batch",
                        paper("Malladi et al. 2022, arXiv:2205.10287"),
                        Both(
                            "if you change the batch of a run whose rate was tuned; beyond the critical batch "
                            "(arXiv:1812.06162) neither",
                            "当更换已调好学习率的训练批量时；超过临界批量（arXiv:1812.06162）则两者都不适用",
                        ),
                    ),
                ),
            ),
            "learning_rate": Why(
                Both(
                    f"it falls with size: {rate:g} for {_millions(size)} parameters outside of "
                    f"embeddings{_more(rate, others).en}",
                    f"随规模下降：嵌入之外 {_millions(size)} 参数时为 {rate:g}{_more(rate, others).zh}",
                ),
                GPT3 if size > SMALLEST_OF_TABLE else KAPLAN,
                "medium" if known_batch and size >= 1e6 else "low",
                others,
                Both(
                    "three short runs at a third, once and three times this rate, each with its own cooldown",
                    "分别以三分之一、一倍、三倍的学习率各做一次带冷却的短训练",
                ),
            ),
            "warmup": Why(
                Both(
                    "5 % of the run: the 2,000 updates of large runs would be too much of it"
                    if short
                    else "2,000 updates",
                    "全程的 5%：大规模训练所用的 2000 次更新对它来说太长" if short else "2000 次更新",
                ),
                article("warmup takes 5 to 10 % of the run") if short else LLAMA,
                "medium" if short else "high",
                (
                    Alternative(
                        "375 million tokens",
                        GPT3,
                        Both("700 updates of half a million tokens", "每次更新五十万 token 时约 700 次"),
                    ),
                ),
            ),
            "schedule": Why(
                Both(
                    "constant, then a fall as 1 - sqrt over the last fifth: as good as a cosine of the right length, "
                    "and the length may still change",
                    "先恒定，最后五分之一按 1-sqrt 下降：与长度恰当的余弦相当，且长度仍可更改",
                ),
                HAEGELE,
                "high",
                (
                    Alternative(
                        "cosine(to=0.1)",
                        paper("Hoffmann et al. 2022, Chinchilla, arXiv:2203.15556, appendix B"),
                        Both(
                            "equal if the length is right to a quarter and stays so; the usual choice of published "
                            "runs",
                            "若长度准确且不变则相当；已发表训练的常用选择",
                        ),
                    ),
                    Alternative(
                        "linear()",
                        paper("Bergsma et al. 2025, arXiv:2502.15938"),
                        Both(
                            "a straight line to 0 is ahead of a cosine to a tenth beyond 20 tokens for each parameter",
                            "每参数超过 20 个 token 时，直线降到 0 优于余弦降到十分之一",
                        ),
                    ),
                ),
            ),
            "weight_decay": Why(
                Both("0.1, with every run that was published since GPT-3", "0.1，GPT-3 以来发表的训练都如此"),
                GPT3,
                "high",
            ),
            "groups": Why(
                Both(
                    "no decay on biases and normalisation, as everyone does; nobody has shown that it matters",
                    "偏置和归一化不衰减，惯例如此；尚无证据表明这有影响",
                ),
                practice("nanoGPT, LLaMA, OLMo"),
                "medium",
                (
                    Alternative(
                        "no decay on embeddings either",
                        paper("OLMo 2, 2025, arXiv:2501.00656, section 3"),
                        Both(
                            "where the norm of embeddings shrinks and gradients of early layers grow and spike",
                            "当嵌入范数缩小、前面各层的梯度增大并出现尖峰时",
                        ),
                    ),
                ),
            ),
            "clip_norm": Why(Both("what the source trains with", "来源使用的数值"), GPT3, "high"),
            "averaging": Why(Both("the cooldown does what an average would", "冷却已起到平均的作用"), HAEGELE, "high"),
        },
        arguments={"betas": (0.9, 0.95)},
        warmup="5%" if short else 2000,
        decay="constant() >> decay('20%', shape='1-sqrt')",
        weight_decay=0.1,
        clip_norm=1.0,
    )


def _llama(size: int) -> tuple[Alternative, ...]:
    if size < 3e9:
        return ()
    return (
        Alternative(
            3e-4 if size < 2e10 else 1.5e-4,
            LLAMA,
            Both(
                "with batches of four million tokens, for 7 to 13 billion parameters and above; the largest batch of "
                "the "
                "two sources goes with the larger rate",
                "批量为四百万 token，用于 70 亿到 130 亿及以上参数；两个来源中批量较大的配较大的学习率",
            ),
        ),
    )


def _deepseek(profile: Profile, size: int) -> tuple[Alternative, ...]:
    if profile.tokens is None:
        return ()
    compute = 6.0 * size * profile.tokens
    rate = 0.3118 * compute**-0.125
    return (
        Alternative(
            float(f"{rate:.3g}"),
            DEEPSEEK,
            Both(
                f"0.3118 C ** -0.125 with C = {compute:.2g} operations, from a search at 1e17 to 2e19; a pilot decides",
                f"0.3118 C ** -0.125，C = {compute:.2g} 次运算，拟合自 1e17 到 2e19 的搜索；试跑可以判断",
            ),
        ),
    )


def _step_law(profile: Profile, size: int) -> tuple[Alternative, ...]:
    if profile.tokens is None:
        return ()
    rate, batch = 1.79 * size**-0.713 * profile.tokens**0.307, 0.58 * profile.tokens**0.571
    return (
        Alternative(
            float(f"{rate:.3g}"),
            STEP,
            Both(
                f"1.79 N ** -0.713 D ** 0.307, from 3,700 trainings with a cosine to a fixed low rate, in updates of "
                f"{_millions(batch)} tokens (0.58 D ** 0.571); a pilot decides",
                f"1.79 N ** -0.713 D ** 0.307，拟合自 3700 次余弦降到固定低值的训练，每次更新 {_millions(batch)} "
                "token（0.58 D ** "
                f"0.571）；试跑可以判断",
            ),
        ),
    )


def _more(rate: float, others: tuple[Alternative, ...]) -> Both:
    """What newer fits have to say, where they all say more or all say less."""
    ratios = [float(other.value) / rate for other in others]
    if len(ratios) < 2 or not (min(ratios) > 1.5 or max(ratios) < 1 / 1.5):
        return Both("", "")
    low, high = min(ratios), max(ratios)
    return Both(
        f"; fits to newer searches say {low:.2g} to {high:.2g} times that for a run of this length",
        f"；较新的搜索拟合认为这种长度的训练应为其 {low:.2g} 到 {high:.2g} 倍",
    )


def _millions(n: float) -> str:
    return f"{n / 1e9:.3g}B" if n >= 1e9 else f"{n / 1e6:.3g}M" if n >= 1e6 else f"{n / 1e3:.3g}k"
