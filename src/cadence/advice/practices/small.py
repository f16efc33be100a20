"""Small trainings: at most a few thousand updates of at most a few million parameters, from the profile alone.

What was measured (docs/advice.md): 29 trainings on images, text, tables and for denoising, 450 to 1,200 updates, each
with some hundred settings, and others with a few. Three things came out of them. Matrices whose steps are orthogonal
(Muon) end lower than with AdamW or SGD at their best rates, and hardly ask at which rate. Then it is the decay of the
weights that decides, and it is best where nobody looks for it: a third to one and a half, not a hundredth. And which
decay depends on how much the model can learn by heart.

The exceptions: dense nets on tables, and classifiers that could learn many wrong labels by heart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from cadence.advice.choice import MEASURED, Alternative, article, paper
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.practices.small_adamw import small_adamw
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

MOST_UPDATES, MOST_PARAMETERS = 5_000, 2_000_000
"""What is measured ends here."""

KINDS = frozenset({
    "classification", "regression", "lm", "masked_lm", "denoising", "segmentation", "translation", "contrastive",
})  # fmt: skip

NOT_MEASURED = frozenset({"translation", "contrastive"})
"""Kinds whose numbers are those of text, and of rows that are changed each time."""

FEW_PASSES, MORE_PASSES = 8.0, 16.0
"""Passes over the data up to which a training is limited by how fast it fits, and from which on that counts no more."""

MUCH_NOISE = 0.05
"""Share of wrong labels from which on a classifier is kept from learning them by heart."""

LEARNT_BY_HEART = 6.0
"""Parameters for each row above which a classifier has room to learn its rows by heart."""

LARGE, HUGE = 30.0, 90.0
"""Parameters for each row up to which a classifier is `LARGE_CLASSIFIER`, and from which on `HUGE_CLASSIFIER`."""

FEW_COLUMNS = 32
"""Inputs of the first layer up to which a dense net reads a table, and no picture."""

FEW_ROWS, MANY_ROWS = 250, 800
"""Rows up to which the targets of a regression are learnt with their noise, and from which on they are hardly."""

METHOD = "muonadamw"


@dataclass(frozen=True)
class Regime:
    """What a kind of small training is best served with.

    Attributes:
        about: the kind, and why it wants this.
        lr: of the hidden matrices.
        ratio: rate of everything else, as a multiple of it.
        decay: of the hidden matrices.
        head: whether the last layer has it too.
        momentum: of the matrices.
        beta2: of everything else.
        schedule: after the warmup.
        method: as `cadence.optimizer` takes it.
    """

    about: Both
    lr: float
    ratio: float
    decay: float
    head: bool
    momentum: float
    beta2: float
    schedule: str
    method: str = METHOD


FITTING = Regime(
    Both(
        "rows come a few times at most, so the training is limited by how fast it fits: a high rate that falls late",
        "每行数据至多出现几次，训练受拟合速度限制：高学习率，较晚下降",
    ),
    0.02, 1.5, 0.33, True, 0.95, 0.95, "linear()",
)  # fmt: skip
SMALL_CLASSIFIER = Regime(
    Both(
        "the model is too small to learn its rows by heart: a high rate, and a head that may grow as it likes",
        "模型太小，无法记住每一行：高学习率，输出层不受衰减",
    ),
    0.03, 1.0, 0.33, False, 0.9, 0.999, "cosine()",
)  # fmt: skip
LARGE_CLASSIFIER = Regime(
    Both(
        "the model could learn its rows by heart: a moderate rate for the matrices, more for the rest",
        "模型足以记住每一行：矩阵用适中的学习率，其余参数更高",
    ),
    0.01, 3.0, 0.33, True, 0.95, 0.999, "cosine()",
)  # fmt: skip
HUGE_CLASSIFIER = Regime(
    Both(
        "the model has so many parameters for each row that only decay keeps it from learning them by heart",
        "每行数据对应的参数极多，只有衰减才能防止逐行记忆",
    ),
    0.01, 1.0, 1.0, True, 0.95, 0.999, "cosine()",
)  # fmt: skip
NOISY = Regime(
    Both(
        "many labels are wrong, and a model that fits quickly learns them by heart: AdamW's usual rate, and a decay of "
        "three hundred times the usual one",
        "许多标签是错的，拟合快的模型会把它们也记住：AdamW 常用的学习率，衰减为常用值的三百倍",
    ),
    0.001, 1.0, 3.0, True, 0.9, 0.999, "cosine()", "adamw",
)  # fmt: skip
TABLE = Regime(
    Both(
        "a dense net on a dozen or two of columns, whose rows are soon learnt by heart: AdamW's usual size of step, "
        "and a decay a hundred times the usual one",
        "全连接网络，只有一二十列输入，很快就会记住每一行：AdamW 常用的步长，衰减为常用值的一百倍",
    ),
    0.002, 1.0, 1.0, True, 0.9, 0.999, "cosine()", "adamw",
)  # fmt: skip
FEW_TARGETS = Regime(
    Both(
        "few rows with numbers to predict, which are soon learnt with their noise: a low rate and a strong decay",
        "行数少且目标为数值，噪声很快也被学进去：低学习率和强衰减",
    ),
    0.005, 1.0, 1.5, True, 0.95, 0.999, "cosine()",
)  # fmt: skip
TARGETS = Regime(
    Both(
        "numbers to predict, from rows that come often: a high rate, and a strong decay that falls with it",
        "目标为数值且每行多次出现：高学习率，以及随之下降的强衰减",
    ),
    0.02, 1.0, 1.0, True, 0.9, 0.999, "linear()",
)  # fmt: skip


def is_small(profile: Profile) -> bool:
    """Whether a training is of the size that was measured; what is frozen counts, for it was trained before."""
    return profile.task in KINDS and profile.updates <= MOST_UPDATES and profile.model.total <= MOST_PARAMETERS


def small(profile: Profile) -> Practice:
    """The numbers for a small training."""
    asked = profile.given.get("optimizer")
    name = cast("Mapping[str, Any]", asked).get("name") if isinstance(asked, Mapping) else asked
    if name not in (None, METHOD) or profile.model.complex:
        return small_adamw(profile)
    regime = regime_of(profile)
    if profile.fine_tuning:
        # Decay pulls weights to 0, and not to where they were trained.
        regime = replace(regime, decay=min(regime.decay, LARGE_CLASSIFIER.decay))
    found = _practice(profile, regime)
    by_heart = regime not in (FITTING, TABLE, SMALL_CLASSIFIER, NOISY)
    unknown = profile.task == "classification" and profile.noise is None
    return replace(found, noisy=_practice(profile, NOISY)) if unknown and by_heart else found


def regime_of(profile: Profile) -> Regime:
    """Which kind of small training it is."""
    passes, each = profile.passes, profile.parameters_per_sample
    if profile.task in ("lm", "masked_lm", *NOT_MEASURED) or passes is None or each is None or passes < FEW_PASSES:
        return FITTING
    if profile.task in ("classification", "segmentation"):
        if _table(profile):
            return TABLE
        if each < LEARNT_BY_HEART:
            return SMALL_CLASSIFIER
        if (profile.noise or 0.0) >= MUCH_NOISE:
            return NOISY
        # What is trained already is not there to learn rows by heart with.
        return _between(LARGE_CLASSIFIER, HUGE_CLASSIFIER, 0.0 if profile.fine_tuning else _share(each, LARGE, HUGE))
    rows = profile.dataset_size or 0
    if profile.task == "denoising" or profile.augmentation == "strong":
        targets = TARGETS  # noise that is drawn anew cannot be learnt
    elif rows < MANY_ROWS and _table(profile):
        return TABLE
    else:
        targets = _between(FEW_TARGETS, TARGETS, _share(rows, FEW_ROWS, MANY_ROWS))
    return _between(FITTING, targets, _share(passes, FEW_PASSES, MORE_PASSES))


def _share(x: float, low: float, high: float) -> float:
    """How far x is on the way from low to high, by its logarithm; in [0, 1]."""
    return min(1.0, max(0.0, math.log(x / low) / math.log(high / low)))


def _between(a: Regime, b: Regime, share: float) -> Regime:
    """The numbers on the way from one kind to another, so that no row more or less makes a leap."""
    if share in (0.0, 1.0):
        return a if share == 0.0 else b

    def mean(x: float, y: float) -> float:
        return float(f"{x ** (1 - share) * y**share:.2g}")

    nearer = a if share < 0.5 else b
    return replace(
        nearer, lr=mean(a.lr, b.lr), ratio=mean(a.ratio, b.ratio), decay=mean(a.decay, b.decay),
        momentum=round(a.momentum + share * (b.momentum - a.momentum), 3),
    )  # fmt: skip


def _table(profile: Profile) -> bool:
    """Whether a net has hidden layers, all of them plain matrices, behind a few inputs."""
    counts = profile.model
    plain = not (counts.convolutions or counts.embeddings or counts.attention or counts.recurrent)
    return plain and counts.hidden > 0 and counts.inputs is not None and counts.inputs <= FEW_COLUMNS


def _practice(profile: Profile, regime: Regime) -> Practice:
    orthogonal = regime.method == METHOD
    return Practice(
        "small",
        Both(
            f"a small training: {profile.updates} updates of {profile.parameters:,} parameters",
            f"小规模训练：{profile.updates} 次更新，{profile.parameters:,} 个参数",
        ),
        regime.method,
        regime.lr,
        _why(profile, regime),
        arguments={
            "momentum": regime.momentum,
            "betas": (0.9, regime.beta2),
            "adamw_ratio": regime.ratio,
            **({} if profile.model.hidden else {"orthogonal": False}),
        }
        if orthogonal
        else {"betas": (0.9, regime.beta2)},
        warmup="7%",
        decay=regime.schedule,
        # A single layer is a head, too.
        weight_decay=regime.decay if regime.head or profile.model.hidden else 0.0,
        groups=_groups(profile, regime) if orthogonal else {},
        settled=True,
        clip_norm=profile.clip_norm if profile.clip_norm is not None else 1.0 if profile.model.attention else None,
    )


def _groups(profile: Profile, regime: Regime) -> dict[str, dict[str, object]]:
    """Who takes AdamW's steps though it is a matrix, and who has no decay."""
    counts, made = profile.model, dict[str, dict[str, object]]()
    if counts.embeddings:
        made["tables"] = {"parameters": ["role:embedding"], "orthogonal": False, "weight_decay": 0.0}
    if (counts.head or 0) > counts.head_tables:
        made["head"] = {"parameters": ["role:head"], "orthogonal": False}
        if counts.head_tables:
            made["head"]["without"] = ["role:embedding"]
        if not regime.head:
            made["head"]["weight_decay"] = 0.0
    return made


