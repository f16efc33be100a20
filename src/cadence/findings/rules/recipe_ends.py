"""Recipes of cadence: a rule that ends the run beside what else moves the rate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cadence.findings.finding import Both
from cadence.findings.recipes import RecipeView
from cadence.findings.rule import Found, rule
from cadence.findings.rules.recipes import nodes_of
from cadence.spec.nodes import EarlyStop, Plateau

HALF = 0.5
"""Share of its peak below which the end of a schedule counts as a fall."""


@rule(
    "CD951",
    "the run stops before a cut of the plateau rule can help",
    "warning",
    about="recipe",
    why="The rate is cut with the bad evaluation after the rule's patience, and after a cut the rule rests for its "
    "cooldown. If as many bad evaluations end the run, there is no cut at all, or none that was given the time "
    "to help.",
    fix="let early_stop wait at least twice as long as plateau and its cooldown",
    source="docs/contract.md, Feedback",
    example="schedule: constant() * plateau('val_loss', patience=10)\nstop: early_stop('val_loss', patience=5)",
    zh=(
        "plateau 的下降尚未见效就停止了",
        "耐心用完后的下一次坏评估才降学习率，降后规则还要经过冷却。若这么多次坏评估就结束训练，则一次也不降，或降了"
        "也来不及见效。",
        "early_stop 的耐心至少取 plateau 耐心加冷却的两倍",
    ),
)
def stops_before_cut(view: RecipeView) -> Iterator[Found]:
    """The end of the run comes with a bad evaluation that is no later than the last of a cut's cooldown."""
    for stop in _stops(view):
        for cutter in nodes_of(view.recipe.spec, Plateau):
            counts = [view.in_evaluations(x) for x in (stop.patience, cutter.patience, cutter.cooldown)]
            if stop.metric != cutter.metric or None in counts:
                continue
            waits, patience, rest = (n for n in counts if n is not None)
            end, cut = waits + 1, patience + 1
            if end > cut + rest:
                continue
            if end < cut:
                told = Both(
                    f"the run ends with bad evaluation {end}, the first cut would come with {cut}",
                    f"第 {end} 次坏评估就结束，而第一次降要到第 {cut} 次",
                )
            elif end == cut:
                told = Both(
                    f"the first cut comes with bad evaluation {cut}, and so does the end of the run",
                    f"第一次降与训练结束都在第 {cut} 次坏评估",
                )
            else:
                told = Both(
                    f"the first cut comes with bad evaluation {cut} and rests until {cut + rest}; the run ends with "
                    f"{end}",
                    f"第 {cut} 次坏评估第一次降，冷却到第 {cut + rest} 次；第 {end} 次训练就结束",
                )
            yield Found(
                view.spot("stop") or view.spot("schedule"),
                Both(
                    f"early_stop waits {stop.patience}, plateau {cutter.patience}"
                    + (f" and its cooldown {cutter.cooldown}" if rest else ""),
                    f"early_stop 等 {stop.patience}，plateau 等 {cutter.patience}"
                    + (f"，冷却 {cutter.cooldown}" if rest else ""),
                ),
                told,
            )


@rule(
    "CD958",
    "the run may end at once while its rate still has to fall",
    "information",
    about="recipe",
    why="A schedule that falls expects to go on: at a high rate the loss stands above what the same weights reach once "
    "the rate has fallen. A rule that ends the run at once gives that away, and a metric that stands still at a high "
    "rate is no sign that nothing is left.",
    fix="write then='cooldown 10%' in early_stop, or leave the rule out",
    source="Hägele et al. 2024, arXiv:2405.18392, section 4; docs/guide/stopping.md",
    example="schedule: cosine()\nstop: early_stop('val_loss', patience=5)",
    zh=(
        "学习率尚待下降，训练却可能立即结束",
        "下降的调度是按走完来设计的：学习率高时的损失高于降下来之后同一权重能达到的损失。立即结束的规则放弃了这一部分，"
        "而高学习率下指标停滞并不说明已无可学。",
        "在 early_stop 中写 then='cooldown 10%'，或不用该规则",
    ),
)
def stops_in_mid_fall(view: RecipeView) -> Iterator[Found]:
    """A rule without a cooldown under a schedule whose end is below half of its peak."""
    falls = [
        float(rate[len(rate) // 2] / peak)
        for rate in view.rates() or ()
        if (peak := float(np.max(rate))) > 0 and rate[-1] < HALF * peak
    ]
    if not falls:
        return
    half = falls[0]
    for stop in _stops(view):
        if stop.cooldown is None:
            yield Found(
                view.spot("stop") or view.spot("schedule"),
                Both(f"{stop} has no cooldown", f"{stop} 没有冷却"),
                Both(
                    f"halfway the rate is {100 * half:.3g} % of its peak, and a run that is stopped there has not been "
                    f"given the rest of the fall",
                    f"过半时学习率为峰值的 {100 * half:.3g}%，在那里停止便得不到余下的下降",
                ),
            )


def _stops(view: RecipeView) -> Iterator[EarlyStop]:
    """The rules that may end the run, in the schedule and beside it."""
    yield from nodes_of(view.recipe.spec, EarlyStop)
    if view.recipe.stop_rule is not None:
        yield view.recipe.stop_rule
