"""From a spec to a placed tree: lengths are summed, rounded, handed down; joints are tied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from cadence._errors import HorizonError, SpecError
from cadence.curve.combined import (
    PlacedClip,
    PlacedCut,
    PlacedPastEnd,
    PlacedProduct,
    PlacedRule,
    PlacedSequence,
    PlacedStaircase,
    PlacedSum,
)
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat, power_sum
from cadence.curve.horizon import Horizon, round_half_up
from cadence.curve.placed import (
    Joint,
    Placed,
    PlacedConstant,
    PlacedFormula,
    PlacedGeometric,
    PlacedInverse,
    PlacedPhase,
    PlacedPiecewise,
    PlacedSteps,
    boundary,
    ratio,
)
from cadence.spec.formula import read_formula
from cadence.spec.nodes import (
    Clip,
    Constant,
    Cut,
    EarlyStop,
    Formula,
    Geometric,
    Inverse,
    PastEnd,
    Phase,
    Piecewise,
    Plateau,
    Product,
    Repeat,
    Schedule,
    Sequence,
    Staircase,
    Steps,
    Stretch,
    Sum,
    two_unlengthed,
    walk,
)
from cadence.spec.shape import shape
from cadence.spec.span import LONGEST, Span
from cadence.spec.value import Absolute

Measure: TypeAlias = tuple[Fraction, Fraction]
"""A length as (updates, share of whatever contains it)."""

RULES = (Plateau, EarlyStop)

MOST_KEPT = 1000
"""Cycles that are kept for when they come again."""


@dataclass(frozen=True)
class Frame:
    """The clock a node lives on.

    Attributes:
        horizon: the run.
        container: what the `%` of a length is of, in updates; None where it is not known.
        whole: what the `%` of a position is of: all that this clock runs over, in updates; None where it is not known.
        scale: how many updates one tick of this clock takes (`stretch`, growing cycles).
        origin: the update at which this clock showed 0.
        limit: the update at which the run (or the cycle) is over; None where it is not known.
    """

    horizon: Horizon
    container: Fraction | None
    whole: Fraction | None
    scale: Fraction
    origin: int
    limit: Fraction | None

    def updates(self, length: Span, of: Schedule) -> Fraction:
        """A length in updates of the run."""
        return self._resolved(length, self.container, of)

    def position(self, where: Span, of: Schedule, origin: int) -> int:
        """A position as an update of the run, counted from `origin`."""
        return origin + round_half_up(self._resolved(where, self.whole, of))

    def _resolved(self, length: Span, container: Fraction | None, of: Schedule) -> Fraction:
        if length.unit != "%":
            return self.horizon.updates(length) * self.scale
        if container is None:
            raise HorizonError(
                f"'{length}' in {of} cannot be placed in a run of unknown length; give total=, e.g. total='90 epochs'"
            )
        return length.amount * container / 100


@dataclass(frozen=True)
class Extent:
    """Where a node lies: exact as summed, and rounded. `end` None: without end."""

    exact_begin: Fraction
    exact_end: Fraction | None
    begin: int
    end: int | None

    @property
    def room(self) -> Fraction | None:
        """Updates from beginning to end, not rounded."""
        return None if self.exact_end is None else self.exact_end - self.exact_begin


@dataclass(frozen=True)
class Neighbours:
    """The values that the phases before and after stand at, where there are such phases."""

    before: Joint | None = None
    after: Joint | None = None
    after_leans: bool = False


ALONE = Neighbours()


class Layout:
    """Places the schedules of one plan, and numbers the rules it meets."""

    def __init__(self, horizon: Horizon) -> None:
        self._horizon = horizon
        self.rules: list[PlacedRule] = []
        self._cycles: dict[tuple[int, Frame, int], Placed] = {}

    def place(self, node: Schedule) -> Placed:
        """The whole run given to one schedule."""
        total = self._horizon.total
        whole = None if total is None else Fraction(total)
        frame = Frame(self._horizon, whole, whole, Fraction(1), 0, whole)
        if isinstance(node, RULES):
            raise SpecError(f"a rule stands in a product: write constant() * {node}")
        _check_units(node)
        own = self._length(node, frame)
        exact_end = whole if own is None else own
        end = None if exact_end is None else max(round_half_up(exact_end), 1 if exact_end else 0)
        if end == 0:
            raise HorizonError(f"{node} has a length of 0; give it at least one update")
        return self._build(node, Extent(Fraction(0), exact_end, 0, end), frame, ALONE)

    # ---- lengths -------------------------------------------------------------------------------------------------

    def _length(self, node: Schedule, frame: Frame) -> Fraction | None:
        """How long a node is by itself, in updates; None: it takes what is left."""
        measure = self._measure(node, frame)
        if measure is None:
            return None
        fixed, share = measure
        if share and frame.container is None:
            raise HorizonError(f"a percentage in {node} cannot be placed in a run of unknown length; give total=")
        return _bounded(fixed + share * (frame.container or 0), node)

    def _measure(self, node: Schedule, frame: Frame) -> Measure | None:
        match node:
            case Sequence(parts):
                return self._sum_of_lengths(parts, frame)
            case Product(parts) | Sum(parts):
                return self._common_length(node, parts, frame)
            case Clip(inner=inner) | PastEnd(inner=inner) | Staircase(inner=inner):
                return self._measure(inner, frame)
            case Stretch(inner, factor):
                inside = self._inside(inner, _slower(frame, factor))
                return None if inside is None else (inside[0], inside[1] * Fraction(factor))
            case Repeat(inner, n, grow, _):
                one = self._inside(inner, frame)
                if one is None or n is None:
                    return None
                cycles = _cycles_sum(n, grow)
                return _bounded(one[0] * cycles, node), one[1] * cycles
            case Plateau() | EarlyStop():
                return None
            case Constant() | Phase() | Steps() | Geometric() | Inverse() | Piecewise() | Formula() | Cut():
                if node.length is None:
                    return None
                if node.length.unit == "%":
                    return Fraction(0), node.length.amount / 100
                return _bounded(frame.updates(node.length, node), node), Fraction(0)
            case _:
                raise AssertionError(node)

    def _sum_of_lengths(self, parts: tuple[Schedule, ...], frame: Frame) -> Measure | None:
        measures = [self._measure(p, frame) for p in parts]
        unlengthed = [p for p, m in zip(parts, measures, strict=True) if m is None]
        if len(unlengthed) > 1:
            raise SpecError(two_unlengthed(unlengthed[0], unlengthed[1]))
        known = [m for m in measures if m is not None]
        return (
            None if unlengthed else (sum((a for a, _ in known), Fraction(0)), sum((p for _, p in known), Fraction(0)))
        )

    def _fixed(self, node: Schedule, frame: Frame) -> Fraction:
        """Updates that the phases of a sequence take which have a length."""
        parts = node.parts if isinstance(node, Sequence) else ()
        return sum((x for p in parts if (x := self._length(p, frame)) is not None), Fraction(0))

    def _common_length(self, node: Schedule, parts: tuple[Schedule, ...], frame: Frame) -> Measure | None:
        measures = [(p, m) for p in parts if (m := self._measure(p, frame)) is not None]
        for part, (fixed, share) in measures[1:]:
            first, (a, p) = measures[0]
            gap = fixed - a + (share - p) * (frame.container or 0)
            if gap or (frame.container is None and share != p):
                sign = "*" if isinstance(node, Product) else "+"
                raise HorizonError(
                    f"the two sides of {sign} differ in length ({first} and {part}); give them one length, or leave it "
                    f"out of one of them"
                )
        return measures[0][1] if measures else None

    def _inside(self, inner: Schedule, frame: Frame) -> Measure | None:
        """Length of what stands in `stretch` or `repeat`, whose `%` are of itself: L = a + p L.

        Shares alone have no length to be of; unless they make up the whole of it, they are of what contains them.
        """
        measure = self._measure(inner, replace(frame, container=None))
        if measure is None:
            return None
        fixed, share = measure
        if not fixed:
            return None if share == 1 else measure
        if share >= 1:
            raise HorizonError(
                f"the shares in {inner} add up to {float(share) * 100:g}%, and there are fixed lengths besides; write "
                f"shares that leave room for those"
            )
        return _bounded(fixed / (1 - share), inner), Fraction(0)

    def _inside_container(self, inner: Schedule, frame: Frame, length: Fraction | None) -> Fraction | None:
        """What `%` is of inside `stretch` or `repeat` where the inside is placed with this length."""
        inside = self._inside(inner, frame)
        return length / inside[1] if length is not None and inside is not None and inside[1] else length

    # ---- placing -------------------------------------------------------------------------------------------------

    def _build(self, node: Schedule, where: Extent, frame: Frame, near: Neighbours) -> Placed:
        match node:
            case Sequence(parts):
                return self._sequence(node, parts, where, frame, near)
            case Product(parts):
                return self._product(node, parts, where, frame, near)
            case Sum(parts):
                built = [self._build(p, where, frame, near if i == 0 else ALONE) for i, p in enumerate(parts)]
                return PlacedSum(where.begin, where.end, tuple(built))
            case Clip(inner, lo, hi):
                return PlacedClip(where.begin, where.end, self._build(inner, where, frame, near), lo, hi)
            case PastEnd(inner, then):
                own = self._length(inner, frame)
                here = where if own is None else _extent(where.exact_begin, own, where.begin, where)
                return PlacedPastEnd(where.begin, where.end, self._build(inner, here, frame, near), then)
            case Cut(inner):
                # By itself: neither the run's end nor the phase that follows is its business.
                free = replace(frame, limit=None)
                own = self._length(inner, frame)
                here = where if own is None else _extent(where.exact_begin, own, where.begin, where)
                if own is None and where.room is not None and self._fixed(inner, frame) >= where.room:
                    # What takes the rest gets none inside the cut; by itself it would come behind it.
                    here = Extent(where.exact_begin, None, where.begin, None)
                built = self._build(inner, here, free, Neighbours(before=near.before))
                return PlacedCut(where.begin, where.end, built)
            case Staircase(inner, every):
                step = ratio(_positive(frame.updates(every, node), node), where.end)
                built = self._build(inner, where, frame, near)
                return PlacedStaircase(where.begin, where.end, built, step, frame.origin, not _goes_on(inner))
            case Stretch(inner, factor):
                slower = _slower(frame, factor)
                container = self._inside_container(inner, slower, where.room)
                return self._build(
                    inner, where, replace(slower, container=container, whole=container, origin=where.begin), near
                )
            case Repeat():
                return self._repeat(node, where, frame)
            case _:
                return self._leaf(node, where, frame, near)

    def _sequence(
        self, node: Sequence, parts: tuple[Schedule, ...], where: Extent, frame: Frame, near: Neighbours
    ) -> Placed:
        lengths = [self._length(p, frame) for p in parts]
        rest = self._rest(node, lengths, parts, where, frame)
        # 1. Phases of no length leave no trace, unless there is nothing else.
        sized = [(p, rest if x is None else x) for p, x in zip(parts, lengths, strict=True)]
        sized = [(p, x) for p, x in sized if x is None or x > 0] or sized[-1:]
        # 2. Boundaries are summed first, then rounded; what is longer than zero is at least one update.
        extents: list[Extent] = []
        at, begin = where.exact_begin, where.begin
        for part, length in sized:
            if frame.limit is not None and at >= frame.limit:
                raise HorizonError(_never(part, at, frame.limit))
            extent = Extent(at, None, begin, None) if length is None else _extent(at, length, begin, where)
            extents.append(extent)
            if length is not None and extent.end is not None:
                at, begin = at + length, extent.end
        extents = _fitted(extents, where)
        # 3. A phase may begin where the one before ended, or end where the next begins.
        built: list[Placed] = []
        for i, ((part, _), extent) in enumerate(zip(sized, extents, strict=True)):
            last = i == len(sized) - 1
            around = Neighbours(
                before=_last_of(built, i - 1) if i else near.before,
                after=near.after if last else _first_of(built, i + 1),
                after_leans=near.after_leans if last else _leans_back(sized[i + 1][0]),
            )
            built.append(self._build(part, extent, frame, around))
        return built[0] if len(built) == 1 else PlacedSequence(where.begin, built[-1].end, tuple(built))

    def _rest(
        self,
        node: Sequence,
        lengths: list[Fraction | None],
        parts: tuple[Schedule, ...],
        where: Extent,
        frame: Frame,
    ) -> Fraction | None:
        """What is left for the phase without a length; None: without end."""
        used = sum((x for x in lengths if x is not None), Fraction(0))
        if None not in lengths:
            return Fraction(0)
        if where.room is None:
            if lengths[-1] is not None:
                taker = parts[lengths.index(None)]
                raise HorizonError(
                    f"how long {taker} takes depends on the length of the run; give total=, e.g. total='90 epochs'"
                )
            return None
        if frame.limit is None and lengths[-1] is None:
            # Inside a cut nothing has to fit, however deep it stands: what takes the rest may begin behind it, and what
            # begins just where it ends has its first value there.
            return max(where.room - used, Fraction(1))
        if used > where.room:
            longest = max(
                (p for p, x in zip(parts, lengths, strict=True) if x is not None),
                key=lambda p: lengths[parts.index(p)] or 0,
            )
            raise HorizonError(_too_long(longest, lengths[parts.index(longest)] or Fraction(0), used, where.room))
        return where.room - used

    def _product(
        self, node: Product, parts: tuple[Schedule, ...], where: Extent, frame: Frame, near: Neighbours
    ) -> Placed:
        self._common_length(node, parts, frame)
        rules: list[PlacedRule] = []
        rest: list[Schedule] = []
        for part in parts:
            if isinstance(part, RULES):
                rules.append(self._numbered(part, where))
            else:
                rest.append(part)
        if not rest:
            raise SpecError(f"{node} has rules but nothing they act on; write constant() * {node}")
        first = next((i for i, p in enumerate(rest) if _has_absolute(p)), 0)
        carrier, factors = rest[first], rest[:first] + rest[first + 1 :]
        built = self._build(carrier, where, frame, near)
        return PlacedProduct(
            where.begin, where.end, built, tuple(self._build(f, where, frame, ALONE) for f in factors), tuple(rules)
        )

    def _numbered(self, rule: Plateau | EarlyStop, where: Extent) -> PlacedRule:
        for known in self.rules:
            if known.rule == rule and (known.begin, known.end) == (where.begin, where.end):
                return known
        if isinstance(rule, EarlyStop) and rule.cooldown is not None:
            # What the run cannot resolve is said now, not when the rule decides.
            self._horizon.updates(rule.cooldown)
        self.rules.append(PlacedRule(len(self.rules), rule, where.begin, where.end))
        return self.rules[-1]

    def _repeat(self, node: Repeat, where: Extent, frame: Frame) -> Placed:
        one = self._cycle_length(node, where, frame)

        def make(k: int, length: int) -> Placed:
            grown = Fraction(node.grow**k)
            exact, clock = one * grown, replace(frame, scale=frame.scale * grown, origin=0)
            container = self._inside_container(node.inner, clock, exact)
            inside = replace(clock, container=container, whole=exact, limit=exact)
            # Cycles of one length are the same wherever they stand: those of nested repeats are built once.
            key = (id(node), inside, length)
            if key not in self._cycles:
                if len(self._cycles) > MOST_KEPT:
                    self._cycles.clear()
                self._cycles[key] = self._build(node.inner, Extent(Fraction(0), exact, 0, length), inside, ALONE)
            return self._cycles[key]

        # The first is made at once, so that what is wrong inside is said before the run starts.
        if node.grow == 1:
            period = ratio(one, where.end)
            length = boundary(1, *period)
            return PlacedRepeat(where.begin, where.end, node.n, period, node.decay, make, {length: make(0, length)})
        made = {0: make(0, max(round_half_up(one), 1))}
        return PlacedGrowing(where.begin, where.end, node.n, float(one), node.grow, node.decay, make, [0], made)

    def _cycle_length(self, node: Repeat, where: Extent, frame: Frame) -> Fraction:
        """Length of the first cycle in updates, at least one."""
        inside = self._inside(node.inner, frame)
        if inside is not None:
            if inside[1] and frame.container is None:
                raise HorizonError(f"a percentage in {node} cannot be placed in a run of unknown length; give total=")
            one = inside[0] + inside[1] * (frame.container or 0)
        elif node.n is None:
            raise SpecError(
                f"{node} repeats a schedule without a length; give it one, e.g. cosine('10 epochs').repeat()"
            )
        elif where.room is None:
            raise HorizonError(
                f"how long a cycle of {node} is depends on the length of the run; give total=, e.g. total='90 epochs'"
            )
        else:
            one = where.room / _cycles_sum(node.n, node.grow)
        if one <= 0:
            raise SpecError(f"{node} repeats a schedule of no length; give it at least one update")
        return max(one, Fraction(1))

    def _leaf(self, node: Schedule, where: Extent, frame: Frame, near: Neighbours) -> Placed:
        begin, end = where.begin, where.end
        match node:
            case Constant(start=start):
                return PlacedConstant(begin, end, start)
            case Phase():
                if (
                    node.to is None
                    and frame.limit is not None
                    and where.exact_end is not None
                    and where.exact_end > frame.limit
                ):
                    raise HorizonError(
                        _too_long(node, where.exact_end - where.exact_begin, where.exact_end, frame.limit)
                    )
                return self._phase(node, begin, end, near)
            case Steps(at=at, every=every, gamma=gamma, start=start, local=local):
                origin = begin if local else frame.origin
                places = None if at is None else tuple(sorted(frame.position(x, node, origin) for x in at))
                period = None if every is None else ratio(_positive(frame.updates(every, node), node), end)
                return PlacedSteps(begin, end, places, period, origin, gamma, start)
            case Geometric(gamma=gamma, every=every, start=start):
                stretch = ratio(_positive(frame.updates(every, node), node), end)
                return PlacedGeometric(begin, end, gamma, stretch, start)
            case Inverse(timescale=timescale, power=power, start=start):
                return PlacedInverse(begin, end, float(_positive(frame.updates(timescale, node), node)), power, start)
            case Piecewise(points=points, shape=along, local=local):
                return _piecewise(node, points, along, begin if local else frame.origin, begin, end, frame)
            case Formula(text=text, local=local):
                return _formula(node, text, begin if local else frame.origin, begin, end, frame)
            case Plateau() | EarlyStop():
                raise SpecError(f"a rule stands in a product: write constant() * {node}")
            case _:
                raise AssertionError(node)

    def _phase(self, node: Phase, begin: int, end: int | None, near: Neighbours) -> Placed:
        if end is None:
            raise HorizonError(
                f"{node} needs to know when it ends; give it a length, or give total=, e.g. total='90 epochs'"
            )
        start, to, kind = node.start, node.to, "phase"
        if to is None:
            # A phase that itself goes on from here cannot tell where to go: both then meet at the base.
            to, kind = 1.0 if near.after is None or near.after_leans else near.after, "warmup"
        elif start is None:
            start, kind = 1.0 if near.before is None else near.before, "decay"
        along = shape[node.shape]
        parameters = {**along.parameters, **dict(node.parameters)}
        assert start is not None
        return PlacedPhase(begin, end, along, parameters, start, to, node.ends == "closed", kind)


# ---- small parts ---------------------------------------------------------------------------------------------------


def _extent(exact_begin: Fraction, length: Fraction, begin: int, container: Extent) -> Extent:
    exact_end = exact_begin + length
    # Where the container ends is rounded already (cycles of 12.5 updates have 12 or 13), and binds what fills it.
    rounded = (
        container.end if exact_end == container.exact_end and container.end is not None else round_half_up(exact_end)
    )
    return Extent(exact_begin, exact_end, begin, max(rounded, begin + (length > 0)))


def _fitted(extents: list[Extent], container: Extent) -> list[Extent]:
    """Phases that fill their container, kept inside it.

    A phase of less than an update was given a whole one; where that moved the last beyond the end, and there are
    updates for all of them, those before it make room.
    """
    end = container.end
    if end is None or extents[-1].exact_end != container.exact_end or extents[-1].end == end:
        return extents
    if len(extents) > end - container.begin:
        return extents
    fitted: list[Extent] = []
    for extent in reversed(extents):
        begin = min(extent.begin, end - 1)
        fitted.insert(0, replace(extent, begin=begin, end=end))
        end = begin
    return fitted


def _last_of(built: list[Placed], i: int) -> Joint:
    return lambda scene: built[i].last(scene)


def _first_of(built: list[Placed], i: int) -> Joint:
    # `built` is still growing; it is complete long before anyone asks for a value.
    return lambda scene: built[i].first(scene)


def _leans_back(node: Schedule) -> bool:
    """Whether a node's first value is where the one before ended."""
    match node:
        case Phase(start=start):
            return start is None
        case Sequence(parts) | Sum(parts):
            return _leans_back(parts[0])
        case Product(parts):
            rest = [p for p in parts if not isinstance(p, RULES)]
            return bool(rest) and _leans_back(next((p for p in rest if _has_absolute(p)), rest[0]))
        case (
            Clip(inner=inner) | PastEnd(inner=inner) | Staircase(inner=inner) | Stretch(inner=inner) | Cut(inner=inner)
        ):
            return _leans_back(inner)
        case _:
            return False


