"""`torch_scheduler`: a real `LRScheduler`, closed in its one counter."""

from __future__ import annotations

import copy
import inspect
import io
import json
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import CadenceError, DriverError, StateError, UnknownNameError

torch = pytest.importorskip("torch")
lr_scheduler = pytest.importorskip("torch.optim.lr_scheduler")

SPEC = "warmup(5) >> cosine(to=0.01)"
TOTAL = 20


def optimizers(lr: float = 0.1, count: int = 2, make: Any = None, **options: Any) -> Any:
    groups = [{"params": [torch.ones(3, requires_grad=True)], "lr": lr / (i + 1)} for i in range(count)]
    return (make or torch.optim.SGD)(groups, lr=lr, **options)


def rates(optimizer: Any, scheduler: Any, steps: int) -> list[list[float]]:
    """The rate of every group during each update."""
    rows = []
    for _ in range(steps):
        rows.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return rows


def expected(steps: int = TOTAL, lr: float = 0.1, count: int = 2, spec: str = SPEC) -> list[list[float]]:
    factors = cd.place(spec, total=TOTAL).values(0, steps)
    return np.outer(factors, [lr / (i + 1) for i in range(count)]).tolist()


# ---- what it is ------------------------------------------------------------------------------------------------------


def test_it_is_what_programs_ask_for() -> None:
    plain = cd.torch_scheduler(optimizers(), SPEC, total=TOTAL)
    assert isinstance(plain, lr_scheduler.LRScheduler)
    assert not isinstance(plain, lr_scheduler.ReduceLROnPlateau)
    feedback = cd.torch_scheduler(optimizers(), "constant() * plateau('val_loss')")
    assert isinstance(feedback, lr_scheduler.ReduceLROnPlateau)
    for scheduler in (plain, feedback):
        # Accelerate stops a scheduler that has this attribute at that number of calls.
        assert not hasattr(scheduler, "total_steps")
        for name in ("step", "state_dict", "load_state_dict", "get_last_lr", "optimizer", "last_epoch", "_step_count"):
            assert hasattr(scheduler, name), name
        # Lightning and Hugging Face look at the signature of step before they call it with a metric.
        assert list(inspect.signature(scheduler.step).parameters)[-1] == "epoch"


def test_it_follows_the_curve_to_the_bit() -> None:
    optimizer = optimizers()
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    assert scheduler.last_epoch == 0
    assert rates(optimizer, scheduler, 3 * TOTAL) == expected(3 * TOTAL)
    assert scheduler.last_epoch == 3 * TOTAL
    assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    assert scheduler.curve == cd.place(SPEC, total=TOTAL, base=[0.1, 0.05])
    assert scheduler.base_lrs == [0.1, 0.05]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.1, 0.05]


def test_steps_may_be_epochs() -> None:
    optimizer = optimizers(count=1)
    scheduler = cd.torch_scheduler(optimizer, "steps(at=[3, 6], gamma=0.1)")
    assert [row[0] for row in rates(optimizer, scheduler, 8)] == pytest.approx([0.1] * 3 + [0.01] * 3 + [0.001] * 2)


def test_a_plan_governs_more_than_the_rate() -> None:
    optimizer = optimizers(make=torch.optim.AdamW, weight_decay=0.5, betas=(0.8, 0.99))
    plan = {"lr": SPEC, "weight_decay": "linear(to=0.5)", "beta1": "linear(to=0.9)"}
    scheduler = cd.torch_scheduler(optimizer, plan, total=TOTAL)
    for t in range(TOTAL):
        assert optimizer.param_groups[1]["lr"] == scheduler.curve.at(t, group=1)
        for group in optimizer.param_groups:
            assert group["weight_decay"] == scheduler.curve.at(t, value="weight_decay")
            assert group["betas"] == (scheduler.curve.at(t, value="beta1"), 0.99)
        optimizer.step()
        scheduler.step()


def test_a_plan_without_a_rate_leaves_it_alone() -> None:
    optimizer = optimizers(weight_decay=0.5)
    scheduler = cd.torch_scheduler(optimizer, {"weight_decay": "linear()"}, total=10)
    rows = rates(optimizer, scheduler, 5)
    assert rows == [[0.1, 0.05]] * 5
    assert optimizer.param_groups[0]["weight_decay"] == 0.25
    optimizer.param_groups[0]["lr"] = 0.7
    scheduler.step()
    assert scheduler.get_last_lr() == [0.7, 0.05]


