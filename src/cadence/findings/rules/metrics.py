"""Decisions by a metric: on several ranks, and beside early stopping."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.chained import CLOSED
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import MOST_TURNS, PLATEAUS, View
from cadence.script.model import Scheduler

REDUCES = (
    "all_reduce", "reduce", "all_gather", "gather", "broadcast", "all_gather_object", "gather_for_metrics",
    "all_gather_into_tensor", "broadcast_object_list", "reduce_mean", "reduce_tensor", "reduce_dict", "reduce_value",
)  # fmt: skip


@rule(
    "CD411",
    "each rank decides by its own metric",
    "warning",
    about="script",
    why="Under DistributedDataParallel every process has its own scheduler. Given the loss of its own share of the "
    "data, one "
    "rank cuts the rate and another does not; gradients are averaged, rates are not, and the copies of the model drift "
    "apart without an error.",
    fix="average the metric over the ranks first: dist.all_reduce(loss, op=dist.ReduceOp.AVG)",
    source="measured on two ranks: rates end at 0.1 and 0.0125, parameters differ by 0.074; with all_reduce by 0",
    example="model = DistributedDataParallel(model)\nfor epoch in range(90):\n    ...; plateau.step(val_loss)  # "
    "of this rank",
    zh=(
        "各进程按自己的指标做决定",
        "DistributedDataParallel 下每个进程有自己的调度器。若只看自己那份数据的损失，有的进程降学习率，有的不降；"
        "梯度会平均，学习率不会，各份模型在没有报错的情况下逐渐分岔。",
        "先对指标做平均：dist.all_reduce(loss, op=dist.ReduceOp.AVG)",
    ),
)
def rank_local(view: View) -> Iterator[Found]:
    """A plateau rule in a distributed script in which nothing is reduced."""
    distributed = any(
        call.method in ("init_process_group", "init_parallel_env", "DistributedDataParallel", "DDP")
        or call.path in ("paddle.DataParallel", "paddle.distributed.init_parallel_env")
        for call in view.script.calls
    )
    if not distributed or view.imports("torchmetrics", "accelerate", "lightning", "pytorch_lightning"):
        return
    if view.calls(*REDUCES) or view.mentions("reduce_from_all", "all_reduce", "synchronize_between_processes"):
        return
    for scheduler in view.outermost:
        if scheduler.name not in PLATEAUS or scheduler.framework not in ("torch", "paddle"):
            continue
        for step in view.sure_steps(scheduler):
            if step.arguments:
                yield Found(
                    view.spot(step.node),
                    Both(
                        f"{step.arguments[0]} is never averaged over the processes",
                        f"{step.arguments[0]} 从未在进程间平均",
                    ),
                    Both(
                        "one cut on one rank only leaves its rate at "
                        f"{_factor(scheduler.native)} of the others', and the parameters drift apart",
                        f"只要有一个进程单独降一次，它的学习率就是别人的 {_factor(scheduler.native)}，参数随之分岔",
                    ),
                )


def _factor(native: object) -> str:
    arguments = getattr(native, "arguments", {})
    factor = arguments.get("factor", 0.1)
    return f"{factor:g}" if isinstance(factor, (int, float)) else "a fraction"


@rule(
    "CD412",
    "early stopping comes before a cut of the plateau rule can help",
    "warning",
    about="script",
    why="The plateau rule cuts with the bad evaluation after its patience, and a cut needs time to show. If the "
    "training stops with that evaluation or before it, or while the rule still rests after the cut, no cut can help.",
    fix="let early stopping wait at least twice as long as the plateau rule and its cooldown",
    source="torch.optim.lr_scheduler.ReduceLROnPlateau: the cut comes with bad evaluation patience + 1",
    example="plateau = ReduceLROnPlateau(optimizer, patience=10)\nstopper = EarlyStopping(patience=5)",
    zh=(
        "plateau 的下降尚未见效就早停",
        "plateau 在耐心用完后的下一次坏评估时才降，降了之后还要时间见效。若在那次评估或之前停止，或在降后的冷却期内"
        "停止，任何一次下降都来不及见效。",
        "早停的耐心至少取 plateau 耐心加冷却的两倍",
    ),
)
def stops_first(view: View) -> Iterator[Found]:
    """The end of the training comes no later than the last evaluation of a cut's cooldown."""
    stoppers = [
        c
        for c in view.script.calls
        if c.method.lower().replace("_", "").removesuffix("callback") in ("earlystopping", "earlystopper", "earlystop")
    ]
    rules = [s for s in view.script.schedulers if s.name in PLATEAUS and s.native is not None]
    keras = [c for c in view.script.calls if c.path.endswith("callbacks.ReduceLROnPlateau")]
    # The last number: bad evaluations beyond the patience that a cut takes; keras cuts with the last one of it.
    waits = [
        (s.name, s.native.arguments.get("patience", 10), s.native.arguments.get("cooldown", 0), 1)
        for s in rules
        if s.native and s.framework != "keras"
    ]
    waits += [
        (c.method, view.value(c.kwargs.get("patience")), view.value(c.kwargs.get("cooldown")) or 0, 0) for c in keras
    ]
    for stopper in stoppers:
        node = stopper.kwargs.get("patience") or stopper.kwargs.get("early_stopping_patience")
        stop = view.value(node)
        if not isinstance(stop, int) or isinstance(stop, bool):
            continue
        for name, patience, cooldown, beyond in waits:
            if isinstance(patience, int) and isinstance(cooldown, int) and stop <= patience + beyond + cooldown:
                cut = patience + beyond
                told = (
                    Both(
                        f"the training stops with bad evaluation {stop}, the first cut would come with {cut}: the "
                        "rate is "
                        f"never cut",
                        f"第 {stop} 次坏评估就停止，而第一次降要到第 {cut} 次：学习率永远不会降",
                    )
                    if stop < cut
                    else Both(
                        f"the first cut comes with bad evaluation {cut}, and the training stops with {stop}",
                        f"第 {cut} 次坏评估才第一次降，第 {stop} 次就停止",
                    )
                )
                yield Found(
                    view.spot(node if node is not None else stopper.node),
                    Both(
                        f"{stopper.method} waits {stop}, {name} waits {patience}"
                        + (f" and cools down for {cooldown}" if cooldown else ""),
                        f"{stopper.method} 等 {stop} 次，{name} 等 {patience} 次"
                        + (f"，冷却 {cooldown} 次" if cooldown else ""),
                    ),
                    told,
                )
                break


