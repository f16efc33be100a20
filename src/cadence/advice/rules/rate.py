"""The base learning rate, of this run's batch."""

from __future__ import annotations

from cadence.advice.choice import Choice, Source
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen, from_practice
from cadence.findings.finding import Both

RATIOS: dict[str, tuple[float, Source]] = {
    "adamw": (1.0, Source("practice", "the reference of this table")),
    "adam": (1.0, Source("practice", "AdamW without its decay is Adam")),
    "nadam": (1.0, Source("practice", "Adam's step sizes")),
    "radam": (1.0, Source("paper", "Liu et al. 2019, RAdam, arXiv:1908.03265")),
    "rmsprop": (1.0, Source("practice", "Adam's step sizes")),
    "sgd": (30.0, Source("measured", "docs/advice.md")),
    "lamb": (3.0, Source("measured", "docs/advice.md")),
    "muonadamw": (1.0, Source("paper", "Liu et al. 2025, arXiv:2502.16982, equation 4: steps of AdamW's size")),
    "lion": (0.2, Source("paper", "Chen et al. 2023, Lion, arXiv:2302.06675, section 5")),
    "schedule_free_adamw": (
        2.5,
        Source("paper", "Defazio et al. 2024, arXiv:2405.15682; schedule_free's README: 1 to 10 times"),
    ),
}
"""Method -> how its best rate stands to AdamW's, roughly, and who says so."""

OWN_RATE = frozenset({"prodigy", "dadaptadam", "dadaptadagrad", "dadaptsgd", "dadaptlion", "dadaptadan"})
"""Methods that find the rate themselves and multiply it by what they are given: 1."""


def learning_rate(profile: Profile, practice: Practice, chosen: Chosen) -> Choice:
    """The rate that the schedule multiplies; None where nothing is known."""
    asked = str(chosen["optimizer"].value["name"])
    if asked in OWN_RATE:
        return _finds_itself(asked)
    if practice.lr is None:
        return from_practice("learning_rate", None, practice, _UNKNOWN)
    scaling = chosen["batch_scaling"].value
    factor = float(scaling["factor"]) if scaling is not None else 1.0
    if asked != practice.optimizer:
        return _carried_over(asked, practice, factor, profile)
    return from_practice("learning_rate", round_rate(practice.lr * factor), practice, _UNKNOWN)


def round_rate(x: float) -> float:
    """A rate in three digits; nobody knows more of them.

    Example:
        >>> round_rate(0.0123456), round_rate(0.8)
        (0.0123, 0.8)
    """
    return float(f"{x:.3g}")


def _finds_itself(name: str) -> Choice:
    return Choice(
        "learning_rate",
        1.0,
        Both(f"{name} finds the rate itself and multiplies it by 1", f"{name} 自行确定学习率，再乘以 1"),
        Source("paper", "Mishchenko & Defazio 2023, Prodigy, arXiv:2306.06101"),
        "high",
    )


def _carried_over(asked: str, practice: Practice, factor: float, profile: Profile) -> Choice:
    """A rate for a method that the practice is not of: by what is known of the ratio of their best rates."""
    del profile
    assert practice.lr is not None
    if asked not in RATIOS or practice.optimizer not in RATIOS:
        return Choice(
            "learning_rate",
            None,
            Both(f"no source has {asked} in trainings of this kind", f"没有来源在此类训练中使用 {asked}"),
            Source("practice", "cadence"),
            "unknown",
            pilot=Both(
                "cadence find-lr, then a race of five rates around what it suggests (recommend with pilot=)",
                "先运行 cadence find-lr，再在其建议附近让五个学习率竞速（recommend 的 pilot=）",
            ),
        )
    ratio = RATIOS[asked][0] / RATIOS[practice.optimizer][0]
    # Another method may follow the batch in another way: the ratio is that at the batch of reference.
    there = (
        "" if practice.reference_batch is None else f" for {practice.reference_batch} examples, scaled to this batch"
    )
    there_zh = "" if practice.reference_batch is None else f"（批量 {practice.reference_batch}，再缩放到此批量）"
    return Choice(
        "learning_rate",
        round_rate(practice.lr * factor * ratio),
        Both(
            f"{ratio:.2g} times the rate of {practice.optimizer}{there}: the ratio of their best rates varies by a "
            f"factor of 3 from task to task",
            f"{practice.optimizer} 学习率{there_zh}的 {ratio:.2g} 倍：两者最佳学习率之比因任务而异，相差可达 3 倍",
        ),
        RATIOS[asked][1] if asked not in ("adamw", "adam") else RATIOS[practice.optimizer][1],
        "low",
        pilot=Both("a race of five rates, a factor of 3 apart", "五个相差 3 倍的学习率竞速"),
    )


_UNKNOWN = Why(
    Both("nothing is known of trainings of this kind", "对此类训练没有依据"), Source("practice", "cadence"), "unknown"
)
