"""Schedules as torch's own objects and as source: the numbers are the curve's, and what torch cannot do is said."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from tests.conversion.torch_cases import SINGLE, attempted, placed, run_of, single, torch_numbers

import cadence as cd
from cadence._errors import CadenceError, ConversionError
from cadence.conversion.doors import setting
from cadence.conversion.framework import framework
from cadence.curve.curve import Curve
from strategies import examples, runs, schedules

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")


def optimizer_of(bases: tuple[float, ...] | list[float]) -> Any:
    groups = [{"params": [torch.zeros(1, dtype=torch.float64)], "lr": base} for base in bases]
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9)


def rates_of(scheduler: Any, updates: int) -> np.ndarray[Any, Any]:
    """[groups, updates], as a training would have had them."""
    rows: list[list[float]] = []
    for _ in range(updates):
        rows.append([group["lr"] for group in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return np.array(rows).T


def executed(code: str, optimizer: Any) -> Any:
    """The scheduler that the source makes, and nothing but torch and python's own library with it."""
    assert "cadence" not in code
    names: dict[str, Any] = {"optimizer": optimizer}
    exec(code, names)  # noqa: S102
    return names["scheduler"]


def assert_near(theirs: Any, ours: Any, what: object) -> None:
    allowed = 1e-9 * np.maximum(np.abs(ours), 1e-3 * np.abs(ours).max()) + 1e-300
    off = np.flatnonzero(~(np.abs(theirs - ours) <= allowed))
    assert not off.size, f"{what}: at {off[:5]} torch {theirs[off[:5]]}, cadence {ours[off[:5]]}"


def assert_both_ways(curve: Curve, schedule: Any, run: dict[str, Any], what: object) -> str:
    """Object and source have the curve's numbers; the source."""
    bases = [base or 0.0 for base in curve.bases["lr"]]
    updates = min(curve.end or 60, 150)
    built = rates_of(cd.to_native(schedule, "torch", optimizer_of(bases), **run), updates)
    code = cd.to_code(schedule, "torch", base=bases, **run)
    written = rates_of(executed(code, optimizer_of(bases)), updates)
    for g in range(len(bases)):
        ours = curve.values(0, updates, group=g)
        assert_near(built[g], ours, f"{what}, object")
        assert_near(written[g], ours, f"{what}, source\n{code}")
    return code


TEXTS = [
    "constant()", "constant(start=0.5)", "constant(start=absolute(0.05))", "warmup('5%') >> cosine(to=0.01)",
    "linear(10, start=0.1, to=1) >> constant(20) >> decay(shape='1-sqrt', to=absolute(1e-4))",
    "warmup(10, shape='cosine') >> constant() >> decay(20, shape='rex')", "wsd()", "one_cycle()",
    "one_cycle(phases=3, shape='linear', to=0.001)", "cosine(10).repeat()", "cosine(10).repeat(grow=2)",
    "cosine(10, to=absolute(0.01)).repeat(grow=3)", "cosine(10).repeat(decay=0.5)", "restarts(10, grow=1.5, decay=0.7, to=0.01)",
    "triangular(up=7, down=3, low=0.1)", "triangular(up=7, low=0.1, decay=0.5)", "steps(at=[30, 60])",
    "steps(every=7, gamma=0.5)", "warmup(5) >> steps(every=10)", "exponential(gamma=0.95)", "exponential(to=0.01)",
    "cosine(30, to=0.1)", "cosine(30).past_end('mirror')", "linear(30).past_end('repeat')", "power(exponent=3, to=0.1)",
    "tanh(to=0.01)", "inverse(timescale=10, power=0.7)", "piecewise([(0, 1), (10, 0.5), (30, 0.1)], shape='cosine')",
    "piecewise([(0, 0.25), (10, 1)])", "piecewise([(3, 0.1), (5, 0.4), (6, 0.2), (20, 0.3), (40, 0.7), (41, 1)])",
    "formula('1 / (1 + t / 10) if t < 50 else where(u < 0.8 and t > 3, 0.1, 0.05)')", "cosine().clip(0.2, 0.8)",
    "cosine().staircase(7)", "formula('2 ** -t').stretch(1.5)",
    "warmup('0.5 steps', start=0, shape='1-sqrt').repeat(2)", "linear(7).repeat(3) >> constant(start=0.2)", "linear(25).stretch(2)", "(linear(10, start=0.3, to=1).cut() * exponential(gamma=0.97))",
    "steps(at=[10]) * steps(every=7, gamma=0.8)", "0.1 + 0.5 * cosine()", "formula('t', 20, local=True).cut(5) >> constant()",
    "(cosine(90)).cut(30) >> constant(start=0.3)", "warmup(20) >> (steps(at=[30]) * exponential(gamma=0.99))",
]  # fmt: skip


