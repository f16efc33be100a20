"""Torch's scheduler objects and saved states, also in the middle of a run, as data that goes on as they would."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from tests.conversion.torch_cases import SINGLE, composed, native, run_of, single, whole

import cadence as cd
from cadence._errors import ConversionError
from cadence.conversion.doors import inspect
from cadence.conversion.framework import Live, framework
from cadence.conversion.setting import Setting

torch = pytest.importorskip("torch")
lrs = torch.optim.lr_scheduler

pytestmark = pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")

BASES = (0.1, 0.03)


def optimizer_of(kind: str = "sgd", bases: tuple[float, ...] = BASES) -> Any:
    groups = [{"params": [torch.zeros(1)], "lr": base} for base in bases]
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9) if kind == "sgd" else torch.optim.AdamW(groups, lr=1.0)


def stepped(scheduler: Any, steps: int) -> list[list[float]]:
    """The rates of all groups, one row for each step, the first before any."""
    rows = [[float(group["lr"]) for group in scheduler.optimizer.param_groups]]
    for _ in range(steps):
        scheduler.optimizer.step()
        scheduler.step()
        rows.append([float(group["lr"]) for group in scheduler.optimizer.param_groups])
    return rows


def assert_goes_on(live: Live, schedule: Any, rates: list[list[float]], what: object, total: int | None = None) -> None:
    """The curve from the update where the scheduler stands has the rates that it had then."""
    curve = cd.place(schedule, total=total or live.t + 60, base={"lr": list(live.bases), live.momentum: 1.0})
    for g in range(len(live.bases)):
        theirs = np.array([row[g] for row in rates])
        ours = curve.at(live.t + np.arange(len(rates)), group=g, value="lr") * live.factor[g]
        allowed = 1e-9 * np.maximum(theirs, 1e-3 * np.abs(theirs).max())
        assert (np.abs(ours - theirs) <= allowed).all(), f"{what} at {live.t}: torch {theirs[:4]}, cadence {ours[:4]}"


@pytest.mark.parametrize("name", SINGLE)
def test_an_object_in_mid_run_goes_on_as_it_would(name: str) -> None:
    done = 0
    for seed in range(25):
        random = np.random.default_rng(seed)
        described = single(random, name)
        if "last_epoch" in described.arguments:
            continue
        optimizer = optimizer_of("sgd" if seed % 2 else "adamw")
        k = whole(random, 0, 20)
        total = described.arguments.get("total_steps") or 3 * described.arguments.get("steps_per_epoch", 30)
        try:
            scheduler = framework("torch").build(described, a_run(), optimizer)
            k = min(k, total - 2) if name == "OneCycleLR" else k
            stepped(scheduler, max(k, 0))
            live = inspect(scheduler)
            rates = stepped(scheduler, total - live.t - 1 if name == "OneCycleLR" else 40)[:-1]
            schedule = cd.from_native(scheduler, total=None if name == "OneCycleLR" else live.t + 60)
        except (ConversionError, ZeroDivisionError):
            continue
        if rates and min(min(row) for row in rates) >= 0:
            assert live.momentum == ("momentum" if seed % 2 else "beta1")
            assert_goes_on(live, schedule, rates, described, total if name == "OneCycleLR" else None)
            done += 1
    assert done > 8


def a_run() -> Setting:
    return run_of(BASES, 100)


def test_composed_objects_in_mid_run_go_on_as_they_would() -> None:
    done = 0
    usual = ["StepLR", "LinearLR", "ExponentialLR", "CosineAnnealingLR", "PolynomialLR", "LambdaLR", "ConstantLR"]
    for seed in range(80):
        random = np.random.default_rng(seed)
        described = composed(random, 2, usual)
        optimizer = optimizer_of()
        try:
            scheduler = framework("torch").build(described, a_run(), optimizer)
            stepped(scheduler, whole(random, 0, 30))
            live = inspect(scheduler)
            rates = stepped(scheduler, 30)[:-1]
            schedule = cd.from_native(scheduler, total=live.t + 60)
        except (ConversionError, ZeroDivisionError, NotImplementedError):
            continue
        if "last_epoch" not in repr(described):
            assert_goes_on(live, schedule, rates, described)
            done += 1
    assert done > 20


def test_what_an_object_was_made_with_is_read_back() -> None:
    for name, arguments in {
        "StepLR": {"step_size": 7, "gamma": 0.5}, "MultiStepLR": {"milestones": [3, 3, 9], "gamma": 0.2},
        "ConstantLR": {"factor": 0.25, "total_iters": 9}, "LinearLR": {"start_factor": 0.1, "total_iters": 9},
        "ExponentialLR": {"gamma": 0.9}, "PolynomialLR": {"total_iters": 9, "power": 2.0},
        "CosineAnnealingLR": {"T_max": 9, "eta_min": 0.01}, "CosineAnnealingWarmRestarts": {"T_0": 5, "T_mult": 2},
        "CyclicLR": {"base_lr": 0.01, "max_lr": [0.1, 0.2], "step_size_up": 5, "step_size_down": 3},
        "OneCycleLR": {"max_lr": [0.1, 0.3], "total_steps": 97, "three_phase": True}, "SWALR": {"swa_lr": 0.05},
        "ReduceLROnPlateau": {"mode": "max", "patience": 3, "min_lr": [0.01, 0.02]},
    }.items():  # fmt: skip
        scheduler = framework("torch").build(native(name, arguments), a_run(), optimizer_of())
        assert dict(inspect(scheduler).native.arguments) == arguments, name


def test_two_optimizers_of_one_family_tell_what_their_momentum_is_called() -> None:
    for kind, value in (("sgd", "momentum"), ("adamw", "beta1")):
        scheduler = lrs.OneCycleLR(optimizer_of(kind, (0.1,)), 0.1, 50)
        assert f"'{value}'" in repr(cd.from_native(scheduler))


# ---- changed by hand ---------------------------------------------------------------------------------------------


def test_a_rate_that_was_changed_by_hand_is_kept_where_torch_keeps_it() -> None:
    scheduler = lrs.StepLR(optimizer_of(), 7)
    stepped(scheduler, 5)
    for group in scheduler.optimizer.param_groups:
        group["lr"] *= 3
    live = inspect(scheduler)
    assert live.factor == pytest.approx((3, 3))
    schedule = cd.from_native(scheduler)
    assert_goes_on(live, schedule, stepped(scheduler, 30), "StepLR")


def test_and_forgotten_where_torch_forgets_it() -> None:
    scheduler = lrs.LambdaLR(optimizer_of(), lambda t: 0.9**t)
    stepped(scheduler, 5)
    scheduler.optimizer.param_groups[0]["lr"] = 7.0
    live = inspect(scheduler)
    assert live.factor == (1.0, 1.0)
    rates = stepped(scheduler, 10)
    curve = cd.place(cd.from_native(scheduler, total=20), total=20, base=list(BASES))
    assert [row[0] for row in rates[1:]] == pytest.approx(curve.values(6, 16).tolist())


@pytest.mark.parametrize("make", [
    lambda optimizer: lrs.CosineAnnealingLR(optimizer, 20, 0.01),
    lambda optimizer: lrs.SequentialLR(
        optimizer, [lrs.LinearLR(optimizer, 0.1), lrs.CosineAnnealingLR(optimizer, 20)], [10]
    ),
])  # fmt: skip
def test_and_refused_where_no_multiple_says_what_torch_makes_of_it(make: Any) -> None:
    scheduler = make(optimizer_of())
    stepped(scheduler, 5)
    scheduler.optimizer.param_groups[0]["lr"] *= 2
    with pytest.raises(ConversionError, match="changed from outside"):
        inspect(scheduler)


def test_a_scheduler_that_went_on_without_the_optimizer_s_state_shows_the_factor() -> None:
    # The scheduler's state alone was loaded: torch goes on from the base, at twice the right rate.
    old = lrs.StepLR(optimizer_of(), 3, 0.5)
    stepped(old, 4)
    new = lrs.StepLR(optimizer_of(), 3, 0.5)
    new.load_state_dict(old.state_dict())
    assert inspect(new).factor == pytest.approx((2.0, 2.0))


# ---- saved states ------------------------------------------------------------------------------------------------


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """A state as it comes from a file that may hold no code."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


