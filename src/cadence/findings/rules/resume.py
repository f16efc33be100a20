"""What is saved and loaded."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.findings.course import course_of_native
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import View


@rule(
    "CD701",
    "the scheduler's state is not loaded",
    "warning",
    about="script",
    why="A resumed training that loads the optimizer but not the scheduler starts the schedule anew from the rate "
    "it finds: "
    "a cosine goes on with a wrong amplitude, LambdaLR begins again at the top, and from rate 0 a cosine stays at "
    "0 for "
    "ever, because it computes from the present rate.",
    fix="save and load scheduler.state_dict() together with the optimizer's",
    source="torch.optim.lr_scheduler.LRScheduler.load_state_dict",
    example='optimizer.load_state_dict(saved["optimizer"])  # and nothing for the scheduler',
    zh=(
        "没有加载调度器的状态",
        "恢复训练时只加载优化器而不加载调度器，调度就从现有学习率重新开始：余弦的幅度错了，LambdaLR 回到开头；若现"
        "值为 0，余弦将永远停在 0，因为它从现值递推。",
        "与优化器一起保存并加载 scheduler.state_dict()",
    ),
)
def scheduler_not_loaded(view: View) -> Iterator[Found]:
    """The optimizer's state is loaded, that of its one scheduler is not."""
    if view.mentions("last_epoch", "accelerator", "load_state") and not view.calls("load_state_dict"):
        return
    loads = view.calls("load_state_dict")
    for scheduler in view.outermost:
        own = scheduler.optimizer
        if scheduler.framework not in ("torch", "transformers") or own is None or not scheduler.steps:
            continue
        if not scheduler.variable or not own.variable or view.mentions("last_epoch"):
            continue
        for load in loads:
            if load.receiver != own.variable:
                continue
            last = scheduler.variable.rpartition(".")[2]
            if any(last in c.receiver or "sched" in c.receiver.lower() for c in loads):
                break
            course = view.course(scheduler)
            told: Both | str = Both("the schedule starts anew at every resume", "每次恢复调度都从头开始")
            if course is not None and course.ticks >= 4:
                middle = course.ticks // 2
                told = Both(
                    f"resumed at {course.unit} {middle}, where the rate should go on from "
                    f"{course.rate(course.at_tick(middle))}, the schedule counts from {course.unit} 0 again",
                    f"在第 {middle} {course.unit_zh}恢复时，学习率应从 {course.rate_zh(course.at_tick(middle))} 继"
                    f"续，调度却从第 0 {course.unit_zh}重新数起",
                )
            yield Found(
                view.spot(load.node),
                Both(
                    f"{own.variable} is loaded, {scheduler.variable} is not",
                    f"加载了 {own.variable}，没有加载 {scheduler.variable}",
                ),
                told,
            )
            break


RECURSIVE = frozenset(
    {"StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR", "ConstantLR", "PolynomialLR"}
    | {"MultiplicativeLR"}
)
"""Schedulers of torch that compute from the rate they find in the optimizer."""


@rule(
    "CD702",
    "the optimizer's state is not loaded",
    "warning",
    about="script",
    why="Most schedulers of torch compute the next rate from the one in the optimizer. With the scheduler's state "
    "alone the "
    "optimizer still has its first rate, and every later one is too high by the same factor, for the rest of the "
    "run and "
    "without a warning.",
    fix="load optimizer.state_dict() too, before or after the scheduler's",
    source="measured: cosine over 10, resumed at 5: 0.1, 0.0691, 0.0412 where 0.05, 0.0346, 0.0206 are right",
    example='scheduler.load_state_dict(saved["scheduler"])  # and nothing for the optimizer',
    zh=(
        "没有加载优化器的状态",
        "torch 的多数调度器从优化器里的现值推出下一个学习率。只加载调度器时，优化器里仍是初值，此后每个值都大同样"
        "的倍数，直到结束，而且没有警告。",
        "同时加载 optimizer.state_dict()，先后不限",
    ),
)
def optimizer_not_loaded(view: View) -> Iterator[Found]:
    """The scheduler's state is loaded, that of its optimizer is not."""
    loads = view.calls("load_state_dict")
    for scheduler in view.outermost:
        own = scheduler.optimizer
        if scheduler.name not in RECURSIVE or own is None or not scheduler.variable or not own.variable:
            continue
        mine = [load for load in loads if load.receiver == scheduler.variable]
        if not mine or any("opt" in load.receiver.lower() or load.receiver == own.variable for load in loads):
            continue
        course = None
        if scheduler.native is not None and not scheduler.unknown:
            ticks = scheduler.native.arguments.get("T_max", 10)
            course = course_of_native(
                scheduler.native,
                ticks=ticks if isinstance(ticks, int) else 10,
                unit="epoch",
                base=view.base_of(scheduler),
            )
        told: Both | str = Both("the rates after a resume are too high by one factor", "恢复之后的学习率都大同一个倍数")
        if course is not None and course.ticks >= 2 and course.at_tick(course.ticks // 2) > 0:
            middle = course.ticks // 2
            factor = float(course.lr[0]) / course.at_tick(middle)
            told = Both(
                f"resumed after {middle} steps, every rate is {factor:.3g} times what it should be: "
                f"{course.rate(float(course.lr[0]))} instead of {course.rate(course.at_tick(middle))}",
                f"{middle} 步后恢复，此后每个学习率都是应有的 {factor:.3g} 倍："
                f"{course.rate_zh(float(course.lr[0]))} 而不是 "
                f"{course.rate_zh(course.at_tick(middle))}",
            )
        yield Found(
            view.spot(mine[0].node),
            Both(
                f"{scheduler.variable} is loaded, {own.variable} is not",
                f"加载了 {scheduler.variable}，没有加载 {own.variable}",
            ),
            told,
        )
