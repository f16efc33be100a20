"""A scheduler of paddle as the source that builds it."""

from __future__ import annotations

import math
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.doors import native_of
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting

WIDTH = 100


def script(native: Native, on: Setting) -> str:
    """The whole of it: import, scheduler, and what is done with it."""
    call = _call(native, on.base, len("scheduler = "), 0)
    observed = "metric" if native.name == "ReduceOnPlateau" else ""
    when = {"step": "update", "epoch": "epoch"}[on.per]
    if observed:
        when = "evaluation"
    imports = "import math\n\nimport paddle" if "math." in call else "import paddle"
    return (
        f"{imports}\n\nscheduler = {call}\n"
        f"# optimizer = paddle.optimizer.SGD(learning_rate=scheduler, parameters=model.parameters())\n"
        f"# scheduler.step({observed}) after every {when}\n"
    )


def _call(native: Native, base: float, used: int, depth: int) -> str:
    definition = definitions("paddle")[native.name]
    arguments = dict(native.arguments)
    if definition.base and definition.base not in arguments:
        arguments = {definition.base: base, **arguments}
    order = [p.name for p in definition.parameters if p.name in arguments]
    flat = [f"{key}={_value(arguments[key], base, 0, depth)}" for key in order]
    line = f"{definition.path}({', '.join(flat)})"
    if used + len(line) <= WIDTH and "\n" not in line:
        return line
    indent = "    " * (depth + 1)
    lines = [f"{indent}{key}={_value(arguments[key], base, len(indent) + len(key) + 2, depth + 1)},\n" for key in order]
    return f"{definition.path}(\n{''.join(lines)}{'    ' * depth})"


def _value(x: Any, base: float, used: int, depth: int) -> str:
    if isinstance(x, bool | int | str):
        return repr(x)
    if isinstance(x, float):
        return repr(x) if math.isfinite(x) else f"float({str(x)!r})"
    if isinstance(x, Native) or hasattr(x, "get_lr"):
        return _call(native_of("paddle", x), base, used, depth)
    if callable(x):
        name = str(getattr(x, "__name__", "<lambda>"))
        if name == "<lambda>":
            raise ConversionError("a lambda has no source that can be seen here; give it a name with def")
        return name
    if isinstance(x, list | tuple):
        items = cast("list[Any]", x)
        # A (name, arguments) pair is a scheduler too.
        if all(hasattr(item, "__float__") for item in items):
            return "[" + ", ".join(_value(item, base, 0, depth) for item in items) + "]"
    elif hasattr(x, "__float__"):
        return repr(float(x))
    return _call(native_of("paddle", x), base, used, depth)
