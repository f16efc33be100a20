"""Every registered schedule with formula, curve, source, and when to use it: what `cadence schedules` shows."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from pathlib import Path

from cadence._errors import UnknownNameError, neighbours
from cadence.curve.curve import Curve
from cadence.curve.place import place
from cadence.feedback.replay import replay
from cadence.record.files import make_folder, write_atomically
from cadence.report.gallery_picture import picture
from cadence.report.gallery_words import CHINESE, FAMILIES, PAGE
from cadence.spec.catalogue import Entry, constructor
from cadence.spec.constructors.shaped import named
from cadence.spec.parse import parse
from cadence.spec.shape import shape

TOTAL, PER_EPOCH, EVERY = 1000, 10, 20
"""The run that examples are drawn on: updates, updates per epoch, updates between two evaluations."""


@dataclass(frozen=True)
class Card:
    """What people want to know about one schedule.

    Attributes:
        name: as written in text.
        family: ``"scheduled"``, ``"adaptive"`` (follows a metric) or ``"custom"``.
        about: one sentence.
        formula: the value as a multiple of the base, as people write it.
        source: author, year, identifier, equation.
        when, avoid: when to use it and when not.
        example: text that shows it on a whole run.
        call: how it is called, with all defaults.
    """

    name: str
    family: str
    about: str
    formula: str
    source: str
    when: str
    avoid: str
    example: str
    call: str

    @property
    def reads(self) -> str:
        """The example as it prints itself: in the algebra's own words."""
        return repr(parse(self.example))


def cards(lang: str = "en") -> list[Card]:
    """All registered schedules and those shapes that no constructor is named after, sorted by name.

    Args:
        lang: ``"en"`` or ``"zh"``; what was registered without a translation stays English.

    Example:
        >>> [card.name for card in cards()][:4]
        ['1-sqrt', 'constant', 'cosine', 'decay']
    """
    named("constant")  # shapes registered since are entered into the catalogue first
    names = sorted({*constructor.names(), *shape.names()})
    return [_translated(_from_entry(constructor[n]) if n in constructor else _from_shape(n), lang) for n in names]


def card(name: str, lang: str = "en") -> Card:
    """One schedule's card.

    Args:
        name: as written in text.
        lang: ``"en"`` or ``"zh"``.

    Raises:
        UnknownNameError: nothing is registered under this name.
    """
    known = {c.name: c for c in cards(lang)}
    if name not in known:
        raise UnknownNameError(f"there is no schedule called {name!r}; {neighbours(name, known)}")
    return known[name]


