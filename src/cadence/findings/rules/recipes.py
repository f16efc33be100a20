"""Recipes of cadence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from cadence.findings.finding import Both
from cadence.findings.recipes import RecipeView
from cadence.findings.rule import Found, rule
from cadence.spec.nodes import Plateau, Schedule
from cadence.spec.plan import Plan

T = TypeVar("T", bound=Schedule)


def nodes_of(schedule: Schedule | Plan, kind: type[T]) -> Iterator[T]:
    """All nodes of a kind in a schedule or plan."""
    parts = [part for _, part in schedule.entries] if isinstance(schedule, Plan) else [schedule]
    for part in parts:
        if isinstance(part, kind):
            yield part
        for child in part.children:
            yield from nodes_of(child, kind)


@rule(
    "CD952",
    "the metric is watched more often than it is measured",
    "information",
    about="recipe",
    why="A rule counts evaluations. If the recipe evaluates so rarely that the rule's patience does not fit into "
    "the run, it "
    "never acts.",
    fix="evaluate more often, or give the rule less patience",
    source="docs/contract.md, Feedback",
    example="total: 10 epochs\nevaluate: 2 epochs\nschedule: constant() * plateau('val_loss', patience=10)",
    zh=(
        "评估次数不够规则用",
        "规则按评估次数计。若评估太少，耐心放不进整个训练，它永远不会起作用。",
        "多评估几次，或减小耐心",
    ),
)
def too_few_evaluations(view: RecipeView) -> Iterator[Found]:
    """A patience in evaluations that the run does not have."""
    count = view.evaluations
    for rule_ in nodes_of(view.recipe.spec, Plateau):
        if count is not None and rule_.patience.unit == "evaluations" and rule_.patience.amount >= count:
            yield Found(
                view.spot("schedule"),
                Both(
                    f"plateau waits {rule_.patience.amount} evaluations, and the run has {count}",
                    f"plateau 等 {rule_.patience.amount} 次评估，而训练只有 {count} 次",
                ),
                Both("the rate is never cut", "学习率永远不会降"),
            )


@rule(
    "CD953",
    "the rate is scaled to a large batch without a warmup",
    "warning",
    about="recipe",
    why="A rate that is scaled up with the batch is too large for the first updates, where the weights change "
    "fastest: on ImageNet a batch of 8,192 lost more than a point of accuracy without a warmup, and next to "
    "nothing with one of 5 epochs.",
    fix="write scale_lr: {..., warmup: 5 epochs}, or begin the schedule with a warmup",
    source="Goyal et al. 2017, arXiv:1706.02677, section 2.2 and table 2",
    example="optimizer: {name: sgd, lr: 0.1, scale_lr: {rule: linear, reference_batch: 256}}\n"
    "batch_size: 2048\nschedule: cosine()",
    zh=(
        "学习率按大批量放大，却没有预热",
        "随批量放大的学习率对最初的更新过大，那时权重变化最快：在 ImageNet 上，批量 8192 不预热时准确率低了"
        "一个百分点以上，预热 5 轮则几乎没有损失。",
        "写 scale_lr: {..., warmup: 5 epochs}，或让调度以预热开始",
    ),
)
def scaled_without_warmup(view: RecipeView) -> Iterator[Found]:
    """A factor of 2 and more, and a schedule that begins at its peak."""
    # Here, because scripts are linted without loading what reads recipes.
    from cadence.run.scaling import scalings

    if view.recipe.batch_size is None or view.begins_low:
        return
    batch = view.recipe.batch_size * view.recipe.accumulate
    for name, found in scalings(view.recipe, batch).items():
        one = view.recipe.optimizers[name]
        if one.scale_lr is None or one.scale_lr.warmup is not None or found.factor < 2:
            continue
        yield Found(
            view.spot("optimizer"),
            Both(
                f"lr {found.lr:g} is scaled by {found.factor:.3g}, from a batch of {found.reference} to {batch}",
                f"学习率 {found.lr:g} 放大 {found.factor:.3g} 倍，批量从 {found.reference} 到 {batch}",
            ),
            Both(
                f"the first update is made at {found.scaled:.3g}",
                f"第一次更新的学习率就是 {found.scaled:.3g}",
            ),
            severity="warning" if found.factor >= 4 else "information",
        )
