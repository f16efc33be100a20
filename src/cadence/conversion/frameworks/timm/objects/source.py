"""The class that makes a schedule of timm, and its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from cadence.conversion.arithmetic import real
from cadence.conversion.definition import definitions
from cadence.conversion.frameworks.timm.factory import NAMES
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.conversion.source import call_source


def called(native: Native, on: Setting) -> tuple[str, dict[str, Any], list[float]]:
    """(class or function, its arguments, `lr_scale` of each parameter group; none where all are 1)."""
    given = dict(native.arguments)
    scale = given.pop("lr_scale", None)
    scales: list[float] = []
    if scale is not None:
        many: list[Any] = list(cast("Sequence[Any]", scale)) if isinstance(scale, Sequence) else [scale]
        scales = [float(real(x, "lr_scale")) for x in many]
        scales = scales * len(on.bases) if len(scales) == 1 else scales
    function = definitions("timm")[native.name].path.rpartition(".")[2]
    if native.name in NAMES:
        given = {"sched": native.name, **given}
    elif "t_in_epochs" not in given and on.per == "step" and "t_in_epochs" in _parameters(native):
        # Stepped after each update: by step_update(number of updates).
        given["t_in_epochs"] = False
    return function, given, [] if all(x == 1 for x in scales) else scales


def by_update(native: Native, on: Setting) -> bool:
    """Whether the training loop calls step_update instead of step."""
    _, given, _ = called(native, on)
    return not given.get("t_in_epochs", given.get("step_on_epochs", True))


def code(native: Native, on: Setting) -> str:
    """Readable source that builds a native."""
    function, given, scales = called(native, on)
    target = "scheduler, num_epochs" if function == "create_scheduler_v2" else "scheduler"
    lines = [f"from timm.scheduler import {function}", ""]
    lines += [f'optimizer.param_groups[{g}]["lr_scale"] = {scale!r}' for g, scale in enumerate(scales)]
    lines.append(call_source(target, function, ["optimizer"], given))
    if by_update(native, on):
        lines.append("# after update number n, counted from 1: scheduler.step_update(n)")
    else:
        lines.append("# after epoch number n, counted from 1: scheduler.step(n)")
    return "\n".join(lines) + "\n"


def _parameters(native: Native) -> list[str]:
    return [p.name for p in definitions("timm")[native.name].parameters]
