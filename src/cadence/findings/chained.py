"""Several schedulers of torch on one optimizer: what they make of the rate between them.

Most of torch's schedulers change the rate that they find by the ratio of two neighbouring values of their formula, some
write base rate times formula whatever they find. What comes out depends on the order in which they were made and
stepped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cadence.findings.course import Course

CLOSED = frozenset({"LambdaLR", "CosineAnnealingWarmRestarts", "OneCycleLR", "CyclicLR"})
"""Those that write base rate times formula."""


@dataclass(frozen=True)
class Link:
    """One scheduler in the order of making.

    Attributes:
        course: its own values, from the base rate.
        floor: the rate it counts from: eta_min of a cosine.
        closed: whether it writes its own value whatever it finds.
    """

    course: Course
    floor: float
    closed: bool

    def at(self, k: int) -> float:
        """Its own value after k calls of step()."""
        return self.course.at_tick(k)


def simulate(links: Sequence[Link], turns: Sequence[Sequence[int]], base: float) -> list[float]:
    """The rate before each turn, and after the last.

    Args:
        links: in the order in which they are made.
        turns: for each turn the links that are stepped, in order.
        base: the optimizer's rate.

    Returns:
        len(turns) + 1 rates.

    Source: torch.optim.lr_scheduler, the get_lr of each class: recursive ones compute from the group's present rate.
    """
    rate = base
    counts = [0] * len(links)
    for link in links:
        # Making a scheduler is its first step: the recursive ones multiply what they find by their first factor.
        rate = link.at(0) if link.closed else link.floor + (rate - link.floor) * _ratio(link.at(0), base, link.floor)
    rates = [rate]
    for turn in turns:
        for i in turn:
            counts[i] += 1
            link = links[i]
            now, before = link.at(counts[i]), link.at(counts[i] - 1)
            rate = now if link.closed else link.floor + (rate - link.floor) * _ratio(now, before, link.floor)
        rates.append(rate)
    return rates


def _ratio(now: float, before: float, floor: float) -> float:
    return 1.0 if before == floor else (now - floor) / (before - floor)
