"""How schedulers are stepped: never, too early, with the wrong thing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.course import course_of_native
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import PLATEAUS, View
from cadence.script.model import Scheduler, StepCall

METRIC_WORDS = frozenset(
    {"loss", "acc", "accuracy", "metric", "metrics", "score", "error", "err", "f1", "auc", "bleu", "perplexity", "ppl"}
    | {"validate", "validation", "evaluate", "val"}
)


@rule(
    "CD201",
    "the scheduler is never stepped",
    "warning",
    about="script",
    why="A scheduler changes nothing until its step() is called: the whole training runs at the first rate.",
    fix="call scheduler.step() after optimizer.step(), once per epoch or once per batch, as its numbers are meant",
    source="torch.optim.lr_scheduler.LRScheduler.step",
    example="scheduler = StepLR(optimizer, step_size=30)\nfor epoch in range(90):\n    train(); optimizer.step()",
    zh=(
        "调度器从未走步",
        "不调用 step()，调度器什么也不改变：整个训练都用第一个学习率。",
        "在 optimizer.step() 之后调用 scheduler.step()，按参数的单位每轮或每批一次",
    ),
)
def never_stepped(view: View) -> Iterator[Found]:
    """A scheduler in a variable that goes nowhere and is not stepped, in a script that steps its optimizer."""
    for scheduler in view.outermost:
        optimizer = scheduler.optimizer
        if (
            scheduler.framework not in ("torch", "paddle", "transformers")
            or scheduler.steps
            or optimizer is None
            or not any(step.loops for step in optimizer.steps)
            or not scheduler.variable
            or _goes_somewhere(view, scheduler)
        ):
            continue
        native = scheduler.native
        course = None
        if native is not None and not scheduler.unknown:
            course = course_of_native(native, ticks=1, unit="epoch", base=view.base_of(scheduler))
        told = Both("the rate never changes", "学习率从不改变")
        if course is not None:
            first = float(course.lr[0])
            told = Both(
                f"the rate is {course.rate(first)} in every update", f"每次更新的学习率都是 {course.rate_zh(first)}"
            )
        yield Found(
            view.spot(scheduler.node),
            Both(
                f"{scheduler.variable} is made, and nothing calls its step()",
                f"构造了 {scheduler.variable}，却没有任何地方调用它的 step()",
            ),
            told,
        )


def _goes_somewhere(view: View, scheduler: Scheduler) -> bool:
    """Whether the variable is used for more than reading the rate or the state."""
    harmless = {"get_last_lr", "state_dict", "load_state_dict", "last_epoch", "get_lr", "set_state_dict"}
    last = scheduler.variable.rpartition(".")[2]
    for node in view.nodes:
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None
        if name != last or isinstance(getattr(node, "ctx", None), ast.Store):
            continue
        parent = view.script.parent(node)
        if not (isinstance(parent, ast.Attribute) and parent.attr in harmless):
            return True
    # The statement that makes it may bind more than one name, or be no plain assignment.
    around = view.script.parent(scheduler.node)
    return not isinstance(around, ast.Assign) or len(around.targets) != 1


@rule(
    "CD202",
    "the scheduler is stepped before the optimizer",
    "warning",
    about="script",
    why="Since torch 1.1 the optimizer comes first. The other way round the first value of the schedule is "
    "skipped, and "
    "everything comes one step early.",
    fix="call optimizer.step() first, then scheduler.step()",
    source="torch.optim: How to adjust learning rate",
    example="for epoch in range(90):\n    scheduler.step()\n    for x, y in loader: ...; optimizer.step()",
    zh=(
        "调度器先于优化器走步",
        "自 torch 1.1 起优化器在前。反过来会跳过第一个值，之后每一步都提前。",
        "先调用 optimizer.step()，再调用 scheduler.step()",
    ),
)
def stepped_first(view: View) -> Iterator[Found]:
    """step() of a torch scheduler ahead of that of its optimizer, in the same loop."""
    for scheduler in view.outermost:
        if scheduler.framework not in ("torch", "transformers"):
            continue
        for step in view.sure_steps(scheduler):
            if step.after_update is not False or step.conditions or step.per is None:
                continue
            told: Both | str = ""
            course = view.course(scheduler)
            if course is not None and course.ticks > 1 and course.lr[0] != course.lr[1]:
                told = Both(
                    f"the first update is made with {course.rate(float(course.lr[1]))} instead of "
                    f"{course.rate(float(course.lr[0]))}",
                    f"第一次更新用的是 {course.rate_zh(float(course.lr[1]))}，而不是 "
                    f"{course.rate_zh(float(course.lr[0]))}",
                )
            yield Found(
                view.spot(step.node),
                Both(
                    f"{step.receiver}.step() comes before the optimizer's step()",
                    f"{step.receiver}.step() 在优化器的 step() 之前",
                ),
                told,
            )


@rule(
    "CD206",
    "a metric is given to a scheduler that counts",
    "error",
    about="script",
    why="Only a plateau rule takes a metric. Every other scheduler takes the number for an epoch: a loss of 0.37 "
    "sets its "
    "clock to 0.37, and the rate hardly ever moves.",
    fix="call step() without an argument, or use ReduceLROnPlateau",
    source="torch.optim.lr_scheduler.LRScheduler.step(epoch)",
    example="scheduler = StepLR(optimizer, 30)\nfor epoch in range(90):\n    ...; scheduler.step(val_loss)",
    zh=(
        "把指标给了只数步数的调度器",
        "只有 plateau 规则接受指标。其他调度器把这个数当作轮次：损失 0.37 会把时钟设为 0.37，学习率几乎不动。",
        "调用不带参数的 step()，或改用 ReduceLROnPlateau",
    ),
)
def metric_to_counter(view: View) -> Iterator[Found]:
    """step(val_loss) on what is no plateau."""
    for scheduler in view.outermost:
        if scheduler.framework not in ("torch", "paddle", "transformers") or scheduler.name in PLATEAUS:
            continue
        if scheduler.native is None and scheduler.reason and scheduler.framework != "torch":
            continue
        for step in view.sure_steps(scheduler):
            given = _metric(step)
            if not given:
                continue
            told = Both(
                f"{given} is taken for an epoch number: a value of 0.37 sets the clock of {scheduler.name} to 0.37",
                f"{given} 被当作轮次：值为 0.37 时，{scheduler.name} 的时钟就是 0.37",
            )
            course = view.course(scheduler)
            if course is not None:
                told = Both(
                    f"{given} is taken for an epoch number: below 1 the rate stays at about "
                    f"{course.rate(float(course.lr[0]))}, and should end at {course.rate(float(course.used[-1]))}",
                    f"{given} 被当作轮次：小于 1 时学习率停在 {course.rate_zh(float(course.lr[0]))} 左右，"
                    f"本应降到 {course.rate_zh(float(course.used[-1]))}",
                )
            yield Found(
                view.spot(step.node),
                Both(
                    f"{step.receiver}.step({step.arguments[0]}): {scheduler.name} takes no metric",
                    f"{step.receiver}.step({step.arguments[0]})：{scheduler.name} 不接受指标",
                ),
                told,
            )


def _metric(step: StepCall) -> str:
    """The metric that a step is given, as it is written; empty where it is none."""
    if step.method != "step" or len(step.arguments) != 1:
        return ""
    given = step.arguments[0]
    name, equals, value = given.partition("=")
    if equals and not equals.startswith("==") and name.strip() == "epoch":
        given = value
    if "epoch" in given.lower():
        return ""
    words = (
        given.lower()
        .replace(".", "_")
        .replace("[", "_")
        .replace("(", "_")
        .replace("'", "_")
        .replace('"', "_")
        .split("_")
    )
    return given if any(word in METRIC_WORDS or word.endswith("loss") for word in words) else ""


@rule(
    "CD207",
    "the plateau rule gets no metric",
    "error",
    about="script",
    why="ReduceLROnPlateau decides by a metric; step() without one is a TypeError.",
    fix="give it the validation loss: scheduler.step(val_loss)",
    source="torch.optim.lr_scheduler.ReduceLROnPlateau.step; paddle.optimizer.lr.ReduceOnPlateau.step",
    example="scheduler = ReduceLROnPlateau(optimizer)\nfor epoch in range(90):\n    ...; scheduler.step()",
    zh=(
        "plateau 规则没有得到指标",
        "ReduceLROnPlateau 依据指标决定；不带指标的 step() 会抛出 TypeError。",
        "给它验证损失：scheduler.step(val_loss)",
    ),
)
def plateau_without_metric(view: View) -> Iterator[Found]:
    """step() on a plateau rule."""
    for scheduler in view.outermost:
        if scheduler.framework in ("torch", "paddle") and scheduler.name in PLATEAUS:
            for step in view.sure_steps(scheduler):
                if not step.arguments:
                    yield Found(
                        view.spot(step.node),
                        Both(f"{step.receiver}.step() lacks its metric", f"{step.receiver}.step() 缺少指标"),
                        "TypeError: step() missing 1 required positional argument: 'metrics'",
                    )