def test_a_tensor_rate_is_filled_in_place_and_never_handed_out() -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = torch.optim.Adam([torch.ones(3, requires_grad=True)], lr=rate)
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    assert [row[0] for row in rates(optimizer, scheduler, TOTAL)] == [row[0] for row in expected(count=1)]
    assert optimizer.param_groups[0]["lr"] is rate
    last = scheduler.get_last_lr()[0]
    last.fill_(7.0)
    assert float(rate) != 7.0
    json.dumps(scheduler.state_dict(), allow_nan=False)


def test_the_programmer_s_mistakes_that_torch_warns_of_are_warned_of() -> None:
    scheduler = cd.torch_scheduler(optimizers(), SPEC, total=TOTAL)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    optimizer = optimizers()
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    rates(optimizer, scheduler, 3)  # and here of nothing: warnings are errors


# ---- step's arguments ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [0.37, 3, 0, torch.tensor(0.5), None])
def test_a_metric_is_a_type_error_with_the_remedy(metric: Any) -> None:
    optimizer = optimizers()
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    optimizer.step()
    with pytest.raises(
        DriverError, match=r"takes no metric, and got .*; leave it out, or write .* \* plateau\('val_loss'\)"
    ):
        scheduler.step(metric)
    with pytest.raises(TypeError):
        scheduler.step(metric)
    assert scheduler.last_epoch == 0


def test_epoch_is_a_keyword_and_jumps_there() -> None:
    optimizer = optimizers()
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    optimizer.step()
    scheduler.step(epoch=13)
    assert (scheduler.last_epoch, scheduler.get_last_lr()) == (13, expected(14)[13])
    scheduler.step(epoch=2)
    assert scheduler.get_last_lr() == expected(3)[2]
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == expected(4)[3]


@pytest.mark.parametrize("epoch", [-1, 0.37, "3", True])
def test_an_epoch_that_is_no_update_number_is_refused(epoch: Any) -> None:
    optimizer = optimizers()
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    optimizer.step()
    with pytest.raises(DriverError, match="is no update number; give a whole one from 0"):
        scheduler.step(epoch=epoch)
    assert (scheduler.last_epoch, scheduler._step_count) == (0, 1)


def test_far_ahead_is_at_once() -> None:
    optimizer = optimizers()
    scheduler = cd.torch_scheduler(optimizer, "cosine(1000).repeat()")
    optimizer.step()
    scheduler.step(epoch=10**12 + 250)
    assert scheduler.get_last_lr()[0] == pytest.approx(0.1 * np.cos(np.pi / 8) ** 2)


def test_a_tool_that_steps_once_per_process_is_corrected() -> None:
    optimizer = optimizers()
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL, steps_per_update=4)
    rows = []
    for _ in range(TOTAL):
        rows.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        for _ in range(4):
            scheduler.step()
    assert rows == expected()
    state = scheduler.state_dict()
    assert (state["t"], state["last_epoch"]) == (TOTAL, 4 * TOTAL)


# ---- state -----------------------------------------------------------------------------------------------------------


def test_a_state_is_strict_json_and_loads_without_code() -> None:
    optimizer = optimizers()
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    rates(optimizer, scheduler, 7)
    state = scheduler.state_dict()
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True) == state


ORDERS = (
    "scheduler, then optimizer",
    "optimizer, then scheduler",
    "optimizer, then made, then scheduler",
    "scheduler alone",
    "optimizer and last_epoch",
)


@pytest.mark.parametrize(
    "spec", [SPEC, "exponential(gamma=0.9)", "cosine(7).repeat()", "one_cycle()", "linear(to=0.1)"]
)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("stop", [1, 12])
def test_every_order_of_resuming_is_the_undisturbed_run(order: str, spec: str, stop: int) -> None:
    optimizer = optimizers(momentum=0.9)
    scheduler = cd.torch_scheduler(optimizer, spec, total=TOTAL)
    assert rates(optimizer, scheduler, stop) == expected(stop, spec=spec)
    saved, weights = scheduler.state_dict(), copy.deepcopy(optimizer.state_dict())
    base = 0.1 if order == "optimizer and last_epoch" else 0.7
    optimizer = optimizers(base, momentum=0.9)
    if order == "optimizer, then made, then scheduler":
        optimizer.load_state_dict(weights)
        scheduler = cd.torch_scheduler(optimizer, spec, total=TOTAL)
        scheduler.load_state_dict(saved)
    elif order == "optimizer and last_epoch":
        optimizer.load_state_dict(weights)
        # Torch's convention: the constructor makes one step, so it is given the update before.
        scheduler = cd.torch_scheduler(optimizer, spec, total=TOTAL, last_epoch=stop - 1)
    else:
        scheduler = cd.torch_scheduler(optimizer, spec, total=TOTAL)
        if order.startswith("scheduler"):
            scheduler.load_state_dict(saved)
        if "optimizer" in order:
            optimizer.load_state_dict(weights)
        if order.endswith("then scheduler"):
            scheduler.load_state_dict(saved)
    assert rates(optimizer, scheduler, TOTAL - stop) == expected(spec=spec)[stop:]
    assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]


