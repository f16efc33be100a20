"""What is saved and loaded."""

from __future__ import annotations

from collections.abc import Iterator

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
