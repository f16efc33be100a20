"""What each of torch's schedulers makes of the rate that a group has now.

A scheduler here is its arguments `a`, its clock `last`, the calls of its step (`calls`), whether this is the first of
them (`first`), the base rate it was made with and the group it writes into.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

# ---- what the constructors write ---------------------------------------------------------------------------------


def _cyclic_made(s: Any) -> None:
    if s.last == -1:
        s.group["lr"] = s.a.base_lr
        if s.a.cycle_momentum:
            s.group["momentum"] = s.group["max_momentum"] = s.a.max_momentum
            s.group["base_momentum"] = s.a.base_momentum


def _one_cycle_made(s: Any) -> None:
    if s.last == -1:
        s.group["initial_lr"] = s.a.max_lr / s.a.div_factor
        s.group["max_lr"] = s.a.max_lr
        s.group["min_lr"] = s.group["initial_lr"] / s.a.final_div_factor
        if s.a.cycle_momentum:
            s.group["momentum"] = s.group["max_momentum"] = s.a.max_momentum
            s.group["base_momentum"] = s.a.base_momentum


def _restarts_made(s: Any) -> None:
    s.now, s.length = s.last, s.a.T_0


def _swa_made(s: Any) -> None:
    s.group["swa_lr"] = s.a.swa_lr


MADE: Mapping[str, Callable[[Any], None]] = {
    "CyclicLR": _cyclic_made, "OneCycleLR": _one_cycle_made, "CosineAnnealingWarmRestarts": _restarts_made,
    "SWALR": _swa_made,
}  # fmt: skip


# ---- the next rate -----------------------------------------------------------------------------------------------


def _lambda(s: Any) -> float:
    return s.base * s.a.lr_lambda(s.last)


def _multiplicative(s: Any) -> float:
    return s.group["lr"] if s.first else s.group["lr"] * s.a.lr_lambda(s.last)


def _step(s: Any) -> float:
    same = s.last == 0 or s.last % s.a.step_size != 0
    return s.group["lr"] if same else s.group["lr"] * s.a.gamma


def _multi_step(s: Any) -> float:
    times = Counter(s.a.milestones)[s.last]
    return s.group["lr"] * s.a.gamma**times if times else s.group["lr"]


def _constant(s: Any) -> float:
    if s.last == 0:
        return s.group["lr"] * s.a.factor
    return s.group["lr"] if s.last != s.a.total_iters else s.group["lr"] * (1.0 / s.a.factor)


def _linear(s: Any) -> float:
    n, start, rise = s.a.total_iters, s.a.start_factor, s.a.end_factor - s.a.start_factor
    if s.last == 0:
        return s.group["lr"] * start
    if s.first or s.last > n:
        return s.group["lr"]
    return s.group["lr"] * (1.0 + rise / (n * start + (s.last - 1) * rise))


def _exponential(s: Any) -> float:
    return s.group["lr"] if s.first else s.group["lr"] * s.a.gamma


def _polynomial(s: Any) -> float:
    n = s.a.total_iters
    if s.first or s.last > n:
        return s.group["lr"]
    return s.group["lr"] * ((1.0 - s.last / n) / (1.0 - (s.last - 1) / n)) ** s.a.power


def _cosine(s: Any) -> float:
    n, low, rate = s.a.T_max, s.a.eta_min, s.group["lr"]
    if s.first:
        return rate
    if s.calls == 1 and s.last > 0:
        return _cosine_closed(s)
    if (s.last - 1 - n) % (2 * n) == 0:
        return rate + (s.base - low) * (1 - math.cos(math.pi / n)) / 2
    now, before = 1 + math.cos(math.pi * s.last / n), 1 + math.cos(math.pi * (s.last - 1) / n)
    return now / before * (rate - low) + low


def _cosine_closed(s: Any) -> float:
    return s.a.eta_min + (s.base - s.a.eta_min) * (1 + math.cos(math.pi * s.last / s.a.T_max)) / 2


def _restarts(s: Any) -> float:
    return s.a.eta_min + (s.base - s.a.eta_min) * (1 + math.cos(math.pi * s.now / s.length)) / 2


def tick(s: Any) -> None:
    """The clock of CosineAnnealingWarmRestarts, and that of its cycle."""
    if s.last < 0:
        s.last, s.now, s.length = 0, 0, s.a.T_0
        return
    s.last, s.now = s.last + 1, s.now + 1
    if s.now >= s.length:
        s.now, s.length = s.now % s.length, s.length * s.a.T_mult


def _swa(s: Any) -> float:
    n, rate, goal = s.a.anneal_epochs, s.group["lr"], s.group["swa_lr"]
    step = max(1, s.calls - 1) if n == 0 else s.calls - 1

    def share(k: int) -> float:
        x = max(0, min(1, k / max(1, n)))
        return (1 - math.cos(math.pi * x)) / 2 if s.a.anneal_strategy == "cos" else x

    before, now = share(step - 1), share(step)
    start = goal if before == 1 else (rate - before * goal) / (1 - before)
    return goal * now + start * (1 - now)


def _cyclic(s: Any) -> float:
    a = s.a
    up = float(a.step_size_up)
    size = up + (up if a.step_size_down is None else float(a.step_size_down))
    ratio = up / size
    cycle = math.floor(1 + s.last / size)
    x = 1.0 + s.last / size - cycle
    share = x / ratio if x <= ratio else (x - 1) / (ratio - 1)
    # A mode decides the scale and what it counts, unless a function is given.
    if a.scale_fn is not None:
        height = share * a.scale_fn(cycle if a.scale_mode == "cycle" else s.last)
    elif a.mode == "exp_range":
        height = share * a.gamma**s.last
    else:
        height = share / 2.0 ** (cycle - 1) if a.mode == "triangular2" else share
    if a.cycle_momentum:
        s.group["momentum"] = a.max_momentum - (a.max_momentum - a.base_momentum) * height
    return s.base + (a.max_lr - s.base) * height


def one_cycle_ends(total: int, pct_start: float, three_phase: bool) -> list[float]:
    """Where the phases of OneCycleLR end: numbers of steps, not always whole, not always rising."""
    first = float(pct_start * total) - 1
    return [first, float(2 * pct_start * total) - 2, total - 1] if three_phase else [first, total - 1]


def one_cycle_total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """Length of a OneCycleLR, in the form that torch prefers."""
    return total_steps if total_steps is not None else (epochs or 0) * (steps_per_epoch or 0)


def _one_cycle(s: Any) -> float:
    a, group = s.a, s.group
    total = one_cycle_total(a.total_steps, a.epochs, a.steps_per_epoch)
    if s.last > total:
        raise ValueError(f"Tried to step {s.last} times. The specified number of total steps is {total}")
    ends = one_cycle_ends(total, a.pct_start, a.three_phase)
    i = next((i for i, end in enumerate(ends) if s.last <= end), len(ends) - 1)
    begin = ends[i - 1] if i else 0.0
    x = (s.last - begin) / (ends[i] - begin)

    def between(start: float, end: float) -> float:
        if a.anneal_strategy == "linear":
            return (end - start) * x + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * x) + 1)

    rates = ["initial_lr", "max_lr", "initial_lr", "min_lr"] if a.three_phase else ["initial_lr", "max_lr", "min_lr"]
    if a.cycle_momentum:
        momenta = ["max_momentum", "base_momentum", "max_momentum", "max_momentum"]
        group["momentum"] = between(group[momenta[i]], group[momenta[i + 1]])
    return between(group[rates[i]], group[rates[i + 1]])


NEXT: Mapping[str, Callable[[Any], float]] = {
    "LambdaLR": _lambda, "MultiplicativeLR": _multiplicative, "StepLR": _step, "MultiStepLR": _multi_step,
    "ConstantLR": _constant, "LinearLR": _linear, "ExponentialLR": _exponential, "PolynomialLR": _polynomial,
    "CosineAnnealingLR": _cosine, "CosineAnnealingWarmRestarts": _restarts, "SWALR": _swa, "CyclicLR": _cyclic,
    "OneCycleLR": _one_cycle,
}  # fmt: skip

CLOSED: Mapping[str, Callable[[Any], float]] = {
    "StepLR": lambda s: s.base * s.a.gamma ** (s.last // s.a.step_size),
    "MultiStepLR": lambda s: s.base * s.a.gamma ** bisect_right(sorted(s.a.milestones), s.last),
    "ConstantLR": lambda s: s.base * (s.a.factor + (s.last >= s.a.total_iters) * (1 - s.a.factor)),
    "LinearLR": lambda s: (
        s.base
        * (
            s.a.start_factor
            + (s.a.end_factor - s.a.start_factor) * min(s.a.total_iters, s.last) / s.a.total_iters
        )
    ),
    "ExponentialLR": lambda s: s.base * s.a.gamma**s.last,
    "PolynomialLR": lambda s: s.base * (1.0 - min(s.a.total_iters, s.last) / s.a.total_iters) ** s.a.power,
    "CosineAnnealingLR": _cosine_closed,
}  # fmt: skip
"""What these do when a composer restarts them; the others go through their next rate."""
