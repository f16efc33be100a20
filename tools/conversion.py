"""The page about conversion: `python tools/conversion.py` writes docs/conversion.md from the definitions.

Which framework has an equal is found by asking it, so all of them must be installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from cadence._errors import CadenceError, ConversionError
from cadence.conversion.definition import Definition, definitions, owners
from cadence.conversion.doors import own_base, read, setting
from cadence.conversion.framework import FRAMEWORKS, framework
from cadence.conversion.native import Native
from cadence.conversion.text import read_text

# Keras looks for tensorflow where nothing is said.
os.environ.setdefault("KERAS_BACKEND", "jax")

PAGE = Path(__file__).parents[1] / "docs" / "conversion.md"

BASE, TOTAL = 0.1, 100
"""The run that examples are read for."""

EXAMPLES = {
    "torch": (
        "ChainedScheduler([ConstantLR(total_iters=5), ExponentialLR(0.95)])",
        "ConstantLR(factor=0.5, total_iters=5)",
        "CosineAnnealingLR(T_max=100, eta_min=0.001)",
        "CosineAnnealingWarmRestarts(T_0=10, T_mult=2)",
        "CyclicLR(base_lr=0.01, max_lr=0.1, step_size_up=10)",
        "ExponentialLR(gamma=0.95)",
        "LambdaLR(lr_lambda=lambda k: 1 / (1 + k))",
        "LinearLR(start_factor=0.1, total_iters=10)",
        "MultiStepLR(milestones=[30, 60], gamma=0.1)",
        "MultiplicativeLR(lr_lambda=lambda k: 0.95)",
        "OneCycleLR(max_lr=0.1, total_steps=100)",
        "PolynomialLR(total_iters=100, power=2.0)",
        "ReduceLROnPlateau(factor=0.5, patience=3)",
        "SWALR(swa_lr=0.01)",
        "SequentialLR([LinearLR(total_iters=10), CosineAnnealingLR(T_max=90)], milestones=[10])",
        "StepLR(step_size=30)",
    ),
    "paddle": (
        "CosineAnnealingDecay(learning_rate=0.1, T_max=100)",
        "CosineAnnealingWarmRestarts(learning_rate=0.1, T_0=10, T_mult=2)",
        "CyclicLR(base_learning_rate=0.01, max_learning_rate=0.1, step_size_up=10)",
        "ExponentialDecay(learning_rate=0.1, gamma=0.95)",
        "InverseTimeDecay(learning_rate=0.1, gamma=0.1)",
        "LambdaDecay(learning_rate=0.1, lr_lambda=lambda k: 0.95 ** k)",
        "LinearLR(learning_rate=0.1, total_steps=10)",
        "LinearWarmup(CosineAnnealingDecay(0.1, 90), warmup_steps=10, start_lr=0.0, end_lr=0.1)",
        "MultiStepDecay(learning_rate=0.1, milestones=[30, 60])",
        "MultiplicativeDecay(learning_rate=0.1, lr_lambda=lambda k: 0.95)",
        "NaturalExpDecay(learning_rate=0.1, gamma=0.05)",
        "NoamDecay(d_model=64, warmup_steps=10)",
        "OneCycleLR(max_learning_rate=0.1, total_steps=100)",
        "PiecewiseDecay(boundaries=[30, 60], values=[0.1, 0.01, 0.001])",
        "PolynomialDecay(learning_rate=0.1, decay_steps=100, end_lr=0.001)",
        "ReduceOnPlateau(learning_rate=0.1, patience=3)",
        "StepDecay(learning_rate=0.1, step_size=30)",
    ),
    "transformers": (
        "AdafactorSchedule()",
        "constant()",
        "constant_with_warmup(num_warmup_steps=10)",
        "cosine(num_warmup_steps=10, num_training_steps=100)",
        "cosine_warmup_with_min_lr(num_warmup_steps=10, num_training_steps=100, min_lr_rate=0.1)",
        "cosine_with_min_lr(num_warmup_steps=10, num_training_steps=100, min_lr_rate=0.1)",
        "cosine_with_restarts(num_warmup_steps=10, num_training_steps=100, num_cycles=3)",
        "get_constant_schedule()",
        "get_constant_schedule_with_warmup(num_warmup_steps=10)",
        "get_inverse_sqrt_schedule(num_warmup_steps=10)",
        "get_reduce_on_plateau_schedule(patience=3)",
        "get_scheduler('linear', num_warmup_steps=10, num_training_steps=100)",
        "greedy()",
        "inverse_sqrt(num_warmup_steps=10)",
        "linear(num_warmup_steps=10, num_training_steps=100)",
        "polynomial(num_warmup_steps=10, num_training_steps=100, power=2.0)",
        "reduce_lr_on_plateau(patience=3)",
        "warmup_stable_decay(num_warmup_steps=10, num_decay_steps=20, num_training_steps=100)",
    ),
    "timm": (
        "CosineLRScheduler(t_initial=100, lr_min=0.001)",
        "MultiStepLRScheduler(decay_t=[30, 60], decay_rate=0.1)",
        "PlateauLRScheduler(patience_t=3, mode='min')",
        "PolyLRScheduler(t_initial=100, power=2.0)",
        "StepLRScheduler(decay_t=30, decay_rate=0.1)",
        "TanhLRScheduler(t_initial=100)",
        "WSDLRScheduler(t_initial=100, decay_t=20, warmup_t=10)",
        "constant(num_epochs=100)",
        "cosine(num_epochs=100, warmup_epochs=5)",
        "create_scheduler_v2('cosine', num_epochs=100)",
        "multistep(num_epochs=100, decay_milestones=[30, 60])",
        "plateau(num_epochs=100)",
        "poly(num_epochs=100)",
        "rsqrt(num_epochs=100, warmup_epochs=10)",
        "step(num_epochs=100, decay_epochs=30)",
        "tanh(num_epochs=100)",
        "wsd(num_epochs=100, decay_epochs=20, warmup_epochs=10)",
    ),
    "optax": (
        "constant_schedule(0.1)",
        "cosine_decay_schedule(0.1, decay_steps=100, alpha=0.01)",
        "cosine_onecycle_schedule(transition_steps=100, peak_value=0.1)",
        "exponential_decay(0.1, transition_steps=10, decay_rate=0.9)",
        "join_schedules([linear_schedule(0.0, 0.1, 10), cosine_decay_schedule(0.1, 90)], boundaries=[10])",
        "linear_onecycle_schedule(transition_steps=100, peak_value=0.1)",
        "linear_schedule(0.1, 0.0, transition_steps=100)",
        "piecewise_constant_schedule(0.1, {30: 0.1, 60: 0.1})",
        "piecewise_interpolate_schedule('linear', 0.1, {30: 0.5, 60: 0.1})",
        "polynomial_schedule(0.1, 0.001, power=2.0, transition_steps=100)",
        "reduce_on_plateau(factor=0.5, patience=3)",
        "sgdr_schedule([{'init_value': 0.0, 'peak_value': 0.1, 'decay_steps': 50, 'warmup_steps': 5}])",
        "warmup_constant_schedule(0.0, 0.1, warmup_steps=10)",
        "warmup_cosine_decay_schedule(0.0, 0.1, warmup_steps=10, decay_steps=100)",
        "warmup_exponential_decay_schedule(0.0, 0.1, warmup_steps=10, transition_steps=10, decay_rate=0.9)",
    ),
    "keras": (
        "CosineDecay(0.1, decay_steps=90, warmup_target=0.2, warmup_steps=10)",
        "CosineDecayRestarts(0.1, first_decay_steps=10)",
        "ExponentialDecay(0.1, decay_steps=10, decay_rate=0.9)",
        "InverseTimeDecay(0.1, decay_steps=10, decay_rate=0.5)",
        "LearningRateScheduler(lambda epoch: 0.1 * 0.95 ** epoch)",
        "PiecewiseConstantDecay([30, 60], [0.1, 0.01, 0.001])",
        "PolynomialDecay(0.1, decay_steps=100, end_learning_rate=0.001)",
        "ReduceLROnPlateau(patience=3)",
    ),
    "ignite": (
        "BatchSizeScheduler(lambda k: 8 * 2 ** (k // 30))",
        "ConcatScheduler([PiecewiseLinear('lr', [(0, 0), (9, 1)]), CosineAnnealingScheduler('lr', 1, 0, 90)], [10])",
        "CosineAnnealingScheduler('lr', 0.1, 0.001, cycle_size=20)",
        "ExpStateScheduler(2.0, 0.95, 'temperature')",
        "LRScheduler(StepLR(step_size=30))",
        "LambdaStateScheduler(lambda k: 1 / (1 + k), 'temperature')",
        "LinearCyclicalScheduler('lr', 0.1, 0.001, cycle_size=20)",
        "MultiStepStateScheduler(2.0, 0.1, [30, 60], 'temperature')",
        "ParamGroupScheduler([PiecewiseLinear('lr', [(0, 0.1), (100, 0.0)]), PiecewiseLinear('momentum', [(0, 0.9)])])",
        "PiecewiseLinear('lr', [(0, 0.0), (10, 0.1), (100, 0.001)])",
        "PiecewiseLinearStateScheduler([(0, 1.0), (100, 0.1)], 'temperature')",
        "ReduceLROnPlateauScheduler('val_loss', patience=3)",
        "StepStateScheduler(2.0, 0.1, 30, 'temperature')",
        "create_lr_scheduler_with_warmup(StepLR(step_size=30), 0.0, 10)",
    ),
    "pytorch_optimizer": (
        "chebyshev(num_epochs=64)",
        "constant(factor=0.5, total_iters=5)",
        "cosine(t_max=90, max_lr=0.1, warmup_steps=10)",
        "cosine_annealing(T_max=100)",
        "cosine_annealing_with_warm_restart(T_0=10, T_mult=2)",
        "cosine_annealing_with_warmup(first_cycle_steps=25, max_lr=0.1, min_lr=0.001, warmup_steps=5)",
        "cyclic(base_lr=0.01, max_lr=0.1, step_size_up=10)",
        "deberta_v3()",
        "linear(t_max=100, max_lr=0.1)",
        "multi_step(milestones=[30, 60])",
        "multiplicative(lr_lambda=lambda k: 0.95)",
        "one_cycle(max_lr=0.1, total_steps=100)",
        "poly(t_max=100, max_lr=0.01)",
        "proportion(cosine(t_max=100, max_lr=0.1), max_lr=0.1, max_value=2.0, min_value=0.5)",
        "rex(total_steps=100, max_lr=0.1)",
        "step(step_size=30)",
        "warmup_stable_decay(num_warmup_steps=10, num_stable_steps=70, num_decay_steps=20)",
    ),
}  # fmt: skip
"""One call for each scheduler of each framework, the optimizer left out."""

INTRODUCTION = f"""# Conversion

