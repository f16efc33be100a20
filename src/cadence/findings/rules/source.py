"""What the reader says itself: what cannot be read, does not exist, would be refused, or cannot be seen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from cadence._errors import CadenceError, ConversionError
from cadence.conversion.doors import reading, setting
from cadence.findings.finding import Both, Spot
from cadence.findings.rule import Found, rule
from cadence.findings.view import View
from cadence.script.model import Problem, Scheduler


@rule(
    "CD001",
    "the line breaks are lost",
    "error",
    about="script",
    why="A snippet that was copied from a web page can come as one line. Python cannot read it, and nothing else "
    "can be "
    "checked.",
    fix="copy it again with its line breaks, or type them in",
    source="the Python grammar: simple statements end with a line break or a semicolon",
    example="import torch optimizer = torch.optim.SGD(model.parameters(), lr=0.1) for epoch in range(90): train()",
    zh=(
        "换行丢失",
        "从网页复制的代码可能被压成一行。Python 无法解析，其余检查也无从谈起。",
        "连同换行重新复制，或手工补上换行",
    ),
)
def flattened(view: View) -> Iterator[Found]:
    """A snippet flattened to one line."""
    for problem in _problems(view, "flattened"):
        said = problem.text.removeprefix(f"{view.script.name}, ").partition("; ")[0]
        yield Found(
            _line(view, problem),
            said,
            Both("Python cannot parse it, so that it cannot run", "Python 无法解析，因此无法运行"),
            Both(
                "copy it again with its line breaks"
                + (f"; it may have been:\n{problem.repaired}" if problem.repaired else ""),
                "连同换行重新复制" + (f"；原文可能是：\n{problem.repaired}" if problem.repaired else ""),
            ),
        )


@rule(
    "CD002",
    "a scheduler cannot be seen",
    "information",
    about="script",
    why="A scheduler that is chosen or built while the script runs cannot be followed without running it. What it "
    "does is "
    "not checked.",
    fix="lint the live object with cadence.lint(scheduler, total=...), or write the class out",
    source="what can be told from the syntax tree alone",
    example='scheduler = getattr(torch.optim.lr_scheduler, config["name"])(optimizer, **config["kwargs"])',
    zh=(
        "看不到的调度器",
        "运行时才选择或构造的调度器，不运行脚本就无法得知；它的行为没有被检查。",
        "用 cadence.lint(scheduler, total=...) 检查活对象，或把类名写明",
    ),
)
def unseen(view: View) -> Iterator[Found]:
    """Schedulers made dynamically."""
    made_here = {id(scheduler.node) for scheduler in view.script.schedulers}
    for problem in _problems(view, "dynamic") + _problems(view, "unknown"):
        if id(problem.node) not in made_here:
            # An optimizer: it is trained with, and its rate is nobody's guess.
            continue
        if problem.kind == "dynamic" or " is no scheduler that is known here" in problem.text:
            yield Found(_line(view, problem), problem.text)
    for node in view.of(ast.Call):
        made = node.func
        if isinstance(made, ast.Call) and view.script.path(made.func) == "getattr" and made.args:
            home = view.script.path(made.args[0])
            if home in ("torch.optim.lr_scheduler", "paddle.optimizer.lr"):
                named = view.script.source(made.args[1]) if len(made.args) > 1 else "a name"
                yield Found(
                    view.spot(made),
                    Both(
                        f"the scheduler is the class of {home} that {named} names when the script runs",
                        f"调度器是运行时由 {named} 决定的 {home} 中的类",
                    ),
                )


@rule(
    "CD003",
    "there is no such scheduler",
    "error",
    about="script",
    why="The framework has no class of this name: the script stops with an AttributeError or ImportError. Names differ "
    "between frameworks: paddle says StepDecay and CosineAnnealingDecay where torch says StepLR and CosineAnnealingLR.",
    fix="write the name that the framework has",
    source="torch.optim.lr_scheduler; paddle.optimizer.lr",
    example="scheduler = paddle.optimizer.lr.CosineAnnealingLR(learning_rate=0.001, T_max=100)",
    zh=(
        "没有这个调度器",
        "框架里没有这个类：脚本会以 AttributeError 或 ImportError 停止。各框架命名不同：torch 的 StepLR、"
        "CosineAnnealingLR 在 paddle 里叫 StepDecay、CosineAnnealingDecay。",
        "写框架里真实的名字",
    ),
)
def no_such_scheduler(view: View) -> Iterator[Found]:
    """Class names that do not exist."""
    for problem in _problems(view, "unknown"):
        if _exists_not(problem):
            yield Found(
                _line(view, problem),
                problem.text,
                Both(f"the script stops at {view.script.at(problem.line)}", f"脚本在第 {problem.line} 行停止"),
            )


@rule(
    "CD004",
    "the scheduler refuses these arguments",
    "error",
    about="script",
    why="The class would raise when it is made: an argument that it does not have, one that is missing, or a value "
    "that it "
    "does not take.",
    fix="correct the call",
    source="the signatures and checks of the frameworks' own classes",
    example="scheduler = torch.optim.lr_scheduler.StepLR(optimizer, steps=30)",
    zh=("调度器不接受这些参数", "构造时就会报错：没有的参数、缺少的参数，或不接受的取值。", "改正这次调用"),
)
def refused(view: View) -> Iterator[Found]:
    """Arguments that the class would refuse."""
    sure = {id(s.node) for s in view.script.schedulers if s.framework in BOUND}
    for problem in _problems(view, "arguments"):
        if id(problem.node) in sure and "'verbose'" not in problem.text:
            yield Found(_line(view, problem), problem.text)
    for scheduler in view.outermost:
        said = _refusal(view, scheduler)
        if said:
            name = re.match(r"\w+", said)
            yield Found(view.argument(scheduler, name[0] if name else ""), said)


BOUND = frozenset({"torch", "paddle", "transformers", "timm", "optax", "keras", "ignite", "pytorch_optimizer"})
"""Frameworks whose calls are bound as they bind them, by position and by name."""

CHECKED = frozenset({"torch", "paddle", "ignite"})
"""Frameworks whose own checks of values are known."""

REFUSES = re.compile(
    r"(torch|paddle|ignite) (wants|divides|refuses)|must be (at least|at most|more)|is a whole number|is a number, not|"
    r"is a list of|is one of|is '\w+' or '\w+'|needs its length|need \d+ milestones"
)
"""Reasons that are the framework's own; others are limits of what can be read."""


