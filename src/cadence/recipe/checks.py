"""Checks of single values. What they raise becomes one sentence with the key in front."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from cadence._errors import RecipeError, SpecError
from cadence.spec.groups import frozen as frozen_for
from cadence.spec.groups import plain_length
from cadence.spec.nodes import EarlyStop
from cadence.spec.parse import parse
from cadence.spec.plan import Plan
from cadence.spec.span import span

_IMPORT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_NAME = re.compile(r"[A-Za-z_][\w.-]*")


def task(x: str) -> str:
    """The name of an embedded task, or an import path."""
    if not (_IMPORT.fullmatch(x) or _NAME.fullmatch(x)):
        raise RecipeError(f"{x!r:.80} names no task; write an embedded one (digits, bytes) or package.module:function")
    return x


def importable(x: str | None) -> str | None:
    """An import path, or nothing."""
    if x is not None and not _IMPORT.fullmatch(x):
        raise RecipeError(f"{x!r:.80} cannot be imported; write package.module:function")
    return x


def named(x: str) -> str:
    """The name of an optimizer, or an import path."""
    if not (_IMPORT.fullmatch(x) or _NAME.fullmatch(x)):
        raise RecipeError(f"{x!r:.80} names no optimizer; write a name such as adamw, or package.module:Class")
    return x


def length(x: int | str) -> int | str:
    """A length above zero."""
    if not span(x, "a length").amount:
        raise SpecError(f"a length of {x!r} is no training; write at least 1 update")
    return x


def total(x: int | str) -> int | str:
    """A length above zero that is no share of itself."""
    if span(length(x)).unit == "%":
        raise SpecError(
            f"the length of the run cannot be {x!r} of itself; write it in updates, epochs, samples or tokens"
        )
    return x


def schedule(x: str | dict[str, str | int | float]) -> str | dict[str, str | int | float]:
    """A schedule or a plan, in the one form that `repr` gives it: who says the same is equal, with one hash."""
    found = parse(x)
    if isinstance(found, Plan):
        return {key: repr(schedule) for key, schedule in found.entries}
    return repr(found)


def stop(x: str | None) -> str | None:
    """A rule that ends a run, in the form of its `repr`, or nothing."""
    if x is None:
        return None
    found = parse(x)
    if not isinstance(found, EarlyStop):
        raise SpecError(f"{x!r:.80} is no rule that ends a run; write e.g. early_stop('val_loss', patience='5 epochs')")
    return repr(found)


def frozen(x: bool | int | str | None) -> bool | int | str | None:
    """For how long a group is not trained, in one form: who says the same is equal, with one hash."""
    return plain_length(frozen_for(x))


def _text(x: str) -> str:
    try:
        x.encode()
    except UnicodeEncodeError:
        raise RecipeError("the text holds half a character (a lone surrogate); write it again") from None
    return x


Text = Annotated[str, AfterValidator(_text)]
"""Text that can be written to a file."""
