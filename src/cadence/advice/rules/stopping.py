"""When a run ends before its time: after a cooldown where its rate is high, and behind every rule that cuts it."""

from __future__ import annotations

from cadence._errors import CadenceError
from cadence.advice.choice import Alternative, Choice, article, paper, practice
from cadence.advice.practices.practice import Practice
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen
from cadence.curve.place import as_plan, place
from cadence.findings.finding import Both
from cadence.spec.constructors.rules import early_stop
from cadence.spec.nodes import EarlyStop, Plateau, walk
from cadence.spec.plan import Plan
from cadence.spec.span import Span, evaluations

PATIENCE = evaluations(10)
"""Evaluations without improvement after which a constant rate is given up."""

COOLDOWN = "cooldown 20%"
"""What comes of a rate that is still high: a fall to 0, over 10 to 20 % of the run."""

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
        averaged = str(chosen["optimizer"].value["name"]).startswith("schedule_free")
        return _averaged() if averaged else _after_a_fall()
    return Choice(
        "stopping",
        None,
        Both("no row comes twice, so nothing is learnt by heart", "数据不重复，不会死记硬背"),
        practice("language models"),
        "medium",
    )


def _after_a_fall() -> Choice:
    """A constant rate: the rule decides when, and the rate falls to 0 before the run ends."""
    return Choice(
        "stopping",
        _rule(PATIENCE, COOLDOWN),
        Both(
            "a rate that does not fall has no end of its own, and rows that come again are learnt by heart; stopped at "
            "once, the run would go without the low rates, which gain more than a fifth of the run costs",
            "不下降的学习率没有自然的终点，而反复出现的数据会被死记硬背；若立即停止，训练便得不到低学习率的收益，而这收益"
            "大于五分之一训练的代价",
        ),
        HAEGELE,
        "medium",
        (
            Alternative(
                _rule(PATIENCE),
                TUTORIALS,
                Both(
                    "where the time is up when the rule decides: it saves the cooldown",
                    "规则触发时时间已到：可省去冷却",
                ),
            ),
        ),
    )


def _averaged() -> Choice:
    """A method whose average stands for the fall: nothing is left to cool down."""
    return Choice(
        "stopping",
        _rule(PATIENCE),
        Both(
            "rows that come again are learnt by heart; the average of this method is what a fall of the rate would "
            "bring, so it may stop at once",
            "反复出现的数据会被死记硬背；该方法的平均已起到降低学习率的作用，可立即停止",
        ),
        TUTORIALS,
        "medium",
    )


def _to_its_end(half: float) -> Choice:
    """The rate falls: to stop before costs the fall."""
    return Choice(
        "stopping",
        None,
        Both(
            f"halfway the rate is still {100 * half:.3g} % of its peak: a run that is stopped there has paid for high "
            f"rates and not been given the low ones; keep the best checkpoint, or cool down where it has to end sooner "
            f"(driver.cooldown, or early_stop with then='{COOLDOWN}')",
            f"过半时学习率仍为峰值的 {100 * half:.3g}%：在那里停止等于付出了高学习率的代价却没有得到低学习率；应保留最"
            "佳检查点，"
            f"需要提前结束时用冷却（driver.cooldown，或 early_stop 的 then='{COOLDOWN}'）",
        ),
        HAEGELE,
        "high",
        (
            Alternative(
                _rule(PATIENCE, COOLDOWN),
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


def _rule(patience: Span, then: str | None = None) -> str:
    return repr(early_stop("val_loss", patience=int(patience.amount), then=then))


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
