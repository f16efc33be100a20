"""`cadence steer`: a run that changes its mind, while it goes on or after it was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence._errors import SpecError, UnknownNameError, neighbours
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.curve.curve import Curve

LENGTH = ("extend", "shorten", "stretch", "cooldown", "rewarm")
"""Commands that take a length."""

BARE = ("release", "pause", "resume", "stop", "show")
"""Commands that take nothing."""

ALL = (*LENGTH, "set", "hold", *BARE, "branch")

OPTIONS = {
    "to": ("cooldown",), "shape": ("cooldown",), "start": ("rewarm",), "group": ("set",), "at": ("branch",),
    "schedule": ("branch",), "total": ("branch",), "recipe": ("branch",),
}  # fmt: skip
"""Options of single commands, and of which."""

MOST_POINTS = 500
"""Values that `--json` prints of each curve."""


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("steer")(steer)


def steer(
    run: Annotated[Path, typer.Argument(help="Folder of the run.", show_default=False)],
    command: Annotated[
        str,
        typer.Argument(
            help="extend, shorten, stretch, cooldown, rewarm (with a length), hold (with or without), release, set "
            "(lr=1e-4 ...), branch (with a new folder), pause, resume, stop, show.",
            show_default=False,
        ),
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="A length ('10%', '2 epochs'), lr=1e-4, a folder.", show_default=False)
    ] = None,
    to: Annotated[
        float | None, typer.Option(help="cooldown: where it arrives, as a multiple of the base: 0.", show_default=False)
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help="cooldown: along which it falls: 1-sqrt.", show_default=False)
    ] = None,
    start: Annotated[float | None, typer.Option(help="rewarm: where it begins: 0.01.", show_default=False)] = None,
    group: Annotated[str | None, typer.Option(help="set: of this parameter group alone.", show_default=False)] = None,
    at: Annotated[
        int | None, typer.Option(help="branch: update of the checkpoint: the newest.", show_default=False)
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="branch: schedule of what is left, e.g. 'cosine(to=0.01)'.", show_default=False)
    ] = None,
    total: Annotated[str | None, typer.Option(help="branch: length of the whole new run.", show_default=False)] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="branch: recipe of the new run: that of the old one.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the new curve, and change nothing.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer of a run that goes on.", min=0)] = 60.0,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Change a run, while it trains or after it was stopped.

    The curve is shown as it was and as it becomes. A run that goes on follows before its next update; one that does not
    when it is continued. No change but `set` and `rewarm` makes the values jump.
    """
    given = {
        "to": to, "shape": shape, "start": start, "group": group, "at": at, "schedule": schedule, "total": total,
        "recipe": recipe,
    }  # fmt: skip
    asked = _checked(command, arguments or [], {name: x for name, x in given.items() if x is not None})
    if command == "show":
        _show(run, lang.value, as_json)
    elif command == "branch":
        _branch(run, asked, dry_run, lang.value, as_json)
    else:
        _steer(run, command, asked, dry_run, timeout, lang.value, as_json)