def _method(profile: Profile) -> Why:
    if profile.model.hidden:
        return _METHOD
    # Outputs take AdamW's steps in every net, and here there is nothing else.
    one = Both(
        "no matrix lies between others: outputs take AdamW's steps, which is what this method is without orthogonal "
        "ones",
        "没有隐藏层矩阵：输出层用 AdamW 的更新，不做正交化时此方法即为 AdamW",
    )
    return replace(_METHOD, reason=one)


def _why(profile: Profile, regime: Regime) -> dict[str, Why]:
    passes = profile.passes
    told = "" if passes is None else f", {passes:.3g} passes over {profile.dataset_size} rows"
    zh = "" if passes is None else f"，{profile.dataset_size} 行数据经过 {passes:.3g} 遍"
    return {
        "optimizer": _QUIET if regime is NOISY else _ADAMW if regime.method != METHOD else _method(profile),
        "batch_scaling": Why(Both("the rate is chosen for this batch", "学习率就是为此批量选取的"), MEASURED, "low"),
        "learning_rate": Why(
            Both(f"{regime.about.en}{told}", f"{regime.about.zh}{zh}"),
            MEASURED,
            "low" if profile.fine_tuning or profile.task in NOT_MEASURED else "medium",
            (_TUNED,) if profile.fine_tuning else (_FRESH,),
            Both(
                "a tenth of the run at this rate, and shortly at one beside it: whether it diverges, or hardly moves"
                + ("; and whether many labels are wrong" if profile.task == "classification" else ""),
                "以此学习率试跑全程的十分之一，并短暂试跑相邻的学习率：看是否发散或几乎不动"
                + ("；并看是否有许多标签是错的" if profile.task == "classification" else ""),
            ),
        ),
        "warmup": Why(
            Both("7 % of the run, as in all that was measured", "全程的 7%，与所有实测一致"),
            article("warmup takes 5 to 10 % of the run"),
            "medium",
        ),
        "schedule": Why(
            Both(
                "a straight line to 0: a little ahead of a cosine, and level with a constant rate that falls over the "
                "last half",
                "直线降到 0：略好于余弦，与后一半才下降的恒定学习率相当",
            )
            if regime.schedule == "linear()"
            else Both("a cosine to 0; a straight line is level with it", "余弦降到 0；直线与之相当"),
            MEASURED,
            "medium",
        ),
        "weight_decay": Why(
            Both(
                f"{regime.decay:g} times the rate at every update: a hundredth of it, as most code has, ends 5 to 20 % "
                f"higher where rows are repeated",
                f"每次更新衰减 {regime.decay:g} 倍学习率：在数据反复出现时，多数代码所用的百分之一会使损失高 5% 到 20%",
            ),
            MEASURED,
            "medium",
            (
                Alternative(
                    0.01,
                    article("0.01 to 0.1 for AdamW"),
                    Both("where runs are so long that a weak decay adds up", "适用于很长的训练，弱衰减会累积"),
                ),
            ),
        ),
        "groups": Why(
            Both("no decay on biases and normalisation", "偏置和归一化不做衰减")
            if regime.method != METHOD
            else Both(
                "hidden matrices take orthogonal steps; the head, tables, biases and normalisation take AdamW's"
                + ("" if regime.head else "; a decayed head could not become certain"),
                "隐藏层矩阵用正交化的更新；输出层、嵌入表、偏置和归一化用 AdamW"
                + ("" if regime.head else "；输出层若衰减就无法变得确定"),
            ),
            MEASURED,
            "medium",
        ),
    }


