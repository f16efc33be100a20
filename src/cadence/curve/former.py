"""What a run was going to do before its schedule or its length was changed."""

from __future__ import annotations

from dataclasses import replace

from cadence.curve.curve import Curve
from cadence.curve.horizon import horizon
from cadence.curve.layout import Layout
from cadence.curve.place import as_plan
from cadence.spec.parse import parse


def former(curve: Curve) -> tuple[int, Curve] | None:
    """The last change of a curve's schedule or length, and the curve before it; None where there was none.

    Args:
        curve: with its journal.

    Returns:
        The first update that the change governs, and the curve that governed those before it: over the same groups,
        with the same bases.
    """
    last = max((i for i, e in enumerate(curve.journal) if e["kind"] == "change" and "was" in e), default=None)
    if last is None:
        return None
    entry = curve.journal[last]
    plan = as_plan(parse(entry["was"]["spec"]))
    told = entry["was"]["horizon"]
    run = replace(horizon(**{k: n for k, n in told.items() if k != "total"}), total=told["total"])
    layout = Layout(run)
    placed = tuple(layout.place(schedule) for _, schedule in plan.entries)
    # A value that only the former plan governs is not asked for here, and its base is not known any more.
    bases = {value: curve.bases.get(value, (None,) * len(curve.groups)) for value in plan.values()}
    before = Curve(plan, run, curve.groups, bases, curve.journal[:last], placed, tuple(layout.rules))
    return int(entry["t"]), before
