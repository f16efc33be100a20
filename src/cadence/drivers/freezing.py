"""Which parameter groups are not trained yet: a pure function of the update number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cadence._errors import DriverError, HorizonError
from cadence.curve.edits import Entry
from cadence.curve.horizon import Horizon, round_half_up
from cadence.spec.groups import frozen


@dataclass(frozen=True)
class Freezing:
    """From which update on each group is trained.

    Attributes:
        groups: names of the groups.
        until: for each the first update that trains it; None: none does; 0 for a group that is not frozen at all.
    """

    groups: tuple[str, ...]
    until: tuple[int | None, ...]

    def at(self, t: int) -> tuple[bool, ...]:
        """Whether each group is frozen at update `t`."""
        return tuple(until is None or t < until for until in self.until)

    def change_after(self, t: int) -> int | None:
        """The next update at which a group is trained that was not; None where there is none."""
        return min((until for until in self.until if until is not None and until > t), default=None)

    def thawed(self, t: int, journal: Sequence[Entry]) -> list[str]:
        """The groups that have been frozen, are trained at update `t`, and of which the journal does not say so."""
        told = _told(journal)
        return [g for g, until in zip(self.groups, self.until, strict=True) if until and t >= until and g not in told]

    def beginning(self) -> Entry | None:
        """What the journal says of it at update 0; None where nothing is frozen."""
        lasting = {g: until for g, until in zip(self.groups, self.until, strict=True) if until != 0}
        if not lasting:
            return None
        whole = {name.partition(":")[0]: n for name, n in lasting.items()}
        told = ", ".join(f"{name} {'for good' if n is None else f'before update {n}'}" for name, n in whole.items())
        return {"t": 0, "kind": "freeze", "groups": lasting, "sentence": f"Frozen: {told}."}


def freezing(says: Sequence[Any], names: Sequence[str], run: Horizon, journal: Sequence[Entry]) -> Freezing:
    """What the groups' own `frozen` means in a run.

    Args:
        says: what each group says: a length, True (always), or None.
        names: of the groups.
        run: resolves the lengths.
        journal: of the run: what it says was thawed stays so, also where a run has become longer.

    Raises:
        SpecError: what a group says is no length.
        HorizonError: a length that the run cannot resolve, or that does not end before the run does.
        DriverError: no group is trained.
    """
    told = _told(journal)
    until = [told.get(name, _until(name, said, run)) for name, said in zip(names, says, strict=True)]
    if all(n is None or n > 0 for n in until):
        raise DriverError(
            f"every parameter group is frozen at update 0 ({', '.join(names)}), so there is nothing to train; leave "
            f"one without frozen"
        )
    return Freezing(tuple(names), tuple(until))


def _until(name: str, said: Any, run: Horizon) -> int | None:
    length = frozen(said)
    if length is None:
        return 0
    if length is True:
        return None
    updates = max(1, round_half_up(run.updates(length)))
    if run.total is not None and updates >= run.total:
        raise HorizonError(
            f"the group {name!r} is frozen for {length}, {updates} updates, and the run has {run.total}; write frozen: "
            f"true if it is never to be trained, else a shorter length"
        )
    return updates


def _told(journal: Sequence[Entry]) -> dict[str, int]:
    """Groups that the journal says were thawed, and when."""
    entries = [entry for entry in journal if entry["kind"] == "thaw"]
    return {name: int(e["t"]) for e in entries for name in e["groups"]}