@pytest.mark.parametrize("bases", [(0.1,), (0.1, 0.004)])
@pytest.mark.parametrize("text", TEXTS)
def test_object_and_source_have_the_curve_s_numbers(text: str, bases: tuple[float, ...]) -> None:
    curve = cd.place(text, total=100, base=list(bases))
    assert_both_ways(curve, text, {"total": 100}, text)


@examples(120)
@given(schedule=schedules(), run=runs())
def test_so_it_is_with_any_tree(schedule: Any, run: Any) -> None:
    known = {"total": run.total, "steps_per_epoch": run.steps_per_epoch}
    on = setting((run.base,), "step", run.total, run.steps_per_epoch)
    try:
        curve = on.placed(schedule)
        cd.to_code(schedule, "torch", base=run.base, **known)
    except CadenceError:
        # Not every tree fits a run, and not every one has readable source.
        reject()
    assert_both_ways(curve, schedule, known, schedule)


@pytest.mark.parametrize("name", SINGLE)
def test_native_to_cadence_to_native_gives_the_same_numbers(name: str) -> None:
    torch_s = framework("torch")
    done = 0
    for seed in range(50):
        random = np.random.default_rng(500 + seed)
        scheduler = single(random, name)
        ticks = (
            60
            if name != "OneCycleLR"
            else scheduler.arguments.get("total_steps") or 3 * scheduler.arguments["steps_per_epoch"]
        )
        on = run_of([(0.1,), (0.1, 0.003)][seed % 2], ticks, per=["step", "epoch"][seed % 3 // 2])
        first, _ = attempted(lambda on=on, ticks=ticks, scheduler=scheduler: torch_numbers(scheduler, on, ticks))
        again, fault = attempted(lambda on=on, scheduler=scheduler: torch_s.express(placed(scheduler, on)))
        if first is None or again is None:
            # What torch makes of a function, or begins in the middle, it cannot make with the momentum again.
            moved = {"scale_fn", "last_epoch"} & set(scheduler.arguments) or scheduler.arguments.get("three_phase")
            assert moved or "moves the momentum" not in fault, f"{scheduler}: {fault}"
            continue
        second = torch_numbers(again, on, ticks)
        assert first.keys() == second.keys(), again
        for value, rows in first.items():
            for g, row in enumerate(rows):
                assert_near(second[value][g][:-1], row[:-1], f"{scheduler} as {again}")
        done += 1
    assert done > 30


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("StepLR", {"step_size": 7, "gamma": 0.5}), ("MultiStepLR", {"milestones": [3, 3, 9], "gamma": 0.2}),
        ("ConstantLR", {"factor": 0.25, "total_iters": 9}), ("LinearLR", {"start_factor": 0.1, "total_iters": 9}),
        ("ExponentialLR", {"gamma": 0.9}), ("PolynomialLR", {"total_iters": 9, "power": 2.0}),
        ("CosineAnnealingLR", {"T_max": 9, "eta_min": 0.01}),
        ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 2, "eta_min": 0.001}),
        ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 5, "step_size_down": 3, "mode": "triangular2"}),
        ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 5.5, "mode": "exp_range", "gamma": 0.9}),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 97}), ("OneCycleLR", {"max_lr": 0.1, "total_steps": 100}),
        ("SequentialLR", {"schedulers": [("LinearLR", {}), ("CosineAnnealingLR", {"T_max": 90})], "milestones": [5]}),
        ("ChainedScheduler", {"schedulers": [("StepLR", {"step_size": 9}), ("ExponentialLR", {"gamma": 0.9})]}),
        ("ReduceLROnPlateau", {"patience": 3}),
    ],
)  # fmt: skip
def test_what_torch_has_a_class_for_comes_back_as_that_class(name: str, arguments: dict[str, Any]) -> None:
    total = arguments.get("total_steps", 60)
    made = cd.from_native("torch", name, arguments, base=0.1, total=total)
    scheduler = cd.to_native(made, "torch", optimizer_of([0.1]), total=total)
    assert type(scheduler).__name__ == name
    assert f"scheduler = {name}(" in cd.to_code(made, "torch", base=0.1, total=total)


