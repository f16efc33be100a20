"""A curve in the terms of Keras's backend: by numpy where the step is known, as traced code where it is not."""

from __future__ import annotations

import math
from typing import Any, cast

import keras
import numpy as np

from cadence._errors import DriverError
from cadence.drivers.pulled import Pulled
from cadence.spec.shown import shown

ops: Any = cast("Any", keras).ops


def _outside_of_dynamo(function: Any) -> Any:
    """Kept out of torch's compiler, which would try to read numpy code: its graph breaks here and goes on behind."""
    if keras.backend.backend() != "torch":
        return function
    import torch

    return torch.compiler.disable(function)


@_outside_of_dynamo
def value_at(pulled: Pulled, step: Any, steps_per_update: int) -> Any:
    """The value in force at a step, as a tensor of the backend: float32, or float64 where Keras computes in that.

    Args:
        pulled: what to evaluate.
        step: a whole number: an int, a variable, or a tensor, traced or not; before 0 the first value holds.
        steps_per_update: so many steps are one update.

    Raises:
        DriverError: a step that is not whole.
    """
    # Narrower floats have no digits for small rates; the optimizers narrow the rate themselves where they must.
    dtype = "float64" if keras.config.floatx() == "float64" else "float32"
    if isinstance(step, keras.Variable):
        step = cast("Any", step).value
    if not hasattr(step, "dtype"):
        step = np.asarray(step)
    if "int" not in str(keras.backend.standardize_dtype(step.dtype)):
        raise DriverError(
            f"a schedule is asked for the value of an update, which is a whole number, not {shown(step)}; give it an "
            f"int, an integer tensor, or optimizer.iterations"
        )
    known = _known(step)
    if known is not None:
        return ops.convert_to_tensor(pulled.at(np.maximum(known, 0) // steps_per_update), dtype=dtype)
    if keras.backend.backend() == "jax":
        from cadence.drivers import jax_numbers

        return ops.cast(jax_numbers.value_at(pulled, step // steps_per_update), dtype)
    # As floats, which hold every update number exactly: torch makes float32 of a whole number times a float.
    t = NUMBERS.maximum(ops.cast(step // steps_per_update, "float64"), 0.0)
    return ops.cast(pulled.traced(t, NUMBERS), dtype)


def _known(step: Any) -> Any:
    """The step in numpy; None where it is traced, or where reading it would wait for a device."""
    if isinstance(step, (np.ndarray, np.generic)):
        return step
    match keras.backend.backend():
        case "jax":
            from jax.core import Tracer

            return None if isinstance(step, Tracer) else np.asarray(step)
        case "torch":
            return step.numpy() if step.device.type == "cpu" else None
        case _:
            return np.asarray(step) if hasattr(step, "numpy") else None


class _Table:
    """Numbers that are looked up with traced indices."""

    def __init__(self, numbers: Any) -> None:
        self._numbers = ops.convert_to_tensor(np.asarray(numbers, dtype=np.float64))

    def __getitem__(self, k: Any) -> Any:
        return ops.take(self._numbers, ops.cast(k, "int32"), axis=0)


class _Numbers:
    """`keras.ops` as a number namespace in float64, whatever kinds the backend would mix."""

    pi = math.pi

    def full(self, shape: Any, x: float) -> Any:
        return ops.full(shape, x, dtype="float64")

    def zeros(self, shape: Any) -> Any:
        return ops.zeros(shape, dtype="float64")

    def asarray(self, numbers: Any) -> _Table:
        return _Table(numbers)

    def searchsorted(self, places: Any, t: Any, side: str) -> Any:
        flat = ops.reshape(_double(t), (-1,))
        found = ops.searchsorted(_double(np.asarray(places, dtype=np.float64)), flat, side=side)
        return ops.reshape(found, ops.shape(t))

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        return ops.where(condition, _double(yes), _double(no))

    def minimum(self, a: Any, b: Any) -> Any:
        # Keras's own `minimum` and `maximum` narrow float64 to float32 on torch.
        return ops.where(_double(a) <= _double(b), _double(a), _double(b))

    def maximum(self, a: Any, b: Any) -> Any:
        return ops.where(_double(a) >= _double(b), _double(a), _double(b))

    def __getattr__(self, name: str) -> Any:
        function = getattr(ops, name)

        def of(x: Any) -> Any:
            return function(_double(x))

        return of


def _double(x: Any) -> Any:
    return ops.cast(x, "float64") if hasattr(x, "dtype") else ops.convert_to_tensor(x, dtype="float64")


NUMBERS = _Numbers()
"""The namespace itself."""
