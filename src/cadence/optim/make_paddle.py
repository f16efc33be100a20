"""Optimizers over parameters of paddle, with torch's names of arguments and absolute rates in groups."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import paddle

from cadence._errors import OptimizerError
from cadence.optim.find import Method
from cadence.optim.known import TORCH
from cadence.optim.paddle_names import METHODS, Spelling, spelling_of
from cadence.optim.settings import check_group, check_number, like, unknown_argument
from cadence.optim.signatures import holder
from cadence.optim.trained import Trained, is_group, kind_of, plain

AT_LEAST_0 = frozenset({"eps", "momentum", "alpha", "rho", "momentum_decay", "initial_accumulator_value", "trust"})
"""Numbers that torch refuses below 0; paddle looks at few of them."""


def make(method: Method, what: Trained, lr: Any, arguments: Mapping[str, Any]) -> paddle.optimizer.Optimizer:
    """An optimizer of a class of paddle's kind.

    Args:
        method: what is made.
        what: is trained.
        lr: a number, or a scheduler of paddle's kind.
        arguments: under torch's names.

    Raises:
        OptimizerError: an argument or parameters that the method cannot work with.
    """
    spelling = spelling_for(method)
    base = _rate(method, lr)
    for key, value in arguments.items():
        _check_known(method, spelling, key)
        _check_value(method, spelling, key, value, f"{key} of the optimizer {method.name!r}")
    _check_together(method, what, arguments)
    entries = [_entry(method, spelling, base, entry) for entry in what.entries]
    known = inspect.signature(method.make).parameters
    defaults = {key: value for key, value in spelling.defaults.items() if spelling.names.get(key, key) in known}
    given = spelling.spell({**defaults, **arguments})
    rate = "learning_rate" if "learning_rate" in known else "lr"
    try:
        made = method.make(
            **{rate: lr if kind_of(lr) == "paddle" else float(lr), holder(method.make): entries}, **given
        )
    except OptimizerError:
        raise
    except (TypeError, ValueError, RuntimeError, AssertionError, AttributeError) as refused:
        said = (str(refused).splitlines() or ["an assertion failed"])[0].rstrip(".")
        raise OptimizerError(f"the optimizer {method.name!r} refuses these settings: {said}; change them") from refused
    if not isinstance(made, paddle.optimizer.Optimizer):
        raise OptimizerError(
            f"{method.name!r} made a {type(made).__name__}, which is no paddle.optimizer.Optimizer; name a class "
            f"derived from it"
        )
    return made


def spelling_for(method: Method) -> Spelling:
    """How the method's class spells its arguments."""
    if method.source == "paddle":
        return METHODS[method.plain]
    rate = {"lr", "learning_rate"}
    return spelling_of([name for name in method.parameters if name not in rate])


def _rate(method: Method, lr: Any) -> float:
    """The base that groups' own rates are multiples of in paddle."""
    what = f"lr of the optimizer {method.name!r}"
    while isinstance(lr, paddle.optimizer.lr.LinearWarmup):
        # Its own base is where the warmup begins.
        lr = lr.learning_rate
    if isinstance(lr, paddle.optimizer.lr.LRScheduler):
        return float(lr.base_lr)
    check_number(lr, what)
    return float(lr)


def _check_known(method: Method, spelling: Spelling, key: str) -> None:
    """Refuse an argument that there is not, or that has another name here."""
    if key in spelling.known:
        return
    meant = spelling.meant(key)
    if meant is not None:
        raise OptimizerError(f"the optimizer {method.name!r} has no argument {key!r} here; did you mean {meant!r}?")
    if method.source == "paddle" and _torch_has(method.plain, key):
        raise OptimizerError(
            f"paddle's {method.plain!r} has no argument {key!r}, only torch's has; leave it out, or train in torch"
        )
    raise unknown_argument(method, key, spelling.known)


def _check_value(method: Method, spelling: Spelling, key: str, value: Any, what: str) -> None:
    """Refuse a value out of its range, where paddle would take it in silence."""
    if key == "betas":
        if not isinstance(value, (list, tuple)) or len(value) != 2:  # pyright: ignore[reportUnknownArgumentType]
            raise OptimizerError(f"{what} must be 2 numbers, as (0.9, 0.999), not {value!r}")
        like((0.9, 0.999), value, key, what)
        return
    if key == "weight_decay":
        # A regularizer of paddle's, as L1Decay, is taken as it is.
        if kind_of(value) != "paddle":
            check_number(value, what)
        return
    parameter = method.parameters.get(spelling.names.get(key, key))
    like(None if parameter is None else parameter.default, value, key, what)
    if key in AT_LEAST_0:
        check_number(value, what)


def _torch_has(plain: str, key: str) -> bool:
    """Whether torch's class of the name takes an argument; False where torch is not there to be asked."""
    if plain not in TORCH:
        return False
    try:
        import torch
    except ImportError:
        return False
    found = next(c for n, c in vars(torch.optim).items() if n.lower() == plain and isinstance(c, type))
    return key in inspect.signature(found).parameters


def _check_together(method: Method, what: Trained, arguments: Mapping[str, Any]) -> None:
    """What torch refuses of a combination, paddle would take in silence."""
    for options in [arguments, *({**arguments, **group} for group in what.groups)]:
        if method.key == "paddle:sgd" and options.get("nesterov") and not options.get("momentum"):
            raise OptimizerError(
                f"the optimizer {method.name!r} has nesterov=True without momentum; write momentum=0.9 too"
            )


def _entry(method: Method, spelling: Spelling, base: float, entry: Any) -> Any:
    """A parameter, or a group as paddle takes it: with the multiple of the base rate that its own rate is."""
    if not is_group(entry):
        return plain(entry)
    group: dict[str, Any] = dict(entry)
    params = [plain(p) for p in group.pop("params")]
    if "learning_rate" in group:
        raise OptimizerError(
            f"a group of the optimizer {method.name!r} has learning_rate, which in paddle is a multiple; write lr with "
            f"the group's own rate, here lr={group['learning_rate']!r} * {base:g}"
        )
    for key in group:
        if spelling.meant(key) is not None:
            raise OptimizerError(
                f"a group of the optimizer {method.name!r} has the key {key!r}; did you mean {spelling.meant(key)!r}?"
            )
        if key in spelling.known:
            _check_value(method, spelling, key, group[key], f"{key} in a group of the optimizer {method.name!r}")
    check_group(method, group, spelling.known)
    own = group.pop("lr", None)
    multiple = {} if own is None else {"learning_rate": _multiple(method, float(own), base)}
    spelled = spelling.spell(group)
    return {"params": params, **spelled, **multiple}


def _multiple(method: Method, rate: float, base: float) -> float:
    if base == 0 and rate != 0:
        raise OptimizerError(
            f"a group of the optimizer {method.name!r} has lr={rate:g}, which is no multiple of lr=0; give the "
            f"optimizer a rate above 0"
        )
    return 1.0 if base == 0 else rate / base
