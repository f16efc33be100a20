"""What is compared: the advice with and without a pilot, what people use today, and the oracle's trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_optimizer
import schedulefree
import torch
from benchmarks.advice.rates import WARMUP, Rate, constant, cosine, linear, steps, warmed_cosine
from benchmarks.advice.training import Level, Plan, Subject, put
from torch import nn

import cadence as cd

DECAY = 0.01
RANGE_TEST = 100
"""Updates of the range test, of 1e-6 to 10."""

PILOT = 0.10
"""Share of the run that the advice may try things with."""


def rules(subject: Subject) -> Plan:
    """The advice, from the description of the training alone."""
    return _advised(subject)


def pilot(subject: Subject) -> Plan:
    """The advice, with a pilot."""
    return _advised(subject, pilot=subject.pilot.train, pilot_budget=round(PILOT * subject.task.updates))


def _advised(subject: Subject, **more: Any) -> Plan:
    task = subject.task
    advice = cd.recommend(
        model=subject.model, task=task.kind, updates=task.updates, batch_size=task.batch_size, dataset_size=task.rows,
        fine_tuning=task.fine_tuning, clip_norm=task.clip_norm, **more,
    )  # fmt: skip
    optimizer, driver = advice.build(subject.model)
    return Plan(optimizer, after=driver.step, clip_norm=advice["clip_norm"].value)


def adamw(subject: Subject, rate: Rate, decay: float = DECAY) -> Plan:
    """AdamW with all else as torch has it."""
    optimizer = torch.optim.AdamW(subject.model.parameters(), lr=rate(0), weight_decay=decay)
    return _moved(subject, optimizer, rate)


def sgd(subject: Subject, rate: Rate) -> Plan:
    """SGD with momentum 0.9 and decay 1e-4."""
    optimizer = torch.optim.SGD(subject.model.parameters(), lr=rate(0), momentum=0.9, weight_decay=1e-4)
    return _moved(subject, optimizer, rate)


def _moved(subject: Subject, optimizer: Any, rate: Rate) -> Plan:
    return Plan(optimizer, before=lambda t: put(optimizer, rate(t)), clip_norm=subject.task.clip_norm)


def _of(make: Callable[..., Plan], shape: Callable[[float, int], Rate], peak: float, **more: Any) -> Level:
    """The level of a method, a schedule and a rate."""
    return lambda subject: make(subject, shape(peak, subject.task.updates), **more)


def schedule_free(subject: Subject) -> Plan:
    """Schedule-free AdamW."""
    optimizer = schedulefree.AdamWScheduleFree(
        subject.model.parameters(), lr=2.5e-3, weight_decay=DECAY, warmup_steps=int(WARMUP * subject.task.updates)
    )
    return Plan(optimizer, clip_norm=subject.task.clip_norm)


def prodigy(subject: Subject) -> Plan:
    """Prodigy with a cosine."""
    optimizer = pytorch_optimizer.Prodigy(subject.model.parameters(), lr=1.0, weight_decay=DECAY)
    return _moved(subject, optimizer, cosine(1.0, subject.task.updates))


def range_test(subject: Subject) -> Plan:
    """A range test as most libraries have it (smoothed losses, steepest slope), then AdamW with warmup and cosine."""
    rates = np.geomspace(1e-6, 10.0, RANGE_TEST)
    losses = subject.pilot.train(_tested, RANGE_TEST, lambda t: float(rates[t]))
    return adamw(subject, warmed_cosine(steepest(rates.tolist(), losses), subject.task.updates))


def find_lr(subject: Subject) -> Plan:
    """`cadence.find_lr` with as many updates, then the same; 1e-3 where it does not tell."""
    model = subject.pilot.copy()
    optimizer = _tested(model)
    finder = cd.find_lr(optimizer, model=model, updates=RANGE_TEST)
    for _ in finder:
        finder.observe(subject.pilot.update(model, optimizer))
    return adamw(subject, warmed_cosine(finder.result.rate or 1e-3, subject.task.updates))


def _tested(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=DECAY)


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Where the smoothed loss falls fastest, up to the first loss of 5 times the least; 1e-3 if next to none are left.

    The first 10 and the last 5 are left out. These numbers are the defaults of torch-lr-finder 0.2.2.

    Args:
        rates: one for each loss, growing.
        losses: of a range test; may be shorter.
    """
    smooth: list[float] = []
    for loss in losses:
        smooth.append(loss if not smooth else 0.05 * loss + 0.95 * smooth[-1])
        if not smooth[-1] <= 5 * min(smooth):
            break
    kept = np.asarray(smooth[10:-5])
    return 1e-3 if len(kept) < 3 else rates[10 + int(np.gradient(kept).argmin())]


LEVELS: dict[str, Level] = {
    "rules": rules,
    "pilot": pilot,
    "adamw 1e-3": _of(adamw, constant, 1e-3),
    "adamw 1e-3 cosine": _of(adamw, warmed_cosine, 1e-3),
    "hugging face": _of(adamw, linear, 5e-5, decay=0.0),
    "range test": range_test,
    "find_lr": find_lr,
    "prodigy": prodigy,
    "schedule-free": schedule_free,
}
"""Name -> level."""

ORACLE: dict[str, Level] = {
    **{f"oracle adamw {lr:g}": _of(adamw, warmed_cosine, lr) for lr in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)},
    **{f"oracle sgd {lr:g}": _of(sgd, warmed_cosine, lr) for lr in (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)},
}
"""The trainings whose best one, in hindsight, is the oracle."""

CLAIMS: dict[str, Level] = {
    "claim steps": _of(adamw, steps, 1e-3),
    "claim cosine": _of(adamw, cosine, 1e-3),
    "claim warmed cosine": _of(adamw, warmed_cosine, 1e-3),
}
"""What is compared to look at claims about schedules."""
