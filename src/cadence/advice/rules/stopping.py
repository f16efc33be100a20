"""When a run ends before its time: never where the rate still has to fall, else behind every rule that cuts it."""

from __future__ import annotations

from cadence._errors import CadenceError
from cadence.advice.choice import Alternative, Choice, article, paper, practice
from cadence.advice.practices.practice import Practice
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen
from cadence.curve.place import as_plan, place
from cadence.findings.finding import Both
from cadence.spec.nodes import EarlyStop, Plateau, walk
from cadence.spec.plan import Plan
from cadence.spec.span import Span, evaluations

PATIENCE = evaluations(10)
"""Evaluations without improvement after which a constant rate is given up."""

FALLS = 0.5
"""Share of the peak below which the end of a schedule counts as a fall."""

HAEGELE = paper("Hägele et al. 2024, arXiv:2405.18392, section 4")
TUTORIALS = article("early stopping, with more patience than the plateau's")


def stopping(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """A rule that ends the run early, as text; None: it runs to its end."""
    del practice_
    plan = as_plan(chosen["schedule"].value)
    nodes = [node for _, schedule in plan.entries for node in walk(schedule)]
    if any(isinstance(node, EarlyStop) for node in nodes):
        return Choice(
            "stopping",
            None,
            Both("the schedule has a rule that ends the run", "调度中已有结束训练的规则"),
            practice("cadence"),
            "high",
        )
    plateaus = [node for node in nodes if isinstance(node, Plateau)]
    if plateaus:
        return _behind(plateaus[0])
    half, end = _shares(plan, profile)
    if end < FALLS:
        return _to_its_end(half)
    if (profile.passes or 0) > 1:
        return Choice(
            "stopping",
            _rule(PATIENCE),
            Both(
                "a rate that does not fall has no end of its own, and rows that come again are learnt by heart",
                "不下降的学习率没有自然的终点，而反复出现的数据会被死记硬背",
            ),
            TUTORIALS,
            "medium",
            (
                Alternative(
                    "driver.cooldown('20%')",
                    HAEGELE,
                    Both(
                        "where there is time for a fifth of the run more: a fall to 0 gains more than the wait",
                        "若还能再训练五分之一：降到 0 的收益大于等待",
                    ),
                ),
            ),
        )
    return Choice(
        "stopping",
        None,
        Both("no row comes twice, so nothing is learnt by heart", "数据不重复，不会死记硬背"),
        practice("language models"),
        "medium",
    )


def _to_its_end(half: float) -> Choice:
    """The rate falls: to stop before costs the fall."""
    return Choice(
        "stopping",
        None,
        Both(
            f"halfway the rate is still {100 * half:.3g} % of its peak: a run that is stopped there has paid for high "
            f"rates and not been given the low ones; keep the best checkpoint, or cool down (driver.cooldown) where it "
            f"has to end sooner",
            f"过半时学习率仍为峰值的 {100 * half:.3g}%：在那里停止等于付出了高学习率的代价却没有得到低学习率；应保留最"
            "佳检查点，"
            f"需要提前结束时用冷却（driver.cooldown）",
        ),
        HAEGELE,
        "high",
        (
            Alternative(
                _rule(PATIENCE),
                TUTORIALS,
                Both(
                    "where rows are few and the validation loss has turned for good: a curve of it decides",
                    "数据很少且验证损失已不可逆转地上升时：看其曲线即可判断",
                ),
            ),
        ),
    )


def _behind(plateau: Plateau) -> Choice:
    """More patience than a plateau rule has: it must be able to cut twice, and each cut must be given time to help."""
    patience = plateau.patience
    if plateau.cooldown.unit == patience.unit:
        patience = Span(patience.amount + plateau.cooldown.amount, patience.unit)
    longer = Span(2 * (patience.amount + 1), patience.unit)
    rule = f"early_stop({plateau.metric!r}, patience={longer!r})"
    return Choice(
        "stopping",
        rule,
        Both(
            f"twice what the plateau rule takes to cut and to be heard again ({patience}): with less the run would end "
            f"before a cut could help",
            f"为平台规则一次下降并重新生效所需（{patience}）的两倍：再少则训练会在下降起作用之前结束",
        ),
        TUTORIALS,
        "medium",
    )


def _rule(patience: Span) -> str:
    return f"early_stop('val_loss', patience={patience!r})"


def _shares(plan: Plan, profile: Profile) -> tuple[float, float]:
    """The rate in the middle and at the end of the run, as shares of its peak; ones where it cannot be placed."""
    try:
        curve = place(
            plan,
            total=profile.updates,
            steps_per_epoch=profile.steps_per_epoch,
            batch_size=profile.batch_size,
            tokens_per_step=profile.tokens_per_step,
            base=1.0,
        )
    except CadenceError:
        return 1.0, 1.0
    peak = max(curve.at(t) for t in range(0, profile.updates, max(1, profile.updates // 200)))
    return curve.at(profile.updates // 2) / peak, curve.at(profile.updates - 1) / peak
