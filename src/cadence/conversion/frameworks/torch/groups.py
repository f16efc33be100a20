"""Parameter groups: torch takes lists with one value for each, and a scheduler may differ from group to group."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from cadence._errors import ConversionError
from cadence.conversion.doors import native_of
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan, plan
from cadence.spec.shown import shown

Meaning = TypeVar("Meaning", bound=Callable[..., "Schedule | Plan"])

LISTS: Mapping[str, tuple[str, ...]] = {
    "LambdaLR": ("lr_lambda",),
    "MultiplicativeLR": ("lr_lambda",),
    "CyclicLR": ("base_lr", "max_lr", "base_momentum", "max_momentum"),
    "OneCycleLR": ("max_lr", "base_momentum", "max_momentum"),
    "ReduceLROnPlateau": ("min_lr",),
    "SWALR": ("swa_lr",),
}
"""Arguments that may be a list with one value for each group."""

COMPOSERS = ("SequentialLR", "ChainedScheduler")


def per_group(name: str, *, relative: bool = False) -> Callable[[Meaning], Meaning]:
    """Let a meaning speak of one group at a time: its arguments and its base are those of that group.

    Args:
        name: of the scheduler, whose lists are told by `LISTS`.
        relative: whether the base does not count, so that groups with the same arguments have the same schedule.
    """

    def wrap(meaning: Meaning) -> Meaning:
        @functools.wraps(meaning)
        def of_all(on: Setting, **arguments: Any) -> Schedule | Plan:
            whole = Native("torch", name, arguments)
            seen: dict[Any, Any] = {}
            results: list[Schedule | Plan] = []
            for g, base in enumerate(on.bases):
                here = of_group(whole, g, len(on.bases)).arguments
                # A function may take long, and is asked once for all groups that have it.
                known = None if relative else base, tuple(map(id, here.values()))
                if known not in seen:
                    # The arguments are kept with it, so that none of them can be mistaken for one that is gone.
                    seen[known] = here, meaning(on.with_bases(base), **here)
                results.append(seen[known][1])
            return merged(results)

        return of_all  # type: ignore[return-value]

    return wrap


def of_group(native: Native, g: int, count: int) -> Native:
    """The scheduler as group `g` of `count` sees it.

    Raises:
        ConversionError: a list of another length.
    """
    arguments = dict(native.arguments)
    for key in LISTS.get(native.name, ()):
        if isinstance(arguments.get(key), (list, tuple)):
            if len(arguments[key]) != count:
                raise ConversionError(
                    f"{key} of {native.name} has {len(arguments[key])} values where there are {count} parameter "
                    f"groups; write one for each, and base= with one rate for each"
                )
            arguments[key] = arguments[key][g]
    if native.name in COMPOSERS:
        arguments["schedulers"] = [of_group(part, g, count) for part in parts_of(native)]
    return Native(native.framework, native.name, arguments)


def parts_of(native: Native) -> list[Native]:
    """The schedulers inside a composer, as data."""
    parts = native.arguments.get("schedulers")
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        raise ConversionError(f"schedulers of {native.name} is a list of schedulers, not {shown(parts)}")
    return [native_of("torch", part) for part in cast("Sequence[Any]", parts)]


def whole(native: Native) -> Native:
    """The same with every scheduler inside it as data, at any depth."""
    if native.name not in COMPOSERS:
        return native
    return Native("torch", native.name, {**native.arguments, "schedulers": [whole(p) for p in parts_of(native)]})


def merged(results: Sequence[Schedule | Plan]) -> Schedule | Plan:
    """One schedule where all groups have the same, else a plan that names the groups."""
    if all(result == results[0] for result in results):
        return results[0]
    by_value = [dict(r.entries) if isinstance(r, Plan) else {"lr": r} for r in results]
    entries: dict[str, Schedule] = {}
    for value in by_value[0]:
        schedules = [of[value] for of in by_value]
        if all(s == schedules[0] for s in schedules):
            entries[value] = schedules[0]
        else:
            entries.update({f"{g}/{value}": s for g, s in enumerate(schedules)})
    return plan(entries)
