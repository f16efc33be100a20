"""Native schedulers as torch's own objects, and their numbers."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.frameworks.torch.groups import COMPOSERS, parts_of
from cadence.conversion.frameworks.torch.objects.factor import Factor
from cadence.conversion.frameworks.torch.tables import leaves, moves_momentum
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting


def constructed(native: Native, optimizer: Any) -> Any:
    """The object for an optimizer, whose groups have their base rates.

    Raises:
        ConversionError: torch refuses the arguments.
    """
    arguments = dict(native.arguments)
    with silent():
        if native.name in COMPOSERS:
            # Parts are made first, in their order: each may change the rates that the next one finds.
            arguments["schedulers"] = [constructed(part, optimizer) for part in parts_of(native)]
        if "lr_lambda" in arguments:
            arguments["lr_lambda"] = _functions(arguments["lr_lambda"])
        module, _, name = definitions("torch")[native.name].path.rpartition(".")
        make = getattr(importlib.import_module(module), name)
        try:
            if native.name == "ChainedScheduler":
                return make(arguments["schedulers"], optimizer)
            return make(optimizer, **arguments)
        except (ArithmeticError, ValueError, TypeError, KeyError) as fault:
            raise ConversionError(f"torch refuses {native}: {type(fault).__name__}: {fault}") from fault


def _functions(given: Any) -> Any:
    """Functions as torch leaves them out of its states: of any other callable it would save what is in it."""
    if isinstance(given, (list, tuple)):
        return [_functions(f) for f in cast("Sequence[Any]", given)]
    if not isinstance(given, Factor):
        return given

    def factor(t: int) -> float:
        return given(t)

    return factor


def optimizer_for(on: Setting, *, resumed: bool) -> Any:
    """An optimizer with groups that have the bases, computing in python's floats."""
    import torch

    groups: list[dict[str, Any]] = []
    for base in on.bases:
        groups.append({"params": [torch.zeros(1, dtype=torch.float64)], "lr": base})
        if resumed:
            groups[-1]["initial_lr"] = base
    if on.momentum == "beta1":
        return torch.optim.Adam(groups, lr=1.0)
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9)


def simulated(native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
    """What torch itself makes of it: value -> [groups, ticks + 1].

    Raises:
        ConversionError: it refuses, or fails on the way; or it follows a metric.
    """
    if native.name == "ReduceLROnPlateau":
        raise ConversionError(
            "ReduceLROnPlateau has no rates without a metric; compare them with replay(schedule, metrics)"
        )
    resumed = any(leaf.arguments.get("last_epoch", -1) != -1 for leaf in leaves(native))
    optimizer = optimizer_for(on, resumed=resumed)
    scheduler = constructed(native, optimizer)
    momenta = any(map(moves_momentum, leaves(native)))
    rates = np.empty((len(on.bases), ticks + 1))
    moved = np.empty((len(on.bases), ticks + 1))
    with silent():
        for k in range(ticks + 1):
            if k:
                optimizer.step()
                try:
                    scheduler.step()
                except (ArithmeticError, ValueError, TypeError, NotImplementedError) as fault:
                    raise ConversionError(
                        f"torch's {native} fails at step {k}: {type(fault).__name__}: {fault}"
                    ) from fault
            for g, group in enumerate(optimizer.param_groups):
                rates[g, k] = group["lr"]
                if momenta:
                    moved[g, k] = group["betas"][0] if on.momentum == "beta1" else group["momentum"]
    return {"lr": rates, on.momentum: moved} if momenta else {"lr": rates}


@contextmanager
def silent() -> Generator[None]:
    """Without what torch says about its own composers' way of calling their parts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The epoch parameter in `scheduler.step")
        warnings.filterwarnings("ignore", "(Detected call of|Seems like)")
        yield
