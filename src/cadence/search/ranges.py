"""What a field of a recipe may be in a search: a range of numbers or a list of choices, read from text, never run."""

from __future__ import annotations

import abc
import ast
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, final

from cadence._errors import SearchError, neighbours
from cadence.recipe.faults import shown

Value: TypeAlias = Any
"""What a recipe can hold: a number, text, true, false, null, or a list or mapping of them."""

MOST_CHOICES = 1000
"""In one list; more are a range."""

FORMS = "log(1e-4, 1e-1), uniform(0, 0.3), int(1, 10), or a list of choices: [0.9, 0.95]"
"""How a range is written, for messages."""


class Range(abc.ABC):
    """Values that one field is tried with."""

    @property
    @abc.abstractmethod
    def text(self) -> str:
        """In the one form that says it; equal text is equal range."""

    @property
    @abc.abstractmethod
    def grid(self) -> Sequence[Value] | None:
        """All values in order, where they are few; None where a grid would not know which to take."""

    @property
    @abc.abstractmethod
    def examples(self) -> Sequence[Value]:
        """Values to try a recipe with before the search: the ends of a range, every choice of a list."""

    @abc.abstractmethod
    def holds(self, value: Value) -> bool:
        """Whether a value belongs to it."""


@final
@dataclass(frozen=True)
class Floats(Range):
    """Real numbers between two ends, tried evenly or, where `log`, evenly in their logarithm."""

    low: float
    high: float
    log: bool

    @property
    def text(self) -> str:
        return f"{'log' if self.log else 'uniform'}({self.low:.12g}, {self.high:.12g})"

    @property
    def grid(self) -> Sequence[Value] | None:
        return None

    @property
    def examples(self) -> Sequence[Value]:
        return (self.low, self.high)

    def holds(self, value: Value) -> bool:
        return _is_number(value) and self.low <= value <= self.high


@final
@dataclass(frozen=True)
class Wholes(Range):
    """Whole numbers from `low` to `high`, both included, `step` apart."""

    low: int
    high: int
    step: int
    log: bool

    @property
    def text(self) -> str:
        step = f", step={self.step}" if self.step != 1 else ""
        return f"int({self.low}, {self.high}{step}{', log=True' if self.log else ''})"

    @property
    def grid(self) -> Sequence[Value] | None:
        numbers = range(self.low, self.high + 1, self.step)
        return None if self.log or len(numbers) > MOST_CHOICES else list(numbers)

    @property
    def examples(self) -> Sequence[Value]:
        return (self.low, self.high)

    def holds(self, value: Value) -> bool:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0


@final
@dataclass(frozen=True)
class Choices(Range):
    """A list of values, whatever they are. Nothing is made of their order."""

    values: tuple[Value, ...]

    @property
    def text(self) -> str:
        return json.dumps(list(self.values), ensure_ascii=False)

    @property
    def grid(self) -> Sequence[Value] | None:
        return self.values

    @property
    def examples(self) -> Sequence[Value]:
        return self.values

    @property
    def labels(self) -> list[str]:
        """Each value as text, no two alike: its own where it is text, else its JSON."""
        return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in self.values]

    def holds(self, value: Value) -> bool:
        return any(_same(value, each) for each in self.values)


# ---- reading ---------------------------------------------------------------------------------------------------------


def read_range(field: str, given: Value) -> Range | None:
    """The range that a search gives a field.

    Args:
        field: for messages.
        given: text such as ``"log(1e-4, 1e-1)"``, or a list.

    Returns:
        The range; None for text that is no range (a schedule with places to fill in).

    Raises:
        SearchError: an empty or impossible range, or something else that is none.

    Example:
        >>> read_range("lr", "log(1e-4, 1e-1)").text, read_range("lr", "log(1e-3, 0.1, points=3)").text
        ('log(0.0001, 0.1)', '[0.001, 0.01, 0.1]')
        >>> read_range("lr", "log(0, 1)")
        Traceback (most recent call last):
        cadence._errors.SearchError: lr: log(0, 1) begins at 0, which has no logarithm; begin above 0, or write uniform
    """
    if isinstance(given, list):
        return _choices(field, cast("list[Value]", given))
    if isinstance(given, str):
        called = re.match(r"\s*([A-Za-z_]\w*)\s*\(", given)
        if called and called[1] in _KINDS:
            return _called(field, given.strip())
        return None
    raise SearchError(
        f"{field} is {shown(given)}, which leaves nothing to search; write it into the recipe itself, or give a range: "
        f"{FORMS}"
    )