def _refusal(view: View, scheduler: Scheduler) -> str:
    """Why the framework would not take a scheduler whose every argument is known; empty where it would."""
    native = scheduler.native
    if native is None or scheduler.unknown or scheduler.framework not in CHECKED:
        return ""
    base = view.base_of(scheduler)
    try:
        reading(native, setting((1.0 if base is None else base,), "step", None, None))
    except ConversionError as error:
        # A plateau rule inside another scheduler has a rule of its own.
        return str(error) if REFUSES.search(str(error)) and "Plateau inside" not in str(error) else ""
    except CadenceError:
        pass
    return ""


@rule(
    "CD005",
    "a block or cell is no Python",
    "information",
    about="script",
    why="A page's block or a notebook's cell that does not parse is left out; the others are checked without it.",
    fix="repair it, or mark the block as another language",
    source="the Python grammar",
    example="```python\nfor epoch in range(90)  # the colon is missing\n```",
    zh=(
        "有一段不是 Python",
        "页面中的代码块或笔记本的单元无法解析，被略过；其余照常检查。",
        "改正它，或把代码块标为其他语言",
    ),
)
def no_python(view: View) -> Iterator[Found]:
    """Blocks and cells with syntax errors."""
    for problem in _problems(view, "syntax"):
        yield Found(_line(view, problem), problem.text)


EXIST = frozenset(
    {"LambdaLR", "MultiplicativeLR", "StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR"}
    | {
        "CosineAnnealingLR",
        "CosineAnnealingWarmRestarts",
        "CyclicLR",
        "OneCycleLR",
        "ReduceLROnPlateau",
        "SequentialLR",
    }
    | {"ChainedScheduler", "SWALR", "LRScheduler", "_LRScheduler"}
)
"""Classes that torch has, whether their meaning is known here or not."""


def _exists_not(problem: Problem) -> bool:
    """Whether a framework that is known lacks the class; a class of the user's own is none of our business."""
    said = re.match(r"(torch|paddle|transformers) has no scheduler '(\w+)'", problem.text)
    return said is not None and not (said[1] == "torch" and said[2] in EXIST)


def _problems(view: View, kind: str) -> list[Problem]:
    return [p for p in view.script.problems if p.kind == kind]


def _line(view: View, problem: Problem) -> Spot:
    if problem.node is not None:
        return view.spot(problem.node)
    line = max(problem.line, 1)
    text = view.lines[line - 1] if line <= len(view.lines) else ""
    return Spot(line, len(text) - len(text.lstrip()) + 1, line, len(text.rstrip()) + 1)
