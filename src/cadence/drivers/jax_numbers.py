"""A curve as code that jax traces: in 64 bits inside, in the program's own precision outside."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from cadence._errors import DriverError, MissingExtraError
from cadence.drivers.pulled import Pulled
from cadence.spec.shown import shown


def value_at(pulled: Pulled, count: Any) -> Any:
    """The value in force at update `count`.

    Args:
        pulled: what to evaluate.
        count: whole numbers from 0, traced or not, any shape; before 0 the first value holds.

    Returns:
        An array of the shape of `count`: float32, or float64 where jax computes in 64 bits anyway.

    Raises:
        DriverError: a count that is not whole.
        MissingExtraError: a jax that cannot compute in 64 bits inside a traced function.
    """
    precision = jnp.result_type(float)
    if not isinstance(count, Tracer):
        # Known numbers need no compiler.
        known = np.asarray(count)
        _check(known.dtype, count)
        return jnp.asarray(pulled.at(np.maximum(known, 0)), precision)
    _check(count.dtype, count)
    if not hasattr(jax, "enable_x64"):
        raise MissingExtraError(
            f"jax {jax.__version__} cannot compute in 64 bits inside a traced function; run: pip install 'jax>=0.8'"
        )
    # 32 bits would not do: an update number of 10 ** 6 times a length overflows, and one less what is done of a long
    # run, done in floats, has no digit left at its end. Here only the result is rounded. The numbers are scalars, so it
    # costs nothing; a TPU emulates them.
    with jax.enable_x64(True):
        values = pulled.traced(jnp.maximum(count.astype(jnp.int64), 0), jnp)
        return values.astype(precision)


def _check(dtype: Any, count: Any) -> None:
    if not jnp.issubdtype(dtype, jnp.integer):
        raise DriverError(
            f"a schedule is asked for the value of an update, which is a whole number, not {shown(count)} of type "
            f"{dtype}; give it an int or an int32 array"
        )
