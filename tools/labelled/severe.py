"""The severities in all tasks: in those that were looked at, and in new ones that were not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from labelled import new_tasks
from labelled.plans import CANCER, CONV, DENOISE, GATED, GPT, HEAVY, MLP, MOONS, PLAIN, RNN, ROWS, TABLE, WAVES, Run
from labelled.severities import of_few_examples, of_rates, of_resumes, of_schedules, of_the_rest, sound_of
from labelled.tasks import Task
from labelled.training import Plan

NESTEROV = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}

NEW = {
    "painting": Plan(new_tasks.painting, "adamw", 1e-2, PLAIN, updates=300, batch=16),
    "depthwise": Plan(new_tasks.depthwise, "sgd", 0.1, PLAIN, updates=350, batch=48, arguments=NESTEROV, evaluate=25),
    "prose": Plan(
        new_tasks.prose, "adamw", 3e-2, PLAIN, updates=350, batch=16,
        arguments={"betas": (0.9, 0.95), "weight_decay": 0.1},
    ),
    "categories": Plan(new_tasks.categories, "adam", 1e-2, PLAIN, updates=500, evaluate=25),
    "pairs": Plan(new_tasks.pairs, "adamw", 1e-2, PLAIN, updates=400, batch=50),
    "labels": Plan(new_tasks.labels, "sgd", 0.3, PLAIN, updates=450, batch=32, arguments=HEAVY, evaluate=15),
    "bottleneck": Plan(new_tasks.bottleneck, "adam", 3e-2, PLAIN, updates=400, batch=32),
}  # fmt: skip
"""Tasks whose faulty trainings were not looked at before they were counted; rates: the best of a sweep by threes."""

HELD_NOW = frozenset({"prose", "pairs", "bottleneck"})
"""Those of them that were not looked at after it either."""

OLD = {
    "mlp": MLP, "conv": replace(CONV, lr=0.1), "gpt": replace(GPT, lr=1e-2), "table": replace(TABLE, lr=0.05),
    "denoise": replace(DENOISE, lr=1e-2), "rnn": replace(RNN, lr=3e-2), "cancer": replace(CANCER, lr=0.01),
    "rows": replace(ROWS, lr=1e-2), "gated": replace(GATED, lr=5e-2), "moons": MOONS, "waves": replace(WAVES, lr=3e-2),
}  # fmt: skip
"""The tasks of `plans`, at the best rate of such a sweep."""

FEW: dict[str, Callable[[], Task]] = {
    "depthwise": lambda: new_tasks.depthwise(few=True), "prose": lambda: new_tasks.prose(few=True),
    "categories": lambda: new_tasks.categories(300), "pairs": lambda: new_tasks.pairs(few=True),
    "labels": lambda: new_tasks.labels(150), "bottleneck": lambda: new_tasks.bottleneck(few=True),
}  # fmt: skip

STILL = {
    "painting": "2.", "depthwise": "2.", "prose": "blocks.0", "categories": "embeddings", "pairs": "net.0",
    "labels": "0.", "bottleneck": "2.",
}  # fmt: skip
"""Beginning of the names of the parameters that stand."""


def of_old_tasks() -> Iterator[Run]:
    """The severities that have no fault of their kind yet, and sound trainings."""
    for key, plan in OLD.items():
        for run in (*sound_of(plan), *of_rates(plan), *of_schedules(plan), *of_resumes(plan)):
            yield replace(run, name=f"{run.name}-at-{key}")


def of_new_tasks() -> Iterator[Run]:
    """All severities, and sound trainings, of the new tasks."""
    for key, plan in NEW.items():
        runs = [
            *sound_of(plan),
            *of_rates(plan),
            *of_schedules(plan),
            *of_resumes(plan),
            *of_the_rest(plan, STILL[key]),
        ]
        if key in FEW:
            runs.extend(of_few_examples(plan, FEW[key]))
        for run in runs:
            yield replace(run, name=f"{run.name}-{key}")
