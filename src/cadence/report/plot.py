"""One curve as a picture, a page, a drawing or text."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from cadence._errors import HorizonError, SpecError, neighbours
from cadence.curve.curve import Curve
from cadence.finder.found import Found
from cadence.record.files import write_atomically
from cadence.report.axis import Axis, axis, with_air
from cadence.report.messages import Phrases
from cadence.report.outline import Mark, Outline, marks, outline

COLUMNS = 1000
"""Stretches of the run in a drawing, about one per pixel."""

MOST_CURVES = 16
"""Colours and dashes that can be told apart; in text, letters."""

WIDTH, HEIGHT = 70, 16
"""Characters and lines of a drawing in text."""


@dataclass(frozen=True)
class Drawing:
    """Everything that one form of a plot needs to know.

    Attributes:
        title: above it.
        name: of the value that is drawn.
        curves: one or more.
        labels: their schedules as text.
        outlines: what is drawn of each.
        x: axis of updates.
        y: axis of values.
        marks: what happens when, of a curve that is alone.
        more: how many marks there are besides.
        lang: ``"en"`` or ``"zh"``.
    """

    title: str
    name: str
    curves: tuple[Curve, ...]
    labels: tuple[str, ...]
    outlines: tuple[Outline, ...]
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    more: int
    lang: str

    @property
    def end(self) -> int:
        """Number of updates shown."""
        return max(outline.end for outline in self.outlines)

    @property
    def words(self) -> str:
        """The curves in sentences."""
        return "\n\n".join(curve.describe() for curve in self.curves)


@overload
def plot(curve: Found, path: None = None, *, lang: str = ...) -> str:
    """As text for the terminal."""


@overload
def plot(curve: Found, path: str | os.PathLike[str], *, lang: str = ...) -> Path:
    """As a file."""


@overload
def plot(
    curve: Curve | Sequence[Curve], path: None = None, *, title: str | None = ..., value: str | None = ...,
    group: str | int | None = ..., until: int | None = ..., lang: str = ..., labels: Sequence[str] | None = ...,
) -> str:  # fmt: skip
    """As text for the terminal."""


@overload
def plot(
    curve: Curve | Sequence[Curve], path: str | os.PathLike[str], *, title: str | None = ..., value: str | None = ...,
    group: str | int | None = ..., until: int | None = ..., lang: str = ..., labels: Sequence[str] | None = ...,
) -> Path:  # fmt: skip
    """As a file."""


def plot(
    curve: Curve | Sequence[Curve] | Found,
    path: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    value: str | None = None,
    group: str | int | None = None,
    until: int | None = None,
    lang: str = "en",
    labels: Sequence[str] | None = None,
) -> str | Path:
    """Draw one value of one or more curves over the updates of their run.

    A long curve is drawn by the least and greatest values of each column of pixels, so that no peak is lost.

    Args:
        curve: made by `place`; several are drawn on the same axes. Or what `find_lr` has found, of which nothing but
            `lang` can be chosen.
        path: file to write; its ending says as what: ``.png``, ``.svg``, ``.pdf``, or ``.html``, a page with the values
            under the pointer and in words. None: text for the terminal.
        title: above the picture; None: the schedule.
        value: ``"lr"``, ``"weight_decay"``, ...; None: ``"lr"``, or the plan's first.
        group: name or index of the parameter group; None: the first that the plan governs.
        until: number of updates shown, at least 1; None: the whole run.
        lang: of the words around it, ``"en"`` or ``"zh"``.
        labels: what each curve is called; None: its schedule.

    Returns:
        The path that was written, or the text.

    Raises:
        SpecError: a file ending that means nothing, no curve, or more than can be told apart.
        HorizonError: a run without end, and no `until`; or an `until` below 1.
        MissingExtraError: a PNG or PDF without matplotlib.
        RecordError: the file cannot be written.

    Example:
        >>> import cadence as cd
        >>> text = plot(cd.place("warmup('10%') >> linear()", total=1000, base=0.1))
        >>> print(text.splitlines()[0])
        warmup('10%') >> linear()
    """
    if isinstance(curve, Found):
        return _found(curve, path, lang)
    write = None if path is None else _writer(path)
    curves = (curve,) if isinstance(curve, Curve) else tuple(curve)
    columns = COLUMNS if path is not None else 2 * WIDTH
    drawing = draw(
        curves, title=title, value=value, group=group, until=until, lang=lang, columns=columns, labels=labels
    )
    if path is None or write is None:
        from cadence.report.plot_text import as_text

        return as_text(drawing, WIDTH, HEIGHT)
    write_atomically(path, write(drawing))
    return Path(path)


def _found(found: Found, path: str | os.PathLike[str] | None, lang: str) -> str | Path:
    """A range test as text, or as a picture."""
    if path is None:
        from cadence.report.find_text import find_text

        return find_text(found, lang)
    write_atomically(path, found_writer(path)(found, lang))
    return Path(path)


def found_writer(path: str | os.PathLike[str]) -> Callable[[Found, str], bytes]:
    """What makes the picture of a range test, by the ending of its file.

    Raises:
        SpecError: an ending that means nothing here.
    """
    from cadence.report import find_picture

    known = {".png": find_picture.find_png, ".pdf": find_picture.find_pdf}
    ending = Path(path).suffix.lower()
    if ending not in known:
        raise SpecError(
            f"{os.fspath(path)!r} does not end in something that a range test can be drawn as; "
            f"{neighbours(ending, known)}"
        )
    return known[ending]


def draw(
    curves: Sequence[Curve],
    *,
    title: str | None = None,
    value: str | None = None,
    group: str | int | None = None,
    until: int | None = None,
    lang: str = "en",
    columns: int = COLUMNS,
    labels: Sequence[str] | None = None,
) -> Drawing:
    """Everything but the form: axes, outlines, marks.

    Args:
        curves, title, value, group, until, lang: see `plot`.
        columns: stretches of the run that are told apart.
        labels: what each curve is called; None: its schedule.

    Raises:
        SpecError: no curve, or more than can be told apart.
        HorizonError: a run without end, and no `until`; or an `until` below 1.
    """
    if not 1 <= len(curves) <= MOST_CURVES:
        raise SpecError(f"a picture shows 1 to {MOST_CURVES} curves, not {len(curves)}; draw several pictures")
    names = curves[0].plan.values()
    name = value if value is not None else "lr" if "lr" in names else names[0]
    ends = [_end(curve, until) for curve in curves]
    # A shorter run gets its share of the columns, so that a column is the same stretch for all.
    outlines = tuple(
        outline(curve, end, max(1, columns * end // max(ends)), group=group, value=name)
        for curve, end in zip(curves, ends, strict=True)
    )
    named_as = tuple(_schedule(curve, name, group) for curve in curves) if labels is None else tuple(labels)
    named, more = marks(curves[0].events, ends[0]) if len(curves) == 1 else ([], 0)
    highest = max(float(shape.high.max()) for shape in outlines)
    lowest = min(float(shape.low.min()) for shape in outlines)
    y = with_air(axis(min(0.0, lowest), highest, most=5), highest)
    x = axis(0, max(ends), round_out=False, least_step=1)
    heading = named_as[0] if len(curves) == 1 else Phrases(lang)("schedules", n=len(curves))
    return Drawing(
        heading if title is None else title, name, tuple(curves), named_as, outlines, x, y, tuple(named), more, lang
    )


def _end(curve: Curve, until: int | None) -> int:
    end = curve.end if until is None else until
    if end is None:
        raise HorizonError(f"{curve.spec} goes on for ever; say how much of it to draw: plot(..., until=1000)")
    if isinstance(end, bool) or not isinstance(end, int) or end < 1:
        raise HorizonError(f"until is {end!r}; a picture shows at least 1 update, as a whole number")
    return end


def _writer(path: str | os.PathLike[str]) -> Callable[[Drawing], bytes | str]:
    """What makes the file of a path, by its ending."""
    ending = Path(path).suffix.lower()
    if ending in {".png", ".pdf"}:
        from cadence.report import plot_picture

        return plot_picture.as_png if ending == ".png" else plot_picture.as_pdf
    if ending == ".svg":
        from cadence.report.plot_svg import as_svg

        return as_svg
    if ending == ".html":
        from cadence.report.plot_page import as_page

        return as_page
    known = neighbours(ending, [".html", ".pdf", ".png", ".svg"])
    raise SpecError(f"{os.fspath(path)!r} does not end in something that can be drawn; {known}")


def _schedule(curve: Curve, value: str, group: str | int | None) -> str:
    """The schedule of a value, as text."""
    if group is None:
        group = next((g for g, name in curve.pairs if name == value), 0)
    entry = curve.plan.governing(curve.groups[group] if isinstance(group, int) else group, value)
    return repr(curve.plan if entry is None else curve.plan.entries[entry][1])
