"""Phases: warmup, decay, constant, and those whose curve is not a shape between two values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cadence._errors import SpecError
from cadence.spec.catalogue import constructor
from cadence.spec.constructors.shaped import phase
from cadence.spec.formula import read_formula
from cadence.spec.nodes import Constant, Formula, Geometric, Inverse, Phase, Piecewise, Schedule, Steps
from cadence.spec.shape import shape as shapes
from cadence.spec.shown import shown
from cadence.spec.span import Span, SpanLike, span
from cadence.spec.value import Absolute, Value, number_of, value_of


@constructor(
    formula="start",
    source="Robbins & Monro 1951 (why it does not converge to a point with noise, and so wants a decay behind it)",
    when="Short pilots; the stable part between warmup and cooldown; the ground for a plateau rule.",
    avoid="To the end of a run that is judged by its last loss: a decay at the end is nearly always better.",
    example="warmup('5%') >> constant()",
)
def constant(length: SpanLike | None = None, *, start: Value = 1.0) -> Schedule:
    """One value.

    Args:
        length: how long; None: what is left.
        start: the value, a multiple of the base or `absolute`.

    Example:
        >>> from cadence import place
        >>> place(constant(start=0.5), base=0.1).at(7)
        0.05
    """
    return Constant(_length(length, "constant"), value_of(start, "start of constant"))


@constructor(
    formula="start + (first value of the next phase - start) (1 - w)",
    source="Goyal et al. 2017, arXiv:1706.02677, section 2.2",
    when="Nearly always: large batches, Adam-like methods, transformers; 1 to 10 % of the run.",
    avoid="Fine-tuning a few hundred updates at a small rate, where it only costs updates.",
    example="warmup('5%') >> cosine(to=0.01)",
)
def warmup(
    length: SpanLike | None = None,
    *,
    start: Value = 0.01,
    shape: str = "linear",
    ends: str = "open",
    **parameters: object,
) -> Schedule:
    """Rises to where the next phase starts; to the base where nothing follows.

    Args:
        length: how long; a bare int is updates.
        start: value of the first update; 0 would make it a void one.
        shape: registered name, e.g. ``"cosine"``.
        ends: ``"open"`` or ``"closed"``, see `linear`.
        parameters: the shape's own.

    Raises:
        SpecError: a value out of its range.
        UnknownNameError: an unknown shape or parameter.

    Example:
        >>> from cadence import cosine, place
        >>> curve = place(warmup("5%") >> cosine(to=0.01), total=1000, base=1.0)
        >>> curve.at(0), curve.at(49), curve.at(50), curve.at(1000)
        (0.01, 0.9802, 1.0, 0.01)
    """
    begin = value_of(start, "start of warmup")
    return phase(shape, _length(length, "warmup"), start=begin, to=None, ends=ends, parameters=parameters)


@constructor(
    formula="to + (last value of the phase before - to) w",
    source="Hu et al. 2024, arXiv:2404.06395 (warmup-stable-decay); Haegele et al. 2024, arXiv:2405.18392",
    when="The cooldown of a run whose length was left open: 10 to 20 % of it.",
    avoid="Shorter than a few hundred updates of a large model: the gain needs time.",
    example="warmup('2%') >> constant() >> decay('20%', shape='1-sqrt')",
)
def decay(
    length: SpanLike | None = None,
    *,
    to: Value = 0.0,
    shape: str = "linear",
    ends: str = "open",
    **parameters: object,
) -> Schedule:
    """Goes on from where the phase before ended, down to `to`.

    Args:
        length: how long; None: what is left.
        to: end value, a multiple of the base (not of where it starts) or `absolute`.
        shape: registered name, e.g. ``"1-sqrt"``.
        ends: ``"open"`` or ``"closed"``, see `linear`.
        parameters: the shape's own.

    Example:
        >>> from cadence import place
        >>> curve = place(constant(start=0.5) >> decay("20%"), total=10, base=1.0)
        >>> [curve.at(t) for t in (7, 8, 9, 10)]
        [0.5, 0.5, 0.25, 0.0]
    """
    finish = value_of(to, "to of decay")
    return phase(shape, _length(length, "decay"), start=None, to=finish, ends=ends, parameters=parameters)


@constructor(
    formula="to + (start - to) w, w of any shape",
    source="as the shape's",
    when="A shape whose name is no Python name ('1-sqrt') with a start of its own; a rise to a given value.",
    avoid="Where `cosine(...)`, `linear(...)`, `warmup(...)` or `decay(...)` say it shorter.",
    example="warmup('5%') >> ramp(shape='1-sqrt', to=0.01)",
)
def ramp(
    length: SpanLike | None = None,
    *,
    shape: str,
    to: Value = 0.0,
    start: Value = 1.0,
    ends: str = "open",
    **parameters: object,
) -> Schedule:
    """From `start` to `to` along any shape.

    Args:
        length: how long; None: what is left.
        shape: registered name.
        to: end value.
        start: value at the beginning.
        ends: ``"open"`` or ``"closed"``, see `linear`.
        parameters: the shape's own.

    Example:
        >>> ramp(100, shape="1-sqrt", to=0.1)
        ramp(100, shape='1-sqrt', to=0.1)
    """
    begin, finish = value_of(start, "start of ramp"), value_of(to, "to of ramp")
    return phase(shape, _length(length, "ramp"), start=begin, to=finish, ends=ends, parameters=parameters)


@constructor(
    formula="start * gamma ** (number of positions passed)",
    source="He et al. 2016, arXiv:1512.03385, section 3.4",
    when="Classification and detection with SGD, where the milestones are known from a validation curve.",
    avoid="When nobody has looked at such a curve: cosine needs no milestones.",
    example="warmup('5%') >> steps(at=['50%', '75%'], gamma=0.1)",
)
def steps(
    length: SpanLike | None = None,
    *,
    at: Sequence[SpanLike] | None = None,
    every: SpanLike | None = None,
    gamma: float = 0.1,
    start: Value = 1.0,
    local: bool = False,
) -> Schedule:
    """Multiplied by `gamma` at given positions, or every so often.

    Args:
        length: how long the phase is; None: what is left.
        at: positions on the run's clock (inside `repeat` on the cycle's), in any order; one that stands twice counts
            twice.
        every: instead of `at`: a position after each stretch of this length.
        gamma: factor, at least 0.
        start: value before the first position.
        local: count from the beginning of the phase instead.

    Raises:
        SpecError: neither or both of `at` and `every`, or a value out of its range.

    Example:
        >>> from cadence import place
        >>> curve = place(steps(at=["2 epochs", "3 epochs"]), total="4 epochs", steps_per_epoch=10, base=1.0)
        >>> curve.at(19), curve.at(20), curve.at(30)
        (1.0, 0.1, 0.010000000000000002)
    """
    if (at is None) == (every is None):
        raise SpecError("steps needs its positions: write at=['30 epochs', '60 epochs'], or every='30 epochs'")
    if at is not None and (isinstance(at, str) or not isinstance(at, Iterable)):
        raise SpecError(f"at of steps is a list of positions; write at=[{shown(at)}]")
    where = None if at is None else tuple(span(x, "a position of steps") for x in at)
    if every is not None and not span(every, "every of steps").amount:
        raise SpecError("every of steps is 0; write a length above 0")
    return Steps(
        _length(length, "steps"), where, None if every is None else span(every, "every of steps"),
        number_of(gamma, "gamma of steps"), value_of(start, "start of steps"), _choice(local, "local of steps"),
    )  # fmt: skip


@constructor(
    formula="start * gamma ** (updates done / every);  or start ** v * to ** u",
    source="Li & Arora 2020, arXiv:1910.07454",
    when="When the rhythm is known: a half-life, or the ratio between first and last rate.",
    avoid="With a gamma taken from elsewhere: 0.95 and 0.9 an epoch end 200 times apart after 100 epochs.",
    example="exponential(to=0.01)",
)
def exponential(
    length: SpanLike | None = None,
    *,
    to: Value | None = None,
    gamma: float | None = None,
    half_life: SpanLike | None = None,
    every: SpanLike | None = None,
    start: Value = 1.0,
    ends: str = "open",
) -> Schedule:
    """A constant ratio, given by where it ends, by a factor, or by a half-life.

    Args:
        length: how long; None: what is left.
        to: end value, above 0.
        gamma: factor over each stretch of `every`, at least 0.
        half_life: time in which the value halves.
        every: with `gamma`: the stretch it belongs to, 1 update where it is left out. The value changes smoothly; for
            torch's ExponentialLR, stepped per epoch, add ``.staircase("1 epoch")``.
        start: value at the beginning.
        ends: with `to`: ``"open"`` or ``"closed"``, see `linear`.

    Raises:
        SpecError: not exactly one of `to`, `gamma`, `half_life`, or a value out of its range.

    Example:
        >>> from cadence import place
        >>> curve = place(exponential(gamma=0.99, every="1 epoch"), total=1000, steps_per_epoch=10, base=0.1)
        >>> round(curve.at(1000), 12)
        0.036603234127
        >>> place(exponential(half_life=10), total=100, base=1.0).at(30)
        0.125
    """
    if sum(x is not None for x in (to, gamma, half_life)) != 1:
        raise SpecError(
            "exponential takes exactly one of to (where it ends), gamma (factor) and half_life; write e.g. "
            "exponential(to=0.01) or exponential(gamma=0.95, every='1 epoch')"
        )
    if to is not None:
        if every is not None:
            raise SpecError("exponential with to= has no use for every=; leave it out, or write gamma= instead of to=")
        begin = value_of(start, "start of exponential")
        return phase("exponential", length, start=begin, to=to, ends=ends, parameters={})
    if ends != "open":
        raise SpecError(
            f"exponential by gamma or half_life has no end value, so ends={ends!r} says nothing; leave it out"
        )
    if half_life is not None:
        if every is not None:
            raise SpecError("exponential with half_life= has no use for every=; leave it out")
        gamma, every = 0.5, half_life
    stretch = span(1 if every is None else every, "every of exponential")
    if not stretch.amount:
        raise SpecError("every (or half_life) of exponential is 0; write a length above 0")
    factor = number_of(gamma, "gamma of exponential")
    return Geometric(_length(length, "exponential"), factor, stretch, value_of(start, "start of exponential"))


@constructor(
    formula="start * (1 + n / timescale) ** -power,  n updates into the phase",
    source="Vaswani et al. 2017, arXiv:1706.03762, section 5.3 (power 1/2); Zhai et al. 2022, arXiv:2106.04560",
    when="Runs of unknown length: transformers (power 1/2), classical stochastic approximation (power 1).",
    avoid="When the length is known: a decay to zero ends lower.",
    example="warmup('5%') >> inverse(timescale='5%')",
)
def inverse(length: SpanLike | None = None, *, timescale: SpanLike, power: float = 0.5, start: Value = 1.0) -> Schedule:
    """An inverse power of time.

    Args:
        length: how long; None: what is left.
        timescale: time after which the value has fallen by 2 ** power; above 0. After ``warmup(w)``, `w` gives the
            schedule of the transformer paper.
        power: at least 0.
        start: value at the beginning.

    Example:
        >>> from cadence import place
        >>> place(inverse(timescale=100), base=1.0).at(300)
        0.5
    """
    scale = span(timescale, "timescale of inverse")
    if not scale.amount:
        raise SpecError("timescale of inverse is 0; write a length above 0")
    return Inverse(
        _length(length, "inverse"), scale, number_of(power, "power of inverse"), value_of(start, "start of inverse")
    )


@constructor(
    formula="values[k] from position k on;  with shape: to + (start - to) w between them",
    source="Keras PiecewiseConstantDecay, Ignite PiecewiseLinear (what it generalises)",
    when="A curve given by its waypoints, or taken over from another training.",
    avoid="Where a name says it better: the reader has to draw the points to see the curve.",
    example="piecewise([(0, 1), ('30%', 0.3), ('80%', 0.01)])",
    family="custom",
)
def piecewise(
    points: Sequence[tuple[SpanLike, Value]] | Mapping[SpanLike, Value],
    length: SpanLike | None = None,
    *,
    shape: str = "hold",
    local: bool = False,
) -> Schedule:
    """Through given values at given positions.

    Args:
        points: (position, value) pairs with rising positions; before the first its value holds, after the last too.
        length: how long; None: what is left.
        shape: ``"hold"``: each value from its position on; else the registered shape that joins one point to the next.
        local: positions count from the beginning of the phase instead of the run.

    Raises:
        SpecError: no points.

    Example:
        >>> from cadence import place
        >>> curve = place(piecewise([(0, 0.1), (10, 1), (30, 0)], shape="linear"), total=30, base=1.0)
        >>> curve.at(5), curve.at(20)
        (0.55, 0.5)
    """
    if isinstance(points, str) or not isinstance(points, Iterable):
        raise SpecError(
            f"piecewise takes (position, value) pairs, e.g. [(0, 1), ('30 epochs', 0.1)], not {shown(points)}"
        )
    pairs = list(points.items()) if isinstance(points, Mapping) else list(points)
    if not pairs:
        raise SpecError("piecewise has no points; write e.g. piecewise([(0, 1), ('30 epochs', 0.1)])")
    read: list[tuple[Span, Value]] = []
    for pair in pairs:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise SpecError(f"a point of piecewise is a pair (position, value), not {shown(pair)}")
        read.append((span(pair[0], "a position of piecewise"), value_of(pair[1], "a value of piecewise")))
    if shape != "hold":
        phase(shape, None, start=1.0, to=0.5, ends="open", parameters={})
        if shapes[shape].mixes == "geometric" and any(
            (v.number if isinstance(v, Absolute) else v) == 0 for _, v in read
        ):
            raise SpecError(f"piecewise along {shape!r} never reaches 0; write a value above 0")
    return Piecewise(_length(length, "piecewise"), tuple(read), shape, _choice(local, "local of piecewise"))


@constructor(
    formula="the formula itself",
    source="your own",
    when="A curve that the other nodes cannot say.",
    avoid="Where they can: a formula has no names, no lengths and no checked joints.",
    example="formula('where(u < 0.5, 1, 0.01 + 0.99 * (1 + cos(2 * pi * (u - 0.5))) / 2)')",
    family="custom",
)
def formula(text: str, length: SpanLike | None = None, *, local: bool = False) -> Schedule:
    """Any expression in time, as text.

    Args:
        text: names t (updates), epoch (whole), epoch_float, u (share of the phase), total, pi; functions min, max,
            sqrt, exp, log, sin, cos, where; numbers, comparisons, ``a if condition else b``.
        length: how long; None: what is left.
        local: t and epoch count from the beginning of the phase instead of the run.

    Raises:
        SpecError: anything else in the text.

    Example:
        >>> from cadence import place
        >>> text = "1 if epoch < 50 else max(0.1, 1 - (epoch - 50) * 0.018)"
        >>> curve = place(formula(text), total="120 epochs", steps_per_epoch=4, base=0.1)
        >>> round(curve.at(75 * 4), 12), curve.at(119 * 4)
        (0.055, 0.010000000000000002)
    """
    read_formula(text)
    return Formula(text, _length(length, "formula"), _choice(local, "local of formula"))


def _length(length: SpanLike | None, of: str) -> Span | None:
    return None if length is None else span(length, f"the length of {of}")


def _choice(x: object, what: str) -> bool:
    if not isinstance(x, bool):
        raise SpecError(f"{what} is True or False, not {shown(x)}")
    return x


__all__ = ["Phase", "constant", "decay", "exponential", "formula", "inverse", "piecewise", "ramp", "steps", "warmup"]
