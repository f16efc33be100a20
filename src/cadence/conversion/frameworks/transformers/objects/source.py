"""The function that makes a schedule of transformers, and its arguments."""

from __future__ import annotations

from typing import Any

from cadence.conversion.definition import definitions
from cadence.conversion.frameworks.transformers.named import of_name
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.conversion.source import call_source


def called(native: Native, rate: float) -> tuple[str, dict[str, Any]]:
    """The function's name and what it is called with for an optimizer whose default rate is `rate`."""
    if native.name == "get_scheduler":
        return called(of_name(**native.arguments), rate)
    registry = definitions("transformers")
    function = registry[native.name].path.rpartition(".")[2]
    known = {p.name for p in registry[function].parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    given = {key: value for key, value in native.arguments.items() if key in known}
    own_rate = native.arguments.get("lr_init")
    if own_rate is not None:
        # Only the ratio counts, and this optimizer's default rate will be the divisor.
        for key in ("lr_end", "min_lr"):
            if given.get(key) is not None:
                given[key] = given[key] * rate / own_rate
    return function, given


def code(native: Native, on: Setting) -> str:
    """Readable source that builds a native."""
    function, given = called(native, on.base)
    return f"from transformers import {function}\n\n{call_source('scheduler', function, ['optimizer'], given)}\n"