@rule(
    "CD413",
    "a loop writes one rate into all groups",
    "warning",
    about="script",
    why='Writing the same number into every group["lr"] destroys the ratio between groups (a smaller rate for a '
    "pretrained "
    "backbone), and what a scheduler computes from the rate it finds goes wrong for the rest of the run.",
    fix='write a factor, not a number: group["lr"] = group["initial_lr"] * factor; or use a warmup scheduler',
    source="measured: with a cosine the rest of the run is 0.49 % off its formula",
    example='for group in optimizer.param_groups:\n    group["lr"] = lr',
    zh=(
        "循环把同一个学习率写进所有参数组",
        '把同一个数写进每个 group["lr"] 会毁掉各组之间的比例（例如预训练主干的较小学习率），而且从现值递推的调度器'
        "此后一直偏离公式。",
        '写因子而不是数：group["lr"] = group["initial_lr"] * factor；或用预热调度器',
    ),
)
def one_rate_for_all(view: View) -> Iterator[Found]:
    """`group["lr"] = x` over all groups, where groups differ or a scheduler works from the rate it finds."""
    for loop in view.of(ast.For):
        if not (
            isinstance(loop.iter, ast.Attribute)
            and loop.iter.attr == "param_groups"
            and isinstance(loop.target, ast.Name)
        ):
            continue
        name = loop.target.id
        for node in ast.walk(loop):
            if not isinstance(node, ast.Assign) or name in view.names_in(node.value):
                continue
            if not any(_lr_of(target, name) for target in node.targets):
                continue
            yield from _overwritten(view, loop, node)


