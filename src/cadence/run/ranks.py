"""Processes that train together. One that trains alone is the smallest case."""

from __future__ import annotations

import abc
import importlib
import itertools
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias, TypeVar, final

from cadence import _errors
from cadence._errors import CadenceError, RanksError, RecipeError, TaskError
from cadence.drivers.ranks import check_alike
from cadence.run.engine import Judged
from cadence.tasks import Batch

R = TypeVar("R")

LAUNCHERS = {"torch": "torchrun", "paddle": "python -m paddle.distributed.launch"}
"""What starts several processes for an engine."""

COUNTS = {"torch": "WORLD_SIZE", "paddle": "PADDLE_TRAINERS_NUM"}
"""Where these say how many they have started."""

NUMBERS = {"torch": "RANK", "paddle": "PADDLE_TRAINER_ID"}
"""Where these say which one a process is."""


class Ranks(abc.ABC):
    """The processes that train one model together, seen from one of them.

    Everything but `rank`, `world` and `explained` is collective: all processes call it, in the same order.
    """

    @property
    @abc.abstractmethod
    def rank(self) -> int:
        """Which one this is, from 0. Number 0 keeps the record and the checkpoints."""

    @property
    @abc.abstractmethod
    def world(self) -> int:
        """How many there are."""

    @abc.abstractmethod
    def total(self, numbers: Sequence[float]) -> list[float]:
        """The sum of each number over all processes, to the bit the same in each; as many numbers in each."""

    @abc.abstractmethod
    def exchange(self, value: Any) -> list[Any]:
        """The plain JSON data of every process, in order."""

    @abc.abstractmethod
    def explained(self, fault: Exception) -> RanksError | None:
        """What a fault means, where it comes from another process that is gone; else None."""


@final
class Alone(Ranks):
    """One process."""

    @property
    def rank(self) -> int:
        return 0

    @property
    def world(self) -> int:
        return 1

    def total(self, numbers: Sequence[float]) -> list[float]:
        return list(numbers)

    def exchange(self, value: Any) -> list[Any]:
        return [value]

    def explained(self, fault: Exception) -> RanksError | None:
        del fault
        return None


OpenRanks: TypeAlias = Callable[[str], AbstractContextManager[Ranks]]
"""Joins the processes that the launcher has started, from the `device` of a recipe; leaves them when the block ends. In
each `<engine>_ranks.py` it is called `open_ranks`."""


def launched() -> dict[str, int]:
    """How many processes each framework's launcher says that it has started; empty where this one is alone."""
    counts = {engine: os.environ.get(variable, "") for engine, variable in COUNTS.items()}
    return {engine: int(n) for engine, n in counts.items() if n.isascii() and n.isdecimal() and int(n) > 1}


def leads() -> bool:
    """Whether this process is the one that talks to the user: rank 0, as the launcher has numbered it."""
    engine = next(iter(launched()), None)
    return engine is None or os.environ.get(NUMBERS[engine], "0") == "0"


@contextmanager
def together(engine: str, device: str) -> Generator[Ranks, None, None]:
    """The processes that train together with this one.

    Args:
        engine: of the recipe.
        device: of the recipe.

    Raises:
        RecipeError: they were started by another framework's launcher, or the engine trains in one process only.
        RanksError: they do not find each other.
    """
    counts = launched()
    if not counts:
        yield Alone()
        return
    if engine not in counts:
        other, world = next(iter(counts.items()))
        raise RecipeError(
            f"{LAUNCHERS[other]} has started {world} processes, and the recipe's engine is {engine!r}; start it with "
            f"{LAUNCHERS.get(engine, 'cadence train')}, or write engine: {other}"
        )
    try:
        module = importlib.import_module(f"cadence.run.{engine}_ranks")
    except ModuleNotFoundError as missing:
        if missing.name != f"cadence.run.{engine}_ranks":
            raise
        raise RecipeError(
            f"this run was started as one of {counts[engine]} processes, and the engine {engine!r} trains in one; "
            f"start it without {LAUNCHERS[engine]}, or drive a loop of your own with cadence.drive(...)"
        ) from None
    with module.open_ranks(device) as ranks:
        yield ranks


