"""What else a log tells: a schedule for each group, or how many times the first group's rate it has."""

from __future__ import annotations

import numpy as np
import pytest

import cadence as cd
from cadence.diagnosis.diagnose import diagnosed
from cadence.diagnosis.log import Facts, Log, Series
from cadence.diagnosis.reverse import reverse
from cadence.diagnosis.story import story_of

N = 400
T = np.arange(N)
FIRST = cd.place("warmup(20) >> cosine(to=0.1)", total=N, base=0.1).values()


def rates(**columns: np.ndarray) -> list:
    """What is told of the rates of a log."""
    lr = {name: Series(T, values) for name, values in columns.items()}
    return list(story_of(diagnosed(Log("log", "csv", loss=Series(T, np.ones(N)), lr=lr, facts=Facts()))).rates)


def test_a_group_that_keeps_its_ratio_has_the_first_one_s_schedule() -> None:
    first, second = rates(body=FIRST, head=10 * FIRST)
    assert (first.times, second.times) == (None, pytest.approx(10))
    assert first.schedule.schedule == "warmup(20) >> cosine(to=0.1)"
    assert second.schedule is None
    assert second.events == first.events
    assert second.sentence.en == "always 10 times the first group's"


def test_a_group_with_a_course_of_its_own_has_its_own_schedule() -> None:
    held = np.where(T < 200, FIRST, FIRST[200])
    for other in (held, FIRST * (1 + 1e-3 * T / N)):
        _, second = rates(body=FIRST, head=other)
        assert second.times is None
        assert second.schedule is not None
    assert [event.kind for event in rates(body=FIRST, head=held)[1].events] != []


@pytest.mark.parametrize(("share", "named"), [(0.01, True), (0.1, False)])
def test_a_name_is_given_to_what_nearly_follows_it_and_to_nothing_further_off(share: float, named: bool) -> None:
    values = 0.1 * (1 - T / N) + 0.1 * share * np.sin(T / 15)
    found = reverse(Series(T, np.abs(values)), total=N)
    assert found is not None
    assert ("piecewise" not in found.schedule) == named
