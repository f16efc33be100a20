"""Hypothesis strategies for everything that can stand in a schedule: spans, values, shapes, leaves, trees, plans, runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from hypothesis import reject, settings

import cadence as cd
from cadence._errors import HorizonError, SpecError
from cadence.curve.curve import Curve
from cadence.spec import nodes
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shape import shape


def examples(n: int) -> settings:
    """So many examples of a test, in proportion more where the profile asks for a longer search."""
    return settings(max_examples=max(1, n * settings.default.max_examples // 100))


# ---- numbers -----------------------------------------------------------------------------------------------------

ROUND = (0.0, 1e-5, 3e-4, 0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0)
"""Numbers as people write them; many faults show only at 0, at 1, or where two values are equal."""

factors = st.sampled_from(ROUND) | st.floats(0.0, 4.0)
"""At least 0."""

positive = st.sampled_from([x for x in ROUND if x]) | st.floats(1e-6, 4.0)
"""Above 0."""

gammas = st.sampled_from([0.1, 0.5, 0.9, 0.99, 1.0]) | st.floats(0.01, 1.2)
bases = st.sampled_from([1.0, 0.1, 3e-4, 2.0]) | st.floats(1e-6, 10.0)


@functools.cache
def values(numbers: st.SearchStrategy[float] = factors, *, absolute: bool = True) -> st.SearchStrategy[Any]:
    """Relative values, and absolute ones unless told otherwise."""
    return numbers | numbers.map(cd.absolute) if absolute else numbers


# ---- time --------------------------------------------------------------------------------------------------------


@st.composite
def spans(draw: st.DrawFn, *, most: int = 30, least: int = 0, percent: bool = True) -> int | str:
    """A length or a position of about `least` to `most` updates in the runs of `runs`, in any unit."""
    n = draw(st.integers(least, most))
    written = draw(st.sampled_from(["bare", "steps", "epochs", "samples", "tokens", *(["%"] if percent else [])]))
    if written == "bare":
        return n
    tenths = draw(st.sampled_from([0, 0, 0, 5, 2, 3, 75]))
    text = f"{n}.{tenths}" if tenths else f"{n}"
    match written:
        case "steps":
            return f"{text} steps"
        case "epochs":
            return f"{n // 5}.{tenths} epochs" if n // 5 or tenths else f"{max(least, 0)} epochs"
        case "samples":
            return f"{32 * n + tenths} samples"
        case "tokens":
            return f"{n}e2 tokens"
        case _:
            return f"{text}%"


any_spans = st.integers(0, 10**15) | st.builds(
    lambda number, gap, unit: f"{number}{gap}{unit}",
    st.decimals(0, 10**15, places=4, allow_nan=False, allow_infinity=False)
    | st.sampled_from(["1e6", "2.5E3", ".5", "7."]),
    st.sampled_from(["", " ", "  "]),
    st.sampled_from(["steps", "epochs", "Epoch", "samples", "tokens", "%", "percent", "updates"]),
).filter(lambda text: "E+" not in text and "E-" not in text)
"""Everything that is a length, however long."""


@dataclass(frozen=True)
class Run:
    """What `place` wants to know of a run."""

    total: int | None
    steps_per_epoch: int = 5
    batch_size: int = 32
    tokens_per_step: int = 100
    base: float = field(default=1.0, kw_only=True)

    def place(self, schedule: Schedule | Plan | str) -> Curve:
        """The schedule on this run; an example that does not fit it is another one's business."""
        try:
            return cd.place(schedule, **vars(self))
        except (HorizonError, SpecError):
            reject()


@functools.cache
def runs(*, total: st.SearchStrategy[int | None] | None = None, base: st.SearchStrategy[float] = bases) -> Any:
    """Runs of 40 to 400 updates in which every unit can be resolved."""
    return st.builds(
        Run,
        st.integers(40, 400) if total is None else total,
        st.integers(1, 9),
        st.sampled_from([1, 32, 33]),
        st.sampled_from([100, 7]),
        base=base,
    )


# ---- shapes ------------------------------------------------------------------------------------------------------

PARAMETERS: Mapping[tuple[str, str], st.SearchStrategy[float]] = {
    ("power", "exponent"): st.sampled_from([0.5, 0.9, 1.0, 2.0, 3.0]) | st.floats(0.2, 6.0),
    ("tanh", "low"): st.floats(-9.0, -0.5),
    ("tanh", "high"): st.floats(0.0, 6.0),
}
"""Ranges of shapes' own parameters; what is not named here keeps its default."""


