"""Formulas that timm's schedules are read as, read back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cadence.conversion.frameworks.timm.falls import Cosine, Fall, Poly, Tanh

_CLOCK = r"(?:t|epoch)"


def _number(name: str) -> str:
    return rf"\(?(?P<{name}>-?[\d.]+(?:e[+-]?\d+)?)\)?"


_DONE = rf"{_CLOCK} / {_number('length')}"
_SHARE = rf"(?:\({_DONE}\) \*\* {_number('k')}|{_DONE.replace('length', 'whole')})"

_COSINE = re.compile(rf"0\.5 \* \(1 \+ cos\(pi \* {_SHARE}\)\)")
_POLY = re.compile(rf"\(1 - {_SHARE}\)(?: \*\* {_number('power')})?")
_TANH = re.compile(rf"1 / \(1 \+ exp\(2 \* \({_number('low')} \+ {_number('rise')} \* {_DONE}\)\)\)")


@dataclass(frozen=True)
class Form:
    """What a formula says.

    Attributes:
        fall: the factor.
        length: of the whole phase, in ticks.
    """

    fall: Fall
    length: float


def form_of(text: str) -> Form | None:
    """The fall that a formula computes, where it is one of timm's.

    Example:
        >>> form_of("0.5 * (1 + cos(pi * t / 300))")
        Form(fall=Cosine(k=1.0), length=300.0)
        >>> form_of("(1 - (epoch / 90) ** 2) ** 0.5")
        Form(fall=Poly(power=0.5, k=2.0), length=90.0)
    """
    if found := _COSINE.fullmatch(text):
        return Form(Cosine(_of(found, "k", 1.0)), _length(found))
    if found := _POLY.fullmatch(text):
        return Form(Poly(_of(found, "power", 1.0), _of(found, "k", 1.0)), _length(found))
    if found := _TANH.fullmatch(text):
        low = _of(found, "low", 0.0)
        return Form(Tanh(low, low + _of(found, "rise", 0.0)), float(found["length"]))
    return None


def _length(found: re.Match[str]) -> float:
    return float(found["length"] or found["whole"])


def _of(found: re.Match[str], name: str, default: float) -> float:
    return default if found[name] is None else float(found[name])