RESTORED = ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR",
            "CosineAnnealingWarmRestarts", "CyclicLR"]  # fmt: skip


@pytest.mark.parametrize("name", RESTORED)
def test_a_saved_state_is_as_good_as_the_object(name: str) -> None:
    for seed in range(12):
        random = np.random.default_rng(seed)
        described = single(random, name)
        if "last_epoch" in described.arguments or "scale_fn" in described.arguments:
            continue
        scheduler = framework("torch").build(described, a_run(), optimizer_of())
        try:
            stepped(scheduler, 6)
            live = inspect(scheduler)
        except (ZeroDivisionError, ConversionError):
            continue
        again = framework("torch").restore(name, saved(scheduler.state_dict()), (1.0,))
        assert (again.native, again.t, again.bases) == (live.native, live.t, live.bases)
        assert again.factor == pytest.approx(live.factor)


def test_a_saved_sequence_is_read_although_torch_does_not_save_its_classes() -> None:
    optimizer = optimizer_of()
    parts = [lrs.LinearLR(optimizer, 0.1, total_iters=4), lrs.CosineAnnealingLR(optimizer, 20)]
    scheduler = lrs.SequentialLR(optimizer, parts, [4])
    stepped(scheduler, 6)
    state = json.loads(json.dumps(scheduler.state_dict()))
    made = cd.from_native("torch", "SequentialLR", state=state, total=30)
    assert repr(made) == "linear(4, to=1, start=0.1) >> cosine(20).past_end('mirror')"
    assert framework("torch").restore("SequentialLR", state, (1.0,)).t == 6


