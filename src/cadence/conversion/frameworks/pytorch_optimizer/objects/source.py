"""Readable source of pytorch_optimizer's schedulers."""

from __future__ import annotations

from cadence.conversion.definition import definitions
from cadence.conversion.framework import framework
from cadence.conversion.frameworks.pytorch_optimizer.torch_classes import CLASSES
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting

WIDTH = 100
"""Characters of a line; longer calls take one line for each argument."""


def source(native: Native, on: Setting) -> str:
    """Source that builds a scheduler, the optimizer called ``optimizer``."""
    if native.framework == "torch":
        return framework("torch").code(native, on)
    if native.name in CLASSES:
        text = framework("torch").code(Native("torch", CLASSES[native.name], native.arguments), on)
        return text.replace("torch.optim.lr_scheduler", "pytorch_optimizer.lr_scheduler")
    called = definitions("pytorch_optimizer")[native.name].path.rpartition(".")[2]
    arguments, before, first = dict(native.arguments), "", "optimizer"
    if native.name == "proportion":
        before, first = source(arguments.pop("lr_scheduler"), on) + "\n", "scheduler"
    target = "rho_scheduler" if native.name == "proportion" else "scheduler"
    parts = [first, *(f"{key}={value!r}" for key, value in arguments.items())]
    line = f"{target} = {called}({', '.join(parts)})"
    if len(line) > WIDTH:
        line = f"{target} = {called}(\n" + "".join(f"    {part},\n" for part in parts) + ")"
    return f"{before}from pytorch_optimizer.lr_scheduler import {called}\n\n{line}\n"
