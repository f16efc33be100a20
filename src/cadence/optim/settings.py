"""Checks of what an optimizer is given, before its own class sees it."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cadence._errors import OptimizerError, neighbours
from cadence.optim.find import Method
from cadence.optim.trained import kind_of


def check_arguments(method: Method, lr: object, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Check the arguments of a class of torch, or of a user's.

    Args:
        method: what is made.
        lr: the rate.
        arguments: the others.

    Returns:
        What the class is given, with `lr`; lists as tuples where the class has a tuple.

    Raises:
        OptimizerError: an argument that is unknown, missing or out of its range.
    """
    check_number(lr, f"lr of the optimizer {method.name!r}")
    known = method.parameters
    for key in arguments:
        if key not in known and not method.takes_all:
            raise unknown_argument(method, key, _named(known))
    missing = [k for k, p in known.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    for key in missing:
        if key != "lr" and key not in arguments:
            raise OptimizerError(f"the optimizer {method.name!r} needs {key}; write {key}=...")
    checked = {"lr": lr}
    for key, value in arguments.items():
        default = known[key].default if key in known else None
        checked[key] = like(default, value, key, f"{key} of the optimizer {method.name!r}")
    return checked


def check_group(method: Method, group: Mapping[str, Any], known: Collection[str]) -> None:
    """Catch slips that a framework would take in silence. Keys of one's own (``"name"``, ``"lr_scale"``) are allowed.

    Args:
        method: what is made.
        group: options beside the parameters, `lr` among them.
        known: names of the method's arguments.

    Raises:
        OptimizerError: a key that is nearly one of the method's, or a value out of its range.
    """
    parameters = method.parameters
    for key, value in group.items():
        what = f"{key} in a group of the optimizer {method.name!r}"
        if key == "lr":
            check_number(value, what)
        elif key in known:
            like(parameters[key].default if key in parameters else None, value, key, what)
        elif difflib.get_close_matches(key, [*known, "lr"], n=1, cutoff=0.85):
            raise OptimizerError(
                f"a group of the optimizer {method.name!r} has the key {key!r}; {neighbours(key, [*known, 'lr'])}"
            )


def unknown_argument(method: Method, key: str, known: Iterable[str]) -> OptimizerError:
    """The error for an argument that a method does not have."""
    return OptimizerError(f"the optimizer {method.name!r} has no argument {key!r}; {neighbours(key, known)}")


def like(default: object, value: Any, key: str, what: str) -> Any:
    """The value, of the kind that the class's own default has.

    Args:
        default: of the class; of another kind than a number, truth value or tuple it demands nothing.
        value: that was given.
        key: name of the argument.
        what: how messages call it.

    Raises:
        OptimizerError: it is of another kind, no finite number, or decays of moments outside [0, 1).
    """
    if key == "betas":
        _check_betas(value, what)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise OptimizerError(f"{what} must be true or false, not {value!r}")
        return value
    if isinstance(default, (int, float)):
        check_finite(value, what)
        return value
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        if len(value) != len(default):  # pyright: ignore[reportUnknownArgumentType]
            raise OptimizerError(f"{what} must be {len(default)} numbers, as {default}, not {value!r}")  # pyright: ignore[reportUnknownArgumentType]
        for member in value:  # pyright: ignore[reportUnknownVariableType]
            if not isinstance(member, bool) and member is not None:
                check_finite(member, what)  # pyright: ignore[reportUnknownArgumentType]
        return tuple(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value


def check_number(value: Any, what: str) -> None:
    """Refuse all but a finite number from 0 up, or a torch tensor of one."""
    check_finite(value, what)
    if kind_of(value) == "torch":
        if value.numel() != 1:
            raise OptimizerError(f"{what} is a tensor of shape {tuple(value.shape)}; give one number")
        value = value.item()
    if not 0 <= value < math.inf:
        raise OptimizerError(f"{what} must be a finite number of at least 0, not {value!r}")


def check_finite(value: object, what: str) -> None:
    """Refuse all but a finite number, or a tensor of torch."""
    if kind_of(value) == "torch":
        return
    if isinstance(value, str):
        # YAML 1.1 takes 1e-2 for text, because it has no point.
        raise OptimizerError(
            f"{what} must be a number, not the text {value!r}; write it without quotes, as 0.01 or 1.0e-2"
        )
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise OptimizerError(f"{what} must be a number, not {value!r}")
    if not math.isfinite(value):
        raise OptimizerError(f"{what} must be a finite number, not {value!r}")


def _check_betas(betas: object, what: str) -> None:
    """Each decay of a moment lies in [0, 1); where a class has fewer or more than two, that is its own matter."""
    if not isinstance(betas, (list, tuple)):
        return
    for beta in betas:  # pyright: ignore[reportUnknownVariableType]
        plain = isinstance(beta, (int, float)) and not isinstance(beta, bool)
        if plain and not 0 <= beta < 1:  # pyright: ignore[reportUnknownArgumentType]
            raise OptimizerError(
                f"{what} are {tuple(betas)}: each must lie in [0, 1); write e.g. betas=(0.9, 0.999)"  # pyright: ignore[reportUnknownArgumentType]
            )


def _named(known: Mapping[str, inspect.Parameter]) -> list[str]:
    return [name for name, p in known.items() if p.kind is not p.VAR_KEYWORD]