def test_milestones_survive_a_state_that_was_text() -> None:
    scheduler = lrs.MultiStepLR(optimizer_of(), [3, 9, 9])
    state = json.loads(json.dumps(scheduler.state_dict()))
    assert repr(cd.from_native("torch", "MultiStepLR", state=state)) == "steps(at=[3, 9, 9])"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda optimizer: lrs.LambdaLR(optimizer, lambda t: 1.0), "holds no functions"),
        (lambda optimizer: lrs.OneCycleLR(optimizer, 0.1, 50), "keeps its rates in the optimizer"),
        (lambda optimizer: torch.optim.swa_utils.SWALR(optimizer, 0.1), "keeps swa_lr in the optimizer"),
    ],
)
def test_what_a_state_does_not_hold_is_said(make: Any, sentence: str) -> None:
    scheduler = make(optimizer_of())
    with pytest.raises(ConversionError, match=sentence):
        framework("torch").restore(type(scheduler).__name__, saved(scheduler.state_dict()), (1.0,))


def test_a_class_of_a_user_s_own_is_refused() -> None:
    class Mine(lrs.StepLR):  # type: ignore[misc, name-defined]
        """Perhaps with another step."""

    with pytest.raises(ConversionError, match="Mine is a class of its own"):
        inspect(Mine(optimizer_of(), 3))


def test_swalr_goes_from_the_rate_that_it_finds() -> None:
    optimizer = optimizer_of()
    swa = torch.optim.swa_utils.SWALR(optimizer, 0.05, anneal_epochs=8)
    for group in optimizer.param_groups:
        group["lr"] = 0.2
    stepped(swa, 3)
    live = inspect(swa)
    assert live.bases == pytest.approx((0.2, 0.2))
    assert_goes_on(live, cd.from_native(swa), stepped(swa, 12), "SWALR")


def test_a_rate_that_is_a_tensor_has_not_been_changed_because_it_has_fewer_digits() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=torch.tensor(0.1))
    scheduler = lrs.CosineAnnealingLR(optimizer, 300, 0.01)
    stepped(scheduler, 150)
    assert inspect(scheduler).factor == (1.0,)


def test_a_cycle_that_was_stepped_with_numbers_of_its_own_is_refused() -> None:
    scheduler = lrs.CosineAnnealingWarmRestarts(optimizer_of(), 5, 2)
    scheduler.step(2.5)
    with pytest.raises(ConversionError, match=r"stands 2\.5 steps into a cycle, where 2 steps lead to 2"):
        inspect(scheduler)