@functools.cache
def parameters(name: str) -> st.SearchStrategy[dict[str, float]]:
    """Parameters of one shape, some of them left out."""
    known = {key: PARAMETERS[name, key] for key in shape[name].parameters if (name, key) in PARAMETERS}
    return st.fixed_dictionaries({}, optional=known)


@st.composite
def along(draw: st.DrawFn, *, geometric: bool = True) -> tuple[str, dict[str, float]]:
    """A registered shape's name and parameters."""
    names = [name for name in shape.names() if geometric or shape[name].mixes == "linear"]
    name = draw(st.sampled_from(names))
    return name, draw(parameters(name))


# ---- leaves ------------------------------------------------------------------------------------------------------

Lengths = st.SearchStrategy[Any]
NO_LENGTH: Lengths = st.none()
SHORT: Lengths = spans(least=0, most=15)
FORMULAS: Mapping[str, Callable[..., float]] = {
    "1": lambda **_: 1.0,
    "0.5 if t < 20 else 0.25": lambda t, **_: 0.5 if t < 20 else 0.25,
    "1 / (1 + t / 10)": lambda t, **_: 1 / (1 + t / 10),
    "max(0.1, 1 - u)": lambda u, **_: max(0.1, 1 - u),
    "0.5 * (1 + cos(pi * u))": lambda u, **_: 0.5 * (1 + math.cos(math.pi * u)),
    "where(epoch < 3, 1, exp(-epoch_float / 9))": lambda epoch, epoch_float, **_: (
        1.0 if epoch < 3 else math.exp(-epoch_float / 9)
    ),
    "sqrt(t + 1) / (total + 1)": lambda t, total, **_: math.sqrt(t + 1) / (total + 1),
    "min(u, 1 - u, 0.3) + (not t)": lambda t, u, **_: min(u, 1 - u, 0.3) + (t == 0),
    "2 ** -epoch": lambda epoch, **_: 2.0**-epoch,
    "1 if 2 < t <= 9 or not t else log(t + 2) / 9": lambda t, **_: 1.0 if 2 < t <= 9 or t == 0 else math.log(t + 2) / 9,
    "t % 7 / 7 + t // 50": lambda t, **_: t % 7 / 7 + t // 50,
}
"""Formulas in every name, function and operator, with what they mean."""

ends = st.sampled_from(["open", "closed"])


@st.composite
def phases(draw: st.DrawFn, lengths: Lengths, *, absolute: bool = True) -> Schedule:
    """From a value to a value along any shape; the ends open or closed."""
    name, own = draw(along())
    numbers = values(positive if shape[name].mixes == "geometric" else factors, absolute=absolute)
    start, to = draw(numbers), draw(numbers)
    return cd.ramp(draw(lengths), shape=name, start=start, to=to, ends=draw(ends), **own)


@st.composite
def warmups(draw: st.DrawFn, lengths: Lengths, *, absolute: bool = True) -> Schedule:
    """Rises to where the next phase starts."""
    name, own = draw(along(geometric=False))
    return cd.warmup(draw(lengths), start=draw(values(absolute=absolute)), shape=name, ends=draw(ends), **own)


@st.composite
def decays(draw: st.DrawFn, lengths: Lengths, *, absolute: bool = True) -> Schedule:
    """Goes on from where the phase before ended."""
    name, own = draw(along(geometric=False))
    return cd.decay(draw(lengths), to=draw(values(absolute=absolute)), shape=name, ends=draw(ends), **own)


@functools.cache
def constants(lengths: Lengths, *, absolute: bool = True) -> st.SearchStrategy[Schedule]:
    """One value."""
    return st.builds(lambda length, start: cd.constant(length, start=start), lengths, values(absolute=absolute))


@functools.cache
def stepped(lengths: Lengths, *, absolute: bool = True) -> st.SearchStrategy[Schedule]:
    """Milestones, unsorted and twice too; or one every so often."""
    common: dict[str, Any] = {"gamma": gammas, "start": values(absolute=absolute), "local": st.booleans()}
    at = st.fixed_dictionaries({"at": st.lists(spans(most=90), max_size=5), **common})
    every = st.fixed_dictionaries({"every": spans(least=1, most=40), **common})
    return st.builds(lambda length, named: cd.steps(length, **named), lengths, at | every)


