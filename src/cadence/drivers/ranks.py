"""What processes that train together tell each other: plain data, one collective call at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from cadence._errors import FeedbackError, RanksError

Gather: TypeAlias = Callable[[bytes], list[bytes]]
"""Collective: takes this rank's bytes, as many on each rank, and gives those of all ranks in order."""

Exchange: TypeAlias = Callable[[Any], list[Any]]
"""Collective: takes this rank's plain data, and gives those of all ranks in order."""

FRAME = 4096
"""Bytes that every rank sends at once: a few hundred numbers. What is longer takes a second call."""

HEAD = 8

ALIKE = 1e-9
"""Values that differ by less, relatively, are the same: another machine's library may round another way."""


def exchanged(value: Any, gather: Gather) -> list[Any]:
    """The plain data of every rank, in order.

    Args:
        value: of this rank: what JSON can hold; numbers come back to the bit, those that are not finite too.
        gather: a framework's own call.

    Example:
        >>> exchanged({"loss": 0.1}, lambda frame: [frame, frame])
        [{'loss': 0.1}, {'loss': 0.1}]
    """
    content = json.dumps(value).encode()
    told = gather(_framed(content, FRAME))
    # Every rank sees how long each content is, so all of them know whether there is a second call.
    longest = max(_length(frame) for frame in told)
    if longest > FRAME - HEAD:
        told = gather(_framed(content, longest + HEAD))
    return [json.loads(frame[HEAD : HEAD + _length(frame)]) for frame in told]


def mean_over_ranks(
    metrics: Mapping[str, float], t: int, values: Mapping[str, Sequence[float | None]], exchange: Exchange
) -> dict[str, float]:
    """The mean of each metric over all ranks, by one exchange. Each adds up the same numbers in the same order.

    Args:
        metrics: of this rank.
        t: updates done.
        values: what is in force: value -> one number per group. They must be the same on every rank.
        exchange: among all ranks.

    Raises:
        FeedbackError: ranks report different metrics.
        RanksError: they do not train alike any more. Both are raised on every rank.
    """
    told = exchange({"metrics": dict(metrics), "t": t, "values": {name: list(row) for name, row in values.items()}})
    names = [sorted(one["metrics"]) for one in told]
    if any(other != names[0] for other in names):
        raise FeedbackError(f"ranks report different metrics: {names}; report the same names on each")
    check_alike([one["t"] for one in told], [one["values"] for one in told])
    return {name: sum(one["metrics"][name] for one in told) / len(told) for name in metrics}


def check_alike(done: Sequence[int], values: Sequence[Mapping[str, Sequence[float | None]]]) -> None:
    """Check that every rank stands at the same update with the same values.

    Args:
        done: updates done, of each rank.
        values: value -> one number per group, of each rank.

    Raises:
        RanksError: two ranks differ; the message says where.

    Example:
        >>> check_alike([9, 9], [{"lr": [0.1]}, {"lr": [0.05]}])
        Traceback (most recent call last):
        cadence._errors.RanksError: after 9 updates lr of group 0 is 0.1 on rank 0 and 0.05 on rank 1: the processes no
        longer train one model; let every rank take the same decisions from the same metrics, and go on from the last
        checkpoint
    """
    for rank in range(1, len(done)):
        if done[rank] != done[0]:
            raise RanksError(
                f"rank 0 has done {done[0]} updates and rank {rank} {done[rank]}: the processes no longer train one "
                f"model; step all optimizers alike, and go on from the last checkpoint"
            )
        for name, row in values[0].items():
            for g, (first, other) in enumerate(zip(row, values[rank].get(name, []), strict=False)):
                if not _alike(first, other):
                    raise RanksError(
                        f"after {done[0]} updates {name} of group {g} is {first} on rank 0 and {other} on rank {rank}: "
                        f"the processes no longer train one model; let every rank take the same decisions from the "
                        f"same metrics, and go on from the last checkpoint"
                    )
        if {k: len(v) for k, v in values[0].items()} != {k: len(v) for k, v in values[rank].items()}:
            raise RanksError(
                f"rank 0 and rank {rank} have different values or parameter groups to schedule after {done[0]} "
                f"updates; make the same optimizer and the same plan on each"
            )


def _alike(first: float | None, other: float | None) -> bool:
    if first is None or other is None:
        return first is other
    return abs(first - other) <= ALIKE * max(abs(first), abs(other))


def _framed(content: bytes, size: int) -> bytes:
    head = len(content).to_bytes(HEAD, "big")
    return (head + content[: size - HEAD]).ljust(size, b"\0")


def _length(frame: bytes) -> int:
    return int.from_bytes(frame[:HEAD], "big")
