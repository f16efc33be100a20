"""Paddle's own schedulers, stepped, against the schedules they are read as."""

from __future__ import annotations

import numpy as np
import pytest

import cadence as cd

pytest.importorskip("paddle")

from paddle_cases import KINDS, Kind, assert_equal, some_rate, stepped  # noqa: E402

SEEDS = 150
SAMPLED = ("lr_lambda", "scale_fn")


@pytest.mark.parametrize("kind", KINDS)
def test_a_scheduler_is_a_schedule(kind: Kind) -> None:
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        base = some_rate(random)
        case = kind(random, base)
        steps = min(case.most, int(random.choice([3, 40, 150])))
        theirs = stepped(case.made(base), steps)[:steps]
        # 1. The base is the scheduler's own rate, told or not. 2. It is another. 3. The length of the run is not known.
        known = random.random() < 0.7 or any(key in str(case.full(base)) for key in SAMPLED)
        total = steps if known else None
        written = case.full(base) if case.inner or random.random() < 0.5 else dict(case.arguments)
        other = float(random.choice([1.0, 0.37]))
        for arguments, at in [(written, base), (case.full(base), other)]:
            schedule = cd.from_native("paddle", case.name, arguments, base=at, total=total)
            ours = cd.place(schedule, total=steps, base=at).values()
            assert_equal(theirs, ours, f"seed {seed}, {case.name} {arguments}, base {at}: {schedule!r}")