@functools.cache
def exponentials(lengths: Lengths, *, absolute: bool = True) -> st.SearchStrategy[Schedule]:
    """A constant ratio, by gamma or by half-life."""
    by_gamma = st.fixed_dictionaries({"gamma": gammas}, optional={"every": spans(least=1, most=40)})
    by_half = st.fixed_dictionaries({"half_life": spans(least=1, most=40)})
    start = values(absolute=absolute)
    return st.builds(lambda n, how, start: cd.exponential(n, start=start, **how), lengths, by_gamma | by_half, start)


@functools.cache
def inverses(lengths: Lengths, *, absolute: bool = True) -> st.SearchStrategy[Schedule]:
    """An inverse power of time."""
    return st.builds(
        lambda n, scale, power, start: cd.inverse(n, timescale=scale, power=power, start=start),
        lengths, spans(least=1, most=40), st.sampled_from([0.5, 1.0, 0.0, 2.0]) | st.floats(0, 3), values(absolute=absolute),
    )  # fmt: skip


positions = st.lists(st.integers(0, 300), min_size=1, max_size=5, unique=True).map(sorted)


@st.composite
def piecewises(draw: st.DrawFn, lengths: Lengths, *, absolute: bool = True) -> Schedule:
    """Through waypoints, held or joined."""
    joined = draw(st.sampled_from(["hold", *shape.names()]))
    numbers = values(positive, absolute=absolute)
    points = [(t if draw(st.booleans()) else f"{t} steps", draw(numbers)) for t in draw(positions)]
    return cd.piecewise(points, draw(lengths), shape=joined, local=draw(st.booleans()))


@functools.cache
def formulas(lengths: Lengths, *, absolute: bool = True) -> st.SearchStrategy[Schedule]:
    """Formulas in every name and function."""
    del absolute
    return st.builds(
        lambda text, n, local: cd.formula(text, n, local=local),
        st.sampled_from(sorted(FORMULAS)),
        lengths,
        st.booleans(),
    )


LEAVES: Mapping[str, Callable[..., st.SearchStrategy[Schedule]]] = {
    "constant": constants, "phase": phases, "warmup": warmups, "decay": decays, "steps": stepped,
    "exponential": exponentials, "inverse": inverses, "piecewise": piecewises, "formula": formulas,
}  # fmt: skip


@functools.cache
def leaves(lengths: Lengths | None = None, *, absolute: bool = True) -> st.SearchStrategy[Schedule]:
    """Any leaf; by default as often without a length as with one."""
    chosen = st.none() | spans() if lengths is None else lengths
    return st.one_of([make(chosen, absolute=absolute) for make in LEAVES.values()])


rules = st.builds(
    lambda metric, named: cd.plateau(metric, **named),
    st.sampled_from(["val_loss", "val_accuracy", "top-1 'error'"]),
    st.fixed_dictionaries(
        {},
        optional={
            "factor": st.floats(0.01, 0.99),
            "patience": st.integers(0, 20) | spans(percent=False, most=20),
            "threshold": factors,
            "threshold_mode": st.sampled_from(["rel", "abs", "signed"]),
            "cooldown": st.integers(0, 9) | spans(percent=False, most=9),
            "minimum": values(),
            "mode": st.sampled_from(["min", "max"]),
            "nan": st.sampled_from(["error", "bad", "ignore"]),
            "significance": st.floats(0.01, 0.49),
            "least_change": factors,
            "infinite": st.sampled_from(["bad", "best", "first"]),
            "deaf": st.booleans(),
        },
    ),
) | st.builds(
    lambda metric, named: cd.early_stop(metric, **named),
    st.sampled_from(["val_loss", "bleu"]),
    st.fixed_dictionaries(
        {},
        optional={
            "patience": st.integers(0, 20),
            "significance": st.floats(0.01, 0.49),
            "then": spans(percent=False, least=1, most=9).map(
                lambda n: f"cooldown {n} steps" if isinstance(n, int) else f"cooldown {n}"
            ),
        },
    ),
)
"""Rules that follow a metric; each stands in a product."""


# ---- trees -------------------------------------------------------------------------------------------------------


