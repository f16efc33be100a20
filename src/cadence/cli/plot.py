"""`cadence plot`: schedules as a picture, or as text in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence._errors import HorizonError
from cadence.cli.options import AsJson, Lang, Language, Length, StepsPerEpoch

if TYPE_CHECKING:
    from cadence.cli.curves import Drawn
    from cadence.curve.curve import Curve

MOST_POINTS = 2000
"""Values that `--json` prints of each curve; of a longer one an even selection."""


LONGEST_SPEC = 300
"""Characters of a script's schedule that are printed; a table of what was followed can be much longer."""


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("plot")(plot)


def plot(
    schedule: Annotated[
        list[str],
        typer.Argument(
            help="\"warmup('5%') >> cosine(to=0.01)\", a recipe file, or a training script (.py, .ipynb, .md), whose "
            "real rate is drawn; several are drawn together."
        ),
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

    In the terminal, with a description in words, or as a picture or page. A training script is read, not executed: its
    optimizers, schedulers and loops are followed, and the rate that it will really run is drawn.
    """
    from cadence.cli.curves import Drawn, Units, curve_of, is_script, script_curves
    from cadence.cli.lengths import length

    units = Units(steps_per_epoch, batch_size, tokens_per_step)
    drawn: list[Drawn] = []
    for text in schedule:
        if is_script(text):
            drawn += script_curves(text, total=length(total), base=base, units=units)
        else:
            drawn.append(Drawn(curve_of(text, total=length(total), base=base, units=units), None, (), {}))
    curves = [each.curve for each in drawn]
    labels = [curve.spec if each.label is None else each.label for each, curve in zip(drawn, curves, strict=True)]
    named = labels if any(each.label is not None for each in drawn) else None
    if out is not None:
        from cadence.report.plot import plot as draw

        draw(curves, out, until=until, lang=lang.value, labels=named)
    if as_json:
        from cadence.cli.show import print_json

        data = [_data(each.curve, until) | each.data for each in drawn]
        print_json({"curves": data, "file": None if out is None else str(out)})
    elif out is not None:
        print(out)
    else:
        _print(drawn, named, until, lang.value)


def _print(drawn: list[Drawn], labels: list[str] | None, until: int | None, lang: str) -> None:
    from cadence.cli.show import text_plot

    curves = [each.curve for each in drawn]
    values = list(dict.fromkeys(value for curve in curves for value in curve.plan.values()))
    for value in values:
        having = [i for i, curve in enumerate(curves) if value in curve.plan.values()]
        named = None if labels is None else [labels[i] for i in having]
        print(text_plot([curves[i] for i in having], value=value, until=until, lang=lang, labels=named), end="\n\n")
    print("\n\n".join(_words(each) for each in drawn))
    for sentence in dict.fromkeys(sentence for each in drawn for sentence in each.assumed):
        print(f"Taken for granted: {sentence}.")


def _words(drawn: Drawn) -> str:
    """The curve in words; of one from a script its label first, and a table in brief."""
    if drawn.label is None:
        return drawn.curve.describe()
    spec, _, rest = drawn.curve.describe().partition("\n")
    if len(spec) > LONGEST_SPEC:
        spec = f"{spec[:LONGEST_SPEC]}... (--json prints the whole of it)"
    return f"{drawn.label}: {spec}\n{rest}"


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
