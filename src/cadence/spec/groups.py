"""How a model's parameters are to be divided into groups: patterns, values and lengths as plain data."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from cadence._errors import SpecError, neighbours
from cadence.spec.pattern import Pattern, pattern
from cadence.spec.shown import shown
from cadence.spec.span import Span, span

REST = "rest"
"""Group of the parameters that no group claims."""

KEYS = ("parameters", "without", "optimizer", "frozen", "layer_decay", "no_decay")
"""Keys of a group that are not values of the optimizer."""

SEPARATORS = "/:"
"""What the name of a group cannot hold: a plan's key is `group/value`, and a part of a group is `group:3`."""

_MULTIPLE = re.compile(r"\s*[xX×]\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)\s*")


@dataclass(frozen=True, repr=False)
class Multiple:
    """A multiple of the optimizer's own value: ``"x0.1"``.

    Attributes:
        factor: finite, at least 0.
    """

    factor: float

    def __repr__(self) -> str:
        return f"x{self.factor:g}"


@dataclass(frozen=True)
class Wanted:
    """What one group claims, and what it has of its own.

    Attributes:
        claims: patterns, any of which claims a parameter.
        without: patterns of parameters that are not claimed all the same.
        values: value -> what the group has of its own; a `Multiple` is of the optimizer's.
        optimizer: name of the optimizer that trains it; None: the first.
        frozen: for how long it is not trained, from the beginning; True: always; None: it is trained at once.
        layer_decay: factor of the rate from one depth to the one before, in (0, 1]; None: what holds for all.
        no_decay: whether biases, normalisation and gains have no weight decay; None: what holds for all.
    """

    claims: tuple[Pattern, ...] = ()
    without: tuple[Pattern, ...] = ()
    values: tuple[tuple[str, Any], ...] = ()
    optimizer: str | None = None
    frozen: Span | Literal[True] | None = None
    layer_decay: float | None = None
    no_decay: bool | None = None


@dataclass(frozen=True)
class Division:
    """How the parameters of a model are to be divided. Made by `division`.

    Attributes:
        groups: name and wish of each group, in the order given.
        no_decay: whether biases, normalisation and gains have no weight decay.
        layer_decay: factor of the rate from one depth to the one before; None: all depths have the same.
    """

    groups: tuple[tuple[str, Wanted], ...] = ()
    no_decay: bool = False
    layer_decay: float | None = None


def division(
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    no_decay: bool = False,
    layer_decay: float | None = None,
) -> Division:
    """Read how parameters are to be divided.

    Args:
        groups: name -> keys of the group: see `wanted`.
        no_decay: no weight decay for biases, normalisation and gains.
        layer_decay: factor of the rate from one depth to the one before, in (0, 1].

    Raises:
        SpecError: a name, a key or a value that cannot be meant.

    Example:
        >>> division({"head": {"parameters": "head.*", "lr": "x10"}}).groups[0][1].values
        (('lr', x10),)
    """
    if groups is not None and not isinstance(groups, Mapping):
        raise SpecError(
            f"groups maps names to what each group holds, e.g. {{'head': {{'parameters': 'head.*'}}}}, not "
            f"{shown(groups)}"
        )
    read = tuple((group_name(name), _named(name, keys)) for name, keys in (groups or {}).items())
    return Division(read, _yes_or_no(no_decay, "no_decay"), _layer_decay(layer_decay))


