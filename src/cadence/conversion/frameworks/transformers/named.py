"""`get_scheduler`, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions, native
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown


@native("transformers", "transformers.get_scheduler")
def get_scheduler(
    on: Setting, name: str, num_warmup_steps: int | None = None, num_training_steps: int | None = None,
    scheduler_specific_kwargs: Mapping[str, Any] | None = None,
) -> Schedule | Plan:  # fmt: skip
    """The schedule of a name."""
    return on.read(of_name(name, num_warmup_steps, num_training_steps, scheduler_specific_kwargs))


def of_name(
    name: str, num_warmup_steps: int | None = None, num_training_steps: int | None = None,
    scheduler_specific_kwargs: Mapping[str, Any] | None = None,
) -> Native:  # fmt: skip
    """What get_scheduler makes of its arguments.

    Raises:
        ConversionError: no name of a schedule.
    """
    if not isinstance(name, str) or name.startswith("get_"):
        raise ConversionError(f"name is that of a schedule, e.g. 'cosine', not {shown(name)}")
    steps = {"num_warmup_steps": num_warmup_steps, "num_training_steps": num_training_steps}
    own = {} if name in ("constant", "constant_with_warmup") else dict(scheduler_specific_kwargs or {})
    given = {key: n for key, n in steps.items() if n is not None}
    return definitions("transformers")[name].bind([], {**given, **own})


@native(
    "transformers", "transformers.get_greedy_schedule", name="greedy", aliases=("get_greedy_schedule", "GreedyLR"),
    note="Refused: it raises the rate as well as lowering it, by the metric alone.",
)  # fmt: skip
def greedy(
    on: Setting, mode: str = "min", factor: float = 0.95, patience: int = 10, threshold: float = 1e-6,
    threshold_mode: str = "abs", cooldown: int = 0, warmup: int = 0, min_lr: Any = 1e-3, max_lr: Any = 1.0,
    eps: float = 1e-8, verbose: bool = False, smooth: bool = False, window_size: int = 50, reset_start: int = 500, *,
    num_warmup_steps: int | None = None, num_training_steps: int | None = None,
) -> Schedule:  # fmt: skip
    """Refused."""
    raise ConversionError(
        "transformers' greedy schedule is no function of the update number: it divides the rate by factor whenever the "
        "metric improves and starts anew at its minimum; use constant() * plateau(...), which only lowers it"
    )


@native(
    "transformers", "transformers.optimization.AdafactorSchedule", aliases=("get_adafactor_schedule",),
    note="Refused: it shows the rate that Adafactor computes inside.",
)  # fmt: skip
def adafactor_schedule(on: Setting, initial_lr: float = 0.0) -> Schedule:
    """Refused."""
    raise ConversionError(
        "AdafactorSchedule sets no learning rate: it shows what Adafactor computes from its parameters' size; for a "
        "schedule of your own make Adafactor with relative_step=False, scale_parameter=False and lr=1e-3"
    )
