"""ignite's schedulers give the numbers of the schedules that they are read as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cadence._errors import CadenceError, ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.framework import framework
from cadence.conversion.native import Native
from draws import Draws
from native_numbers import TOLERANCE, on_run, reading_of, widest_gap

pytest.importorskip("torch")
pytest.importorskip("ignite")

STATE = [name for name in definitions("ignite") if name.endswith("StateScheduler")]


def ignite(name: str, **arguments: Any) -> Native:
    return definitions("ignite")[name].bind([], arguments)


def torch(name: str, **arguments: Any) -> Native:
    return definitions("torch")[name].bind([], arguments)


def check(native: Native, bases: tuple[float, ...], total: int | None, steps: int | None = None) -> None:
    on = on_run(bases, total)
    schedule, curve = reading_of(native, on)
    widest = widest_gap(curve, native, on, (total or 100) - 1 if steps is None else steps)
    assert widest <= TOLERANCE, f"{native} as {schedule}: {widest}"


class Random(Draws):
    """Random configurations, edge cases among them."""

    def cyclical(self) -> Native:
        name = self.of("LinearCyclicalScheduler", "CosineAnnealingScheduler")
        own: dict[str, Any] = {
            "param_name": "lr",
            "start_value": self.of(0.1, 0.3, 0.01),
            "end_value": self.of(0.0, 0.001, 0.2),
            "cycle_size": self.whole(2, 20),
        }
        for key, factors in (
            ("cycle_mult", (1, 2, 3, 1.5, 1.3, 0.9)),
            ("start_value_mult", (1.0, 0.5, 0.9, 1.1, 0.0)),
            ("end_value_mult", (1.0, 0.5, 1.1)),
        ):
            if self.maybe():
                own[key] = self.of(*factors)
        if name == "LinearCyclicalScheduler" and self.maybe():
            own["monotonic"] = True
        if (name == "CosineAnnealingScheduler" or "monotonic" in own) and self.maybe(0.4):
            own["warmup_duration"] = self.whole(1, 9)
        return ignite(name, **own)

    def points(self) -> list[tuple[int, float]]:
        events = sorted(self.whole(-3, 40) for _ in range(self.whole(1, 6)))
        return [(m, self.of(0.1, 0.3, 0.01, 0.0)) for m in events]

    def lines(self) -> Native:
        return ignite("PiecewiseLinear", param_name="lr", milestones_values=self.points())

    def joined(self) -> Native:
        n = self.whole(2, 5)
        parts = [self.of(self.cyclical, self.lines)() for _ in range(n)]
        return ignite("ConcatScheduler", schedulers=parts, durations=[self.whole(0, 20) for _ in range(n - 1)])

    def warmed(self) -> Native:
        inner = self.of(self.cyclical, self.lines, self.joined)()
        own: dict[str, Any] = {"warmup_start_value": self.of(0.0, 0.01, 0.2), "warmup_duration": self.whole(2, 12)}
        if self.maybe():
            own["warmup_end_value"] = self.of(0.1, 0.3, 0.05)
        return ignite("create_lr_scheduler_with_warmup", lr_scheduler=inner, **own)

    def state(self) -> Native:
        name = self.of(*(n for n in STATE if n != "LambdaStateScheduler"))
        own: dict[str, Any] = {"param_name": "temperature"}
        if name == "PiecewiseLinearStateScheduler":
            return ignite(name, milestones_values=self.points(), **own)
        own |= {"initial_value": self.of(0.0, 2.0, 5.5), "gamma": self.of(0.9, 1.0, 1.05, 0.0)}
        if name == "StepStateScheduler":
            own["step_size"] = self.of(1, 3, 7, 2.5, 2.3)
        elif name == "MultiStepStateScheduler":
            own["milestones"] = [self.of(self.whole(-2, 30), 4.5) for _ in range(self.whole(0, 5))]
        return ignite(name, **own)

    def wrapped(self) -> Native:
        inner = self.of(
            torch("StepLR", step_size=self.whole(1, 20), gamma=self.of(0.1, 0.5, 1.0)),
            torch("MultiStepLR", milestones=[self.whole(0, 30) for _ in range(3)], gamma=self.of(0.1, 0.5)),
            torch("ConstantLR", factor=self.of(0.5, 1.0), total_iters=self.whole(0, 12)),
            torch("LinearLR", start_factor=self.of(0.1, 0.5, 1.0), total_iters=self.whole(1, 12)),
            torch("ExponentialLR", gamma=self.of(0.9, 0.5, 1.0)),
            torch("PolynomialLR", total_iters=self.whole(1, 30), power=self.of(1.0, 2.0)),
            torch("CosineAnnealingLR", T_max=self.whole(1, 30), eta_min=self.of(0.0, 0.001)),
            torch(
                "CosineAnnealingWarmRestarts", T_0=self.whole(1, 12), T_mult=self.of(1, 2), eta_min=self.of(0.0, 0.002)
            ),
            torch("LambdaLR", lr_lambda=lambda k: 0.95**k),
        )
        return ignite("LRScheduler", lr_scheduler=inner, **({"use_legacy": True} if self.maybe(0.2) else {}))

    def warmed_torch(self) -> Native:
        inner = self.wrapped().arguments["lr_scheduler"]
        own: dict[str, Any] = {"warmup_start_value": self.of(0.0, 0.01), "warmup_duration": self.whole(2, 12)}
        if self.maybe(0.3):
            own["warmup_end_value"] = self.of(0.1, 0.3, 0.05)
        return ignite("create_lr_scheduler_with_warmup", lr_scheduler=inner, **own)

    def joined_torch(self) -> Native:
        parts = [self.of(self.cyclical, self.lines, self.fresh)() for _ in range(2)]
        return ignite("ConcatScheduler", schedulers=parts, durations=[self.whole(1, 20)])

    def fresh(self) -> Native:
        native = self.wrapped()
        return ignite("LRScheduler", lr_scheduler=native.arguments["lr_scheduler"])


@pytest.mark.filterwarnings("ignore:Please make sure to attach scheduler:UserWarning")
@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("cyclical", 250), ("lines", 150), ("joined", 150), ("warmed", 150), ("state", 200), ("wrapped", 150),
        ("warmed_torch", 150), ("joined_torch", 100),
    ],
)  # fmt: skip
def test_random_configurations_give_the_same_numbers_or_are_refused(kind: str, count: int) -> None:
    random = Random(sum(map(ord, kind)))
    make: Callable[[], Native] = getattr(random, kind)
    compared = 0
    for _ in range(count):
        native, bases = make(), random.of((0.1,), (0.3,), (0.1, 0.01))
        total = random.whole(5, 80)
        on = on_run(bases, total)
        try:
            schedule, curve = reading_of(native, on)
        except CadenceError as reason:
            refused_for_cause(native, bases, total, str(reason))
            continue
        widest = widest_gap(curve, native, on, total - 1)
        assert widest <= TOLERANCE, f"{native} on {bases}, {total} as {schedule}: {widest}"
        compared += 1
    assert compared > 0.8 * count


def refused_for_cause(native: Native, bases: tuple[float, ...], total: int, reason: str) -> None:
    """The peer fails as well, or it is one of the few things that are said to have no schedule."""
    if "with several groups ignite goes on" in reason or "warmup before" in reason:
        return
    with pytest.raises((ZeroDivisionError, ValueError, TypeError, NotImplementedError)):
        framework("ignite").run(native, on_run(bases, total), total)


@pytest.mark.parametrize("name", list(definitions("ignite")))
def test_every_scheduler_of_ignite_has_its_own_signature(name: str) -> None:
    import inspect

    from ignite.handlers import param_scheduler, state_param_scheduler

    peer = getattr(param_scheduler, name, None) or getattr(state_param_scheduler, name)
    own = [p.name for p in inspect.signature(peer).parameters.values() if p.name not in ("optimizer", "dataloader")]
    read = {p.name: p.default for p in definitions("ignite")[name].parameters}
    if "args" in own or "scheduler_kwargs" in own:
        return  # ignite hands these on; what they are is tested by running them
    assert list(read) == own
    for p in inspect.signature(peer).parameters.values():
        if p.name in read:
            assert read[p.name] == p.default


def test_a_cycle_returns_in_straight_lines() -> None:
    native = ignite("LinearCyclicalScheduler", param_name="lr", start_value=0.1, end_value=0.0, cycle_size=4)
    schedule, curve = reading_of(native, on_run((0.1,), 8))
    assert repr(schedule) == "(linear(2) >> linear(2, to=1, start=0)).repeat()"
    # ignite's own documentation shows this course: there, half way, back.
    np.testing.assert_allclose(curve.values(), [0.1, 0.05, 0, 0.05, 0.1, 0.05, 0, 0.05], atol=1e-17)


def test_values_are_multiples_where_the_base_is_the_start_and_absolute_elsewhere() -> None:
    native = ignite("CosineAnnealingScheduler", param_name="lr", start_value=0.1, end_value=0.001, cycle_size=90)
    assert repr(reading_of(native, on_run((0.1,), 90))[0]) == "cosine(90, to=0.01).repeat()"
    assert repr(reading_of(native, on_run((0.3,), 90))[0]) == (
        "cosine(90, to=absolute(0.001), start=absolute(0.1)).repeat()"
    )


def test_one_group_of_several_is_governed_and_the_others_are_left_alone() -> None:
    lines = ignite("PiecewiseLinear", param_name="lr", milestones_values=[(0, 0.1), (9, 0.0)], param_group_index=1)
    _, curve = reading_of(lines, on_run((0.5, 0.1), 10))
    assert curve.at(4, group=0) == 0.5
    assert curve.at(9, group=1) == 0.0
    check(lines, (0.5, 0.1), 10)


def test_groups_and_values_of_their_own() -> None:
    parts = [
        ignite(
            "CosineAnnealingScheduler",
            param_name="lr",
            start_value=0.1,
            end_value=0.0,
            cycle_size=9,
            param_group_index=0,
        ),
        ignite("PiecewiseLinear", param_name="lr", milestones_values=[(0, 0.2), (9, 0.0)], param_group_index=1),
        ignite("PiecewiseLinear", param_name="momentum", milestones_values=[(0, 0.85), (9, 0.95)]),
    ]
    check(ignite("ParamGroupScheduler", schedulers=parts), (0.1, 0.2), 20)
    # A later scheduler of all groups wins over an earlier one of a single group.
    check(ignite("ParamGroupScheduler", schedulers=[parts[0], Random(1).lines()]), (0.1, 0.2), 20)


def test_other_values_are_absolute_numbers() -> None:
    native = ignite("PiecewiseLinear", param_name="weight_decay", milestones_values=[(0, 0.01), (10, 0.1)])
    schedule, curve = reading_of(native, on_run((0.1,), 10))
    assert repr(schedule) == "plan({'weight_decay': linear(10, to=absolute(0.1), start=absolute(0.01))})"
    assert curve.at(5, value="weight_decay") == pytest.approx(0.055)


def test_a_function_of_the_event_is_sampled() -> None:
    check(ignite("LambdaStateScheduler", lambda_obj=lambda k: 1 / k, param_name="rho"), (0.1,), 30)
    native = ignite("BatchSizeScheduler", scheduler_fn=lambda k: 8 * 2 ** (k // 10))
    check(native, (0.1,), 40)


def test_plateau_listens_to_the_metric_and_keeps_no_minimum_that_ignite_loses() -> None:
    lost = ignite("ReduceLROnPlateauScheduler", metric_name="val_loss", factor=0.5, patience=3, min_lr=1e-3)
    assert "val_loss" in repr(reading_of(lost, on_run((0.1,), 10))[0])
    assert "0.001" not in repr(reading_of(lost, on_run((0.1,), 10))[0])
    kept = ignite("ReduceLROnPlateauScheduler", metric_name="val_loss", min_lr=1e-3, param_group_index=0)
    assert "0.001" in repr(reading_of(kept, on_run((0.1,), 10))[0])


@pytest.mark.parametrize(
    ("native", "words"),
    [
        (lambda: ignite("LinearCyclicalScheduler", param_name="lr", start_value=1, end_value=0, cycle_size=1), "cycle_size is 1"),
        (
            lambda: ignite("LinearCyclicalScheduler", param_name="lr", start_value=1, end_value=0, cycle_size=9, warmup_duration=2),
            "monotonic is False",
        ),
        (lambda: ignite("CosineAnnealingScheduler", param_name="lr", start_value=1, end_value=-1, cycle_size=9), "-1"),
        (lambda: ignite("PiecewiseLinear", param_name="lr", milestones_values=[]), "is empty"),
        (lambda: ignite("PiecewiseLinear", param_name="lr", milestones_values=[(5, 1.0), (3, 0.0)]), "3 comes after 5"),
        (lambda: ignite("PiecewiseLinear", param_name="lr", milestones_values=[[5, 1.0]]), "a tuple"),
        (lambda: ignite("ConcatScheduler", schedulers=[Random(2).lines()], durations=[]), "two or more"),
        (
            lambda: ignite(
                "ConcatScheduler",
                schedulers=[Random(2).lines(), ignite("PiecewiseLinear", param_name="momentum", milestones_values=[(0, 1.0)])],
                durations=[3],
            ),
            "one value for all",
        ),
        (
            lambda: ignite(
                "LRScheduler",
                lr_scheduler=torch("SequentialLR", schedulers=[torch("StepLR", step_size=3), torch("StepLR", step_size=2)], milestones=[4]),
            ),
            "get_lr is not implemented",
        ),
        (
            lambda: ignite(
                "create_lr_scheduler_with_warmup", lr_scheduler=Random(2).lines(), warmup_start_value=0.0, warmup_duration=1
            ),
            "at least 2 events",
        ),
    ],
)  # fmt: skip
def test_what_ignite_refuses_is_refused_with_the_reason(native: Callable[[], Native], words: str) -> None:
    with pytest.raises(ConversionError, match=words):
        reading_of(native(), on_run((0.1,), 20))


def test_stepped_per_epoch_each_value_holds_for_an_epoch() -> None:
    from cadence import from_native, place

    schedule = from_native(
        "ignite",
        "CosineAnnealingScheduler",
        {"param_name": "lr", "start_value": 0.1, "end_value": 0.0, "cycle_size": 4},
        base=0.1,
        per="epoch",
        total="4 epochs",
        steps_per_epoch=5,
    )
    curve = place(schedule, total=20, steps_per_epoch=5, base=0.1)
    assert curve.at(0) == curve.at(4) == 0.1
    assert curve.at(10) == curve.at(14) == pytest.approx(0.05)
