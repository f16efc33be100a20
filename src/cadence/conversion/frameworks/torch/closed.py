"""Schedulers of torch whose value is a formula in the number of steps."""

from __future__ import annotations

from cadence.conversion.definition import integer, native
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, ramp, steps
from cadence.spec.nodes import Schedule


@native("torch", "torch.optim.lr_scheduler.StepLR")
def step_lr(on: Setting, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> Schedule:
    """gamma for every step_size steps."""
    return steps(every=on.span(integer(step_size, "step_size", least=1)), gamma=gamma, local=on.local)


@native("torch", "torch.optim.lr_scheduler.CosineAnnealingLR")
def cosine_annealing_lr(on: Setting, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> Schedule:
    """Half a cosine down to eta_min at T_max, then back up, for ever."""
    if T_max == 0:
        return constant()
    down = ramp(on.span(integer(T_max, "T_max", least=1)), shape="cosine", to=on.value(eta_min))
    return down.past_end("mirror")
