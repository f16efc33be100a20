"""pytorch_optimizer's own equal of a placed curve: its own schedulers where they fit, else torch's classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.framework import framework
from cadence.conversion.frameworks.pytorch_optimizer.functions import rates
from cadence.conversion.frameworks.pytorch_optimizer.torch_classes import CLASSES
from cadence.conversion.native import Native
from cadence.curve.combined import PlacedCut, PlacedPastEnd, PlacedProduct, PlacedSequence, PlacedSum
from cadence.curve.curve import Curve
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat
from cadence.curve.placed import Placed, PlacedConstant, PlacedFormula, PlacedPhase, PlacedPiecewise, Scene

NEAR = 1e-12
NAME_OF = {torch: name for name, torch in CLASSES.items()}

Match = Callable[["Group"], Native | None]


class Group:
    """What stands in a curve for its rates, and what its numbers mean in one group."""

    def __init__(self, placed: Placed, base: float, end: int | None) -> None:
        self.placed = placed
        self.scene = Scene(base, {})
        # What raises behind its end has nothing after it.
        self.end: int | None = end
        if end is None and isinstance(placed, PlacedPastEnd) and placed.then == "raise":
            self.end = placed.inner.end
        self.parts = _parts(placed, end)

    def number(self, node: Placed, t: int) -> float:
        """The value of a part at a step, as people write it."""
        return float(f"{float(node.at(np.array([t]), self.scene)[0]):.15g}")

    def is_last(self, node: Placed) -> bool:
        """Whether nothing of the run comes after a part."""
        return self.end is not None and node.end is not None and node.end >= self.end


def express(curve: Curve) -> Native:
    """pytorch_optimizer's equal.

    Raises:
        ConversionError: there is none.
    """
    if curve.plan.values() == ["lr"]:
        entries = {curve.plan.governing(curve.groups[g], "lr") for g, _ in curve.pairs}
        if len(entries) == 1 and len(curve.pairs) == len(curve.groups):
            own = _own(curve, entries.pop() or 0)
            if own is not None:
                return own
    try:
        inner = framework("torch").express(curve)
    except ConversionError as fault:
        raise ConversionError(
            f"pytorch_optimizer has no scheduler for this, and torch's classes, which it hands on, have none either: "
            f"{fault}"
        ) from None
    if inner.name not in NAME_OF:
        raise ConversionError(
            f"pytorch_optimizer has no {inner.name}, with which torch says this; use torch's own, or "
            f"cd.torch_scheduler(optimizer, schedule)"
        )
    return Native("pytorch_optimizer", NAME_OF[inner.name], inner.arguments)


def _own(curve: Curve, entry: int) -> Native | None:
    """One of pytorch_optimizer's own, which sets the same rate for every group, or the same multiple of its base."""
    found: list[Native | None] = []
    bases = [base for base in curve.bases["lr"] if base is not None]
    for base in bases:
        group = Group(curve.placed[entry], base, curve.total)
        found.append(next((made for match in MATCHES if (made := match(group)) is not None), None))
    same = all(native == found[0] for native in found)
    return found[0] if same else None


def _parts(placed: Placed, end: int | None) -> list[Placed]:
    """The phases one after the other, wrappers that change nothing in the run left out."""
    match placed:
        case PlacedSequence(parts=parts):
            return [p for part in parts for p in _parts(part, end)]
        case PlacedCut(inner=inner) if (
            placed.end is None
            or (inner.end is not None and inner.end <= placed.end)
            or (end is not None and placed.end >= end)
        ):
            return _parts(inner, end)
        case PlacedPastEnd(inner=inner, then=then) if then in ("hold", "raise"):
            return _parts(inner, end)
        case _:
            return [placed]


def _phase(node: Placed, shape: str) -> PlacedPhase | None:
    if isinstance(node, PlacedPhase) and node.shape.name == shape and not node.closed and not node.parameters:
        return node
    return None


def _made(name: str, **arguments: Any) -> Native:
    return definitions("pytorch_optimizer")[name].call(arguments)


# ---- linear, cosine, poly ----------------------------------------------------------------------------------------


