"""Keras's own objects: read from their configuration, run, built, and written as source."""

from __future__ import annotations

import importlib
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast, final

import keras as _keras
import numpy as np
import numpy.typing as npt

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.framework import Framework, Live
from cadence.conversion.frameworks.keras.objects.expression import express
from cadence.conversion.native import Native
from cadence.conversion.nested import source
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve
from cadence.spec.shown import shown

NAME = "keras"

CALLBACKS = {
    "LearningRateScheduler": ("schedule", "verbose"),
    "ReduceLROnPlateau": ("monitor", "factor", "patience", "verbose", "mode", "min_delta", "cooldown", "min_lr"),
}
"""Attributes that hold what a callback was made with."""

keras: Any = cast("Any", _keras)


@final
class Keras(Framework):
    """Schedules, which have no state; an optimizer that holds one, which counts; and the callbacks."""

    def inspect(self, scheduler: object) -> Live:
        """A schedule stands at 0; given its optimizer, at the optimizer's iterations."""
        if isinstance(scheduler, keras.optimizers.Optimizer):
            return self._in_optimizer(scheduler)
        name = type(scheduler).__name__
        if name not in definitions(NAME) or not type(scheduler).__module__.startswith("keras."):
            raise ConversionError(
                f"{type(scheduler).__name__} is no schedule of Keras's own, so what it does is not known; known are "
                f"{', '.join(definitions(NAME))}"
            )
        if name in CALLBACKS:
            given = {key: getattr(scheduler, key) for key in CALLBACKS[name]}
            # Inside a training Keras turns its sign, depending on the mode.
            given |= {"min_delta": abs(given["min_delta"])} if "min_delta" in given else {}
        else:
            given = cast("Any", scheduler).get_config()
        return Live(_native(name, given), 0, (1.0,))

    def _in_optimizer(self, optimizer: Any) -> Live:
        schedule = optimizer._learning_rate
        if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            raise ConversionError(
                f"the optimizer {optimizer.name!r} has no schedule; give the callback that changes its learning rate"
            )
        live = self.inspect(schedule)
        return Live(live.native, int(keras.ops.convert_to_numpy(optimizer.iterations)), live.bases)

    def restore(self, name: str, state: Mapping[str, Any], bases: tuple[float, ...]) -> Live:
        """A configuration, as `get_config` and `keras.optimizers.schedules.serialize` give it."""
        config = cast("Mapping[str, Any]", state.get("config", state))
        if state.get("class_name", name) != name:
            raise ConversionError(f"this is the configuration of {state['class_name']}, not of {name}")
        known = [p.name for p in definitions(NAME)[name].parameters]
        strange = [key for key in config if key not in known]
        if strange:
            raise ConversionError(
                f"{strange[0]!r} belongs to no configuration of {name}; give what get_config() returned"
            )
        return Live(_native(name, config), 0, bases)

    def run(self, native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
        """The schedule at every step, in float64 where the backend has it; of a callback what it sets."""
        if native.name == "ReduceLROnPlateau":
            raise ConversionError(
                "ReduceLROnPlateau has no rates without a metric; compare them with replay(schedule, metrics)"
            )
        with _double():
            made = make(native)
            values = _called(made, on.base, ticks) if native.name in CALLBACKS else _evaluated(made, ticks)
        return {"lr": np.repeat(values[None], len(on.bases), axis=0)}

    def build(self, native: Native, on: Setting, optimizer: Any) -> Any:
        """The schedule (or callback) itself; Keras's optimizers are given it, not the other way round."""
        return make(native)

    def express(self, curve: Curve) -> Native:
        """See `expression`."""
        return express(curve)

    def code(self, native: Native, on: Setting) -> str:
        """One call of Keras."""
        return f"import keras\n\nscheduler = {source(native, lambda part: definitions(NAME)[part.name].path)}\n"


FRAMEWORK = Keras()


def make(native: Native) -> Any:
    """The object that Keras makes of a call.

    Raises:
        ConversionError: what Keras refuses.
    """
    home = keras.callbacks if native.name in CALLBACKS else keras.optimizers.schedules
    try:
        return getattr(home, native.name)(**native.arguments)
    except (ValueError, TypeError) as fault:
        raise ConversionError(f"Keras refuses {native}: {fault}") from fault


def _native(name: str, given: Mapping[str, Any]) -> Native:
    """A call with what differs from its defaults; the name says nothing."""
    defaults = {p.name: p.default for p in definitions(NAME)[name].parameters}
    kept = {
        key: x for key, x in given.items() if key != "name" and (type(x), x) != (type(defaults[key]), defaults[key])
    }
    return Native(NAME, name, kept)


@contextmanager
def _double() -> Generator[None]:
    """Keras in float64 for a while, as far as its backend goes."""
    before, wide = keras.config.floatx(), nullcontext()
    if keras.backend.backend() == "jax":
        import jax

        wide = jax.enable_x64(True)
    # Wherever it chooses a type, Keras then narrows 64 bits to 32, by this table.
    narrowing: dict[str, str] = getattr(_dtypes(), "BIT64_TO_BIT32_DTYPE", {})
    kept = dict(narrowing)
    try:
        with wide:
            narrowing.clear()
            keras.config.set_floatx("float64")
            yield
    finally:
        keras.config.set_floatx(before)
        narrowing.update(kept)


def _dtypes() -> Any:
    try:
        return importlib.import_module("keras.src.backend.common.dtypes")
    except ModuleNotFoundError:
        return None


def _evaluated(schedule: Any, ticks: int) -> npt.NDArray[Any]:
    if getattr(schedule, "warmup_target", None) is None:
        with _uncompiled():
            values = schedule(keras.ops.convert_to_tensor(np.arange(ticks + 1)))
    elif keras.backend.backend() == "jax":
        import jax

        # Where it asks whether the warmup is over, Keras takes one step at a time.
        values = jax.vmap(schedule)(np.arange(ticks + 1))
    else:
        values = [keras.ops.convert_to_numpy(schedule(k)) for k in range(ticks + 1)]
    return np.array(keras.ops.convert_to_numpy(values) if hasattr(values, "dtype") else values, dtype=np.float64)


def _uncompiled() -> AbstractContextManager[None]:
    """jax without its compiler, which would compile both sides of each choice that is made once."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    return cast("AbstractContextManager[None]", jax.disable_jit())


class _Optimizer:
    """As much of an optimizer as a callback needs: a rate that can be set."""

    def __init__(self, rate: float) -> None:
        self.learning_rate: Any = np.float64(rate)


class _Model:
    def __init__(self, rate: float) -> None:
        self.optimizer = _Optimizer(rate)


def _called(callback: Any, base: float, ticks: int) -> npt.NDArray[Any]:
    model = _Model(base)
    callback.set_model(model)
    rates: list[float] = []
    for epoch in range(ticks + 1):
        try:
            callback.on_epoch_begin(epoch)
        except Exception as fault:
            raise ConversionError(
                f"Keras refuses {shown(callback.schedule)} at epoch {epoch}: {type(fault).__name__}: {fault}"
            ) from fault
        rates.append(float(model.optimizer.learning_rate))
    return np.array(rates)
