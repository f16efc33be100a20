"""Faults in several severities, as shares of the best rate of a small sweep, in any task in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from labelled.plans import CONSTANT, PLAIN, Run
from labelled.tasks import Task
from labelled.training import Plan

HIGH = ("rate_high", "divergence", "oscillation")
"""What a rate that is too high may look like."""

LEVEL = (*HIGH, "stalled")
"""And one that is held."""


def of_rates(plan: Plan) -> Iterator[Run]:
    """A rate of a tenth to a hundredth, and of ten to a hundred times the best one; high ones without a warmup."""
    for factor in (10, 30, 100):
        yield Run(f"low-{factor}", replace(plan, lr=plan.lr / factor), ("rate_low",))
        yield Run(f"high-{factor}", replace(plan, lr=plan.lr * factor), HIGH, near=("stalled",))
    yield Run("low-10-constant", replace(plan, lr=plan.lr / 10, schedule=CONSTANT), ("rate_low",))
    yield Run("high-10-constant", replace(plan, lr=plan.lr * 10, schedule=CONSTANT), LEVEL)
    for factor in (3, 10):
        begins = replace(plan, lr=plan.lr * factor, schedule="cosine(to=0.01)")
        yield Run(f"sudden-{factor}", begins, ("under_warmup", "rate_high", "divergence"), near=("oscillation",))


def of_schedules(plan: Plan) -> Iterator[Run]:
    """Schedules that end early, rules that cut at once or hardly ever."""
    for share in (30, 50):
        ends = f'warmup("5%") >> cosine("{share}%", to=0) >> constant(start=0)'
        yield Run(f"ends-{share}", replace(plan, schedule=ends), ("wasted_tail",), near=("stalled",))
    drops = 'warmup("3%") >> steps(at=["12%", "24%"], gamma=0.1)'
    yield Run("drops", replace(plan, schedule=drops), ("wasted_tail", "stalled", "plateau_eager"), near=("rate_low",))
    each = max(4, plan.updates // 80)
    eager = 'constant() * plateau("val_loss", factor=0.3, patience=1)'
    hasty = replace(plan, evaluate=each, judged=12, schedule=eager)
    near = ("noisy_validation", "stalled")
    yield Run("patience-1", hasty, ("plateau_eager", "wasted_tail"), near=near)
    waits = 'constant() * plateau("val_loss", factor=0.1, patience=50, threshold=0.02)'
    late = replace(plan, lr=plan.lr * 3, updates=2 * plan.updates, evaluate=each, schedule=waits)
    yield Run("patience-50", late, ("plateau_late",), near=LEVEL)


def of_resumes(plan: Plan) -> Iterator[Run]:
    """Resumes that forget the schedule, the optimizer's state, or the last updates."""
    half = plan.updates // 2
    yield Run("anew", replace(plan, spoiled=("schedule", half)), ("resume_jump",), near=("planned",), jump=half)
    wsd = 'warmup("5%") >> constant() >> decay("20%")'
    anew = replace(plan, spoiled=("schedule", 2 * half // 3), schedule=wsd)
    yield Run("anew-wsd", anew, ("resume_jump",), near=("planned",))
    lost = replace(plan, spoiled=("optimizer", half), schedule=CONSTANT)
    yield Run("state-lost", lost, ("resume_jump",), near=LEVEL, jump=half)
    back = replace(plan, spoiled=("weights", half, half - plan.updates // 20), schedule=PLAIN)
    yield Run("older-weights", back, ("resume_jump",), jump=half)


def of_the_rest(plan: Plan, still: str) -> Iterator[Run]:
    """Few examples to judge by, a group that stands, a rate that somebody writes, a scale that falls, slow input."""
    yield Run("judged-6", replace(plan, judged=6), ("noisy_validation",))
    yield Run("judged-20", replace(plan, judged=20), ("noisy_validation",))
    yield Run("frozen", replace(plan, still=(still, 0.0)), ("still_groups",), near=("planned",))
    yield Run("frozen-nearly", replace(plan, still=(still, 3e-4)), ("still_groups",))
    third = plan.updates // 3
    for name, factor in (("written-up", 4.0), ("written-down", 0.2)):
        spoiled = ("rate", third, third + plan.updates // 6, factor)
        yield Run(name, replace(plan, spoiled=spoiled), ("planned",), near=("resume_jump", *HIGH))
    yield Run("scale", replace(plan, half=0.02), ("loss_scale",), near=("rate_low", "stalled"))
    yield Run("slow-input", replace(plan, wait=0.02), ("input_bound",))


def of_few_examples(plan: Plan, few: Callable[[], Task]) -> Iterator[Run]:
    """Few examples, and updates enough to learn them by heart."""
    adam = replace(plan, task=few, updates=2 * plan.updates, evaluate=2 * plan.updates // 40)
    yield Run("by-heart", adam, ("over_fitting",))
    held = replace(adam, lr=plan.lr / 2, schedule='warmup("5%") >> constant()')
    yield Run("by-heart-constant", held, ("over_fitting",))


def sound_of(plan: Plan) -> Iterator[Run]:
    """Schedules of all kinds at the best rate or near it, long and short, with few examples in a batch."""
    third, tenth = plan.lr / 3, plan.updates // 10
    step = 'warmup("5%") >> steps(at=["50%", "75%"], gamma=0.1)'
    wsd = 'warmup("5%") >> constant() >> decay("20%", shape="1-sqrt")'
    once = 'warmup("30%", start=0.04) >> cosine(to=0.0001)'
    for name, one in (
        ("cosine", plan),
        ("steps", replace(plan, schedule=step)),
        ("wsd", replace(plan, lr=third, schedule=wsd)),
        ("one-cycle", replace(plan, schedule=once)),
        ("linear", replace(plan, lr=plan.lr / 2, schedule='warmup("10%") >> linear(to=0)')),
        ("constant", replace(plan, lr=third, schedule='warmup("5%") >> constant()')),
        ("long", replace(plan, lr=third, updates=3 * plan.updates, evaluate=6 * tenth // 4)),
        ("short", replace(plan, updates=plan.updates // 2, evaluate=tenth)),
        ("noisy", replace(plan, lr=plan.lr / 2, batch=max(4, plan.batch // 6))),
    ):
        yield Run(f"sound-{name}", one)
    trained = replace(plan, updates=plan.updates * 2 // 3)
    yield Run("sound-tuning", replace(plan, start=trained, lr=third, updates=plan.updates * 2 // 3))