def _warmed(group: Group) -> Native | None:
    """One update at the lowest rate, a warmup, a decay."""
    parts = list(group.parts)
    if len(parts) < 2 or not isinstance(parts[0], PlacedConstant) or parts[0].end != 1:
        return None
    low = group.number(parts.pop(0), 0)
    rise = _phase(parts[0], "linear") if len(parts) > 1 else None
    warmup, start = (rise.end - rise.begin, group.number(rise, rise.begin)) if rise is not None else (0, 0.0)
    if rise is not None:
        parts.pop(0)
    if not parts or (rise is not None and not _near(group.number(rise, rise.end), group.number(parts[0], rise.end))):
        return None
    high = group.number(parts[0], parts[0].begin)
    same = {"max_lr": high, "min_lr": low, "init_lr": start, "warmup_steps": warmup}
    if len(parts) == 1:
        return _decay(group, parts[0], low, warmup, same)
    if len(parts) == 2 and isinstance(parts[0], PlacedConstant) and parts[0].end == warmup + 2:
        return _power(group, parts[1], warmup, same)
    return None


def _decay(group: Group, node: Placed, low: float, warmup: int, same: dict[str, Any]) -> Native | None:
    mirrored = isinstance(node, PlacedPastEnd) and node.then == "mirror"
    inner = node.inner if isinstance(node, PlacedPastEnd) else node
    for shape, name in (("cosine", "cosine"), ("linear", "linear")):
        down = _phase(inner, shape)
        if down is None or not _near(group.number(down, down.end), low):
            continue
        # Behind its end the peer goes on: a cosine rises again, a line goes on falling.
        if group.is_last(down) or (shape == "cosine" and mirrored):
            return _made(name, t_max=down.end - down.begin + warmup, **same)
    return None


def _power(group: Group, node: Placed, warmup: int, same: dict[str, Any]) -> Native | None:
    formulas = [f for p in (node.parts if isinstance(node, PlacedSum) else (node,)) for f in _formulas(p)]
    text = formulas[0].text if len(formulas) == 1 else ""
    order = text.removeprefix("(t + 1) ** ").removeprefix("(epoch + 1) ** ")
    if order == text or not order.replace(".", "", 1).isdigit():
        return None
    at = node.begin + 3
    expected = same["min_lr"] + (same["max_lr"] - same["min_lr"]) * 4 ** float(order)
    if not _near(group.number(node, at), expected):
        return None
    return _made("poly", poly_order=float(order), t_max=warmup + 1, **same)


def _formulas(node: Placed) -> list[PlacedFormula]:
    if isinstance(node, PlacedProduct):
        return [f for f in (node.carrier, *node.factors) if isinstance(f, PlacedFormula)]
    return [node] if isinstance(node, PlacedFormula) else []


# ---- rex, cycles -------------------------------------------------------------------------------------------------


def _without_first(group: Group) -> tuple[Placed, float] | None:
    """A part whose first value alone is another one: the part, and that value."""
    match group.parts:
        case [PlacedProduct(carrier=carrier, factors=(PlacedFormula(text=text),), rules=())] if text.endswith(
            (" if t < 1 else 1", " if epoch < 1 else 1")
        ):
            return carrier, group.number(group.placed, 0)
        case _:
            return None


def _rex(group: Group) -> Native | None:
    lowered = _without_first(group)
    node, low = lowered if lowered is not None else (group.parts[0], None)
    down = _phase(node, "rex")
    if down is None or len(group.parts) != 1:
        return None
    high, end = group.number(down, 0), group.number(down, down.end)
    if not _near(low if low is not None else high, end):
        return None
    return _made("rex", total_steps=down.end, max_lr=high, min_lr=end)


def _restarts(group: Group) -> Native | None:
    lowered = _without_first(group)
    node = lowered[0] if lowered is not None else group.parts[0]
    if len(group.parts) != 1:
        return None
    high, low = (node.parts[0], node.parts[1]) if isinstance(node, PlacedSum) and len(node.parts) == 2 else (node, None)
    peaks = _cycle(group, high)
    if peaks is None:
        return None
    warmup, fall, top, bottom, grow, gamma = peaks
    if low is not None:
        floor = _cycle(group, low)
        if floor is None or (floor[0], floor[1], floor[4]) != (warmup, fall, grow) or floor[2] or floor[5] != 1:
            return None
        if bottom:
            return None
        bottom = floor[3]
    elif gamma != 1 and bottom:
        return None
    before = lowered[1] if lowered is not None else top if not warmup else bottom
    if not _near(before, bottom) or (grow != 1 and warmup):
        return None
    return _made(
        "cosine_annealing_with_warmup", first_cycle_steps=warmup + fall, cycle_mult=grow, max_lr=top, min_lr=bottom,
        warmup_steps=warmup, gamma=gamma,
    )  # fmt: skip


