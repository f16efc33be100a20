"""A constructor for every registered shape: `cosine(to=0.01)`, `linear("5 epochs", start=0.1, to=1)`."""

from __future__ import annotations

from cadence._errors import SpecError, UnknownNameError, neighbours
from cadence.spec.catalogue import Entry, constructor
from cadence.spec.nodes import ENDS, Phase, Schedule
from cadence.spec.shape import Shape, shape
from cadence.spec.shown import shown
from cadence.spec.span import SpanLike, span
from cadence.spec.value import Absolute, Value, value_of


def phase(
    called: str,
    length: SpanLike | None,
    *,
    start: Value | None,
    to: Value | None,
    ends: str,
    parameters: dict[str, object],
) -> Phase:
    """A checked phase along the shape `called`; None for `start` or `to` means that of the neighbour."""
    if not isinstance(called, str):
        raise SpecError(f"a shape is called by its name, e.g. shape='cosine', not {shown(called)}")
    along = shape[called]
    if ends not in ENDS:
        raise UnknownNameError(f"ends cannot be {shown(ends)}; {neighbours(shown(ends), ENDS)}")
    begin = None if start is None else value_of(start, f"start of {called}")
    finish = None if to is None else value_of(to, f"to of {called}")
    if along.mixes == "geometric":
        for name, value in (("start", begin), ("to", finish)):
            if value is not None and (value.number if isinstance(value, Absolute) else value) <= 0:
                raise SpecError(f"{called} never reaches 0; write {name}=1e-4, or another value above 0")
    length_ = None if length is None else span(length, f"the length of {called}")
    return Phase(called, along.check(parameters), length_, begin, finish, ends)


class ShapeConstructor:
    """The constructor of one shape. Equal for all of them, so that a new shape needs none of its own.

    Args of the call:
        length: how long it takes; None: what is left of the run.
        to: end value, a multiple of the base or `absolute`.
        start: value at the beginning.
        ends: ``"open"``: `to` is reached one update after the last (as torch and Hugging Face do); ``"closed"``: at
            the last.
        parameters: the shape's own.
    """

    def __init__(self, along: Shape) -> None:
        self.__name__ = self.__qualname__ = along.name
        self.__doc__ = (
            f"{along.make.__doc__ or along.name}\n\nFormula: {along.formula}\nSource: {along.source}\n"
            f"When: {along.when}\nNot: {along.avoid}"
        )

    def __call__(
        self,
        length: SpanLike | None = None,
        *,
        to: Value = 0.0,
        start: Value = 1.0,
        ends: str = "open",
        **parameters: object,
    ) -> Schedule:
        begin, finish = value_of(start, f"start of {self.__name__}"), value_of(to, f"to of {self.__name__}")
        return phase(self.__name__, length, start=begin, to=finish, ends=ends, parameters=parameters)

    def __repr__(self) -> str:
        return f"<schedule constructor {self.__name__}>"


def _enter(name: str) -> None:
    along = shape[name]
    formula = {"linear": f"to + (start - to) w,  w = {along.formula}", "geometric": along.formula}[along.mixes]
    if name.isidentifier() and along.mixes == "linear":
        made = ShapeConstructor(along)
        example = f"warmup('5%') >> {name}(to=0.01)"
        constructor.add(name, Entry(name, made, formula, along.source, along.when, along.avoid, example, "scheduled"))


def named(name: str) -> Entry:
    """The catalogue's entry for a name; shapes registered since then are entered first."""
    for known in shape.names():
        if known not in constructor:
            _enter(known)
    return constructor[name]