def _goes_on(node: Schedule) -> bool:
    """Whether a node was told to go on past its end."""
    return any(isinstance(inner, PastEnd) and inner.then in ("repeat", "mirror") for inner in walk(node))


def _has_absolute(node: Schedule) -> bool:
    for inner in walk(node):
        match inner:
            case Phase(start=a, to=b) | Clip(lo=a, hi=b):
                if isinstance(a, Absolute) or isinstance(b, Absolute):
                    return True
            case Constant(start=a) | Steps(start=a) | Geometric(start=a) | Inverse(start=a):
                if isinstance(a, Absolute):
                    return True
            case Piecewise(points=points):
                if any(isinstance(v, Absolute) for _, v in points):
                    return True
            case Plateau(minimum=a, least_change=least):
                if isinstance(a, Absolute) or least:
                    return True
            case _:
                pass
    return False


has_absolute: Callable[[Schedule], bool] = _has_absolute
"""Whether a schedule says anything that is not a multiple of the base."""


def _check_units(node: Schedule) -> None:
    """A product of two values with a unit is no value of that unit."""
    for inner in walk(node):
        if isinstance(inner, Product):
            owners = [p for p in inner.parts if not isinstance(p, RULES) and _has_absolute(p)]
            if len(owners) > 1:
                raise SpecError(
                    f"{owners[0]} and {owners[1]} are both absolute, and their product is no learning rate; make one "
                    f"of them relative"
                )


