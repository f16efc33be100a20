"""Schedulers of paddle that go round: restarts, triangles, one cycle, and what goes on past its end."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from cadence.conversion.frameworks.paddle.objects.equal.part import Part, call, near, refuse, tidy
from cadence.conversion.native import Native
from cadence.curve.combined import PlacedPastEnd, PlacedProduct, PlacedSequence
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat
from cadence.curve.placed import Placed, PlacedGeometric, PlacedPhase


def repeated(part: Part, node: PlacedRepeat | PlacedGrowing) -> Native:
    """Falling cosines, or triangles, again and again."""
    if isinstance(node, PlacedRepeat):
        (length, q), grow, inner = node.period, 1.0, next(iter(node.made.values()))
        end = None if node.n is None else node.begin + length * node.n
    else:
        length, q, grow = round(node.first_length), 1 if node.first_length.is_integer() else 2, node.grow
        inner, end = node.make(0, length), None if node.n is None else node.end
    if q != 1 or length != inner.end:
        refuse("cycles of a broken number of steps", "its cycles are whole; choose a length that is")
    if (end is not None and not part.over(end)) or not part.lasts(node):
        refuse("cycles that come to an end", "its own go on for ever; end the run there")
    wave = _cosine(inner)
    if wave is not None:
        return _restarts(part, wave, length, grow, node.decay)
    sizes = _triangle(part, node) if isinstance(node, PlacedRepeat) and node.decay == 1 else None
    if sizes is None:
        refuse("these cycles", "it repeats falling cosines, and triangles between two rates")
    up, down, low, high = sizes
    return call("CyclicLR", base_learning_rate=low, max_learning_rate=high, step_size_up=up, step_size_down=down)


def past_end(part: Part, node: PlacedPastEnd) -> Native | None:
    """A cosine that goes on past its end; None where nothing goes on, or not in the run."""
    end = node.inner.end
    if node.then in ("hold", "raise") or end is None or part.over(end):
        return None
    wave = _cosine(node.inner)
    if wave is None:
        refuse(f"past_end({node.then!r}) of this", "only its cosines go on that way")
    if node.then == "repeat":
        return _restarts(part, wave, end - wave.begin, 1.0, 1.0)
    start, to = part.number(wave.start), part.number(wave.to)
    return call("CosineAnnealingDecay", learning_rate=start, T_max=end - wave.begin, eta_min=to)


def rising(part: Part, node: Placed, floor: float) -> Native | None:
    """Triangles that stand on a floor, lower from one to the next; None where it is something else."""
    gamma, cycles, scale = 1.0, node, part.scale
    if isinstance(node, PlacedProduct) and not node.rules and len(node.factors) == 1:
        cycles, shrink = node.carrier, node.factors[0]
        if not isinstance(shrink, PlacedGeometric):
            return None
        gamma = shrink.gamma ** (shrink.every[1] / shrink.every[0])
        scale *= part.scene.unit.resolve(shrink.start)
    if not isinstance(cycles, PlacedRepeat) or cycles.n is not None or not part.lasts(cycles):
        return None
    sizes = _triangle(replace(part, scale=scale), cycles)
    if sizes is None or sizes[2] != 0 or cycles.decay not in (1.0, 0.5) or (cycles.decay != 1 and gamma != 1):
        return None
    up, down, _, height = sizes
    mode: dict[str, Any] = {"mode": "triangular2"} if cycles.decay == 0.5 else {"mode": "exp_range", "exp_gamma": gamma}
    return call(
        "CyclicLR", base_learning_rate=floor, max_learning_rate=tidy(floor + height), step_size_up=up,
        step_size_down=down, **({} if cycles.decay == gamma == 1 else mode),
    )  # fmt: skip


def one_cycle(part: Part, nodes: tuple[Placed, ...]) -> Native | None:
    """One cycle of two phases along a cosine, or of three phases that belong together; None where it is none."""
    last = nodes[-1]
    if isinstance(last, PlacedPastEnd) and last.then in ("hold", "mirror"):
        # Its end is the run's, or the step before it, after which paddle's goes back like a mirror.
        nodes = (*nodes[:-1], last.inner)
    phases = [node for node in nodes if isinstance(node, PlacedPhase)]
    shapes = {node.shape.name for node in phases}
    if len(phases) != len(nodes) or len(nodes) not in (2, 3) or len(shapes) > 1:
        return None
    shape, three = shapes.pop(), len(nodes) == 3
    if shape not in (("cosine", "linear") if three else ("cosine",)):
        return None
    starts, ends = [part.number(p.start) for p in phases], [part.number(p.to) for p in phases]
    sizes = [p.end - p.begin - (p.closed and p is phases[-1]) for p in phases]
    if any(p.closed for p in phases[:-1]) or not all(map(near, ends, starts[1:])):
        return None
    n = sum(sizes) + 1
    if not ends[0] > starts[0] or not part.over(part.begin + n):
        return None
    # Its first two phases are equal, and phase_pct is below one half.
    if three and (sizes[0] != sizes[1] or sizes[2] < 2 or not near(ends[1], starts[0])):
        return None
    return call(
        "OneCycleLR", max_learning_rate=ends[0], total_steps=n,
        divide_factor=tidy(ends[0] / starts[0]) if starts[0] else math.inf, end_learning_rate=ends[-1],
        phase_pct=(sizes[0] + 1) / n, anneal_strategy="cos" if shape == "cosine" else "linear", three_phase=three,
    )  # fmt: skip


def _cosine(node: Placed) -> PlacedPhase | None:
    if isinstance(node, PlacedPhase) and node.shape.name == "cosine" and not node.closed:
        return node
    return None


def _restarts(part: Part, inner: PlacedPhase, length: int, grow: float, decay: float) -> Native:
    if grow != int(grow) or decay != 1:
        refuse(
            "restarts that grow by a broken factor or fall",
            "its CosineAnnealingWarmRestarts has a whole T_mult, and every cycle begins at the same rate",
        )
    start, to = part.number(inner.start), part.number(inner.to)
    return call("CosineAnnealingWarmRestarts", learning_rate=start, T_0=length, T_mult=int(grow), eta_min=to)


def _triangle(part: Part, node: PlacedRepeat) -> tuple[int, int, float, float] | None:
    """Steps up, steps down, low and high of a cycle of two lines; None where it is none."""
    inner = next(iter(node.made.values()))
    if node.period[1] != 1 or not isinstance(inner, PlacedSequence) or len(inner.parts) != 2:
        return None
    rise, fall = inner.parts
    if not isinstance(rise, PlacedPhase) or not isinstance(fall, PlacedPhase):
        return None
    lines = rise.shape.name == fall.shape.name == "linear" and not (rise.closed or fall.closed)
    low, high = part.number(rise.start), part.number(rise.to)
    if not lines or not near(part.number(fall.start), high) or not near(part.number(fall.to), low):
        return None
    return rise.end - rise.begin, fall.end - fall.begin, low, high