def test_a_state_of_another_schedule_or_length_is_refused() -> None:
    state = cd.torch_scheduler(optimizers(), SPEC, total=TOTAL).state_dict()
    with pytest.raises(
        StateError, match=r"belongs to warmup\(5\) >> cosine\(to=0.01\), and this driver was made with linear\(\)"
    ):
        cd.torch_scheduler(optimizers(), "linear()", total=TOTAL).load_state_dict(state)
    with pytest.raises(StateError, match="20 updates, and this driver was made for 30 updates"):
        cd.torch_scheduler(optimizers(), SPEC, total=30).load_state_dict(state)
    with pytest.raises(StateError, match="last_epoch missing"):
        cd.torch_scheduler(optimizers(), SPEC, total=TOTAL).load_state_dict({"_step_count": 3})
    with pytest.raises(StateError, match="knows 2 parameter groups, and the optimizer has 1"):
        cd.torch_scheduler(optimizers(count=1), SPEC, total=TOTAL).load_state_dict(state)


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_a_group_may_be_added_at_any_time() -> None:
    optimizer = optimizers(count=1)
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    first = rates(optimizer, scheduler, 7)
    optimizer.add_param_group({"params": [torch.ones(3, requires_grad=True)], "lr": 0.05})
    optimizer.step()
    scheduler.step()
    assert first == [row[:1] for row in expected(7)]
    assert rates(optimizer, scheduler, TOTAL - 8) == expected()[8:]
    assert scheduler.base_lrs == [0.1, 0.05]
    other = optimizers(0.3)
    resumed = cd.torch_scheduler(other, SPEC, total=TOTAL)
    resumed.load_state_dict(scheduler.state_dict())
    assert resumed.get_last_lr() == scheduler.get_last_lr()


def test_base_rates_that_somebody_writes_count() -> None:
    # What torch's own closed forms allow, and programs do.
    optimizer = optimizers(count=1)
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    scheduler.base_lrs = [0.4]
    assert rates(optimizer, scheduler, 3)[1:] == expected(3, lr=0.4, count=1)[1:]


def test_what_someone_else_writes_is_forgotten_at_the_next_step() -> None:
    optimizer = optimizers(count=1)
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    optimizer.param_groups[0]["lr"] = 9.0
    assert rates(optimizer, scheduler, 4)[1:] == expected(4, count=1)[1:]


# ---- other people's loops --------------------------------------------------------------------------------------------


def test_accelerate_s_loop_with_accumulation_counts_updates() -> None:
    accelerate = pytest.importorskip("accelerate")
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = cd.torch_scheduler(optimizer, SPEC, total=TOTAL)
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    model, wrapped, stepped = accelerator.prepare(model, optimizer, scheduler)
    assert stepped.scheduler is scheduler
    rows = []
    for _ in range(16):
        with accelerator.accumulate(model):
            accelerator.backward(model(torch.ones(4, 2)).sum())
            if accelerator.sync_gradients:
                rows.append([group["lr"] for group in optimizer.param_groups])
            wrapped.step()
            stepped.step()
            wrapped.zero_grad()
    assert scheduler.last_epoch == 8
    assert rows == expected(8, count=1)


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"steps_per_update": 0}, DriverError, "steps_per_update is 0"),
        ({"steps_per_update": 2.0}, DriverError, "steps_per_update is 2.0"),
        ({"reduce": dict}, DriverError, "follows none; leave it out"),
        ({"total": None}, CadenceError, "total"),
        ({"base": [0.1]}, CadenceError, "base has 1 numbers for 'lr', and the optimizer has 2 parameter groups"),
        ({"base": float("nan")}, CadenceError, "finite"),
    ],
)
def test_bad_arguments_are_said(options: Any, error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        cd.torch_scheduler(optimizers(), SPEC, **{"total": TOTAL, **options})


def test_what_is_no_optimizer_is_said() -> None:
    with pytest.raises(DriverError, match="not None"):
        cd.torch_scheduler(None, SPEC, total=TOTAL)
    with pytest.raises(UnknownNameError, match="the optimizer has no value 'momentums'; did you mean 'momentum'"):
        cd.torch_scheduler(optimizers(), {"momentums": "constant()"}, total=TOTAL)
