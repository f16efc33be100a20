"""Recipes of cadence whose optimizer is unlike the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cadence._errors import CadenceError
from cadence.curve.place import place
from cadence.findings.finding import Both
from cadence.findings.recipes import RecipeView
from cadence.findings.rule import Found, rule
from cadence.optim.habits import averages, finds_rate
from cadence.recipe.bases import groups_of
from cadence.spec.nodes import Constant, EarlyStop, Phase, Product, Schedule, Sequence, walk
from cadence.spec.plan import Plan

if TYPE_CHECKING:
    from cadence.recipe.parts import OptimizerRecipe

LONGEST = 1_000_000
"""Updates that are looked at."""


@rule(
    "CD955",
    "a schedule for a method that averages in its place",
    "warning",
    about="recipe",
    why="A schedule-free method reaches with a constant rate, by averaging weights, what others reach with a decay. A "
    "decay on top of it shrinks the steps while the average weighs all updates by the largest rate so far.",
    fix="write schedule: constant(), after a warmup where one is wanted, and a stop without then",
    source="Defazio et al. 2024, arXiv:2405.15682, section 2; schedulefree 1.4: lr_max",
    example="optimizer: {name: schedule_free_adamw, lr: 0.0025}\nschedule: cosine()",
    zh=(
        "以平均代替调度的方法又用了调度",
        "schedule-free 方法以恒定学习率加权重平均，达到其他方法靠衰减达到的效果。再叠加衰减会缩小步长，"
        "而平均仍按迄今最大的学习率给每次更新加权。",
        "写 schedule: constant()，需要时前面加预热；停止规则不带 then",
    ),
)
def schedule_for_averages(view: RecipeView) -> Iterator[Found]:
    """Anything but warmup and constant for the rate of a schedule-free method, or a rule that lets it fall."""
    spec = view.recipe.spec
    plan = spec if isinstance(spec, Plan) else Plan((("lr", spec),))
    for which, optimizer in view.recipe.optimizers.items():
        if not averages(optimizer.name):
            continue
        governed = [plan.governing(group, "lr") for group in groups_of(view.recipe, which)]
        entries = sorted({entry for entry in governed if entry is not None})
        if entries:
            yield from _cooldowns(view, plan, optimizer.name)
        for i in entries:
            schedule = plan.entries[i][1]
            if not _steady(schedule):
                yield Found(
                    view.spot("schedule"),
                    Both(
                        f"{schedule} moves the rate of {optimizer.name}, whose averaging stands in for a schedule",
                        f"{schedule} 改变 {optimizer.name} 的学习率，而它的平均本身就代替了调度",
                    ),
                )


def _cooldowns(view: RecipeView, plan: Plan, name: str) -> Iterator[Found]:
    """Rules that let the rate fall before they end the run, wherever they stand."""
    stop = view.recipe.stop_rule
    written = [("schedule", node) for _, schedule in plan.entries for node in walk(schedule)]
    for key, node in [*written, *([] if stop is None else [("stop", stop)])]:
        if isinstance(node, EarlyStop) and node.cooldown is not None:
            yield Found(
                view.spot(key),
                Both(
                    f"then='cooldown {node.cooldown}' lets the rate of {name} fall before the run ends, and its "
                    "averaging stands in for that fall; without then the run may stop at once",
                    f"then='cooldown {node.cooldown}' 让 {name} 的学习率在结束前下降，而它的平均已代替了这种下降；去掉 "
                    "then 即可立即停止",
                ),
            )


def _steady(schedule: Schedule) -> bool:
    """Whether a schedule is constant after a warmup at most; what a rule does at the end is looked at elsewhere."""
    if isinstance(schedule, (Sequence, Product)):
        return all(_steady(part) for part in schedule.parts)
    warmup = isinstance(schedule, Phase) and schedule.to is None and schedule.start is not None
    return warmup or isinstance(schedule, (Constant, EarlyStop))


@rule(
    "CD956",
    "a rate for a method that finds its own",
    "warning",
    about="recipe",
    why="Prodigy and the D-Adaptation methods estimate the rate from the distance to the start, and multiply the "
    "estimate by lr. With a rate as Adam has it, every step is a thousandth of what the method has found.",
    fix="write lr: 1.0",
    source="Mishchenko & Defazio 2023, arXiv:2306.06101; Defazio & Mishchenko 2023, arXiv:2301.07733",
    example="optimizer: {name: prodigy, lr: 0.001}",
    zh=(
        "给自己求学习率的方法又给了学习率",
        "Prodigy 与 D-Adaptation 由离起点的距离估计学习率，再乘以 lr。用 Adam 那样的学习率，每步只有估计值的千分之一。",
        "写 lr: 1.0",
    ),
)
def rate_for_finder(view: RecipeView) -> Iterator[Found]:
    """A base rate well away from 1."""
    for optimizer in view.recipe.optimizers.values():
        name, lr = optimizer.name, optimizer.lr
        if finds_rate(name) and not 0.1 <= lr <= 10:
            yield Found(
                view.spot("optimizer"),
                Both(
                    f"{name} multiplies the rate that it finds by lr={lr:g}", f"{name} 把自己求得的学习率乘以 lr={lr:g}"
                ),
                Both(f"every step is {lr:g} of what it found", f"每步是所求值的 {lr:g} 倍"),
            )


@rule(
    "CD957",
    "a rate that Adafactor does not use",
    "warning",
    about="recipe",
    why="torch's Adafactor steps at min(lr, 1 / sqrt(t)), so a rate above the second is not the one in force; "
    "pytorch_optimizer's takes no notice of lr at all unless relative_step is false.",
    fix="take a lower lr; with pytorch_optimizer's write relative_step: false",
    source="torch.optim.Adafactor: rho_t; pytorch_optimizer 4.1: AdaFactor.get_relative_step_size",
    example="optimizer: {name: adafactor, lr: 0.1}\ntotal: 10000",
    zh=(
        "Adafactor 不用的学习率",
        "torch 的 Adafactor 用 min(lr, 1 / sqrt(t))，高于后者的学习率不起作用；pytorch_optimizer 的除非 relative_step "
        "为 false，根本不看 lr。",
        "把 lr 调低；用 pytorch_optimizer 的则写 relative_step: false",
    ),
)
def rate_of_adafactor(view: RecipeView) -> Iterator[Found]:
    """A scheduled rate above 1 / sqrt(t), where the run is measured in updates; or one that is not looked at."""
    for optimizer in view.recipe.optimizers.values():
        yield from _adafactor(view, optimizer)


def _adafactor(view: RecipeView, optimizer: OptimizerRecipe) -> Iterator[Found]:
    if optimizer.name == "pytorch_optimizer:adafactor":
        if optimizer.arguments.get("relative_step", True):
            yield Found(
                view.spot("optimizer"),
                Both(
                    f"{optimizer.name} has a rate of its own, 1 / sqrt(t) and at most 0.01",
                    f"{optimizer.name} 用自己的学习率：1 / sqrt(t)，至多 0.01",
                ),
                Both(f"lr={optimizer.lr:g} and the schedule change nothing", f"lr={optimizer.lr:g} 与调度都不起作用"),
            )
    elif optimizer.name in ("adafactor", "torch:adafactor"):
        above = _above(view, optimizer.lr)
        if above:
            first, count = above[0], len(above)
            yield Found(
                view.spot("optimizer"),
                Both(
                    f"from update {first} on the scheduled rate is above 1 / sqrt(t) = {1 / math.sqrt(first + 1):.3g}",
                    f"从第 {first} 次更新起，调度的学习率高于 1 / sqrt(t) = {1 / math.sqrt(first + 1):.3g}",
                ),
                Both(f"it is not in force in {count} updates", f"有 {count} 次更新用的不是它"),
            )


def _above(view: RecipeView, lr: float) -> list[int]:
    """Updates whose scheduled rate is above Adafactor's own; empty where that cannot be told without the task."""
    spec = view.recipe.spec
    schedule = dict(spec.entries).get("lr") if isinstance(spec, Plan) else spec
    if schedule is None:
        return []
    try:
        curve = place(schedule, total=view.recipe.total, base=lr)
        rates = curve.values(0, min(curve.total or LONGEST, LONGEST))
    except CadenceError:
        return []
    return [t for t, rate in enumerate(rates.tolist()) if rate > 1 / math.sqrt(t + 1)]