def wanted(keys: Mapping[str, Any]) -> Wanted:
    """Read the keys of one group.

    Args:
        keys: `parameters` and `without` (patterns), `optimizer`, `frozen`, `layer_decay`, `no_decay`; every other key
            is a value of the optimizer: a number, or a multiple of the optimizer's own such as ``"x0.1"``.

    Raises:
        SpecError: no pattern, a misspelt key, or a value that cannot be meant.

    Example:
        >>> wanted({"parameters": "type:LayerNorm", "frozen": "3 epochs", "lr": "x0.1"}).frozen
        '3 epochs'
    """
    if not isinstance(keys, Mapping):
        raise SpecError(f"a group is a mapping such as {{'parameters': 'head.*', 'lr': 'x0.1'}}, not {shown(keys)}")
    values = {key: value for key, value in keys.items() if key not in KEYS}
    for key in values:
        near = difflib.get_close_matches(str(key), KEYS, n=1, cutoff=0.75)
        if near or not isinstance(key, str):
            raise SpecError(f"a group has no key {shown(key)}; {neighbours(str(key), KEYS)}")
    claims = _patterns(keys.get("parameters"), "parameters")
    if not claims:
        raise SpecError("a group without patterns holds no parameters; write e.g. parameters: 'head.*'")
    optimizer = keys.get("optimizer")
    if optimizer is not None and not isinstance(optimizer, str):
        raise SpecError(f"optimizer of a group is the name of one, not {shown(optimizer)}")
    no_decay = keys.get("no_decay")
    return Wanted(
        claims,
        _patterns(keys.get("without"), "without"),
        tuple((key, own_value(key, value)) for key, value in values.items()),
        optimizer,
        frozen(keys.get("frozen")),
        _layer_decay(keys.get("layer_decay")),
        None if no_decay is None else _yes_or_no(no_decay, "no_decay"),
    )


def group_name(name: object) -> str:
    """Check the name of a group.

    Raises:
        SpecError: no text, the name of the rest, or one with a separator in it.
    """
    if not isinstance(name, str) or not name.strip():
        raise SpecError(f"a group is called by a word, not {shown(name)}; write e.g. 'head'")
    if name == REST:
        raise SpecError(f"{REST!r} is the group of all that no pattern matches; call yours otherwise")
    if any(letter in name for letter in SEPARATORS):
        raise SpecError(
            f"the group {name!r} has {' or '.join(repr(x) for x in SEPARATORS)} in its name, which separate it from "
            f"values and parts; call it {re.sub(f'[{SEPARATORS}]', '_', name)!r}"
        )
    return name


def own_value(key: str, value: Any) -> Any:
    """A group's own value: as it is given, or a `Multiple`.

    Raises:
        SpecError: text that is no multiple where a number is wanted, or a number that is not finite.

    Example:
        >>> own_value("lr", "x0.1"), own_value("lr", 0.5)
        (x0.1, 0.5)
    """
    if isinstance(value, str):
        match = _MULTIPLE.fullmatch(value)
        if match is not None and math.isfinite(float(match[1])):
            return Multiple(float(match[1]))
        if key in ("lr", "weight_decay"):
            raise SpecError(
                f"{key} of a group must be a number, or a multiple of the optimizer's such as 'x0.1', not "
                f"{shown(value)}"
            )
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError(f"{key} of a group is {value}; write a finite number")
    return value


def frozen(value: object) -> Span | Literal[True] | None:
    """For how long a group is not trained, from the beginning: a length, True (always), or None.

    Raises:
        SpecError: none of these.
    """
    if value is True or value is None:
        return value
    if value is False:
        return None
    read = span(cast("Any", value), "a frozen length")
    return read if read.amount else None


def plain_length(length: Span | Literal[True] | None) -> int | str | bool | None:
    """What `frozen` read, as plain data that it reads again: a number of updates, text, true, or None.

    Example:
        >>> plain_length(frozen("3 epoch")), plain_length(frozen("20 steps")), plain_length(frozen(False))
        ('3 epochs', 20, None)
    """
    if length is None or length is True:
        return length
    whole = length.unit == "steps" and length.amount.denominator == 1
    return int(length.amount) if whole else str(length)


def _named(name: object, keys: Mapping[str, Any]) -> Wanted:
    try:
        return wanted(keys)
    except SpecError as fault:
        raise SpecError(f"group {name!r}: {fault}") from None


def _patterns(given: object, key: str) -> tuple[Pattern, ...]:
    if given is None:
        return ()
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, Sequence):
        raise SpecError(f"{key} of a group is a pattern or a list of them, not {shown(given)}")
    return tuple(pattern(text) for text in cast("Sequence[object]", listed))


def _layer_decay(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise SpecError(
            f"layer_decay is {shown(value)}; it is the factor of the rate from one depth to the one before, above 0 "
            f"and at most 1, e.g. 0.75"
        )
    return float(value)


def _yes_or_no(value: object, key: str) -> bool:
    if not isinstance(value, bool):
        raise SpecError(f"{key} is true or false, not {shown(value)}")
    return value
