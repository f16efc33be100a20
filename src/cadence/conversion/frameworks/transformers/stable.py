"""Warmup, stable, decay; constant; and what follows a metric."""

from __future__ import annotations

from collections.abc import Sequence

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import real, whole, written
from cadence.conversion.definition import native
from cadence.conversion.frameworks.transformers.warm import progress_text, raised, steps, warmed, wave_text
from cadence.conversion.joined import Part, joined
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown

KINDS = ("linear", "cosine", "1-sqrt")


@native("transformers", "transformers.get_constant_schedule", name="get_constant_schedule")
def get_constant_schedule(on: Setting, last_epoch: int = -1) -> Schedule:
    """The base."""
    return constant()


@native("transformers", "transformers.get_constant_schedule", name="constant")
def constant_schedule(
    on: Setting, num_warmup_steps: int | None = None, num_training_steps: int | None = None
) -> Schedule:
    """The base; get_scheduler takes the numbers of steps and leaves them unused."""
    return constant()


@native(
    "transformers", "transformers.get_constant_schedule_with_warmup", name="get_constant_schedule_with_warmup"
)  # fmt: skip
def get_constant_schedule_with_warmup(on: Setting, num_warmup_steps: int, last_epoch: int = -1) -> Schedule:
    """A line up from 0, then the base."""
    return warmed(on, steps(num_warmup_steps, "num_warmup_steps"), "1", constant)


@native("transformers", "transformers.get_constant_schedule_with_warmup", name="constant_with_warmup")
def constant_with_warmup(on: Setting, num_warmup_steps: int, num_training_steps: int | None = None) -> Schedule:
    """As get_scheduler makes it, which takes num_training_steps and leaves it unused."""
    return get_constant_schedule_with_warmup(on, num_warmup_steps)


@native(
    "transformers", "transformers.get_wsd_schedule", name="warmup_stable_decay", aliases=("get_wsd_schedule",),
    note="min_lr_ratio is where the warmup starts, too.",
)  # fmt: skip
def warmup_stable_decay(
    on: Setting, num_warmup_steps: int, num_decay_steps: int, num_training_steps: int | None = None,
    num_stable_steps: int | None = None, warmup_type: str = "linear", decay_type: str = "cosine",
    min_lr_ratio: float = 0, num_cycles: float = 0.5, last_epoch: int = -1,
) -> Schedule:  # fmt: skip
    """Up from min_lr_ratio, the base for a while, down to min_lr_ratio."""
    warmup, decay = steps(num_warmup_steps, "num_warmup_steps"), steps(num_decay_steps, "num_decay_steps")
    if num_training_steps is None and num_stable_steps is None:
        raise ConversionError("warmup_stable_decay needs num_training_steps or num_stable_steps; write one of them")
    _kind(warmup_type, "warmup_type")
    _kind(decay_type, "decay_type")
    if num_stable_steps is not None:
        stable = steps(num_stable_steps, "num_stable_steps")
    else:
        stable = steps(num_training_steps, "num_training_steps") - warmup - decay
    low, cycles = real(min_lr_ratio, "min_lr_ratio"), real(num_cycles, "num_cycles")
    if low < 0:
        raise ConversionError(
            f"min_lr_ratio is {low:g}, which makes the learning rate negative at the end; write 0 or more"
        )
    regular = whole(warmup, stable, decay) and min(warmup, stable, decay) >= 0 and not on.local
    if regular and (decay_type != "cosine" or cycles == 0.5):
        return _phases(on, (int(warmup), int(stable), int(decay)), warmup_type, decay_type, float(low))
    text = _wsd_text(on, (warmup, stable, decay), warmup_type, decay_type, low, cycles)
    return formula(text, local=on.local)


@native("transformers", "transformers.get_reduce_on_plateau_schedule", name="get_reduce_on_plateau_schedule")
def get_reduce_on_plateau_schedule(
    on: Setting, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
    threshold_mode: str = "rel", cooldown: int = 0, min_lr: float | Sequence[float] = 0, eps: float = 1e-8,
) -> Schedule | Plan:  # fmt: skip
    """The base, cut when a metric has stopped improving: torch's ReduceLROnPlateau."""
    own = {
        "mode": mode, "factor": factor, "patience": patience, "threshold": threshold, "threshold_mode": threshold_mode,
        "cooldown": cooldown, "min_lr": min_lr, "eps": eps,
    }  # fmt: skip
    return on.read(Native("torch", "ReduceLROnPlateau", own))


@native("transformers", "transformers.get_reduce_on_plateau_schedule", name="reduce_lr_on_plateau")
def reduce_lr_on_plateau(
    on: Setting, num_warmup_steps: int | None = None, num_training_steps: int | None = None, mode: str = "min",
    factor: float = 0.1, patience: int = 10, threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0,
    min_lr: float | Sequence[float] = 0, eps: float = 1e-8,
) -> Schedule | Plan:  # fmt: skip
    """As get_scheduler makes it, which takes the numbers of steps and leaves them unused."""
    return get_reduce_on_plateau_schedule(
        on, mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps
    )  # fmt: skip


def _kind(x: object, what: str) -> str:
    if x not in KINDS:
        raise ConversionError(f"{what} is {shown(x)}; it is 'linear', 'cosine' or '1-sqrt'")
    return str(x)


def _phases(on: Setting, lengths: tuple[int, int, int], rising: str, falling: str, low: float) -> Schedule:
    """The three phases, and the lowest value behind them."""
    warmup, stable, decay = lengths
    # The rise 1 - sqrt(what is left) is a root of what is left, turned round.
    if rising == "1-sqrt":
        rise = ramp(on.span(warmup), shape="power", start=low, to=1.0, exponent=0.5)
    else:
        rise = ramp(on.span(warmup), shape=rising, start=low, to=1.0)
    fall = ramp(on.span(decay), shape=falling, to=low)
    parts = [Part(warmup, rise), Part(stable, constant(on.span(stable))), Part(decay, fall)]
    return joined(on, parts if decay else [*parts, Part(None, constant(start=low), jumps=True)])


def _wsd_text(
    on: Setting, lengths: tuple[float, float, float], rising: str, falling: str, low: float, cycles: float
) -> str:
    """The same in transformers' own words, for lengths of any kind."""
    (warmup, stable, decay), clock = lengths, on.clock
    up, down = f"({clock} / {written(max(1, warmup))})", progress_text(on, warmup + stable, max(1, decay))
    rise = {"linear": up, "cosine": f"0.5 * (1 - cos(pi * {up}))", "1-sqrt": f"(1 - sqrt(1 - {up}))"}[rising]
    fall = {"linear": f"(1 - {down})", "cosine": wave_text(cycles, down), "1-sqrt": f"(1 - sqrt({down}))"}[falling]
    return (
        f"max(0, {raised(rise, low)}) if {clock} < {written(warmup)} "
        f"else 1 if {clock} < {written(warmup + stable)} "
        f"else max(0, {raised(fall, low)}) if {clock} < {written(warmup + stable + decay)} "
        f"else {written(low)}"
    )
