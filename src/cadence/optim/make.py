"""Optimizers by name."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import math
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from cadence._errors import OptimizerError, neighbours
from cadence._lazy import need

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    Parameters: TypeAlias = nn.Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]


def optimizer(name: str, params: Parameters, /, *, lr: float | Tensor, **arguments: Any) -> Optimizer:
    """Make an optimizer for torch.

    Some of torch's are for special uses: ``"lbfgs"`` steps only with a closure, ``"sparseadam"`` takes only sparse
    gradients, ``"muon"`` only matrices.

    Args:
        name: ``"sgd"``, ``"adamw"``, ``"lamb"`` or any other of `optimizer_names()`: torch's own by their class name in
            lower case, and cadence's. Or a class by its import path: ``"package.module:Class"``.
        params: a model, whose trainable parameters are taken; or parameters; or dicts that describe groups of them.
        lr: learning rate, 0 or more; a tensor is kept, and filled by whoever schedules it.
        arguments: what the class takes, under its own names and with its own defaults: ``momentum=0.9``. torch chooses
            between its implementations; ``fused=True`` is about three times as fast as its loop on a CPU, rounds
            differently, takes no sparse gradients, and hides from step hooks which updates a gradient scaler skipped.

    Returns:
        An optimizer that has made no step.

    Raises:
        OptimizerError: there is no such optimizer or argument, a value is out of range, or nothing can be trained.
        MissingExtraError: torch is not installed.

    Example:
        >>> "sgd" in optimizer_names()
        True
        >>> import torch
        >>> optimizer("sgd", torch.nn.Linear(2, 1), lr=0.1, momentum=0.9).defaults["momentum"]
        0.9
        >>> optimizer("sgd", torch.nn.Linear(2, 1), lr=0.1, momentun=0.9)
        Traceback (most recent call last):
        cadence._errors.OptimizerError: the optimizer 'sgd' has no argument 'momentun'; did you mean 'momentum'?
    """
    given = check_optimizer(name, lr=lr, arguments=arguments)
    make = optimizer_class(name)
    parameters = _parameters(name, params, make)
    try:
        made = make(parameters, **given)
    except OptimizerError:
        raise
    except (TypeError, ValueError, RuntimeError) as refused:
        raise OptimizerError(f"the optimizer {name!r} refuses these settings: {refused}; change them") from refused
    if not isinstance(made, need("torch.optim", extra="torch").Optimizer):
        raise OptimizerError(
            f"{name!r} made a {type(made).__name__}, which is no torch.optim.Optimizer; name a class derived from it"
        )
    return made


def optimizer_names() -> list[str]:
    """Every name that `optimizer` knows, sorted.

    Example:
        >>> [name for name in optimizer_names() if name.startswith("adam")]
        ['adam', 'adamax', 'adamw']
    """
    return sorted({*_of_torch(), *_of_cadence()})


def optimizer_class(name: str) -> Callable[..., Optimizer]:
    """The class that a name stands for.

    Args:
        name: as for `optimizer`.

    Raises:
        OptimizerError: there is none.
        MissingExtraError: torch is not installed.

    Example:
        >>> optimizer_class("lamb").__name__
        'Lamb'
    """
    if not isinstance(name, str):
        raise OptimizerError(f"an optimizer is named by text, not by {name!r}; write e.g. 'adamw'")
    need("torch", extra="torch")
    if ":" in name:
        return _imported(name)
    # Ours first: a torch release that brings a class of the same name must not change what a recipe means.
    if name in _of_cadence():
        module = importlib.import_module(f"cadence.optim.for_torch.{name}")
        return next(member for key, member in vars(module).items() if key.lower() == name and isinstance(member, type))
    try:
        return _of_torch()[name]
    except KeyError:
        raise OptimizerError(
            f"there is no optimizer called {name!r}; {neighbours(name.lower(), optimizer_names())}"
        ) from None


def check_optimizer(name: str, *, lr: object, arguments: Mapping[str, object]) -> dict[str, Any]:
    """Check everything about an optimizer that can be known without parameters.

    Args:
        name, lr, arguments: as for `optimizer`.

    Returns:
        The arguments of the class, with `lr`; lists as tuples where the class has a tuple.

    Raises:
        OptimizerError: there is no such optimizer or argument, or a value is no number where the class has one.

    Example:
        >>> check_optimizer("adamw", lr=0.001, arguments={"betas": [0.9, 0.95]})
        {'lr': 0.001, 'betas': (0.9, 0.95)}
    """
    make = optimizer_class(name)
    known = _keywords(make)
    given = {"lr": lr, **arguments}
    takes_all = any(p.kind is p.VAR_KEYWORD for p in known.values())
    for key in given:
        if key not in known and not takes_all:
            raise OptimizerError(f"the optimizer {name!r} has no argument {key!r}; {neighbours(key, known)}")
    _check_rate(name, lr)
    checked: dict[str, Any] = {"lr": lr}
    for key, value in arguments.items():
        default = known[key].default if key in known else None
        checked[key] = _like(default, value, f"{key} of the optimizer {name!r}")
    return checked


def _like(default: object, value: Any, what: str) -> Any:
    """The value, of the kind that the class's own default has."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise OptimizerError(f"{what} must be true or false, not {value!r}")
        return value
    if isinstance(default, (int, float)):
        _check_finite(value, what)
        return value
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        if len(value) != len(default):  # pyright: ignore[reportUnknownArgumentType]
            raise OptimizerError(f"{what} must be {len(default)} numbers, as {default}, not {value!r}")  # pyright: ignore[reportUnknownArgumentType]
        for member in value:  # pyright: ignore[reportUnknownVariableType]
            if not isinstance(member, bool) and member is not None:
                _check_finite(member, what)
        return tuple(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value


def _check_finite(value: object, what: str) -> None:
    if isinstance(value, need("torch", extra="torch").Tensor):
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


def _check_rate(name: str, lr: Any) -> None:
    _check_finite(lr, f"lr of the optimizer {name!r}")
    if isinstance(lr, need("torch", extra="torch").Tensor):
        if lr.numel() != 1:
            raise OptimizerError(
                f"lr of the optimizer {name!r} is a tensor of shape {tuple(lr.shape)}; give one number"
            )
        lr = lr.item()
    if not 0 <= lr < math.inf:
        raise OptimizerError(f"lr of the optimizer {name!r} must be a finite number of at least 0, not {lr!r}")


def _parameters(name: str, params: Any, make: Callable[..., Optimizer]) -> list[Any]:
    """Parameters or groups as a list."""
    torch = need("torch", extra="torch")
    if isinstance(params, torch.nn.Module):
        trainable = [p for p in params.parameters() if p.requires_grad]
        if not trainable:
            raise OptimizerError(
                f"the model {type(params).__name__} has no trainable parameters for the optimizer {name!r}; "
                f"set requires_grad on those to train"
            )
        return trainable
    if isinstance(params, (torch.Tensor, str, Mapping, set, frozenset)) or not isinstance(params, Iterable):
        raise OptimizerError(
            f"the optimizer {name!r} was given a {type(params).__name__} to train; "  # pyright: ignore[reportUnknownArgumentType]
            f"give a model, a list of parameters, or a list of groups"
        )
    listed: list[Any] = list(params)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if not listed:
        raise OptimizerError(f"the optimizer {name!r} was given no parameters; give a model, or model.parameters()")
    for group in listed:
        if isinstance(group, Mapping):
            _check_group(name, group, _keywords(make))  # pyright: ignore[reportUnknownArgumentType]
    return listed


def _check_group(name: str, group: Mapping[str, Any], known: Mapping[str, inspect.Parameter]) -> None:
    """Catch slips that torch would take in silence. Keys of one's own (``"name"``, ``"lr_scale"``) are allowed."""
    if "params" not in group:
        raise OptimizerError(f"a group for the optimizer {name!r} lacks the key 'params'; it has {sorted(group)}")
    for key, value in group.items():
        if key in known:
            if key == "lr":
                _check_rate(name, value)
            else:
                _like(known[key].default, value, f"{key} in a group of the optimizer {name!r}")
        elif key != "params" and difflib.get_close_matches(key, list(known), n=1, cutoff=0.85):
            raise OptimizerError(f"a group of the optimizer {name!r} has the key {key!r}; {neighbours(key, known)}")


@functools.cache
def _of_torch() -> Mapping[str, type[Optimizer]]:
    """torch's own classes by their names in lower case."""
    optim = need("torch.optim", extra="torch")
    classes = [c for c in vars(optim).values() if isinstance(c, type) and issubclass(c, optim.Optimizer)]
    return MappingProxyType({c.__name__.lower(): c for c in classes if c is not optim.Optimizer})


@functools.cache
def _of_cadence() -> frozenset[str]:
    """Names of the files that hold an optimizer of ours."""
    package = importlib.import_module("cadence.optim.for_torch")
    return frozenset(module.name for module in pkgutil.iter_modules(package.__path__))


def _keywords(make: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Arguments of a class by name, without the parameters to train."""
    try:
        parameters = list(inspect.signature(make).parameters.values())
    except (TypeError, ValueError):  # a class without a readable signature takes what it takes
        return {"kwargs": inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)}
    return {p.name: p for p in parameters[1:] if p.kind is not p.VAR_POSITIONAL}


def _imported(path: str) -> Callable[..., Any]:
    """A class by its import path."""
    name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in name.split(".")) or not attribute.isidentifier():
        raise OptimizerError(f"{path!r} does not name an optimizer; write 'package.module:Class'")
    here = os.getcwd()
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)  # where `python -m` has it
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise OptimizerError(
            f"importing {name} for the optimizer {path!r} failed with {type(error).__name__}: {error}; "
            f"run in the folder that holds it, or install it"
        ) from error
    found = getattr(module, attribute, None)
    if found is None:
        classes = [n for n, member in vars(module).items() if isinstance(member, type)]
        remedy = neighbours(attribute, classes) if classes else "it has no classes"
        raise OptimizerError(f"the module {name} has no class called {attribute!r}; {remedy}")
    if not callable(found):
        raise OptimizerError(f"{path!r} is {type(found).__name__}, which cannot be called; name a class")
    return found