def _checked(command: str, arguments: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a command by name.

    Raises:
        CadenceError: what is not a command, or not of it.
    """
    if command not in ALL:
        raise UnknownNameError(f"a run cannot be told to {command!r}; {neighbours(command, ALL)}")
    for name in options:
        if command not in OPTIONS[name]:
            raise SpecError(f"--{name} is of {OPTIONS[name][0]}, and means nothing to {command}; leave it out")
    if command == "set":
        if not arguments:
            raise SpecError("set needs at least one value; write e.g. set lr=1e-4")
        group = options.pop("group", None)
        return {"values": _values(arguments), "group": int(group) if group and group.isdecimal() else group}
    least = 1 if command in LENGTH or command == "branch" else 0
    most = 0 if command in BARE else 1
    if not least <= len(arguments) <= most:
        wanted = "a length, e.g. '10%'" if most and command != "branch" else "a new folder" if most else "nothing"
        told = " ".join(arguments) or "nothing"
        raise SpecError(f"{command} takes {wanted}, and got {told}")
    if command == "branch":
        return {"out": arguments[0], **options}
    from cadence.cli.lengths import length

    return {**({"length": length(arguments[0])} if arguments else {}), **options}


def _values(arguments: list[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for text in arguments:
        name, equals, number = text.partition("=")
        if not equals or not name:
            raise SpecError(f"set takes values by name, e.g. lr=1e-4, not {text!r}")
        if name in values:
            raise SpecError(f"{name} is given twice, as {values[name]:g} and as {number}; give it once")
        try:
            values[name] = float(number)
        except ValueError:
            raise SpecError(f"{name} cannot be set to {number!r}; write a number, e.g. {name}=1e-4") from None
    return values


def _steer(
    run: Path, command: str, arguments: dict[str, Any], dry_run: bool, timeout: float, lang: str, as_json: bool
) -> None:
    from cadence.cli.show import print_json
    from cadence.cli.words import say
    from cadence.run.steer import steer as ask

    done = ask(run, command, arguments, dry_run=dry_run, timeout=timeout)
    if as_json:
        curves = {} if done.before is None or done.after is None else _curves(done.before, done.after)
        print_json({"status": done.status, "t": done.t, "sentence": done.sentence, **curves})
        return
    if done.before is not None and done.after is not None:
        _draw(done.before, done.after, lang)
    print(done.sentence)
    if done.status == "preview":
        print(say(lang, "steer_preview"))
    elif done.status == "applied":
        print(say(lang, "steer_applied", t=done.t))
    elif "has not answered" not in done.sentence:
        print(say(lang, "steer_waiting", recipe=run / "recipe.yaml", folder=run))


def _branch(run: Path, arguments: dict[str, Any], dry_run: bool, lang: str, as_json: bool) -> None:
    from cadence.cli.lengths import length
    from cadence.cli.show import print_json
    from cadence.cli.words import say
    from cadence.run.branch import branch

    made = branch(
        run, arguments["out"], at=arguments.get("at"), recipe=arguments.get("recipe"), tail=arguments.get("schedule"),
        total=length(arguments.get("total")), dry_run=dry_run,
    )  # fmt: skip
    if as_json:
        print_json({"folder": str(made.folder), "t": made.t, **_curves(made.before, made.after)})
        return
    _draw(made.before, made.after, lang)
    told = say(lang, "branched", out=made.folder, t=made.t, folder=made.origin, recipe=made.folder / "recipe.yaml")
    print(say(lang, "steer_preview") if dry_run else told)


def _show(run: Path, lang: str, as_json: bool) -> None:
    from cadence.cli.show import print_json, text_plot
    from cadence.cli.words import say
    from cadence.run.standing import standing

    at = standing(run)
    curve = at.control.curve
    now = {f"{curve.groups[g]}/{value}": curve.at(at.t, group=g, value=value) for g, value in curve.pairs}
    waiting = [{"command": c.name, "arguments": dict(c.arguments)} for c in at.waiting]
    if as_json:
        print_json(
            {
                "folder": str(run), "status": at.status, "t": at.t, "total": curve.total, "values": now,
                "process": at.alive, "waiting": waiting, "journal": [dict(e) for e in curve.journal],
            }
        )  # fmt: skip
        return
    for value in curve.plan.values():
        print(text_plot([curve], value=value, lang=lang), end="\n\n")
    print(say(lang, "standing", folder=run, status=at.status, t=at.t, total=curve.total))
    if at.alive:
        print(say(lang, "standing_by", **{key: at.alive.get(key, "?") for key in ("pid", "host", "since")}))
    print(", ".join(f"{name} {x:.6g}" for name, x in now.items()))
    for entry in curve.journal:
        print(f"{entry['t']}: {entry.get('sentence', entry['kind'])}")
    for command in waiting:
        print(say(lang, "standing_waiting", command=" ".join(map(str, [command["command"], command["arguments"]]))))


def _draw(before: Curve, after: Curve, lang: str) -> None:
    """Both curves in one picture for each value that changes; of groups the first that does."""
    from cadence.cli.show import text_plot
    from cadence.cli.words import say

    labels = [say(lang, "before"), say(lang, "after")]
    for value, group in _moved(before, after):
        named = value if len(after.groups) == 1 else f"{after.groups[group]}/{value}"
        title = say(lang, "steer_title", value=named)
        told = text_plot([before, after], value=value, group=group, lang=lang, labels=labels, title=title)
        print(told, end="\n\n")


def _moved(before: Curve, after: Curve) -> list[tuple[str, int]]:
    """Each value that changes, with the first group that it changes in; one all the same where nothing moves."""
    import numpy as np

    t = np.unique(np.linspace(0, max(_end(curve) for curve in (before, after)), MOST_POINTS).astype(np.int64))
    both = [(value, g) for g, value in after.pairs if (g, value) in before.pairs]
    moved: dict[str, int] = {}
    for value, g in both:
        if (before.at(t, group=g, value=value) != after.at(t, group=g, value=value)).any():
            moved.setdefault(value, g)
    return list(moved.items()) or both[:1]


def _end(curve: Curve) -> int:
    """The length of a run by recipe, which is always known."""
    assert curve.end is not None
    return curve.end


def _curves(before: Curve, after: Curve) -> dict[str, Any]:
    return {"before": _data(before), "after": _data(after)}


def _data(curve: Curve) -> dict[str, Any]:
    import numpy as np

    end = _end(curve)
    t = np.unique(np.linspace(0, end, min(end + 1, MOST_POINTS)).astype(np.int64))
    return {
        "spec": curve.spec,
        "total": curve.total,
        "t": t.tolist(),
        "values": {f"{curve.groups[g]}/{v}": curve.at(t, group=g, value=v).tolist() for g, v in curve.pairs},
    }
