"""Torch's schedulers as objects: read, run, built and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy.typing as npt
import torch

from cadence._errors import ConversionError
from cadence.conversion.framework import Framework, Live
from cadence.conversion.frameworks.torch.objects.build import constructed, simulated
from cadence.conversion.frameworks.torch.objects.code import source_of
from cadence.conversion.frameworks.torch.objects.express import expressed
from cadence.conversion.frameworks.torch.objects.live import inspected, restored
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve


@final
class Torch(Framework):
    """`torch.optim.lr_scheduler`, and SWALR of `torch.optim.swa_utils`."""

    def inspect(self, scheduler: object) -> Live:
        return inspected(scheduler)

    def restore(self, name: str, state: Mapping[str, Any], bases: tuple[float, ...]) -> Live:
        return restored(name, state, bases)

    def run(self, native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
        return simulated(native, on, ticks)

    def bases(self, optimizer: Any) -> tuple[float, ...] | None:
        """Base learning rates of the groups: what a scheduler before has remembered, else the rates themselves."""
        return tuple(float(group.get("initial_lr", group["lr"])) for group in _optimizer(optimizer).param_groups)

    def build(self, native: Native, on: Setting, optimizer: Any) -> Any:
        own = self.bases(optimizer)
        if own != on.bases:
            raise ConversionError(
                f"the optimizer has base rates {_shown(own or ())}, and base says {_shown(on.bases)}; leave base out, "
                f"or give the optimizer those rates"
            )
        for group, base in zip(optimizer.param_groups, on.bases, strict=True):
            # Torch begins with what is there, and an earlier scheduler may have left something else.
            group.pop("initial_lr", None)
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(base)
            else:
                group["lr"] = base
        return constructed(native, optimizer)

    def express(self, curve: Curve) -> Native:
        return expressed(curve)

    def code(self, native: Native, on: Setting) -> str:
        return source_of(native, on)


def _optimizer(optimizer: Any) -> torch.optim.Optimizer:
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ConversionError(
            f"torch's schedulers are made for an optimizer, and this is {type(optimizer).__name__}; write "
            f"to_native(schedule, 'torch', optimizer)"
        )
    return optimizer


def _shown(rates: tuple[float, ...]) -> str:
    return ", ".join(f"{rate:g}" for rate in rates)


FRAMEWORK = Torch()
