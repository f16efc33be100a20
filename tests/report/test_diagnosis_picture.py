"""The pictures of a diagnosis: what stands out is drawn, however long a log is, and events of several groups once."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from cadence.diagnosis.diagnose import events_of
from cadence.diagnosis.log import Facts, Log, Series
from cadence.report.diagnosis_page import _stretch
from cadence.report.diagnosis_picture import PANEL, TOP, Panel, picture


def drawn(values: np.ndarray, **more: object) -> str:
    series = Series(np.arange(len(values)), values)
    return str(picture([Panel("loss", (("loss", series),))], title="x", update="update", **more))  # type: ignore[arg-type]


def line(svg: str) -> list[tuple[float, float]]:
    """The points of the line."""
    (path,) = re.findall(r'd="(M[^"]+)" class="dg-line', svg)
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", path)]


def test_a_single_spike_in_a_long_log_is_drawn_to_the_top() -> None:
    values = np.ones(20_000)
    values[12_345] = 9.0
    points = line(drawn(values))
    assert len(points) < 2500
    assert min(y for _, y in points) == TOP
    assert sum(y < TOP + PANEL / 2 for _, y in points) == 1


def test_a_loss_over_many_decades_has_a_logarithmic_axis_and_a_decay_to_0_has_not() -> None:
    decades = drawn(np.geomspace(10.0, 1e-4, 300))
    falling = drawn(np.linspace(0.1, 0.0, 300))
    for svg in (decades, falling):
        steps = np.diff([y for _, y in line(svg)])
        assert steps.max() < 2 * np.median(steps)  # a straight line


@pytest.mark.parametrize(
    ("first", "last", "updates", "shown"),
    [
        (2000, 2040, 4000, (1800, 2240)),  # a twentieth of the run on either side
        (2000, 2100, 4000, (1600, 2500)),  # four times its length
        (10, 50, 4000, (0, 250)),
        (2000, 3000, 4000, (0, 4000)),  # a good part of the run: all of it
        (100, 101, 150, (0, 150)),
    ],
)
def test_the_picture_of_something_short_shows_its_neighbourhood(
    first: int, last: int, updates: int, shown: tuple[int, int]
) -> None:
    found = SimpleNamespace(picture=SimpleNamespace(first=first, last=last))
    assert _stretch(found, updates) == shown  # type: ignore[arg-type]


def test_events_that_several_groups_share_are_judged_once_and_those_of_each_all() -> None:
    t = np.arange(900)
    body = np.where(t < 300, 0.1, 0.01)
    head = np.where(t < 300, 1.0, np.where(t < 600, 0.1, 0.01))
    log = Log("log", "csv", lr={"body": Series(t, body), "head": Series(t, head)}, facts=Facts())
    assert [event.t for event in events_of(log)] == [300, 600]
