"""Faults that can be provoked in any task in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from labelled import tasks
from labelled.plans import CONSTANT, DEVELOPMENT, HEAVY, HELD, PLAIN, Run
from labelled.training import Plan


def faulty() -> Iterator[Run]:
    """All of them, of all tasks."""
    for key, plan in {**DEVELOPMENT, **HELD}.items():
        for run in (*of_the_rate(plan), *of_the_schedule(plan), *of_the_run(plan)):
            yield replace(run, name=f"{run.name}-{key}")


def of_the_rate(plan: Plan) -> Iterator[Run]:
    """Rates far too high and too low, in several severities."""
    sgd = plan.optimizer == "sgd"
    yield Run("divergence", replace(plan, lr=plan.lr * (300 if sgd else 3000), schedule=CONSTANT), ("divergence",))
    climbs = 'warmup("60%", start=0.001) >> constant()'
    late = replace(plan, optimizer="sgd", lr=60.0 if sgd else 100.0, schedule=climbs, arguments=HEAVY)
    yield Run("divergence-late", late, ("divergence",), near=("oscillation",))
    # What is learnt within twenty updates is learnt at a low rate as well.
    easy = 0.1 if plan.task in (tasks.patients, tasks.moons) else 1.0 if sgd else 0.5
    for severity, factor in (("", 0.01), ("-mild", 0.03)):
        yield Run(f"rate-low{severity}", replace(plan, lr=plan.lr * factor * easy), ("rate_low",))
    own: dict[Any, int] = {tasks.gpt: 600, tasks.denoising: 20, tasks.patients: 60}
    most = own.get(plan.task, 16 if sgd else 150)
    high = replace(plan, lr=plan.lr * most)
    yield Run("rate-high", high, ("rate_high", "divergence"), near=("oscillation", "over_fitting"))


def of_the_schedule(plan: Plan) -> Iterator[Run]:
    """Rates that come down too early."""
    tail = 'warmup("5%") >> cosine("35%", to=0.0005) >> constant(start=0.0005)'
    yield Run("wasted-tail", replace(plan, schedule=tail), ("wasted_tail",), near=("stalled",))
    drops = 'steps(at=["15%", "25%"], gamma=0.01)'
    yield Run("dropped-early", replace(plan, schedule=drops), ("wasted_tail", "stalled"))


def of_the_run(plan: Plan) -> Iterator[Run]:
    """Validation on a handful of examples, and resumes that forget the schedule or bring back older weights."""
    tokens = plan.task in (tasks.gpt, tasks.gated)
    yield Run("noisy-validation", replace(plan, judged=1 if tokens else 6), ("noisy_validation",))
    half = plan.updates // 2
    anew = replace(plan, spoiled=("schedule", half), schedule='warmup("2%") >> cosine(to=0.01)')
    yield Run("resume-schedule", anew, ("resume_jump",), near=("planned",), jump=half, cause=half)
    if plan.task in (tasks.patients, tasks.moons):
        # After twenty updates there is nothing left to forget.
        return
    back = replace(plan, spoiled=("weights", half, half - 20), schedule=PLAIN)
    yield Run("resume-weights", back, ("resume_jump",), jump=half)