def _never(part: Schedule, begins: Fraction, limit: Fraction) -> str:
    return (
        f"{part} would begin at update {_number(begins)} of a run of {_number(limit)} updates; shorten what comes "
        f"before it, or make the run longer"
    )


def _too_long(longest: Schedule, length: Fraction, used: Fraction, room: Fraction) -> str:
    what = "a warmup" if isinstance(longest, Phase) and longest.to is None else f"{longest}, a phase"
    if length > room:
        return (
            f"{what} of {_number(length)} updates does not fit in a run of {_number(room)} updates; shorten it, or "
            f"write it as a share of the run, e.g. '3%'"
        )
    return (
        f"the phases take {_number(used)} updates and the run has {_number(room)}; shorten one of them (the longest is "
        f"{longest} with {_number(length)})"
    )


def _number(x: Fraction) -> str:
    if x > 10 * LONGEST:
        return "far more than 1e15"
    return str(x.numerator) if x.denominator == 1 else f"{float(x):.6g}"


def _bounded(length: Fraction, node: Schedule) -> Fraction:
    if length > LONGEST:
        raise HorizonError(f"{node} is longer than any run: {_number(length)} updates; the most is 1e15")
    return length


def _positive(length: Fraction, node: Schedule) -> Fraction:
    if length <= 0:
        raise HorizonError(f"{node} has a step of 0 updates in this run; write a longer one")
    return _bounded(length, node)


