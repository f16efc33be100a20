"""From columns as they stand in a file to a log in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from cadence._errors import RecordError, neighbours
from cadence.diagnosis.log import ONE, TRAIN, Event, Log, Note, Series
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.bins import Kept, Shorter, shorter_for
from cadence.diagnosis.reading.order import Order, gaps_in, order_of
from cadence.diagnosis.reading.raw import Raw, RawLog
from cadence.diagnosis.reading.roles import is_loss, role_of
from cadence.diagnosis.reading.rows import role_in

_AT_ONCE = 1_000_000

FEW = 10
"""Fewer rows than this tell no trend."""


def assemble(raw: RawLog, roles: Mapping[str, str]) -> Log:
    """A log from what its reader found.

    Args:
        raw: columns, in the order of the file.
        roles: role -> name of a column, where a user says so.

    Raises:
        RecordError: there are no numbers in such a column.
    """
    _check(raw, roles)
    parts = _sorted_out(raw, roles)
    orders = [part for part in parts if part.order is not None]
    events = (*raw.events, *_resumes(orders))
    loss, rates = _loss(parts, roles), _rates(parts)
    training = raw.done
    train: dict[str, Series] = {}
    for part in parts:
        if part.role in TRAIN and part.role not in train:
            train[part.role] = _shifted(part.series, training and part.role != "seconds")
    metrics = {part.raw.name: part.series for part in parts if part.role == "metric"}
    log = Log(
        source=raw.source,
        kind=raw.kind,
        loss=None if loss is None else _shifted(loss.series, training),
        lr={group: _shifted(series, training and not raw.rates_after) for group, series in rates.items()},
        train=_in_seconds(train),
        update_ratio={
            p.raw.group or role_of(p.raw.name).group or ONE: p.series for p in parts if p.role == "update_ratio"
        },
        metrics=metrics,
        val_loss=roles.get("val_loss") or _val_loss(metrics),
        events=tuple(sorted(events, key=lambda event: event.t)),
        facts=raw.facts,
    )
    return replace(log, notes=(*raw.notes, *_notes(log, orders)))


def _check(raw: RawLog, roles: Mapping[str, str]) -> None:
    names = {column.name for column in raw.columns}
    for role, name in roles.items():
        # The columns that count are used up by now; who reads a table knows their names.
        if role not in {"step", "epoch"} and name not in names:
            raise RecordError(
                f"{raw.source} has no numbers called {name!r:.60} to be the {role}; {neighbours(name, names)}"
            )


@final
@dataclass(frozen=True, eq=False)
class _Part:
    """A column with its role, in order."""

    raw: Raw
    role: str
    series: Series
    order: Order


def _sorted_out(raw: RawLog, roles: Mapping[str, str]) -> list[_Part]:
    found: list[_Part] = []
    for column in raw.columns:
        role = role_in(column.name, roles)
        if role and role not in {"step", "epoch"}:
            order = order_of(column.t)
            found.append(_Part(column, role, _series(column, order, role), order))
    return found


def _series(column: Raw, order: Order, role: str) -> Series:
    """The numbers that count, in order; fewer of them where they are very many."""
    index = order.index
    fields = (column.values, column.low, column.high, column.rows, column.bad)
    if column.rows is not None:
        return Series(column.t[index], *(None if f is None else f[index] for f in fields))  # type: ignore[arg-type]
    held: Shorter = shorter_for(len(index), rate=role in {"lr", "momentum", "weight_decay"})
    t, values = column.t[index], column.values[index]
    if isinstance(held, Kept):
        return Series(t, values)
    for begin in range(0, len(t), _AT_ONCE):
        held.add(t[begin : begin + _AT_ONCE], values[begin : begin + _AT_ONCE])
    short = held.whole(column.name)
    return Series(short.t, short.values, short.low, short.high, short.rows, short.bad)  # type: ignore[arg-type]


def _shifted(series: Series, after: bool) -> Series:
    """A series whose rows were written after `t` updates, at the update that they tell of."""
    if not after:
        return series
    return Series(np.maximum(series.t - 1, 0), series.values, series.low, series.high, series.rows, series.bad)


def _loss(parts: Sequence[_Part], roles: Mapping[str, str]) -> _Part | None:
    fits = [part for part in parts if part.role == "loss"]
    if "loss" in roles:
        fits = [part for part in fits if part.raw.name == roles["loss"]]
    return min(fits, key=lambda part: (role_of(part.raw.name).extra, -int(part.series.rows.sum())), default=None)


def _rates(parts: Sequence[_Part]) -> dict[str, Series]:
    """The rates by group, named by what tells their columns apart."""
    fits = [part for part in parts if part.role == "lr"]
    if len(fits) == 1 and fits[0].raw.group is None:
        return {ONE: fits[0].series}
    named = {part.raw.group or role_of(part.raw.name).group or ONE: part.series for part in fits}
    if len(named) == len(fits):
        return named
    return {part.raw.name: part.series for part in fits}


def _in_seconds(train: dict[str, Series]) -> dict[str, Series]:
    """Times since the beginning: a clock of the wall, or milliseconds of one, begins at its first."""
    seconds = train.get("seconds")
    if seconds is None or not len(seconds) or not np.isfinite(seconds.values[0]) or seconds.values[0] < 1e8:
        return train
    unit = 1e-3 if seconds.values[0] > 1e11 else 1.0
    values = (seconds.values - seconds.values[0]) * unit
    return {**train, "seconds": Series(seconds.t, values)}


def _val_loss(metrics: Mapping[str, Series]) -> str | None:
    fits = [name for name in metrics if is_loss(name) and role_of(name).judged]
    return min(fits, key=lambda name: (role_of(name).extra, -len(metrics[name])), default=None)


def _telling(parts: Sequence[_Part]) -> _Part:
    """The column that tells the order of the log: the loss, else a rate, else the one with the most rows."""
    ranks = {"loss": 0, "lr": 1}
    return min(parts, key=lambda part: (ranks.get(part.role, 2), -len(part.raw.t)))


def _resumes(parts: Sequence[_Part]) -> list[Event]:
    """Where the training was taken up again, told from the column with the most rows."""
    if not parts:
        return []
    order = _telling(parts).order
    return [
        Event(after, "resume", "", {"after": before, "from": "order of rows"}) for before, after in order.resets
    ]  # fmt: skip


def _notes(log: Log, parts: Sequence[_Part]) -> Iterator[Note]:
    if log.loss is None:
        yield noted.no_loss()
    elif int(log.loss.rows.sum()) < FEW:
        yield noted.short(int(log.loss.rows.sum()))
    if not log.lr:
        yield noted.no_rate()
    if not parts:
        return
    yield from _of_order(_telling(parts).order)
    # Of a rate that was thinned out, the rows that are left say nothing about gaps.
    whole = log.rate if not any(part.series.binned for part in parts) else None
    for name, series in (("The loss", log.loss), ("The learning rate", whole)):
        gaps = None if series is None else gaps_in(series.t)
        if gaps is not None:
            yield noted.gap(name, gaps.count, gaps.first, gaps.end, gaps.every)
            break
    for part in parts:
        bad = np.flatnonzero(part.series.bad)
        if len(bad) and part.role in {"loss", "lr", "metric", "grad_norm"}:
            yield noted.not_finite(part.raw.name, int(part.series.bad.sum()), int(part.series.t[bad[0]]))
    binned = [part.series for part in parts if part.series.binned]
    if binned:
        most = max(binned, key=lambda series: int(series.rows.sum()))
        yield noted.binned(int(most.rows.sum()), len(most))


def _of_order(order: Order) -> Iterator[Note]:
    if order.restarts:
        yield noted.restart(*order.restarts[-1], len(order.restarts))
    if order.resets:
        yield noted.reset(*order.resets[0], len(order.resets))
    if order.duplicates:
        yield noted.duplicate(order.duplicates)
    if order.unsorted:
        yield noted.unsorted(order.unsorted)
