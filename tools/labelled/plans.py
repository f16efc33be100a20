"""The trainings that faults are put into, as they would be if nothing were wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labelled import tasks
from labelled.training import Plan

PLAIN = 'warmup("5%") >> cosine(to=0.01)'
WSD = 'warmup("5%") >> constant() >> decay("20%", shape="1-sqrt")'
CONSTANT = "constant()"
HEAVY = {"momentum": 0.9}


@dataclass(frozen=True)
class Run:
    """A training with its label.

    Attributes:
        name: of the record: what is wrong, and the task.
        plan: what is trained.
        faults: any of these names is right; empty: the run is sound, or only a metric jumps in it.
        near: what may be said besides, because it is the same fault seen from another side, or comes with it.
        jump: update at which the validation loss jumps, or -1.
        cause: event of the rate that made it jump; -1: there is none.
    """

    name: str
    plan: Plan
    faults: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    jump: int = -1
    cause: int = -1


MLP = Plan(tasks.digits_mlp, "sgd", 0.1, PLAIN, arguments=HEAVY)
CONV = Plan(tasks.digits_convnet, "sgd", 0.05, PLAIN, arguments=HEAVY, updates=300)
GPT = Plan(tasks.gpt, "adamw", 3e-3, PLAIN, updates=300, batch=16)
TABLE = Plan(tasks.table, "adamw", 5e-3, PLAIN, updates=600)
DENOISE = Plan(tasks.denoising, "adamw", 3e-3, PLAIN, updates=400)
RNN = Plan(tasks.recurrent, "adam", 1e-2, PLAIN, updates=300, batch=32)
CANCER = Plan(tasks.patients, "sgd", 0.05, PLAIN, batch=32, arguments=HEAVY, updates=300)
ROWS = Plan(tasks.digits_by_rows, "adamw", 5e-3, PLAIN, updates=400)
GATED = Plan(tasks.gated, "adamw", 1e-2, PLAIN, updates=300, batch=32, evaluate=15)
MOONS = Plan(tasks.moons, "sgd", 0.1, PLAIN, updates=450, batch=32, arguments=HEAVY, evaluate=25)
WAVES = Plan(tasks.waves, "adam", 5e-3, PLAIN, updates=500)

DEVELOPMENT = {
    "mlp": MLP, "conv": CONV, "gpt": GPT, "table": TABLE, "denoise": DENOISE, "rnn": RNN, "cancer": CANCER,
}  # fmt: skip
"""Tasks that were looked at while the rules were written."""

HELD = {"rows": ROWS, "gated": GATED, "moons": MOONS, "waves": WAVES}
"""Tasks that were not, and were looked at when they had been counted."""


def noisier(plan: Plan, factor: float, batch: int = 8) -> Plan:
    """The same with another rate and few examples in a batch."""
    return replace(plan, lr=plan.lr * factor, batch=batch)
