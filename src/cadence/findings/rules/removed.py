"""Arguments and calls that are gone, or on their way out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from cadence.findings.finding import Both, Edit, Spot
from cadence.findings.rule import Found, rule
from cadence.findings.view import PLATEAUS, View

TORCH_SCHEDULERS = "torch.optim.lr_scheduler."


@rule(
    "CD301",
    "torch's schedulers no longer take verbose",
    "error",
    about="script",
    why="The argument verbose was removed from every scheduler of torch: the call is a TypeError. (Paddle still "
    "has it.)",
    fix="take it out, and print scheduler.get_last_lr() where the rate should be seen",
    source="torch.optim.lr_scheduler of torch 2.7 and later",
    example='scheduler = ReduceLROnPlateau(optimizer, mode="min", patience=5, factor=0.1, verbose=True)',
    zh=(
        "torch 的调度器不再接受 verbose",
        "torch 已从所有调度器中移除 verbose：这次调用会抛出 TypeError。（paddle 仍接受。）",
        "删掉它；需要看学习率时打印 scheduler.get_last_lr()",
    ),
)
def verbose(view: View) -> Iterator[Found]:
    """`verbose=` in a torch scheduler."""
    for call in view.script.calls:
        if not call.path.startswith(TORCH_SCHEDULERS):
            continue
        for keyword in call.node.keywords:
            if keyword.arg == "verbose":
                yield Found(
                    view.spot(keyword),
                    Both(f"{call.method} has no argument verbose", f"{call.method} 没有参数 verbose"),
                    f"TypeError: {call.method}.__init__() got an unexpected keyword argument 'verbose'",
                    edits=(view.without(call.node, keyword),),
                )


@rule(
    "CD302",
    "step(epoch) is deprecated",
    "warning",
    about="script",
    why="A number given to step() sets the scheduler's clock by a second formula, which does not compose with other "
    "schedulers and will go away.",
    fix="call step() without an argument, once in each epoch",
    source="torch.optim.lr_scheduler.EPOCH_DEPRECATION_WARNING",
    example="for epoch in range(90):\n    train(); scheduler.step(epoch)",
    zh=(
        "step(epoch) 已弃用",
        "给 step() 的数会用另一个公式直接设定调度器的时钟，与其他调度器不能组合，将被移除。",
        "每轮调用一次不带参数的 step()",
    ),
)
def step_with_epoch(view: View) -> Iterator[Found]:
    """An epoch number given to a torch scheduler that is no warm restart."""
    for scheduler in view.outermost:
        if scheduler.framework != "torch" or scheduler.name in (*PLATEAUS, "CosineAnnealingWarmRestarts"):
            continue
        for step in view.sure_steps(scheduler):
            if len(step.arguments) != 1 or not step.loops or step.method != "step":
                continue
            given = step.arguments[0].removeprefix("epoch=")
            counters = {loop.target.split(",")[0].strip("( ") for loop in step.loops if loop.kind == "epoch"}
            if re.sub(r"\s*[+-]\s*\d+$", "", given) in counters:
                argument = [*step.node.args, *(k.value for k in step.node.keywords)][0]
                whole = view.spot(step.node)
                inside = view.spot(step.node.keywords[0] if step.node.keywords else argument)
                closing = Spot(inside.line, inside.column, whole.end_line, whole.end_column - 1)
                yield Found(
                    whole,
                    Both(
                        f"{step.receiver}.step({step.arguments[0]}) sets the clock of {scheduler.name} by hand",
                        f"{step.receiver}.step({step.arguments[0]}) 直接设定 {scheduler.name} 的时钟",
                    ),
                    Both("a warning at every call", "每次调用都有警告"),
                    edits=(Edit(closing, ""),),
                )


@rule(
    "CD304",
    "torch.distributed.launch is deprecated",
    "warning",
    about="script",
    why="The launcher warns at every start and will go away. torchrun takes its place, and tells each process its "
    "number "
    "in the environment variable LOCAL_RANK instead of an argument --local-rank.",
    fix='start with torchrun, and read int(os.environ["LOCAL_RANK"])',
    source="torch.distributed.launch: FutureWarning",
    example="# python -m torch.distributed.launch --nproc_per_node=4 "
    'train.py\nparser.add_argument("--local_rank", type=int)',
    zh=(
        "torch.distributed.launch 已弃用",
        "这个启动器每次都警告，将被移除。torchrun 取而代之，并用环境变量 LOCAL_RANK（而不是参数 --local-rank）告诉"
        "每个进程自己的编号。",
        '用 torchrun 启动，并读取 int(os.environ["LOCAL_RANK"])',
    ),
)
def launcher(view: View) -> Iterator[Found]:
    """The old launcher in a command, or its argument without the variable that replaces it."""
    for number, line in enumerate(view.lines, 1):
        command = re.search(r"python[\d.]*\s+-m\s+torch\.distributed\.launch\b(\s+--use_env\b)?", line)
        if command is not None:
            spot = Spot(number, command.start() + 1, number, command.end() + 1)
            yield Found(
                spot,
                Both("the command starts torch.distributed.launch", "命令使用 torch.distributed.launch"),
                "FutureWarning: it is deprecated and will be removed",
                Both("write torchrun", "写 torchrun"),
                (Edit(spot, "torchrun"),),
            )
    if view.mentions("LOCAL_RANK=") or any(isinstance(n, ast.Constant) and n.value == "LOCAL_RANK" for n in view.nodes):
        return
    for call in view.calls("add_argument"):
        names = [view.value(a) for a in call.args]
        if any(name in ("--local_rank", "--local-rank") for name in names):
            yield Found(
                view.spot(call.node),
                Both(
                    "the script takes --local_rank, which torchrun does not give",
                    "脚本要求 --local_rank，而 torchrun 不提供",
                ),
                Both(
                    "under torchrun every process takes the default, and all share one device",
                    "在 torchrun 下所有进程都取默认值，挤在同一设备上",
                ),
            )


@rule(
    "CD305",
    "pretrained= is deprecated in torchvision",
    "warning",
    about="script",
    why="The models of torchvision take weights= instead; pretrained= warns.",
    fix='write weights=None, or weights="DEFAULT" for the best ones',
    source="torchvision.models since 0.13",
    example="model = torchvision.models.resnet50(pretrained=False)",
    zh=(
        "torchvision 的 pretrained= 已弃用",
        "torchvision 的模型改用 weights=；pretrained= 会警告。",
        '写 weights=None，或用 weights="DEFAULT" 取最好的权重',
    ),
)
def pretrained(view: View) -> Iterator[Found]:
    """`pretrained=` in a model of torchvision."""
    for call in view.script.calls:
        if not call.path.startswith("torchvision.models."):
            continue
        for keyword in call.node.keywords:
            if keyword.arg == "pretrained":
                value = view.value(keyword.value)
                new = {True: 'weights="DEFAULT"', False: "weights=None"}.get(value) if isinstance(value, bool) else None
                yield Found(
                    view.spot(keyword),
                    Both(
                        f"{call.method} takes weights=, not pretrained=",
                        f"{call.method} 用 weights= 而不是 pretrained=",
                    ),
                    "UserWarning: the parameter 'pretrained' is deprecated since 0.13",
                    Both(f"write {new}", f"写 {new}") if new else "",
                    (Edit(view.spot(keyword), new),) if new else (),
                )