@st.composite
def modified(draw: st.DrawFn, inner: st.SearchStrategy[Schedule], *, absolute: bool = True) -> Schedule:
    """A schedule with one of the modifiers."""
    node = draw(inner)
    watched = any(isinstance(inner, (nodes.Plateau, nodes.EarlyStop)) for inner in nodes.walk(node))
    cycles = [] if watched else ["repeat", "grow"]
    match draw(st.sampled_from(["clip", "stretch", "past_end", "staircase", "cut", *cycles])):
        case "clip":
            numbers = values(absolute=False)
            lo, hi = sorted([draw(numbers), draw(numbers)])
            limits: list[Any] = draw(st.sampled_from([[lo, hi], [lo, None], [None, hi]]))
            if absolute and draw(st.booleans()):
                limits = [None if x is None else cd.absolute(x) for x in limits]
            return node.clip(*limits)
        case "repeat":
            return node.repeat(draw(st.none() | st.integers(1, 4)), decay=draw(st.sampled_from([1.0, 0.5])))
        case "grow":
            return node.repeat(draw(st.none() | st.integers(1, 4)), grow=draw(st.sampled_from([2.0, 1.5, 3.0, 0.5])))
        case "stretch":
            return node.stretch(draw(st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0])))
        case "past_end":
            return node.past_end(draw(st.sampled_from(["hold", "repeat", "mirror"])))
        case "cut":
            return node.cut(draw(spans(least=1, most=20)))
        case _:
            return node.staircase(draw(spans(least=1, most=20, percent=False)))


@st.composite
def products(draw: st.DrawFn, inner: st.SearchStrategy[Schedule], *, ruled: bool = True) -> Schedule:
    """A product of two schedules, of one and a number, or of one and a rule."""
    node = draw(inner)
    other = draw(st.sampled_from(["number", "schedule", *(["rule"] if ruled else [])]))
    if other == "number":
        number = draw(factors)
        return node * number if draw(st.booleans()) else number * node
    if other == "rule":
        return node * draw(rules)
    return node * draw(leaves(NO_LENGTH, absolute=False))


@st.composite
def sums(draw: st.DrawFn, inner: st.SearchStrategy[Schedule]) -> Schedule:
    """A sum of two schedules, or of one and a number."""
    node = draw(inner)
    if draw(st.booleans()):
        number = draw(values())
        return node + number if draw(st.booleans()) else number + node
    return node + draw(leaves(NO_LENGTH))


@st.composite
def sequences(draw: st.DrawFn, inner: st.SearchStrategy[Schedule], *, absolute: bool = True) -> Schedule:
    """Two to four phases, at most one of them without a length."""
    sized = leaves(SHORT, absolute=absolute)
    parts = draw(st.lists(inner | sized, min_size=1, max_size=3))
    if not any(map(takes_rest, parts)) and draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), draw(leaves(NO_LENGTH, absolute=absolute)))
    open_parts = [part for part in parts if takes_rest(part)]
    first, *others = [part for part in parts if part not in open_parts[1:]] or parts[:1]
    for part in [*others, *([draw(sized)] if not others else [])]:
        first = first >> part
    return first


def takes_rest(node: Schedule) -> bool:
    """Whether a schedule has no length of its own."""
    match node:
        case nodes.Sequence(parts):
            return any(map(takes_rest, parts))
        case nodes.Product(parts) | nodes.Sum(parts):
            return all(map(takes_rest, parts))
        case nodes.Repeat(inner, n):
            return n is None or takes_rest(inner)
        case nodes.Plateau() | nodes.EarlyStop():
            return True
        case _:
            return takes_rest(node.children[0]) if node.children else node.length is None


@functools.cache
def schedules(*, absolute: bool = True, ruled: bool = False, leaves_most: int = 5) -> st.SearchStrategy[Schedule]:
    """Trees of every node, most of which fit `runs`.

    Args:
        absolute: whether absolute values may occur.
        ruled: whether metric rules may.
        leaves_most: about how many leaves.
    """

    def deeper(inner: st.SearchStrategy[Schedule]) -> st.SearchStrategy[Schedule]:
        return st.one_of(
            sequences(inner, absolute=absolute),
            products(inner, ruled=ruled),
            modified(inner, absolute=absolute),
            *([sums(inner)] if absolute else []),
        )

    lengths = st.none() | spans(least=0, most=25)
    return st.recursive(leaves(lengths, absolute=absolute), deeper, max_leaves=leaves_most)


@st.composite
def written(draw: st.DrawFn) -> Schedule:
    """Any tree at all, whether a run has room for it or not, with lengths of any size."""
    tree = schedules(ruled=True) | sequences(schedules(ruled=True)) | leaves(NO_LENGTH | any_spans)
    try:
        return draw(tree)
    except SpecError:
        reject()


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Schedules for several values and groups."""
    key = st.sampled_from(
        ["lr", "weight_decay", "momentum", "beta1", "head.*/lr", "*/lr", "[a-b]?/weight_decay", "it's/lr"]
    )
    keys = draw(st.lists(key, min_size=1, max_size=4, unique=True))
    return cd.plan({k: draw(schedules(ruled=True) | factors) for k in keys})