*Written by `python tools/conversion.py` from the definitions; do not edit it.*

A scheduler of one framework is read as a schedule of cadence, and written for another:

    cadence convert "CosineAnnealingLR(T_max=90)" --to paddle --base 0.1 --total 90

prints the source and the largest difference between the two over all steps, computed by running both. In a program:
`cd.from_native` reads a call, an object in the middle of its run or a saved state; `cd.to_native` builds the other
framework's object, `cd.to_code` writes its source, `cd.convert` does all of it and compares.

The examples are read for a run of {TOTAL} steps at a base rate of {BASE}. *yes*: the framework has an equal for the
example; *-*: it has none, and the answer is the adapter that follows the schedule (`cd.torch_scheduler`,
`cd.paddle_scheduler`, `cd.optax_schedule`, `cd.keras_schedule`) with the reason. With other arguments a scheduler may
have an equal where its example has none, and the other way round.
"""


def frameworks() -> list[str]:
    """The frameworks that have definitions, in their usual order."""
    return [name for name in FRAMEWORKS if name in owners()]


def members(name: str) -> list[Definition]:
    """The definitions of a framework, each once, sorted by name."""
    known = definitions(name)
    unique = {known[each].name: known[each] for each in known}
    return [unique[each] for each in sorted(unique)]


def example(definition: Definition) -> Native:
    """The example of a scheduler.

    Raises:
        KeyError: there is none.
    """
    for text in EXAMPLES[definition.framework]:
        native = read_text(text, definition.framework)
        if native.name == definition.name or text.startswith(f"{definition.name}("):
            return native
    raise KeyError(f"{definition.framework}'s {definition.name} has no example in tools/conversion.py")


def text_of(definition: Definition) -> str:
    """The example as it is written."""
    texts = EXAMPLES[definition.framework]
    return next(
        text
        for text in texts
        if text.startswith(f"{definition.name}(") or read_text(text, definition.framework).name == definition.name
    )


def row(definition: Definition) -> tuple[str, list[str]]:
    """What a scheduler's example is read as, and which framework has an equal."""
    native = example(definition)
    on = setting((own_base(native) if own_base(native) != 1.0 else BASE,), "step", TOTAL, None)
    try:
        schedule = read(native, on)
        curve = on.placed(schedule)
    except CadenceError as refused:
        return f"refused: {refused}", ["-"] * len(frameworks())
    cells: list[str] = []
    for name in frameworks():
        try:
            framework(name).express(curve)
            cells.append("yes")
        except ConversionError:
            cells.append("-")
    return f"`{schedule!r}`" if len(repr(schedule)) < 400 else "a table of values", cells


def page() -> str:
    """The text of docs/conversion.md."""
    known = [(name, [(d, *row(d)) for d in members(name)]) for name in frameworks()]
    lines = [INTRODUCTION, "## Which framework has an equal", ""]
    lines += [_line("scheduler", *frameworks()), _line(*["---"] * (len(frameworks()) + 1))]
    for name, rows in known:
        lines += [_line(f"{name} `{d.name}`", *cells) for d, _, cells in rows]
    for name, rows in known:
        lines += ["", f"## {name}", "", *_details(rows)]
    return "\n".join(lines) + "\n"


def _details(rows: list[tuple[Definition, str, list[str]]]) -> Iterator[str]:
    yield _line("example", "is read as", "note")
    yield _line("---", "---", "---")
    for definition, reads, _ in rows:
        note = definition.note
        sentence = note and note[0].upper() + note[1:] + ("" if note.endswith(".") else ".")
        yield _line(f"`{text_of(definition)}`", reads, sentence)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