def _lr_of(target: ast.expr, group: str) -> bool:
    return (
        isinstance(target, ast.Subscript)
        and isinstance(target.value, ast.Name)
        and target.value.id == group
        and isinstance(target.slice, ast.Constant)
        and target.slice.value == "lr"
    )


def _overwritten(view: View, loop: ast.For, node: ast.Assign) -> Iterator[Found]:
    makers = view.script.made_by(loop.iter.value) if isinstance(loop.iter, ast.Attribute) else ()
    optimizers = [o for o in view.script.optimizers if any(m is o.node for m in makers)]
    if not optimizers and len(view.script.optimizers) == 1:
        optimizers = list(view.script.optimizers)
    for optimizer in optimizers[:1]:
        rates = [r for r in view.rates_of(optimizer) if isinstance(r, (int, float))]
        schedulers = [
            s
            for s in view.outermost
            if s.optimizer is not None
            and s.optimizer.node is optimizer.node
            and s.framework == "torch"
            and s.name not in CLOSED
            # One that is stepped under a condition takes over where the loop leaves off.
            and any(step.per is not None and not step.conditions for step in s.steps)
        ]
        written = view.script.source(node.value)
        if len(set(rates)) > 1:
            yield Found(
                view.spot(node),
                Both(
                    f"{written} goes into every group, and the groups of {optimizer.variable or 'the optimizer'} "
                    "differ",
                    f"{written} 写进每个参数组，而 {optimizer.variable or '优化器'} 的各组并不相同",
                ),
                Both(
                    f"rates of {', '.join(f'{r:g}' for r in rates)} become one: the smallest is multiplied by up to "
                    f"{max(rates) / min(rates):.3g}",
                    f"{'、'.join(f'{r:g}' for r in rates)} 变成同一个：最小的最多放大 {max(rates) / min(rates):.3g} 倍",
                )
                if min(rates) > 0
                else "",
            )
        elif schedulers:
            yield Found(
                view.spot(node),
                Both(
                    f"{written} overwrites what {schedulers[0].name} has set, which computes on from it",
                    f"{written} 覆盖了 {schedulers[0].name} 的结果，而它从现值继续计算",
                ),
                _off(view, schedulers[0], node),
            )


def _off(view: View, scheduler: Scheduler, node: ast.Assign) -> Both:
    """How far the rest of the run is off, where what is written last can be told."""
    course, loops, conditions = view.course(scheduler), view.script.loops_around(node), view.script.conditions(node)
    loop = next((each for each in loops if each.kind == "epoch"), None)
    if course is not None and course.ticks <= MOST_TURNS and loop and isinstance(loop.start, int) and conditions:
        times = range(loop.start, loop.start + course.ticks)
        held = [view.over(condition, loop.target, times) for condition in conditions]
        rates = view.over(ast.unparse(node.value), loop.target, times)
        if rates is not None and None not in held:
            written = [t for t, *truths in zip(times, *[h for h in held if h is not None], strict=True) if all(truths)]
            if written and (due := course.at_tick(written[-1] - loop.start)) > 0:
                share = float(rates[written[-1] - loop.start]) / due - 1
                return Both(
                    f"the last rate written is {1 + share:.6g} times what {scheduler.name} has there, and the rest "
                    "of the run "
                    f"is {abs(share):.2%} off its formula",
                    f"最后写入的值是 {scheduler.name} 此处的 {1 + share:.6g} 倍，此后一直偏离公式 {abs(share):.2%}",
                )
    return Both(
        f"the rate of {scheduler.name} is off its formula for the rest of the run", f"{scheduler.name} 此后一直偏离公式"
    )
