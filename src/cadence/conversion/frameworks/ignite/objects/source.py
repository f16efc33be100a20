"""Readable source of ignite's schedulers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from cadence.conversion.definition import definitions
from cadence.conversion.native import Native

WIDTH = 100
"""Characters of a line; longer calls take one line for each argument."""


def source(native: Native, event: str) -> str:
    """Source that builds a scheduler, the optimizer called ``optimizer``, and says where it is attached."""
    names: dict[str, set[str]] = {}
    for each in _all(native):
        definition = definitions(each.framework)[each.name]
        module, _, name = definition.path.rpartition(".")
        names.setdefault("ignite.handlers" if each.framework == "ignite" else module, set()).add(name)
    lines = [f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names)]
    built = _call(native, 0, len("scheduler = "))
    attached = f"# trainer.add_event_handler(Events.{event}, scheduler)"
    if native.name == "ReduceLROnPlateauScheduler":
        attached = "# evaluator.add_event_handler(Events.COMPLETED, scheduler)"
    return "\n".join([*lines, "", f"scheduler = {built}", attached]) + "\n"


def _all(native: Native) -> Iterator[Native]:
    yield native
    for value in native.arguments.values():
        items: list[Any] = list(cast("list[Any]", value)) if isinstance(value, (list, tuple)) else [value]
        for item in items:
            if isinstance(item, Native):
                yield from _all(item)


def _call(native: Native, depth: int, before: int) -> str:
    arguments = list(native.arguments.items())
    takes_optimizer = native.framework == "torch" or not (
        native.name.endswith("StateScheduler")
        or native.name
        in (
            "ConcatScheduler",
            "ParamGroupScheduler",
            "LRScheduler",
            "create_lr_scheduler_with_warmup",
            "BatchSizeScheduler",
        )
    )
    first = ["optimizer"] if takes_optimizer else []
    if arguments and arguments[0][0] == "param_name" and takes_optimizer:
        first.append(repr(arguments.pop(0)[1]).replace("'", '"'))
    if native.name in ("LRScheduler", "create_lr_scheduler_with_warmup"):
        first.append(_value(arguments.pop(0)[1], depth))
    parts = [*first, *(f"{key}={_value(value, depth)}" for key, value in arguments)]
    line = f"{native.name}({', '.join(parts)})"
    if before + 4 * depth + len(line) <= WIDTH and "\n" not in line:
        return line
    indent = "    " * (depth + 1)
    parts = [*first, *(f"{key}={_value(value, depth + 1)}" for key, value in arguments)]
    return f"{native.name}(\n" + "".join(f"{indent}{part},\n" for part in parts) + "    " * depth + ")"


def _value(value: Any, depth: int) -> str:
    if isinstance(value, Native):
        return _call(value, depth, 0)
    items: list[Any] = list(cast("list[Any]", value)) if isinstance(value, list) else []
    if any(isinstance(x, Native) for x in items):
        indent = "    " * (depth + 1)
        inside = "".join(f"{indent}{_call(x, depth + 1, 0)},\n" for x in items)
        return f"[\n{inside}{'    ' * depth}]"
    if callable(cast("Any", value)):
        return str(getattr(cast("Any", value), "__name__", "function"))
    text = repr(cast("Any", value))
    return text.replace("'", '"') if isinstance(value, str) else text
