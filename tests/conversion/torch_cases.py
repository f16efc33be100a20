"""Random configurations of torch's schedulers, edge cases included, and torch's own numbers to compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cadence._errors import CadenceError
from cadence.conversion.definition import definitions
from cadence.conversion.doors import read, setting
from cadence.conversion.framework import framework
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve

Random = np.random.Generator
Arguments = dict[str, Any]


def whole(random: Random, low: int, high: int) -> int:
    """A whole number, both ends included."""
    return int(random.integers(low, high + 1))


def real(random: Random, low: float, high: float, *edges: float) -> float:
    """A number, one of the edges in a quarter of the cases."""
    if edges and random.random() < 0.25:
        return float(random.choice(edges))
    return float(random.uniform(low, high))


def resumed(random: Random) -> Arguments:
    """Told to go on, in a fifth of the cases."""
    return {"last_epoch": whole(random, 0, 30)} if random.random() < 0.2 else {}


@dataclass(frozen=True)
class Wavy:
    """A function of the step that a user might write."""

    a: float
    b: float
    k: int

    def __call__(self, t: int) -> float:
        return self.a if t < self.k else self.b + 1 / (1 + t)


def lambda_lr(random: Random) -> Arguments:
    return {
        "lr_lambda": Wavy(real(random, 0, 2, 0.0, 1.0), real(random, 0, 1), whole(random, 0, 40)),
        **resumed(random),
    }


def multiplicative_lr(random: Random) -> Arguments:
    # Multiplied again and again: near 1, so that it neither vanishes nor explodes.
    return {
        "lr_lambda": Wavy(real(random, 0.8, 1.05), real(random, 0.7, 0.99), whole(random, 0, 40)),
        **resumed(random),
    }


def step_lr(random: Random) -> Arguments:
    size = [whole(random, 1, 40), -whole(random, 1, 9), whole(random, 1, 20) / 2][whole(random, 0, 9) // 4]
    return {"step_size": size, "gamma": real(random, 0.05, 1.1, 0.0, 1.0, 0.1), **resumed(random)}


def multi_step_lr(random: Random) -> Arguments:
    # In any order, twice too, before the run and behind it, and where no step is.
    at: list[float] = random.integers(-5, 90, whole(random, 0, 7)).tolist()
    if random.random() < 0.2:
        at += [7.0, 7.5]
    return {"milestones": at, "gamma": real(random, 0.05, 1.1, 0.0, 1.0), **resumed(random)}


def constant_lr(random: Random) -> Arguments:
    n = [whole(random, 1, 90), whole(random, -2, 0), whole(random, 1, 9) + 0.5][whole(random, 0, 9) // 4]
    return {"factor": real(random, 0.01, 1, 0.0, 1.0), "total_iters": n, **resumed(random)}


def linear_lr(random: Random) -> Arguments:
    n = [whole(random, 1, 90), whole(random, -2, 0), whole(random, 1, 60) + 0.5][whole(random, 0, 9) // 4]
    start, end = real(random, 0.001, 1, 1.0, 1e-6), real(random, 0, 1, 0.0, 1.0)
    return {"start_factor": start, "end_factor": end, "total_iters": n, **resumed(random)}


def exponential_lr(random: Random) -> Arguments:
    return {"gamma": real(random, 0.5, 1.05, 0.0, 1.0), **resumed(random)}


def polynomial_lr(random: Random) -> Arguments:
    n = [whole(random, 1, 90), whole(random, -2, 0), whole(random, 1, 60) + 0.5][whole(random, 0, 9) // 4]
    return {"total_iters": n, "power": real(random, 0.2, 4, 0.0, 0.5, 1.0, 2.0, -1.0), **resumed(random)}


def cosine_annealing_lr(random: Random) -> Arguments:
    n = [whole(random, 1, 90), -whole(random, 1, 30), whole(random, 1, 40) + 0.5][whole(random, 0, 9) // 4]
    return {"T_max": n, "eta_min": real(random, 0, 0.3, 0.0, 1.5, 0.001), **resumed(random)}


def cosine_annealing_warm_restarts(random: Random) -> Arguments:
    low = real(random, 0, 0.3, 0.0, 1.5)
    return {"T_0": whole(random, 1, 40), "T_mult": whole(random, 1, 3), "eta_min": low, **resumed(random)}


def swalr(random: Random) -> Arguments:
    along = str(random.choice(["cos", "linear"]))
    n = whole(random, 0, 60)
    return {"swa_lr": real(random, 0, 0.3, 0.0), "anneal_epochs": n, "anneal_strategy": along, **resumed(random)}


def cyclic_lr(random: Random) -> Arguments:
    lengths = [
        (whole(random, 1, 30), None),
        (whole(random, 1, 30), whole(random, 0, 30)),
        (real(random, 0.5, 9), real(random, 0, 9)),
    ]
    up, down = lengths[whole(random, 0, 2)]
    arguments: Arguments = {
        "base_lr": real(random, 0, 0.2, 0.0), "max_lr": real(random, 0, 0.5, 0.2), "step_size_up": up,
        "step_size_down": down, "mode": str(random.choice(["triangular", "triangular2", "exp_range"])),
        "gamma": real(random, 0.9, 1, 0.0, 1.0), "cycle_momentum": bool(random.integers(2)),
        "base_momentum": real(random, 0.5, 0.9), "max_momentum": real(random, 0.5, 0.99),
    }  # fmt: skip
    if random.random() < 0.15:
        scale = Wavy(real(random, 0, 1), real(random, 0, 0.5), whole(random, 0, 9))
        arguments |= {"scale_fn": scale, "scale_mode": str(random.choice(["cycle", "iterations"]))}
    return {**arguments, **resumed(random)}


def one_cycle_lr(random: Random) -> Arguments:
    total = whole(random, 1, 120)
    # On a step as often as between two.
    pct = real(random, 0, 1, 0.3, 0.0, 0.5) if random.random() < 0.5 else whole(random, 0, total) / total
    length: Arguments = {"total_steps": total}
    if total % 3 == 0 and random.random() < 0.5:
        length = {"epochs": 3, "steps_per_epoch": total // 3}
    return {
        "max_lr": real(random, 0.001, 1), **length, "pct_start": pct, "three_phase": bool(random.integers(2)),
        "anneal_strategy": str(random.choice(["cos", "linear"])), "div_factor": real(random, 1, 50, 25.0, 0.5),
        "final_div_factor": real(random, 1, 1e5, 1e4, 1.0), "cycle_momentum": bool(random.integers(2)),
        "base_momentum": real(random, 0.5, 0.9), "max_momentum": real(random, 0.5, 0.99),
    }  # fmt: skip


SINGLE: Mapping[str, Callable[[Random], Arguments]] = {
    "LambdaLR": lambda_lr, "MultiplicativeLR": multiplicative_lr, "StepLR": step_lr, "MultiStepLR": multi_step_lr,
    "ConstantLR": constant_lr, "LinearLR": linear_lr, "ExponentialLR": exponential_lr, "PolynomialLR": polynomial_lr,
    "CosineAnnealingLR": cosine_annealing_lr, "CosineAnnealingWarmRestarts": cosine_annealing_warm_restarts,
    "SWALR": swalr, "CyclicLR": cyclic_lr, "OneCycleLR": one_cycle_lr,
}  # fmt: skip


def native(name: str, arguments: Arguments) -> Native:
    """A scheduler of torch as data."""
    return definitions("torch")[name].bind([], arguments)


def single(random: Random, name: str) -> Native:
    """One scheduler."""
    return native(name, SINGLE[name](random))


def composed(random: Random, depth: int, names: list[str]) -> Native:
    """Schedulers inside schedulers, `depth` deep at most."""
    if depth == 0 or random.random() < 0.3:
        return single(random, str(random.choice(names)))
    parts = [composed(random, depth - 1, names) for _ in range(whole(random, 1, 3))]
    if random.random() < 0.4:
        return native("ChainedScheduler", {"schedulers": parts})
    milestones = random.integers(-1, 50, len(parts) - 1).tolist()
    if random.random() < 0.8:
        milestones = sorted(milestones)
    last = {"last_epoch": whole(random, 0, 9)} if random.random() < 0.05 else {}
    return native("SequentialLR", {"schedulers": parts, "milestones": milestones, **last})


def run_of(bases: tuple[float, ...], ticks: int | None, per: str = "step", momentum: str = "momentum") -> Setting:
    """A run of so many ticks."""
    on = setting(bases, per, ticks if per == "step" or ticks is None else f"{ticks} epochs", None)
    return replace(on, momentum=momentum)


def torch_numbers(scheduler: Native, on: Setting, ticks: int) -> Mapping[str, Any]:
    """What torch itself makes of it: value -> [groups, ticks + 1]."""
    return framework("torch").run(scheduler, on, ticks)


def difference(curve: Curve, numbers: Mapping[str, Any], what: object, *, last: bool = True) -> str:
    """Where a curve differs from torch's numbers by more than 1e-9 of the value (or of a thousandth of the peak)."""
    for value, rows in numbers.items():
        for g, theirs in enumerate(rows):
            theirs = theirs if last else theirs[:-1]
            ours = curve.at(np.arange(len(theirs)), group=g, value=value)
            allowed = 1e-9 * np.maximum(np.abs(theirs), 1e-3 * np.abs(theirs).max())
            off = np.flatnonzero(~(np.abs(ours - theirs) <= allowed))
            if off.size:
                return f"{what}: {value} of group {g} at {off[:5]}: torch {theirs[off[:5]]}, cadence {ours[off[:5]]}"
    return ""


def placed(scheduler: Native, on: Setting) -> Curve:
    """What it means here, on its run."""
    return on.placed(read(scheduler, on))


def attempted(make: Callable[[], Any]) -> tuple[Any, str]:
    """What it makes, or None and the sentence of the refusal."""
    try:
        return make(), ""
    except CadenceError as fault:
        return None, str(fault)
