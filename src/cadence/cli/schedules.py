"""`cadence schedules`: what there is, one of them in full, and the gallery page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.report.gallery import Card


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("schedules")(schedules)


def schedules(
    name: Annotated[str | None, typer.Argument(help="One of them, in full.", show_default=False)] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(help="Write the gallery page here, with a folder of pictures beside it.", show_default=False),
    ] = None,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """List all schedules, or show one.

    Each with its curve; one alone with formula, source, and when to use it and when not.
    """
    from cadence.report.gallery import card, cards

    if gallery is not None:
        _write(gallery, lang.value, as_json)
    elif name is not None:
        _one(card(name, lang.value), lang.value, as_json)
    else:
        _list(cards(lang.value), lang.value, as_json)


def _write(path: Path, lang: str, as_json: bool) -> None:
    from cadence.cli.show import print_json
    from cadence.report.gallery import write_gallery

    files = write_gallery(path, lang=lang)
    if as_json:
        print_json([str(file) for file in files])
    else:
        print(f"{files[0]} and {len(files) - 1} pictures in {files[-1].parent}")


def _list(found: list[Card], lang: str, as_json: bool) -> None:
    from cadence.cli.show import ascii_only, print_json, print_table
    from cadence.report.gallery import example_curve
    from cadence.report.gallery_words import FAMILIES
    from cadence.report.sparkline import sparkline

    if as_json:
        print_json([_data(card) for card in found])
        return
    bare = ascii_only()
    for family, (title, _) in FAMILIES[lang].items():
        members = [c for c in found if c.family == family]
        print_table(
            ("", "", ""),
            [(c.name, "" if bare else sparkline(example_curve(c), 20), c.about.replace("`", "")) for c in members],
            title=title,
        )
        print()


def _one(found: Card, lang: str, as_json: bool) -> None:
    from cadence.cli.show import print_json, print_table, text_plot
    from cadence.report.gallery import example_curve
    from cadence.report.gallery_words import PAGE

    curve = example_curve(found)
    if as_json:
        print_json(_data(found) | {"description": curve.describe()})
        return
    words = PAGE[lang]
    print(f"{found.name}: {found.about}\n".replace("`", ""))
    print(text_plot([curve], lang=lang), end="\n\n")
    rows = [
        (words[key], getattr(found, key)) for key in ("formula", "source", "when", "avoid", "call", "example", "reads")
    ]
    if found.reads == found.example:
        rows.pop()
    print_table(("", ""), [(head, text.replace("`", "")) for head, text in rows])
    if found.family == "adaptive":
        print(f"\n{words['metric']}")


def _data(card: Card) -> dict[str, Any]:
    return dict(vars(card)) | {"reads": card.reads}