def example_curve(card: Card) -> Curve:
    """The card's example on a run of 1,000 updates, 10 an epoch; with its decisions, where it follows a metric.

    Args:
        card: of a registered schedule.

    Returns:
        The curve. An example that stops the run ends where it stops.
    """
    if card.family != "adaptive":
        return place(card.example, total=TOTAL, steps_per_epoch=PER_EPOCH)
    losses = terraces(TOTAL // EVERY)
    seen = replay(card.example, losses, every=EVERY, total=TOTAL, steps_per_epoch=PER_EPOCH)
    if seen.stopped is None:
        return seen.curve
    return place(card.example, total=seen.stopped * EVERY, steps_per_epoch=PER_EPOCH)


def terraces(evaluations: int) -> list[float]:
    """A made-up loss for the examples of rules: it falls for six evaluations, stands still for six, and so on.

    Example:
        >>> terraces(9)
        [0.97, 0.94, 0.91, 0.88, 0.85, 0.82, 0.82, 0.82, 0.82]
    """
    height = 0.18
    losses: list[float] = []
    for k in range(1, evaluations + 1):
        full, inside = divmod(k, 12)
        losses.append(round(1 - height * (full + min(inside, 6) / 6), 2))
    return losses


def write_gallery(path: str | os.PathLike[str], *, lang: str = "en") -> list[Path]:
    """Write the gallery: a Markdown page, and a folder of pictures beside it.

    Args:
        path: of the page, or a folder, in which it is then called `gallery.md`. The pictures go to a folder named as
            the page is up to its first dot.
        lang: ``"en"`` or ``"zh"``.

    Returns:
        The files, the page first.

    Raises:
        RecordError: a file cannot be written.
    """
    page = Path(path)
    if page.suffix != ".md":
        page = page / ("gallery.md" if lang == "en" else f"gallery.{lang}.md")
    folder = page.parent / page.name.partition(".")[0]
    make_folder(folder)
    text, pictures = gallery(lang, folder.name)
    files = {page: text, **{folder / name: drawing for name, drawing in pictures.items()}}
    for file, content in files.items():
        write_atomically(file, content)
    return list(files)


def gallery(lang: str = "en", folder: str = "gallery") -> tuple[str, dict[str, str]]:
    """The text of the gallery's page, and its pictures by file name.

    Args:
        lang: ``"en"`` or ``"zh"``.
        folder: of the pictures, relative to the page.
    """
    words, known = PAGE[lang], cards(lang)
    parts = [f"# {words['title']}", words["intro"]]
    for family, (title, about) in FAMILIES[lang].items():
        members = [c for c in known if c.family == family]
        parts += [f"## {title}", about, "\n".join(f"- [{c.name}](#{c.name}): {c.about}" for c in members)]
        for c in members:
            parts += _section(c, words, folder)
    pictures = {f"{c.name}.svg": picture(example_curve(c), c.example, TOTAL) for c in cards()}
    return "\n\n".join(parts) + "\n", pictures


def _section(c: Card, words: dict[str, str], folder: str) -> list[str]:
    rows = [
        (words["formula"], f"`{c.formula}`"),
        (words["source"], c.source),
        (words["when"], c.when),
        (words["avoid"], c.avoid),
        (words["call"], f"`{c.call}`"),
        (words["example"], f"`{c.example}`"),
    ]
    if c.reads != c.example:
        rows.append((words["reads"], f"`{c.reads}`"))
    lines = [f"| {head} | {_cell(text)} |" for head, text in rows]
    about = [c.about]
    if c.family == "adaptive":
        end = example_curve(c).end or TOTAL
        about.append(words["metric"] + ("" if end == TOTAL else words["stops"].format(t=end)))
    alt = words["alt"].format(example=c.example).replace("[", "\\[").replace("]", "\\]")
    table = "\n".join([lines[0], "|---|---|", *lines[1:]])
    return [f"### {c.name}", *about, f"![{alt}]({folder}/{c.name}.svg)", table]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _from_entry(entry: Entry) -> Card:
    about = inspect.cleandoc(entry.make.__doc__ or entry.name).splitlines()[0]
    return Card(
        entry.name, entry.family, about, entry.formula, entry.source, entry.when, entry.avoid, entry.example,
        _call(entry.name, entry),
    )  # fmt: skip


def _from_shape(name: str) -> Card:
    along = shape[name]
    parameters = "".join(f", {key}={default:g}" for key, default in along.parameters.items())
    return Card(
        name, "scheduled", inspect.cleandoc(along.make.__doc__ or name).splitlines()[0],
        f"to + (start - to) w,  w = {along.formula}", along.source, along.when, along.avoid,
        f"warmup('5%') >> ramp(shape={name!r}, to=0.01)",
        f"ramp(length=None, *, shape={name!r}, to=0.0, start=1.0, ends='open'{parameters})",
    )  # fmt: skip


def _call(name: str, entry: Entry) -> str:
    """The signature without its types; in place of ``**parameters`` those of the shape."""
    parts: list[str] = []
    for p in inspect.signature(entry.make).parameters.values():
        if p.kind is p.VAR_KEYWORD:
            own = shape[name].parameters if name in shape else None
            parts += [f"{key}={default:g}" for key, default in own.items()] if own is not None else ["..."]
            continue
        if p.kind is p.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        parts.append(p.name if p.default is p.empty else f"{p.name}={p.default!r}")
    return f"{name}({', '.join(parts)})"


def _translated(card: Card, lang: str) -> Card:
    found = CHINESE.get(card.name) if lang == "zh" else None
    if found is None:
        return card
    return Card(
        card.name, card.family, found.about, card.formula, card.source, found.when, found.avoid, card.example, card.call
    )