def refuse_many(what: str) -> None:
    """Refuse what is one process's matter.

    Raises:
        RecipeError: a launcher has started several.
    """
    for engine, world in launched().items():
        raise RecipeError(f"{what} is one process, and {LAUNCHERS[engine]} has started {world}; start it without")


def first(ranks: Ranks, call: Callable[[], R]) -> R:
    """What a call gives on rank 0, which alone makes it: plain data. An error that it raises is raised on every rank.

    Raises:
        CadenceError: by the call, with the same class and sentence on the others.
    """
    told: Any = None
    fault: CadenceError | None = None
    if ranks.rank == 0:
        try:
            told = {"value": call()}
        except CadenceError as error:
            told, fault = _written(error), error
    answer = ranks.exchange(told)[0]
    if fault is not None:
        raise fault
    if "error" in answer:
        raise _read(answer)
    return answer["value"]


def attempted(ranks: Ranks, call: Callable[[], R]) -> R:
    """What a call gives, which every rank makes. Where it fails on one, it fails on all.

    Args:
        ranks: that call.
        call: is not collective.

    Raises:
        CadenceError: by the call, with the same class elsewhere, where the sentence says on which rank.
    """
    done: list[R] = []
    fault: CadenceError | None = None
    try:
        done.append(call())
    except CadenceError as error:
        fault = error
    told = ranks.exchange(None if fault is None else _written(fault))
    if fault is not None:
        raise fault
    for rank, answer in enumerate(told):
        if answer is not None:
            raise _read({**answer, "error": f"rank {rank}: {answer['error']}"})
    return done[0]


def _written(fault: CadenceError) -> dict[str, str]:
    return {"error": str(fault), "class": type(fault).__name__}


def _read(answer: Mapping[str, str]) -> CadenceError:
    # Those of cadence are all in one file; one of somebody's own is known by its sentence.
    return getattr(_errors, answer["class"], CadenceError)(answer["error"])


def share(batches: Iterable[Batch], ranks: Ranks) -> Iterator[Batch]:
    """This rank's part of the batches, in turn; as many on every rank.

    Where the last turn has too few, ranks without one get a batch that counts nothing: a model whose weights are spread
    over the processes is computed by all of them or by none.
    """
    if ranks.world == 1:
        yield from batches
        return
    rest = iter(batches)
    while turn := list(itertools.islice(rest, ranks.world)):
        yield turn[ranks.rank] if ranks.rank < len(turn) else blank(turn[0])


def blank(batch: Batch) -> Batch:
    """A batch whose rows do not count."""
    return batch._replace(examples=0, tokens=0)


def judged(mine: Judged, t: int, values: Mapping[str, Sequence[float | None]], ranks: Ranks) -> dict[str, float]:
    """Means over all targets of an evaluation, the same bits on every rank, by one exchange.

    On the way it is checked that every rank stands at the same update with the same values.

    Args:
        mine: of this rank's share.
        t: updates done.
        values: in force: value -> one number per group.
        ranks: that evaluate together.

    Raises:
        RanksError: they no longer train one model; on every rank.
        TaskError: there is no target.
    """
    plain = {name: list(row) for name, row in values.items()}
    told = ranks.exchange({"sums": mine.sums, "targets": mine.targets, "t": t, "values": plain})
    check_alike([one["t"] for one in told], [one["values"] for one in told])
    targets = sum(one["targets"] for one in told)
    if not targets:
        raise TaskError("the held-out part has no targets, so there is nothing to judge on; give it some rows")
    return {name: sum(one["sums"][name] for one in told) / targets for name in mine.sums}
