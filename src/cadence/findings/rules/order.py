"""How schedulers are made and stepped: order, fights, bindings."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, cast

from cadence.findings.chained import CLOSED, Link, simulate
from cadence.findings.course import course_of_native
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import PLATEAUS, View
from cadence.script.model import Scheduler, StepCall, is_number

METRIC_WORDS = ("loss", "acc", "metric", "score", "error", "err", "f1", "auc", "bleu", "perplexity", "ppl")


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
        for step in scheduler.steps:
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
    "CD203",
    "the scheduler belongs to another optimizer",
    "warning",
    about="script",
    why="A scheduler changes the optimizer that it was given. If another one is stepped, the rate of that one never "
    "changes. It happens where the optimizer is made again after the scheduler.",
    fix="make the scheduler last, for the optimizer that is stepped",
    source="torch.optim.lr_scheduler.LRScheduler.__init__",
    example="optimizer = SGD(...); scheduler = StepLR(optimizer, 30)\noptimizer = AdamW(...)  # scheduler still "
    "has SGD",
    zh=(
        "调度器绑定的是另一个优化器",
        "调度器只改变构造时给它的优化器。若训练用的是另一个，那一个的学习率永远不变。常见于在调度器之后又重建优化器。",
        "最后才构造调度器，并给它真正在用的优化器",
    ),
)
def other_optimizer(view: View) -> Iterator[Found]:
    """A scheduler that is stepped for an optimizer that is not, while another is."""
    stepped = [o for o in view.script.optimizers if o.steps]
    if not stepped or any(problem.kind == "binding" for problem in view.script.problems):
        return
    for scheduler in view.outermost:
        own = scheduler.optimizer
        if scheduler.framework != "torch" or own is None or not scheduler.steps or own.steps:
            continue
        same = [o for o in stepped if o.variable == own.variable and o.function == own.function]
        if not same or same[0].line < scheduler.line:
            continue
        other = same[0]
        rate = f"{other.lr:g}" if is_number(other.lr) else "its first rate"
        rate_zh = f"{other.lr:g}" if is_number(other.lr) else "初值"
        yield Found(
            view.spot(scheduler.node),
            Both(
                f"it changes the {own.name} of {view.script.at(own.line)}, but the {other.name} of "
                f"{view.script.at(other.line)} is stepped",
                f"它改变的是第 {own.line} 行的 {own.name}，而训练用的是第 {other.line} 行的 {other.name}",
            ),
            Both(f"{other.name} trains at {rate} from beginning to end", f"{other.name} 自始至终用 {rate_zh} 训练"),
        )


@rule(
    "CD204",
    "schedulers fight over one optimizer",
    "warning",
    about="script",
    why="Some schedulers write base rate times their formula (LambdaLR, OneCycleLR, CyclicLR, "
    "CosineAnnealingWarmRestarts): what another one did is overwritten at the next step. A plateau rule that is "
    "stepped "
    "during a warmup counts the warmup's noise, and its cuts multiply into the rise.",
    fix="join them with SequentialLR; for a warmup before a plateau step one or the other: "
    "warm.step() if epoch < 10 else plateau.step(loss)",
    source="torch.optim.lr_scheduler: get_lr of each class",
    example="for epoch in range(90):\n    ...; warmup.step(); plateau.step(val_loss)",
    zh=(
        "调度器互相争夺同一个优化器",
        "有些调度器直接写入 基础学习率×公式（LambdaLR、OneCycleLR、CyclicLR、CosineAnnealingWarmRestarts），别的调"
        "度器所做的改变在下一步就被覆盖。预热期间也走步的 plateau 会把预热的波动算进去，它的降幅乘进了上升段。",
        "用 SequentialLR 连接；预热后接 plateau 时二选一：warm.step() if epoch < 10 else plateau.step(loss)",
    ),
)
def fights(view: View) -> Iterator[Found]:
    """Several schedulers of one optimizer stepped in the same turns, one of which takes no notice of the others."""
    done: set[int] = set()
    for scheduler in view.outermost:
        group = [s for s in (scheduler, *view.siblings(scheduler)) if s.framework == "torch" and _always(s)]
        if len(group) < 2 or id(group[0].node) in done or scheduler.node is not group[0].node:
            continue
        done |= {id(s.node) for s in group}
        closed = [s for s in group if s.name in CLOSED]
        plateau = [s for s in group if s.name in PLATEAUS]
        warm = [s for s in group if s.name in ("LinearLR", "ConstantLR") or "warm" in s.variable.lower()]
        if not closed and not (plateau and warm):
            continue
        loser = (closed or plateau)[0]
        others = [s for s in group if s.node is not loser.node]
        yield Found(
            view.spot(loser.node),
            Both(
                f"{loser.name} and {' and '.join(s.name for s in others)} are stepped together on one optimizer",
                f"{loser.name} 与 {'、'.join(s.name for s in others)} 同时作用于一个优化器",
            ),
            _fight(view, group),
        )


def _always(scheduler: Scheduler) -> bool:
    return any(step.per is not None and not step.conditions for step in scheduler.steps)


def _fight(view: View, group: list[Scheduler]) -> Both | str:
    """What the rate does, where everything is known."""
    rates = _simulated(view, [s for s in group if s.name not in PLATEAUS], together=True)
    if rates is None or any(s.name in PLATEAUS for s in group):
        warm = next((s for s in group if s.name == "LinearLR"), None)
        plateau = next((s for s in group if s.name in PLATEAUS), None)
        length = warm.native.arguments.get("total_iters", 5) if warm is not None and warm.native is not None else None
        if plateau is None or plateau.native is None or not isinstance(length, int):
            return ""
        patience, factor = plateau.native.arguments.get("patience", 10), plateau.native.arguments.get("factor", 0.1)
        if not isinstance(patience, int) or not is_number(factor) or patience >= length:
            return ""
        return _cut_while_rising(view, warm, length, patience, factor)
    alone = [
        course_of_native(s.native, ticks=len(rates) - 1, unit="epoch", base=view.base_of(s)) for s in group if s.native
    ]
    product = min(float(c.lr[-1]) for c in alone if c is not None)
    return Both(
        f"the rate ends at {rates[-1]:.3g} and is {max(rates):.3g} at most; the lowest of them alone would end at "
        f"{product:.3g}",
        f"学习率最终为 {rates[-1]:.3g}，最高 {max(rates):.3g}；其中最低的单独作用时为 {product:.3g}",
    )


def _cut_while_rising(view: View, warm: Scheduler | None, length: int, patience: int, factor: float) -> Both | str:
    """The warmup times the cuts of a plateau rule that sees one loss all the time."""
    base = None if warm is None else view.base_of(warm)
    if warm is None or warm.native is None:
        return ""
    course = course_of_native(warm.native, ticks=length, unit="epoch", base=base)
    if course is None:
        return ""
    # The first observation is the best one; each cut comes after patience + 1 that are no better.
    rates = [course.at_tick(k) * factor ** (max(k - 1, 0) // (patience + 1)) for k in range(length + 1)]
    cuts = (length - 1) // (patience + 1)
    return Both(
        f"with a loss that does not improve, the plateau cuts {cuts} time{'s' * (cuts != 1)} while the warmup of "
        f"{length} "
        f"still rises: the rate is {course.rate(max(rates))} at most, and {course.rate(rates[-1])} when the "
        "warmup ends",
        f"损失不改善时，plateau 在 {length} 步预热期间降 {cuts} 次：学习率最高 {course.rate_zh(max(rates))}，预热结"
        "束时 "
        f"{course.rate_zh(rates[-1])}",
    )


@rule(
    "CD205",
    "the warmup runs past the base rate",
    "error",
    about="script",
    why="A scheduler that writes base rate times formula (LambdaLR, CosineAnnealingWarmRestarts, OneCycleLR, "
    "CyclicLR) and "
    "is made after the warmup sets the rate back to its own first value; the warmup then multiplies on from there, far "
    "beyond the base rate. Nothing warns.",
    fix="join the two with SequentialLR, which undoes this, or make the warmup last",
    source="torch.optim.lr_scheduler: LinearLR.get_lr multiplies the rate it finds",
    example="warmup = LinearLR(optimizer, start_factor=0.1, total_iters=10)\n"
    "main = LambdaLR(optimizer, lambda epoch: 0.95**epoch)\n"
    "for epoch in range(90):\n    ...; warmup.step() if epoch < 10 else main.step()",
    zh=(
        "预热冲过基础学习率",
        "在预热之后构造、写入 基础学习率×公式 的调度器（LambdaLR、CosineAnnealingWarmRestarts、OneCycleLR、"
        "CyclicLR）把学习率改回自己的初值；预热再从那里乘上去，远远超过基础学习率，而且没有任何警告。",
        "用 SequentialLR 连接两者（它会撤销这个影响），或最后构造预热",
    ),
)
def construction_order(view: View) -> Iterator[Found]:
    """A recursive warmup made before a closed-form scheduler of the same optimizer, the two stepped in turn."""
    for warm in view.outermost:
        if warm.name not in ("LinearLR", "ConstantLR") or warm.framework != "torch" or not warm.steps:
            continue
        for main in view.siblings(warm):
            if main.name not in CLOSED or not main.steps or main.line < warm.line or _always(main):
                continue
            told: Both | str = ""
            rates = _simulated(view, [warm, main], together=False)
            base = view.base_of(warm)
            if rates is not None and base is not None:
                high = max(rates)
                if high < 1.01 * base:
                    continue
                told = Both(
                    f"the rate climbs to {high:.3g}, {high / base:.3g} times the base rate of {base:g}, at epoch "
                    f"{rates.index(high)}",
                    f"学习率在第 {rates.index(high)} 轮升到 {high:.3g}，是基础学习率 {base:g} 的 {high / base:.3g} 倍",
                )
            yield Found(
                view.spot(main.node),
                Both(
                    f"{main.name} is made after the {warm.name} of {view.script.at(warm.line)}, and sets the rate "
                    "back to "
                    f"its own first value",
                    f"{main.name} 在第 {warm.line} 行的 {warm.name} 之后构造，把学习率改回自己的初值",
                ),
                told,
            )


def _simulated(view: View, group: list[Scheduler], *, together: bool) -> list[float] | None:
    """The rate over the run under several schedulers stepped together or in turn; None where it cannot be told."""
    bases = {view.base_of(s) for s in group}
    base = next(iter(bases)) if len(bases) == 1 else None
    links: list[Link] = []
    counts: list[int] = []
    for s in sorted(group, key=lambda one: one.line):
        ticks = view.ticks(s)
        if ticks is None or s.native is None or base is None or not ticks:
            return None
        course = course_of_native(s.native, ticks=ticks, unit="epoch", base=base)
        if course is None or course.ticks > 10_000:
            return None
        floor = s.native.arguments.get("eta_min", 0.0) if s.name == "CosineAnnealingLR" else 0.0
        links.append(Link(course, float(floor), s.name in CLOSED))
        counts.append(ticks)
    if not links or base is None:
        return None
    if together:
        turns = [range(len(links)) for _ in range(min(counts))]
    else:
        turns = [[i] for i, count in enumerate(counts) for _ in range(count)]
    return simulate(links, turns, base)


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
        for step in scheduler.steps:
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
            for step in scheduler.steps:
                if not step.arguments:
                    yield Found(
                        view.spot(step.node),
                        Both(f"{step.receiver}.step() lacks its metric", f"{step.receiver}.step() 缺少指标"),
                        "TypeError: step() missing 1 required positional argument: 'metrics'",
                    )


@rule(
    "CD208",
    "no composer takes a plateau rule",
    "error",
    about="script",
    why="SequentialLR and ChainedScheduler of torch refuse ReduceLROnPlateau. Paddle's LinearWarmup takes "
    "ReduceOnPlateau "
    "and then gives it the epoch number for a metric: it counts a loss that rises by 1 at every step, and cuts "
    "whatever "
    "happens.",
    fix="step one or the other by hand: warm.step() if epoch < 10 else plateau.step(loss)",
    source="torch.optim.lr_scheduler.SequentialLR; paddle.optimizer.lr.LinearWarmup.get_lr",
    example="scheduler = SequentialLR(optimizer, [LinearLR(optimizer), ReduceLROnPlateau(optimizer)], milestones=[10])",
    zh=(
        "没有组合器接受 plateau 规则",
        "torch 的 SequentialLR 与 ChainedScheduler 拒绝 ReduceLROnPlateau。paddle 的 LinearWarmup 接受 "
        "ReduceOnPlateau，却把轮次当作指标交给它：它看到的损失每步加 1，无论如何都会降。",
        "手工二选一：warm.step() if epoch < 10 else plateau.step(loss)",
    ),
)
def composed_plateau(view: View) -> Iterator[Found]:
    """A plateau rule inside another scheduler."""
    for scheduler in view.script.schedulers:
        inside = next((s for s in scheduler.inner if s.name in PLATEAUS), None)
        if inside is None:
            continue
        if scheduler.name in ("SequentialLR", "ChainedScheduler"):
            told: Both | str = f"ValueError: {scheduler.name} does not support ReduceLROnPlateau"
        elif scheduler.name == "LinearWarmup":
            arguments: Mapping[str, Any] = inside.native.arguments if inside.native is not None else {}
            patience, factor = arguments.get("patience", 10), arguments.get("factor", 0.1)
            told = (
                Both(
                    f"without any loss the rate is multiplied by {factor} every {patience + 1} steps after the warmup",
                    f"没有任何损失，预热之后学习率也每 {patience + 1} 步乘以 {factor}",
                )
                if isinstance(patience, int)
                else ""
            )
        else:
            continue
        yield Found(
            view.spot(inside.node),
            Both(f"{inside.name} stands inside {scheduler.name}", f"{inside.name} 放在 {scheduler.name} 里"),
            told,
        )


@rule(
    "CD209",
    "a parameter group is added after the scheduler was made",
    "error",
    about="script",
    why="A scheduler of torch counts the groups when it is made. LambdaLR and CosineAnnealingWarmRestarts then "
    "raise at "
    "the next step, OneCycleLR misses its initial_lr, and the recursive ones treat the new group as if it had "
    "been there.",
    fix="add all groups before the scheduler is made; set the rate of frozen ones to what they should get later",
    source="torch.optim.Optimizer.add_param_group; torch.optim.lr_scheduler",
    example='scheduler = LambdaLR(optimizer, f)\noptimizer.add_param_group({"params": head.parameters()})',
    zh=(
        "构造调度器之后又添加参数组",
        "torch 的调度器在构造时数参数组。之后 LambdaLR 与 CosineAnnealingWarmRestarts 在下一步报错，OneCycleLR 缺 "
        "initial_lr，递归式的则把新组当作一直都在。",
        "在构造调度器之前加好所有参数组",
    ),
)
def group_added_late(view: View) -> Iterator[Found]:
    """add_param_group on the optimizer of a scheduler that is made before."""
    for scheduler in view.outermost:
        own = scheduler.optimizer
        if scheduler.framework != "torch" or own is None or scheduler.name not in CLOSED:
            continue
        for call in view.calls("add_param_group"):
            after = call.line > scheduler.line and call.function == scheduler.function
            if after and any(made is own.node for made in view.script.made_by(call.node.func.value)):  # type: ignore[attr-defined]
                kind = "KeyError: 'initial_lr'" if scheduler.name == "OneCycleLR" else "ValueError"
                yield Found(
                    view.spot(call.node),
                    Both(
                        f"the {scheduler.name} of {view.script.at(scheduler.line)} does not know this group",
                        f"第 {scheduler.line} 行的 {scheduler.name} 不知道这个参数组",
                    ),
                    f"{kind} at the next step",
                )


@rule(
    "CD210",
    "a list that is not as long as the groups",
    "error",
    about="script",
    why="A list of functions or rates has one entry for each parameter group of the one optimizer; it is no list "
    "for several "
    "optimizers.",
    fix="write one entry for each group",
    source="torch.optim.lr_scheduler.LambdaLR, OneCycleLR, CyclicLR, ReduceLROnPlateau",
    example="optimizer = SGD(model.parameters(), lr=0.1)\nscheduler = LambdaLR(optimizer, [f, g])",
    zh=(
        "列表长度与参数组数不同",
        "函数或学习率的列表，每个参数组一项；它不是给几个优化器用的。",
        "每个参数组写一项",
    ),
)
def list_of_groups(view: View) -> Iterator[Found]:
    """lr_lambda, max_lr, base_lr or min_lr as a list of another length."""
    for scheduler in view.script.schedulers:
        own = scheduler.optimizer
        if scheduler.framework != "torch" or scheduler.native is None or own is None:
            continue
        groups = len(own.groups) if own.groups else 1 if own.grouped is False else None
        for name in ("lr_lambda", "max_lr", "base_lr", "min_lr"):
            given = cast("list[Any]", scheduler.native.arguments.get(name))
            if groups is not None and isinstance(given, (list, tuple)) and len(given) != groups:
                yield Found(
                    view.argument(scheduler, name),
                    Both(
                        f"{name} has {len(given)} entries, and the optimizer {groups} group{'s' * (groups != 1)}",
                        f"{name} 有 {len(given)} 项，而优化器有 {groups} 个参数组",
                    ),
                    f"ValueError: expected {groups} values for {name}",
                )
