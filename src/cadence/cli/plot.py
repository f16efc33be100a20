"""`cadence plot`: schedules as a picture, or as text in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence._errors import HorizonError
from cadence.cli.options import AsJson, Lang, Language, Length, StepsPerEpoch

if TYPE_CHECKING:
    from cadence.curve.curve import Curve

MOST_POINTS = 2000
"""Values that `--json` prints of each curve; of a longer one an even selection."""


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("plot")(plot)


def plot(
    schedule: Annotated[
        list[str],
        typer.Argument(help="\"warmup('5%') >> cosine(to=0.01)\", or a recipe file; several are drawn together."),
    ],
    total: Length = None,
    steps_per_epoch: StepsPerEpoch = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples in one update.", min=1, show_default=False)] = None,
    tokens_per_step: Annotated[
        int | None, typer.Option(help="Tokens in one update.", min=1, show_default=False)
    ] = None,
    base: Annotated[
        float | None,
        typer.Option(help="Base value, which the schedule multiplies: 1, or the recipe's.", show_default=False),
    ] = None,
    until: Annotated[int | None, typer.Option(help="Updates shown: the whole run.", min=1, show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture to write: .png, .svg, .pdf or .html.", show_default=False)
    ] = None,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Draw schedules over a run.

    In the terminal, with a description in words, or as a picture or page.
    """
    from cadence.cli.curves import Units, curve_of
    from cadence.cli.lengths import length

    units = Units(steps_per_epoch, batch_size, tokens_per_step)
    curves = [curve_of(text, total=length(total), base=base, units=units) for text in schedule]
    if out is not None:
        from cadence.report.plot import plot as draw

        draw(curves, out, until=until, lang=lang.value)
    if as_json:
        from cadence.cli.show import print_json

        print_json({"curves": [_data(curve, until) for curve in curves], "file": None if out is None else str(out)})
    elif out is not None:
        print(out)
    else:
        _print(curves, until, lang.value)


def _print(curves: list[Curve], until: int | None, lang: str) -> None:
    from cadence.cli.show import text_plot

    values = list(dict.fromkeys(value for curve in curves for value in curve.plan.values()))
    for value in values:
        having = [curve for curve in curves if value in curve.plan.values()]
        print(text_plot(having, value=value, until=until, lang=lang), end="\n\n")
    print("\n\n".join(curve.describe() for curve in curves))


def _data(curve: Curve, until: int | None) -> dict[str, Any]:
    import numpy as np

    end = curve.end if until is None else until
    if end is None:
        raise HorizonError(f"{curve.spec} goes on for ever; say how much of it to show: --until 1000")
    t = np.unique(np.linspace(0, end - 1, min(end, MOST_POINTS)).astype(np.int64))
    return {
        "spec": curve.spec,
        "total": curve.end,
        "events": [dict(vars(event)) for event in curve.events],
        "description": curve.describe(),
        "t": t.tolist(),
        "values": {
            f"{curve.groups[g]}/{value}": curve.at(t, group=g, value=value).tolist() for g, value in curve.pairs
        },
    }
