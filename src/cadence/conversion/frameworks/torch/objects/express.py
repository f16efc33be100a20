"""From a curve to torch: the scheduler of the same numbers, or a function for LambdaLR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, cast

import numpy as np

from cadence._errors import ConversionError
from cadence.conversion.frameworks.torch.groups import LISTS
from cadence.conversion.frameworks.torch.objects.arcs import one_cycle
from cadence.conversion.frameworks.torch.objects.factor import Factor
from cadence.conversion.frameworks.torch.objects.matching import held_first, in_sequence, matched, native
from cadence.conversion.frameworks.torch.objects.view import View, both, plain
from cadence.conversion.frameworks.torch.objects.waves import cyclic
from cadence.conversion.native import Native
from cadence.curve.combined import PlacedCut, PlacedPastEnd, PlacedProduct, PlacedSequence
from cadence.curve.curve import Curve
from cadence.curve.layout import has_absolute
from cadence.curve.placed import Placed, PlacedConstant
from cadence.spec.nodes import Plateau

MOMENTA = ("momentum", "beta1")

ADAPTER = "use cd.torch_scheduler(optimizer, schedule) instead"


@np.errstate(all="ignore")
def expressed(curve: Curve) -> Native:
    """Torch's equal of a curve placed in ticks.

    Raises:
        ConversionError: which part torch cannot express, and why.
    """
    others = [value for value in curve.plan.values() if value != "lr"]
    if "lr" not in curve.plan.values() or any(value not in MOMENTA for value in others) or len(others) > 1:
        moved = ", ".join(map(repr, others))
        raise ConversionError(
            f"torch's schedulers move the learning rate, two of them the momentum with it, and this plan governs "
            f"{moved or 'no lr'}; {ADAPTER}"
        )
    rates, bases = _column(curve, "lr")
    view = View(bases, 0, curve.end)
    if others:
        momenta, _ = _column(curve, others[0])
        found = one_cycle(rates, momenta, view) or cyclic(rates, momenta, view)
        if found is None:
            raise ConversionError(
                f"torch moves the {others[0]} in CyclicLR and OneCycleLR alone, and this plan is neither of them; "
                f"{ADAPTER}"
            )
        return found
    ruled = [node for node in rates if any(isinstance(x, PlacedProduct) and x.rules for x in _inside(node))]
    if ruled:
        return _on_plateau(rates, view)
    return one_cycle(rates, None, view) or cyclic(rates, None, view) or _rates(curve, rates, view)


def _column(curve: Curve, value: str) -> tuple[list[Placed], tuple[float, ...]]:
    """The placed schedule and the base of each group."""
    nodes: list[Placed] = []
    bases: list[float] = []
    for g, group in enumerate(curve.groups):
        entry, base = curve.plan.governing(group, value), curve.bases[value][g]
        if entry is None or base is None:
            raise ConversionError(
                f"the plan says nothing about {value} of group {group!r}, and torch's schedulers govern every group; "
                f"give it one, e.g. {{{value!r}: constant()}}"
            )
        nodes.append(curve.placed[entry])
        bases.append(base)
    return nodes, tuple(bases)


def _rates(curve: Curve, nodes: list[Placed], view: View) -> Native:
    if all(node is nodes[0] for node in nodes):
        entry = curve.placed.index(nodes[0])
        relative = not has_absolute(curve.plan.entries[entry][1])
        return _whole(nodes[0], view) or _sequence(nodes[0], view, relative) or _function(nodes[0], view, relative)
    # One scheduler for each group, if they differ only in what torch takes lists of; else one function for each.
    each = [_whole(node, View((base,), 0, view.limit)) for node, base in zip(nodes, view.bases, strict=True)]
    together = _together([e for e in each if e is not None]) if None not in each else None
    if together is not None:
        return together
    functions = [
        Factor(
            node, 0, view.limit, _base(base) if has_absolute(curve.plan.entries[curve.placed.index(node)][1]) else None
        )
        for node, base in zip(nodes, view.bases, strict=True)
    ]
    return native("LambdaLR", lr_lambda=functions)


def _whole(node: Placed, view: View) -> Native | None:
    """One scheduler for the whole run, where there is one."""
    inner = plain(node)
    if isinstance(inner, PlacedSequence):
        return held_first(inner.parts, view)
    return matched(inner, view)


def _sequence(node: Placed, view: View, relative: bool) -> Native | None:
    """SequentialLR, with functions for the parts that torch has no scheduler for."""
    inner = _open(plain(node), view)
    if not isinstance(inner, PlacedSequence):
        return None
    alone = _whole(inner, view)
    if alone is not None:
        return alone
    parts = [p for p in inner.parts if view.limit is None or p.begin <= view.limit]
    ends = [p.begin for p in parts[1:]]
    found: list[Native] = []
    for part, end in zip(parts, [*ends, None], strict=True):
        slot = view.slot(part.begin, end)
        one = matched(part, slot)
        found.append(one if one is not None and in_sequence(one) else _function(part, slot, relative))
    if len(found) == 1:
        return found[0]
    if all(one.name == "LambdaLR" for one in found):
        return None
    return native("SequentialLR", schedulers=found, milestones=ends)


def _open(node: Placed, view: View) -> Placed:
    """What lies inside a cut or a choice past the end that do not matter on this run."""
    match node:
        case PlacedCut(end=end, inner=inner) if end is None or view.until(end - view.begin):
            return _open(plain(inner), view)
        case PlacedPastEnd(inner=inner) if inner.end is None or view.until(inner.end - view.begin):
            return _open(plain(inner), view)
        case _:
            return node


def _function(node: Placed, view: View, relative: bool) -> Native:
    end = None if view.limit is None else view.begin + view.limit
    if relative:
        return native("LambdaLR", lr_lambda=Factor(node, view.begin, end, None))
    functions = [Factor(node, view.begin, end, _base(base)) for base in view.bases]
    same = all(base == view.bases[0] for base in view.bases)
    return native("LambdaLR", lr_lambda=functions[0] if same else functions)


def _base(base: float) -> float:
    if not base:
        raise ConversionError(
            f"a group's base is 0, and torch's LambdaLR multiplies it, so that no absolute rate is reached; {ADAPTER}"
        )
    return base


def _together(each: list[Native]) -> Native | None:
    """One scheduler with lists of what differs from group to group."""
    first = each[0]
    arguments: dict[str, Any] = {}
    if any(e.name != first.name or set(e.arguments) != set(first.arguments) for e in each):
        return None
    for key, value in first.arguments.items():
        values = [e.arguments[key] for e in each]
        if all(v == value for v in values):
            arguments[key] = value
        elif key in LISTS.get(first.name, ()):
            arguments[key] = values
        else:
            return None
    return native(first.name, **arguments)


def _on_plateau(nodes: list[Placed], view: View) -> Native:
    """ReduceLROnPlateau, which stands alone in torch."""
    rules: list[Plateau] = []
    for node in map(plain, nodes):
        alone = isinstance(node, PlacedProduct) and not node.factors and len(node.rules) == 1
        carrier = plain(node.carrier) if isinstance(node, PlacedProduct) else node
        if not alone or not isinstance(carrier, PlacedConstant) or not view.is_base(carrier.value):
            raise ConversionError(
                f"torch has ReduceLROnPlateau for a rule on a constant rate, and lets it stand in no sequence and no "
                f"product; {ADAPTER}"
            )
        rules.append(cast("PlacedProduct", node).rules[0].rule)
    first = rules[0]
    refused = [
        (not isinstance(first, Plateau), "stops no run"),
        (any(_but_minimum(r) != _but_minimum(first) for r in rules), "watches one metric for all groups"),
    ]
    if isinstance(first, Plateau):
        refused += [
            (first.significance is not None, "tests no trend"),
            (first.nan == "ignore", "takes a metric that is not a number for a bad one"),
            (first.patience.unit != "evaluations" or first.cooldown.unit != "evaluations", "counts evaluations alone"),
        ]
    for wrong, what in refused:
        if wrong:
            raise ConversionError(f"torch's ReduceLROnPlateau {what}, and {first} asks for more; {ADAPTER}")
    minima = [View((base,), 0, None).numbers(r.minimum)[0] for r, base in zip(rules, view.bases, strict=True)]
    return native(
        "ReduceLROnPlateau", mode=first.mode, factor=first.factor, patience=int(first.patience.amount),
        threshold=first.threshold, threshold_mode="abs" if first.threshold_mode == "abs" else "rel",
        cooldown=int(first.cooldown.amount), min_lr=both(minima), eps=first.least_change,
    )  # fmt: skip


def _but_minimum(rule: Any) -> dict[str, Any]:
    return {f.name: getattr(rule, f.name) for f in fields(rule) if f.name != "minimum"}


def _inside(node: Placed) -> Iterator[Placed]:
    """A node and those inside it, as far as they were built when it was placed."""
    yield node
    if not is_dataclass(node):
        return
    for field in fields(node):
        value = getattr(node, field.name)
        for part in cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,):
            if isinstance(part, Placed):
                yield from _inside(part)