def _slower(frame: Frame, factor: float) -> Frame:
    return replace(frame, scale=frame.scale * Fraction(factor))


def _cycles_sum(n: int, grow: float) -> Fraction:
    """Length of n cycles in lengths of the first."""
    total = power_sum(grow, n)
    if total > LONGEST:
        raise HorizonError(f"{n} cycles that each grow {grow:g} times are longer than any run; write fewer")
    return Fraction(total)


def _piecewise(
    node: Schedule,
    points: tuple[tuple[Span, float | Absolute], ...],
    along: str,
    origin: int,
    begin: int,
    end: int | None,
    frame: Frame,
) -> Placed:
    positions = tuple(frame.position(p, node, origin) for p, _ in points)
    for (a, _), (b, _), x, y in zip(points, points[1:], positions, positions[1:], strict=False):
        if y < x or (y == x and a != b):
            raise HorizonError(
                f"the points {a!r} and {b!r} of piecewise fall on updates {x} and {y} of this run; they must rise"
            )
    return PlacedPiecewise(
        begin, end, positions, tuple(v for _, v in points), None if along == "hold" else shape[along]
    )


def _formula(node: Schedule, text: str, origin: int, begin: int, end: int | None, frame: Frame) -> Placed:
    expression = read_formula(text)
    per_epoch = frame.horizon.steps_per_epoch
    if per_epoch is None and expression.names & {"epoch", "epoch_float"}:
        raise HorizonError(
            f"{node} speaks of epochs, and steps_per_epoch is not known; write steps_per_epoch=len(loader)"
        )
    if end is None and "u" in expression.names:
        raise HorizonError(
            f"{node} uses u, its share done, and needs to know when it ends; give it a length, or give total="
        )
    if frame.whole is None and "total" in expression.names:
        raise HorizonError(
            f"{node} uses total, and the length of the run is not known; give total=, e.g. total='90 epochs'"
        )
    total = None if frame.whole is None else float(frame.whole / frame.scale)
    return PlacedFormula(begin, end, expression, text, origin, frame.scale, per_epoch, total)
