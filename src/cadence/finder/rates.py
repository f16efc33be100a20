"""The rates of parameter groups, whose ratios a test keeps."""

from __future__ import annotations

from dataclasses import dataclass

from cadence._errors import OptimizerError
from cadence.drivers.writer import Write, Writer


@dataclass(frozen=True)
class Rates:
    """The rates that groups have before a test.

    Attributes:
        own: rate of each group.
        names: of the groups; None where one has none.
        write: puts the rates of all groups into the optimizer.
    """

    own: tuple[float, ...]
    names: tuple[str | None, ...]
    write: Write

    @property
    def reference(self) -> int:
        """The first group that is trained: its rate is meant where one is told."""
        return next(g for g, rate in enumerate(self.own) if rate > 0)

    @property
    def shares(self) -> list[float]:
        """How many times the first group's rate each group has."""
        return [rate / self.own[self.reference] for rate in self.own]


def rates_of(writer: Writer) -> Rates:
    """The rates of what a writer writes into: those of the beginning, where a schedule has moved them since.

    Raises:
        OptimizerError: all are 0, so that there is no ratio to keep.
    """
    names = tuple(writer.groups())
    own = tuple(writer.base(g, "lr") or 0.0 for g in range(len(names)))
    if not any(rate > 0 for rate in own):
        raise OptimizerError(
            "the learning rate of every parameter group is 0, and a test keeps their ratios; give them rates, e.g. "
            "lr=0.001"
        )
    return Rates(own, names, writer.aim([(g, "lr") for g in range(len(own))], {"lr": list(own)}))