def _cycle(group: Group, node: Placed) -> tuple[int, int, float, float, float, float] | None:
    """(warmup, fall, high, low, grow, gamma) of a repeated cosine."""
    if isinstance(node, PlacedRepeat) and node.n is None and node.period[1] == 1:
        inner, grow = node.made.get(node.period[0]) or node.make(0, node.period[0]), 1.0
    elif isinstance(node, PlacedGrowing) and node.n is None:
        inner, grow = node.made.get(0) or node.make(0, round(node.first_length)), node.grow
    else:
        return None
    match inner:
        case PlacedSequence(parts=(rise, fall)):
            up, down = _phase(rise, "linear"), _phase(fall, "cosine")
        case _:
            up, down = None, _phase(inner, "cosine")
    if down is None or (up is None and inner is not down):
        return None
    high, low = group.number(down, down.begin), group.number(down, down.end)
    if up is not None and not (_near(group.number(up, 0), low) and _near(group.number(up, up.end), high)):
        return None
    return (0 if up is None else up.end), down.end - down.begin, high, low, grow, node.decay


# ---- warmup_stable_decay, chebyshev ------------------------------------------------------------------------------


def _stable(group: Group) -> Native | None:
    """Multiples of the base: from 0 up to it, on at it, down."""
    base = group.scene.base
    parts = list(group.parts)
    lengths = [0, 0, 0]
    rise = _phase(parts[0], "linear")
    if rise is not None and not group.number(rise, rise.begin) and _near(group.number(rise, rise.end), base):
        lengths[0] = rise.end - rise.begin
        parts.pop(0)
    if parts and isinstance(parts[0], PlacedConstant) and parts[0].value == 1.0 and parts[0].end is not None:
        lengths[1] = parts[0].end - parts[0].begin
        parts.pop(0)
    if not parts or not (lengths[0] or lengths[1]):
        return None
    for shape, kind in (("1-sqrt", "1-sqrt"), ("cosine", "cosine"), ("linear", "linear"), ("", "1-square")):
        down = parts[0] if _is_square(parts[0]) and not shape else _phase(parts[0], shape)
        if down is None or down.end is None or not _near(group.number(down, down.begin), base):
            continue
        lengths[2], low = down.end - down.begin, group.number(down, down.end) / base
        after = [p for p in parts[1:] if group.end is None or p.begin < group.end]
        if kind != "cosine" and low:
            return None
        if after and not (len(after) == 1 and isinstance(after[0], PlacedConstant)):
            return None
        held = group.number(after[0], after[0].begin) / base if after else low
        if kind == "cosine" and not _near(held, low):
            return None
        return _made(
            "warmup_stable_decay", num_warmup_steps=lengths[0], num_stable_steps=lengths[1],
            num_decay_steps=lengths[2], min_lr_ratio=float(f"{held:.12g}"), cooldown_type=kind,
        )  # fmt: skip
    return None


def _is_square(node: Placed) -> bool:
    return isinstance(node, PlacedFormula) and node.text == "1 - u * u"


def _chebyshev(group: Group) -> Native | None:
    node = group.parts[0]
    if len(group.parts) != 1 or not isinstance(node, PlacedPiecewise) or node.shape is not None:
        return None
    n = len(node.points)
    if n < 2 or n & (n - 1):
        return None
    own = np.array(rates(n)[2:]) * group.scene.base
    theirs = [group.scene.resolve(value) for value in node.points]
    in_place = node.positions == (0, *range(3, n + 2))
    return _made("chebyshev", num_epochs=n) if in_place and np.allclose(own, theirs, rtol=NEAR, atol=0) else None


MATCHES: tuple[Match, ...] = (_warmed, _rex, _restarts, _stable, _chebyshev)


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= NEAR * max(abs(a), abs(b))
