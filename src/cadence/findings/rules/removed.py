"""Arguments and interfaces that are gone, or on their way out."""

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
        for step in scheduler.steps:
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


AMP = {"autocast", "GradScaler"}


@rule(
    "CD303",
    "torch.cuda.amp is deprecated",
    "warning",
    about="script",
    why="autocast and GradScaler of torch.cuda.amp warn at every use; torch.amp has them for every device.",
    fix='write torch.amp.autocast("cuda") and torch.amp.GradScaler("cuda")',
    source="torch.cuda.amp of torch 2.4 and later: FutureWarning",
    example="scaler = torch.cuda.amp.GradScaler()",
    zh=(
        "torch.cuda.amp 已弃用",
        "torch.cuda.amp 的 autocast 与 GradScaler 每次使用都会警告；torch.amp 对所有设备提供它们。",
        '写 torch.amp.autocast("cuda") 与 torch.amp.GradScaler("cuda")',
    ),
)
def cuda_amp(view: View) -> Iterator[Found]:
    """Names of torch.cuda.amp, each call with its patch; the import of them is patched with the first."""
    imports = [
        node
        for node in view.of(ast.ImportFrom)
        if node.module == "torch.cuda.amp" and all(alias.name in AMP for alias in node.names)
    ]
    edits = [edit for node in imports for edit in _module(view, node)]
    for call in view.script.calls:
        module, _, name = call.path.rpartition(".")
        if module != "torch.cuda.amp" or name not in AMP or call.conditions:
            # Under a condition it may be what an older version of torch gets.
            continue
        yield Found(
            view.spot(call.node.func),
            Both(f"torch.cuda.amp.{name} is deprecated", f"torch.cuda.amp.{name} 已弃用"),
            "FutureWarning at every call",
            Both(f'write torch.amp.{name}("cuda")', f'写 torch.amp.{name}("cuda")'),
            (*edits, *_renamed(view, call.node)),
        )


def _module(view: View, node: ast.ImportFrom) -> list[Edit]:
    whole = view.spot(node)
    line = view.lines[whole.line - 1]
    start = line.find("torch.cuda.amp", whole.column - 1)
    return [Edit(Spot(whole.line, start + 1, whole.line, start + 1 + len("torch.cuda.amp")), "torch.amp")]


def _renamed(view: View, call: ast.Call) -> list[Edit]:
    func, whole = view.spot(call.func), view.spot(call)
    text = "\n".join(view.lines[func.line - 1 : func.end_line])[func.column - 1 :]
    edits: list[Edit] = []
    if func.line == func.end_line and text.startswith("torch.cuda.amp."):
        edits.append(Edit(Spot(func.line, func.column, func.line, func.column + len("torch.cuda.amp")), "torch.amp"))
    opening = view.lines[func.end_line - 1].find("(", func.end_column - 1)
    if opening < 0:
        return []
    empty = not call.args and not call.keywords
    # A value in the first place was `enabled`.
    if call.args:
        first = view.spot(call.args[0])
        edits.append(Edit(Spot(first.line, first.column, first.line, first.column), '"cuda", enabled='))
        return edits
    edits.append(Edit(Spot(func.end_line, opening + 2, func.end_line, opening + 2), '"cuda"' + ("" if empty else ", ")))
    return edits if whole else []


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


@rule(
    "CD306",
    "torch has no such optimizer",
    "error",
    about="script",
    why="LAMB, LARS and AdaBound are often named together with torch's optimizers, which they do not belong to.",
    fix="cadence.optimizer has lamb; timm.optim and pytorch_optimizer have all three",
    source="torch.optim of torch 2.13",
    example="optimizer = torch.optim.LAMB(model.parameters(), lr=1e-3)",
    zh=(
        "torch 没有这个优化器",
        "LAMB、LARS、AdaBound 常与 torch 的优化器并提，但 torch 里没有它们。",
        "cadence.optimizer 有 lamb；timm.optim 与 pytorch_optimizer 三者都有",
    ),
)
def no_such_optimizer(view: View) -> Iterator[Found]:
    """Optimizers that torch does not have."""
    absent = {"lamb", "lars", "adabound", "adabelief", "lion", "ranger", "novograd", "sophia"}
    for call in view.script.calls:
        module, _, name = call.path.rpartition(".")
        if module == "torch.optim" and name.lower() in absent:
            yield Found(
                view.spot(call.node.func),
                Both(f"torch.optim has no {name}", f"torch.optim 没有 {name}"),
                f"AttributeError: module 'torch.optim' has no attribute {name!r}",
            )


@rule(
    "CD307",
    "LAMB does not take these arguments",
    "error",
    about="script",
    why="No library's LAMB has adam_like or trust_ratio_clip: timm calls the clip trust_clip, and "
    "pytorch_optimizer has "
    "adam=, which sets the trust ratio to 1, so that what remains is Adam and no LAMB.",
    fix="write trust_clip=True (timm), and leave adam_like out",
    source="timm.optim.Lamb; pytorch_optimizer.Lamb",
    example="optimizer = Lamb(model.parameters(), lr=1e-3, adam_like=True, trust_ratio_clip=True)",
    zh=(
        "LAMB 没有这些参数",
        "没有哪个库的 LAMB 接受 adam_like 或 trust_ratio_clip：timm 的叫 trust_clip；pytorch_optimizer 有 adam=，"
        "它把信任比设为 1，剩下的就是 Adam 而不是 LAMB。",
        "写 trust_clip=True（timm），并去掉 adam_like",
    ),
)
def lamb_arguments(view: View) -> Iterator[Found]:
    """Arguments that no LAMB has."""
    for call in view.script.calls:
        if call.method.lower() not in ("lamb", "fusedlamb"):
            continue
        for keyword in call.node.keywords:
            if keyword.arg in ("adam_like", "trust_ratio_clip"):
                yield Found(
                    view.spot(keyword),
                    Both(f"{call.method} has no argument {keyword.arg}", f"{call.method} 没有参数 {keyword.arg}"),
                    f"TypeError: {call.method}.__init__() got an unexpected keyword argument {keyword.arg!r}",
                )


@rule(
    "CD308",
    "torchtext is no longer developed",
    "information",
    about="script",
    why="The last release of torchtext is 0.18, of April 2024; it is not built for later versions of torch.",
    fix="use datasets or plain Python for the text, and a tokenizer library",
    source="pytorch/text: archived",
    example="import torchtext",
    zh=(
        "torchtext 已停止开发",
        "torchtext 的最后版本是 2024 年 4 月的 0.18，不为之后的 torch 构建。",
        "文本处理改用 datasets 或纯 Python",
    ),
)
def torchtext(view: View) -> Iterator[Found]:
    """An import of torchtext."""
    for node in view.of(ast.Import, ast.ImportFrom):
        named = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if any(name.partition(".")[0] == "torchtext" for name in named):
            yield Found(view.spot(node), Both("the script imports torchtext", "脚本导入了 torchtext"))
            return
