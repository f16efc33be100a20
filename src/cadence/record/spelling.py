"""Strict JSON that holds every float64, so that any JSON reader reads it and no number is lost.

JSON has no spelling for three floats; they are written as the texts ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``. So
that every text comes back too, a text that is one of these three gets an apostrophe in front, as in a spreadsheet, and
one that is so already gets one more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast, final

from cadence._errors import RecordError

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Text in a file -> the float that it stands for."""

_OF_REPR = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}
_all_finite = frozenset(_OF_REPR).isdisjoint


def spell(value: object, *, indent: int | None = None) -> str:
    """One value as strict JSON.

    Args:
        value: numbers, text, booleans, None, lists, tuples and mappings with text as keys; numpy scalars and arrays
            and tensors count as the numbers in them (whatever has a `tolist`).
        indent: None for one line, else the number of spaces of a level.

    Returns:
        The text, without a newline at its end. `read` gives back what went in: lists for tuples, the same float64 for
        every float.

    Raises:
        RecordError: something that is none of these, or a mapping whose keys are no text.

    Example:
        >>> spell({"val_loss": float("nan"), "lr": (0.1, None)})
        '{"val_loss": "NaN", "lr": [0.1, null]}'
        >>> spell("NaN")
        '"\\'NaN"'
    """
    try:
        plain = _plain(value)
    except RecursionError:
        raise RecordError("a value is nested too deeply, or holds itself; a record takes plain data") from None
    text = json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False)
    # A half of a surrogate pair (a file name that is no UTF-8 has some) cannot be encoded as it is.
    return text if _encodable(text) else json.dumps(plain, indent=indent, allow_nan=False)


def read(value: Any) -> Any:
    """What `json.loads` made of a spelled value, with the floats and texts that went in.

    Example:
        >>> read({"val_loss": "NaN", "lr": [0.1, None], "name": "'NaN"})
        {'val_loss': nan, 'lr': [0.1, None], 'name': 'NaN'}
    """
    if isinstance(value, str):
        if value in NON_FINITE:
            return NON_FINITE[value]
        return value[1:] if value.startswith("'") and value.lstrip("'") in NON_FINITE else value
    if isinstance(value, list):
        return [read(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: read(item) for key, item in cast("dict[str, Any]", value).items()}
    return value


@final
class RowSpeller:
    """Spells rows of numbers as lines; for what is written at every update.

    Most of the time goes into the shortest digits of each float, which is what `repr` gives. All else is kept small:
    the text around the numbers is made once for each set of keys, and a type is looked up, not asked for.
    """

    def __init__(self) -> None:
        self._templates: dict[tuple[str, ...], str] = {}

    def line(self, row: Mapping[str, Any]) -> str:
        """One row as a line with its newline.

        Args:
            row: name -> number, boolean, None, or a list of these; numpy and tensors as in `spell`.

        Raises:
            RecordError: another value, or a name that is no text; the message has name and value.

        Example:
            >>> RowSpeller().line({"t": 12, "loss": float("inf"), "lr": [0.001, None]})
            '{"t": 12, "loss": "Infinity", "lr": [0.001, null]}\\n'
        """
        try:
            texts = [_SPELLING[type(value)](value) for value in row.values()]
        except KeyError:
            texts = [_odd(name, value) for name, value in row.items()]
        if not _all_finite(texts):
            texts = [_OF_REPR.get(text, text) for text in texts]
        names = tuple(row)
        template = self._templates.get(names)
        if template is None:
            template = self._templates[names] = _template(names)
        return template % (*texts,)

    def later(self, row: Mapping[str, Any]) -> str | Unspelled:
        """One row as something whose text is its line.

        Between two updates what spells numbers is out of the processor's caches: a row takes a third of the time when
        some hundred are spelled one after the other.

        Args:
            row: as for `line`. It may be changed afterwards.

        Raises:
            RecordError: see `line`.
        """
        kept: dict[str, Any] = {}
        for name, value in row.items():
            if type(value) in _NUMBER:
                kept[name] = value
                continue
            # A list is copied: whoever gave it may go on with it.
            items = tuple(cast("Sequence[Any]", value)) if type(value) in (list, tuple) else (self,)
            if not _NUMBER.keys() >= {*map(type, items)}:
                return self.line(row)
            kept[name] = items
        return Unspelled(self, kept) if (*kept,) in self._templates else self.line(row)


@final
class Unspelled:
    """A row that is spelled when it is asked for its text, the same each time.

    Args:
        speller: spells it.
        row: plain numbers and tuples of them, which nobody else changes.
    """

    __slots__ = ("_row", "_speller")

    def __init__(self, speller: RowSpeller, row: Mapping[str, Any]) -> None:
        self._speller, self._row = speller, row

    def __str__(self) -> str:
        return self._speller.line(self._row)


def _list(values: Iterable[Any]) -> str:
    texts = [_NUMBER[type(value)](value) for value in values]
    if not _all_finite(texts):
        texts = [_OF_REPR.get(text, text) for text in texts]
    return "[" + ", ".join(texts) + "]"


_NUMBER: Mapping[type, Callable[[Any], str]] = {
    float: float.__repr__,
    int: int.__repr__,
    bool: {True: "true", False: "false"}.__getitem__,
    type(None): {None: "null"}.__getitem__,
}
_SPELLING: Mapping[type, Callable[[Any], str]] = {**_NUMBER, list: _list, tuple: _list}


def _odd(name: object, value: Any) -> str:
    """A value of a row of any type: a numpy scalar, an array, a tensor, a subclass of float, or a mistake."""
    single = _number_of(value)
    many = isinstance(single, list | tuple)
    items = [_number_of(item) for item in cast("Sequence[Any]", single)] if many else [single]
    if not all(item is None or isinstance(item, int | float) for item in items):
        raise RecordError(
            f"{name!r} is {value!r:.60}, which is no number; rows of updates and evaluations hold numbers, None and "
            "lists of them, and text belongs into an event"
        )
    return spell(items if many else single)


def _number_of(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _template(names: tuple[str, ...]) -> str:
    for name in names:
        if not isinstance(name, str):
            raise RecordError(f"{name!r:.60} is no name of a column; write it as text")
    return "{" + ", ".join(spell({name: 0})[1:-2].replace("%", "%%") + "%s" for name in names) + "}\n"


def _plain(value: Any) -> Any:
    """The same as data that `json.dumps` writes without loss, each kind exactly one python type."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "'" + value if value.lstrip("'") in NON_FINITE else str(value)
    if isinstance(value, float):
        number = float(value)
        if math.isfinite(number):
            return number
        return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in cast("Mapping[object, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[Any]", value)]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise RecordError(
        f"{value!r:.60} is a {type(value).__name__}; a record takes numbers, text, true and false, None, lists and "
        "mappings"
    )


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise RecordError(f"a mapping has the key {key!r:.60}; the keys of JSON are text")
    return key


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