_FRESH = Alternative(
    0.02,
    paper("Jordan et al. 2024, Muon"),
    Both("where rows are fresh and the net is large", "适用于数据新鲜且网络较大时"),
)
_TUNED = Alternative(
    "adamw at 2e-5 to 5e-5",
    paper("Devlin et al. 2018, BERT, arXiv:1810.04805, appendix A.2 and A.3"),
    Both(
        "where the weights were trained for long on far more data, which is not to be forgotten; those that were "
        "trained as shortly as this run go on as from scratch",
        "适用于权重曾在多得多的数据上长期训练、不应遗忘时；若之前的训练与本次同样短，则与从头训练相同",
    ),
)
_METHOD = Why(
    Both(
        "matrices with orthogonal steps (Muon), AdamW for the rest: ahead of AdamW and SGD at their best rates on most "
        "of the data that was measured, and far less particular about the rate",
        "矩阵用正交化的更新（Muon），其余用 AdamW：在大多数实测数据上优于各自最佳学习率下的 AdamW 和 SGD，"
        "且对学习率远没有那么敏感",
    ),
    MEASURED,
    "medium",
    (
        Alternative(
            "adamw",
            article("AdamW begins at 1e-3"),
            Both(
                "takes half the time for an update of a tiny net; at 1e-3 with a cosine its loss was two thirds higher "
                "at the end, at a rate that was searched for about a sixth",
                "对极小的网络每次更新只需一半时间；以 1e-3 加余弦结束时损失高出约三分之二，"
                "搜索出最佳学习率后仍高约六分之一",
            ),
        ),
        Alternative(
            "muon on matrices only",
            paper("Liu et al. 2025, Muon is scalable, arXiv:2502.16982"),
            Both("the same method; it does not say what to do in small trainings", "同一方法，但未涉及小规模训练"),
        ),
    ),
)
_ADAMW = Why(
    Both(
        "behind few columns there are few directions to learn, and steps that learn all of them equally fast (Muon) "
        "learn the noise, too: with them tables ended up to a third higher than with AdamW",
        "输入列很少时可学的方向也少，让所有方向同样快的更新（Muon）会把噪声也学进去："
        "在表格数据上其损失最多比 AdamW 高三分之一",
    ),
    MEASURED,
    "medium",
    (
        Alternative(
            METHOD,
            MEASURED,
            Both(
                "labels that are certain decide for it: with it they were learnt further",
                "标签完全可靠时选它：能学得更彻底",
            ),
        ),
    ),
)
_QUIET = Why(
    Both(
        "orthogonal steps learn wrong labels as fast as right ones: with a tenth to two fifths of them wrong, a net "
        "that could learn its rows by heart ended a third to two thirds higher with them",
        "正交化的更新学错误标签与学正确标签一样快：十分之一到五分之二的标签是错的时，足以记住每一行的网络用它"
        "结束时损失高出三分之一到三分之二",
    ),
    MEASURED,
    "medium",
    (Alternative(METHOD, MEASURED, Both("labels that are certain decide for it", "标签完全可靠时选它")),),
)
