"""optax's own objects: read from their closures, run, built, and written as source."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, final

import jax
import numpy as np
import numpy.typing as npt
import optax
from jax import numpy

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.doors import native_of
from cadence.conversion.framework import Framework, Live
from cadence.conversion.frameworks.optax.objects.expression import express
from cadence.conversion.native import Native
from cadence.conversion.nested import source
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve
from cadence.spec.shown import shown

NAME = "optax"

jnp = cast("Any", numpy)


@final
class Optax(Framework):
    """Schedules of optax: functions without a state, whose arguments lie in their closures."""

    def inspect(self, scheduler: object) -> Live:
        """A schedule is stateless, so it stands at 0; what it was made with is read from its closure.

        Where another version of optax keeps it elsewhere, the function itself is taken, to be sampled.
        """
        update = getattr(scheduler, "update", scheduler)
        if not isinstance(update, types.FunctionType) or "<locals>" not in update.__qualname__:
            raise ConversionError(
                f"{shown(scheduler)} does not show the schedule inside it; give the schedule itself, e.g. what "
                f"optax.cosine_decay_schedule returned"
            )
        return Live(_read(update, whole=update is scheduler), 0, (1.0,))

    def restore(self, name: str, state: Mapping[str, Any], bases: tuple[float, ...]) -> Live:
        """optax saves a count, and nothing of the schedule."""
        raise ConversionError(
            f"a state of optax holds how many updates were done, and not what its {name} was made with; give its "
            f"arguments instead of state="
        )

    def run(self, native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
        """The function at every count, in float64."""
        if native.name == "reduce_on_plateau":
            raise ConversionError(
                "reduce_on_plateau has no rates without a metric; compare them with replay(schedule, metrics)"
            )
        schedule = make(native)

        def value(count: Any) -> Any:
            return jnp.asarray(schedule(count), jnp.float64)

        with jax.enable_x64(True):
            try:
                values = np.asarray(jax.vmap(value)(jnp.arange(ticks + 1)))
            except TypeError:
                # A function in it that jax cannot trace: it tests the count with python's own `if`.
                values = np.array([float(schedule(k)) for k in range(ticks + 1)])
        return {"lr": np.repeat(values[None], len(on.bases), axis=0)}

    def build(self, native: Native, on: Setting, optimizer: Any) -> Any:
        """The function itself; optax's optimizers are given it, not the other way round."""
        return make(native)

    def express(self, curve: Curve) -> Native:
        """See `expression`."""
        return express(curve)

    def code(self, native: Native, on: Setting) -> str:
        """One call of optax, nested where it joins."""
        return f"import optax\n\nscheduler = {source(native, lambda part: definitions(NAME)[part.name].path)}\n"


FRAMEWORK = Optax()


def make(native: Native) -> Any:
    """The object that optax makes of a call.

    Raises:
        ConversionError: what optax refuses.
    """
    arguments = dict(native.arguments)
    if native.name == "join_schedules":
        arguments["schedules"] = [_made(part) for part in arguments["schedules"]]
    try:
        return _function(native.name)(**arguments)
    except (ValueError, TypeError, ArithmeticError, KeyError) as fault:
        raise ConversionError(f"optax refuses {native}: {fault}") from fault


def _function(name: str) -> Callable[..., Any]:
    home, _, last = definitions(NAME)[name].path.removeprefix("optax.").rpartition(".")
    return getattr(getattr(optax, home) if home else optax, last)


def _made(part: Any) -> Any:
    if isinstance(part, (Native, Sequence)):
        return make(native_of(NAME, part))
    return part


# ---- closures ------------------------------------------------------------------------------------------------------


def _read(function: types.FunctionType, *, whole: bool = True) -> Native:
    """The call that returned this function."""
    name, cells = function.__qualname__.partition(".")[0], _cells(function)
    if not whole:
        name, cells = _transformation(function, cells)
    elif name == "join_schedules":
        parts = [_part(part) for part in cells.get("schedules", ())]
        return Native(NAME, name, {"schedules": parts, "boundaries": [_plain(b) for b in cells["boundaries"]]})
    elif function.__name__ == "<lambda>":
        # What stays where it is, whatever it was made by: the one value in it.
        name, cells = "constant_schedule", {"value": next(iter(cells.values()), None)}
    elif name == "piecewise_interpolate_schedule" and "interpolate_fn" in cells:
        kind = "cosine" if "cosine" in cells["interpolate_fn"].__name__ else "linear"
        scales = dict(zip(map(_plain, cells["boundaries"]), map(_plain, cells["scales"]), strict=True))
        cells = {"interpolate_type": kind, "boundaries_and_scales": scales, **cells}
    wanted = [p.name for p in definitions(NAME)[name].parameters] if name in definitions(NAME) else []
    if not wanted or any(key not in cells for key in wanted):
        return Native(NAME, "join_schedules", {"schedules": [_opaque(function)], "boundaries": []})
    given = {key: _plain(cells[key]) for key in wanted}
    if name == "cosine_decay_schedule" and float(given["decay_steps"]).is_integer():
        # The first call turns it into a float.
        given["decay_steps"] = int(given["decay_steps"])
    if name == "polynomial_schedule" and given["power"] == 1:
        del given["power"]
        name = "linear_schedule"
    defaults = {p.name: p.default for p in definitions(NAME)[name].parameters}
    return Native(NAME, name, {key: x for key, x in given.items() if not _same(x, defaults[key])})


def _transformation(function: types.FunctionType, cells: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name = function.__qualname__.partition(".")[0]
    if name != "reduce_on_plateau":
        raise ConversionError(
            f"optax's {name} does not show the schedule inside it; give the schedule itself, e.g. what "
            f"optax.cosine_decay_schedule returned"
        )
    inner = cells.get("_update_scale")
    return name, {**cells, **(_cells(inner) if isinstance(inner, types.FunctionType) else {})}


def _cells(function: types.FunctionType) -> dict[str, Any]:
    """The variables that a function closes over; one that was never set is left out."""
    found: dict[str, Any] = {}
    for key, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[key] = cell.cell_contents
        except ValueError:
            continue
    return found


def _part(part: Any) -> Any:
    own = isinstance(part, types.FunctionType) and part.__module__.startswith("optax")
    return _read(part) if own else part


def _opaque(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is to be sampled, whoever wrote it."""

    def sample(count: Any) -> Any:
        return function(count)

    return sample


def _plain(x: Any) -> Any:
    """Numbers as python's own, whole ones as int where optax has turned them into floats."""
    if isinstance(x, Mapping):
        return {_plain(key): _plain(value) for key, value in cast("Mapping[Any, Any]", x).items()}
    if isinstance(x, (bool, str)) or not hasattr(x, "__float__"):
        return x
    return int(x) if isinstance(x, int) or (hasattr(x, "dtype") and float(x).is_integer()) else float(x)


def _same(x: Any, default: Any) -> bool:
    return type(x) is type(default) and x == default
