"""Native schedulers as source that a user would write."""

from __future__ import annotations

from typing import Any

import numpy as np

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.frameworks.torch.groups import COMPOSERS, LISTS, parts_of
from cadence.conversion.frameworks.torch.objects.factor import Factor
from cadence.conversion.frameworks.torch.objects.source import body
from cadence.conversion.frameworks.torch.objects.source_leaves import Sheet, Time
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting

WIDTH = 100
"""Longest line of an expression that stays a lambda, and of a call that stays on one line."""


@np.errstate(all="ignore")
def source_of(native: Native, on: Setting) -> str:
    """Complete source: imports, functions, and the scheduler of ``optimizer`` as ``scheduler``.

    Raises:
        ConversionError: a function that has no source.
    """
    script = Script(on)
    call = script.call(native, 0)
    made = script.notes(native) + f"scheduler = {call}\n"
    if not script.functions:
        return f"{script.imports()}\n\n{made}"
    return "\n\n\n".join([script.imports(), *script.functions, made])


class Script:
    """The parts of a script, collected while its calls are written."""

    def __init__(self, on: Setting) -> None:
        self._on = on
        self._classes: dict[str, set[str]] = {}
        self._math = False
        self._absolute = False
        self.functions: list[str] = []

    def imports(self) -> str:
        """The import lines."""
        lines = ["import math", ""] if self._math else []
        lines += [f"from {m} import {', '.join(sorted(names))}" for m, names in sorted(self._classes.items())]
        return "\n".join(lines)

    def notes(self, native: Native) -> str:
        """What the call takes for granted, as comments."""
        lines: list[str] = []
        lists = any(isinstance(native.arguments.get(key), list) for key in LISTS.get(native.name, ()))
        if self._absolute or lists:
            lines.append(f"# The optimizer's groups have the rates {', '.join(f'{b:g}' for b in self._on.bases)}.")
        if native.name == "ReduceLROnPlateau":
            lines.append("# Call scheduler.step(metric) after each evaluation.")
        elif self._on.per == "epoch":
            lines.append("# Call scheduler.step() after each epoch.")
        return "".join(line + "\n" for line in lines)

    def call(self, native: Native, depth: int) -> str:
        """The call that makes one scheduler."""
        module, _, name = definitions("torch")[native.name].path.rpartition(".")
        self._classes.setdefault(module, set()).add(name)
        if native.name in COMPOSERS:
            return self._composer(native, depth)
        arguments = [f"{key}={self._value(value)}" for key, value in native.arguments.items()]
        if native.name in ("LambdaLR", "MultiplicativeLR"):
            arguments = [text.partition("=")[2] for text in arguments]
        return _call(native.name, ["optimizer", *arguments], depth)

    def _composer(self, native: Native, depth: int) -> str:
        inner = "    " * (depth + 2)
        parts = "".join(f"{inner}{self.call(part, depth + 2)},\n" for part in parts_of(native))
        pad = "    " * (depth + 1)
        schedulers = f"[\n{parts}{pad}]"
        if native.name == "ChainedScheduler":
            lines = [schedulers, "optimizer=optimizer"]
        else:
            lines = ["optimizer", f"schedulers={schedulers}", f"milestones={list(native.arguments['milestones'])!r}"]
        return f"{native.name}(\n" + "".join(f"{pad}{line},\n" for line in lines) + "    " * depth + ")"

    def _value(self, value: Any) -> str:
        if isinstance(value, Factor):
            return self._function(value)
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(map(self._value, value)) + "]"  # type: ignore[arg-type]
        if callable(value):
            raise ConversionError(
                f"the function {getattr(value, '__name__', value)!r:.60} has no source here; pass it to torch yourself"
            )
        return f'"{value}"' if isinstance(value, str) else repr(value)

    def _function(self, factor: Factor) -> str:
        """A lambda, or the name of a function that is defined before the call."""
        self._absolute = self._absolute or factor.base is not None
        before = len(self.functions)
        sheet = Sheet(1.0 if factor.base is None else factor.base, self.functions)
        lines = body(sheet, factor.node, Time("t", factor.begin, factor.begin, factor.end, open=True))
        self._math = self._math or any("math." in text for text in (*self.functions, *lines))
        if len(lines) == 1 and len(self.functions) == before and len(lines[0]) < WIDTH:
            return f"lambda t: {lines[0].removeprefix('return ')}"
        taken = sum(text.startswith("def factor") for text in self.functions)
        name = f"factor_{taken + 1}" if taken else "factor"
        self.functions.append("\n".join([f"def {name}(t):", *(f"    {line}" for line in lines)]))
        return name


def _call(name: str, arguments: list[str], depth: int) -> str:
    line = f"{name}({', '.join(arguments)})"
    if len(line) + 4 * depth <= WIDTH:
        return line
    pad = "    " * (depth + 1)
    return f"{name}(\n" + "".join(f"{pad}{a},\n" for a in arguments) + "    " * depth + ")"