def _called(field: str, text: str) -> Range:
    """A range written as a call, read from its syntax tree."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if not (isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name)):
        raise SearchError(f"{field}: {text!r:.80} is not a whole range; write e.g. {FORMS}")
    name = tree.func.id
    numbers = [_number(field, text, node) for node in tree.args]
    keywords = {str(each.arg): _number(field, text, each.value) for each in tree.keywords}
    make, known = _KINDS[name]
    for keyword in keywords:
        if keyword not in known:
            raise SearchError(f"{field}: {name} has no {keyword!r}; {neighbours(keyword, known)}")
    if len(numbers) != 2:
        raise SearchError(f"{field}: {text} has {len(numbers)} ends where a range has two; write e.g. {FORMS}")
    low, high = numbers
    if not low < high:
        how = "is empty" if low > high else "holds one value only"
        raise SearchError(f"{field}: {text} {how}; write the lower end first and a higher one after it")
    return make(field, text, low, high, keywords)


def _number(field: str, text: str, node: ast.expr) -> float:
    try:
        value: object = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        value = None
    if value is True or value is False:
        return value
    if not _is_number(value) or not math.isfinite(cast("float", value)):
        raise SearchError(
            f"{field}: {text} takes finite numbers only, not {ast.unparse(node)!r:.40}; write e.g. {FORMS}"
        )
    return cast("float", value)


def _floats(field: str, text: str, low: float, high: float, keywords: dict[str, float], *, log: bool) -> Range:
    if log and low <= 0:
        raise SearchError(f"{field}: {text} begins at {low:g}, which has no logarithm; begin above 0, or write uniform")
    if "points" not in keywords:
        return Floats(float(low), float(high), log)
    n = keywords["points"]
    if not isinstance(n, int) or isinstance(n, bool) or not 2 <= n <= MOST_CHOICES:
        raise SearchError(f"{field}: {text} asks for {n:g} points; write a whole number from 2 to {MOST_CHOICES}")
    shares = [i / (n - 1) for i in range(n)]
    between = [low * (high / low) ** s if log else low + (high - low) * s for s in shares]
    # Twelve digits: what the power has left of 0.01 is 0.01.
    return Choices((low, *(float(f"{x:.12g}") for x in between[1:-1]), high))


def _log(field: str, text: str, low: float, high: float, keywords: dict[str, float]) -> Range:
    return _floats(field, text, low, high, keywords, log=True)


def _uniform(field: str, text: str, low: float, high: float, keywords: dict[str, float]) -> Range:
    return _floats(field, text, low, high, keywords, log=False)


def _wholes(field: str, text: str, low: float, high: float, keywords: dict[str, float]) -> Range:
    step, log = keywords.get("step", 1), keywords.get("log", False)
    if not all(isinstance(x, int) and not isinstance(x, bool) for x in (low, high, step)) or step < 1:
        raise SearchError(f"{field}: {text} takes whole numbers and a step of at least 1; for others write uniform")
    if not isinstance(log, bool):
        raise SearchError(f"{field}: {text} has log={log:g}; write log=True, or leave it out")
    if log and (low < 1 or step != 1):
        raise SearchError(f"{field}: {text} is even in the logarithm: it begins at 1 or above and has no step")
    whole, last = int(low), int(high)
    if step > last - whole:
        raise SearchError(f"{field}: {text} holds one value only, {whole}; write a smaller step or a higher end")
    return Wholes(whole, last - (last - whole) % int(step), int(step), log)


_KINDS: dict[str, tuple[Callable[[str, str, float, float, dict[str, float]], Range], tuple[str, ...]]] = {
    "log": (_log, ("points",)),
    "uniform": (_uniform, ("points",)),
    "int": (_wholes, ("step", "log")),
}
"""Name -> what makes the range, and the keywords that it takes."""


def _choices(field: str, values: list[Value]) -> Choices:
    if not values:
        raise SearchError(f"{field} has no choices; write at least two, e.g. {field}: [0.1, 0.2], or leave it out")
    if len(values) == 1:
        raise SearchError(f"{field} has one choice only, {shown(values[0])}; write it into the recipe, or add another")
    if len(values) > MOST_CHOICES:
        raise SearchError(f"{field} has {len(values)} choices; write at most {MOST_CHOICES}, or a range: {FORMS}")
    for value in values:
        _plain(field, value)
    made = Choices(tuple(values))
    for i, label in enumerate(made.labels):
        if label in made.labels[:i]:
            raise SearchError(f"{field} has the choice {label!r:.60} twice; keep one")
    return made


def _plain(field: str, value: Value) -> None:
    """A choice that can be written down and found again."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise SearchError(
            f"{field} has the choice {shown(value)}; write finite numbers, text, lists, mappings"
        ) from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: Value, other: Value) -> bool:
    """Whether two values are one choice: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(one == other)