def test_lists_for_groups_come_back_as_lists() -> None:
    for name, arguments in (
        ("CyclicLR", {"base_lr": [0.01, 0.02], "max_lr": 0.2, "step_size_up": 5}),
        ("OneCycleLR", {"max_lr": [0.1, 0.3], "total_steps": 60}),
    ):
        made = cd.from_native("torch", name, arguments, base=[0.1, 0.2], total=60)
        native = framework("torch").express(run_of((0.1, 0.2), 60).placed(made))
        assert {key: native.arguments[key] for key in arguments} == arguments


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "warmup('5%') >> cosine(to=0.01)",
            """\
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

scheduler = SequentialLR(
    optimizer,
    schedulers=[
        LinearLR(optimizer, start_factor=0.01, total_iters=5),
        CosineAnnealingLR(optimizer, T_max=95, eta_min=0.001),
    ],
    milestones=[5],
)
""",
        ),
        (
            "constant(50) >> cosine(50, start=1, to=0.1).clip(0.2)",
            """\
import math

from torch.optim.lr_scheduler import ConstantLR, LambdaLR, SequentialLR

scheduler = SequentialLR(
    optimizer,
    schedulers=[
        ConstantLR(optimizer, factor=1.0),
        LambdaLR(optimizer, lambda t: max(0.1 + 0.9 * ((1 + math.cos(math.pi * t / 50)) / 2), 0.2)),
    ],
    milestones=[50],
)
""",
        ),
        (
            "cosine(10).repeat(decay=0.5)",
            """\
import math

from torch.optim.lr_scheduler import LambdaLR


def cycle_1(t):
    return (1 + math.cos(math.pi * t / 10)) / 2


def factor(t):
    return 0.5 ** (t // 10) * cycle_1(t % 10)


scheduler = LambdaLR(optimizer, factor)
""",
        ),
    ],
)
def test_the_source_is_what_people_write(text: str, code: str) -> None:
    assert cd.to_code(text, "torch", base=0.1, total=100) == code


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("plan({'lr': cosine(), 'weight_decay': constant()})", "this plan governs 'weight_decay'"),
        ("plan({'lr': cosine(), 'momentum': linear()})", "moves the momentum in CyclicLR and OneCycleLR alone"),
        ("plan({'weight_decay': constant()})", "this plan governs 'weight_decay'"),
    ],
)
def test_what_torch_cannot_express_is_said_with_what_to_use_instead(text: str, sentence: str) -> None:
    with pytest.raises(ConversionError, match=f"{sentence}.*cd.torch_scheduler"):
        cd.to_code(text, "torch", total=30)


def test_an_optimizer_that_had_a_scheduler_begins_anew() -> None:
    optimizer = optimizer_of([0.1])
    old = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1)
    rates_of(old, 3)
    scheduler = cd.to_native("cosine(20)", "torch", optimizer, total=20)
    assert_near(rates_of(scheduler, 20)[0], cd.place("cosine(20)", base=0.1).values(), "cosine")


def test_a_tensor_rate_stays_the_tensor_that_it_is() -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=rate)
    scheduler = cd.to_native("cosine(20)", "torch", optimizer, total=20)
    rates_of(scheduler, 10)
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.05)


@pytest.mark.parametrize(("optimizer", "sentence"), [(None, "made for an optimizer"), ("adam", "this is str")])
def test_without_an_optimizer_there_is_no_scheduler(optimizer: Any, sentence: str) -> None:
    with pytest.raises(ConversionError, match=sentence):
        cd.to_native("cosine(20)", "torch", optimizer, total=20)


def test_bases_that_are_not_the_optimizer_s_are_refused() -> None:
    with pytest.raises(ConversionError, match=r"has base rates 0\.1, and base says 1"):
        cd.to_native("cosine(20)", "torch", optimizer_of([0.1]), base=1.0, total=20)


def test_the_state_of_what_was_built_is_plain_data() -> None:
    for text in ("warmup(5) >> cosine().clip(0.2)", "plan({'lr': cosine(), '1/lr': linear()})", "one_cycle()"):
        optimizer = optimizer_of([0.1, 0.2])
        scheduler = cd.to_native(text, "torch", optimizer, total=20)
        rates_of(scheduler, 7)
        file = io.BytesIO()
        torch.save([scheduler.state_dict(), optimizer.state_dict()], file)
        file.seek(0)
        states = torch.load(file, weights_only=True)
        again = optimizer_of([0.1, 0.2])
        resumed = cd.to_native(text, "torch", again, total=20)
        resumed.load_state_dict(states[0])
        again.load_state_dict(states[1])
        np.testing.assert_array_equal(rates_of(resumed, 10), rates_of(scheduler, 10))
