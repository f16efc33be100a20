"""Mixed precision: an update that the loss scaler skipped is none, wherever it lies and whatever else the loop does."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import cadence as cd

torch = pytest.importorskip("torch")

TOTAL = 12
BAD_AT = {
    "nowhere": set[int](),
    "in the middle": {4, 5, 6},
    "at the very start": {0, 1, 2},
    "at the start, in the middle and at the end": {0, 3, 4, 14, 15},
}


def scaled_loop(
    optimizer: Any, step: Any, bad: set[int], *, clear: str = "first", accumulate: int = 1, passes: int = 16
) -> list[float]:
    """The rates of the updates that were done, in a loop with a scaler whose gradients overflow at some passes."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    [p] = optimizer.param_groups[0]["params"]
    rates: list[float] = []
    for i in range(passes):
        if clear == "first":
            optimizer.zero_grad()
        for _ in range(accumulate):
            loss = (p * (float("inf") if i in bad else 1.0)).sum() / accumulate
            scaler.scale(loss).backward()
        before, rate = p.detach().clone(), float(optimizer.param_groups[0]["lr"])
        scaler.step(optimizer)
        scaler.update()
        if not torch.equal(before, p.detach()):
            rates.append(rate)
        if clear == "before the driver's step":
            optimizer.zero_grad(set_to_none=True)
        step()
    return rates


def made(options: dict[str, Any]) -> Any:
    return torch.optim.AdamW([torch.ones(3, requires_grad=True)], lr=0.1, **options)


@pytest.mark.parametrize("clear", ["first", "before the driver's step"])
@pytest.mark.parametrize("options", [{}, {"fused": True}, {"foreach": True}], ids=str)
@pytest.mark.parametrize("where", BAD_AT)
def test_skipped_updates_do_not_count(where: str, options: Any, clear: str) -> None:
    optimizer = made(options)
    driver = cd.drive(optimizer, "warmup(3) >> cosine(to=0.1)", total=TOTAL)
    rates = scaled_loop(optimizer, driver.step, BAD_AT[where], clear=clear)
    assert len(rates) == driver.t == 16 - len(BAD_AT[where])
    assert rates == driver.curve.values(0, driver.t).tolist()


@pytest.mark.parametrize("where", BAD_AT)
def test_the_scheduler_with_feedback_counts_updates_likewise(where: str) -> None:
    optimizer = made({})
    schedule = "warmup(3) >> constant() * plateau('val_loss', patience=0, factor=0.5)"
    scheduler = cd.torch_scheduler(optimizer, schedule)
    # Lightning and Hugging Face do not call it after updates at all.
    rates = scaled_loop(optimizer, lambda: None, BAD_AT[where])
    assert len(rates) == scheduler.last_epoch == 16 - len(BAD_AT[where])
    assert rates == scheduler.curve.values(0, len(rates)).tolist()


def test_accumulated_micro_batches_and_skipped_updates_together() -> None:
    optimizer = made({})
    driver = cd.drive(optimizer, "linear(to=0.1)", total=TOTAL)
    rates = scaled_loop(optimizer, driver.step, {0, 5}, accumulate=4)
    assert rates == driver.curve.values(0, 14).tolist()


def test_a_scaler_that_is_told_of_makes_bare_steps_skipped_updates() -> None:
    optimizer = made({})
    driver = cd.drive(optimizer, "linear()", total=TOTAL, scaler=torch.amp.GradScaler("cpu"))
    for _ in range(3):
        driver.step()
    assert driver.t == 0
    optimizer = made({})
    driver = cd.drive(optimizer, "linear()", total=TOTAL, scaler=torch.amp.GradScaler("cpu", enabled=False))
    for _ in range(3):
        driver.step()
    assert driver.t == 3


def test_the_first_gradient_is_noticed_once_and_leaves_no_hook_behind() -> None:
    optimizer = made({})
    [p] = optimizer.param_groups[0]["params"]
    driver = cd.drive(optimizer, "linear()", total=TOTAL)
    assert len(p._post_accumulate_grad_hooks) == 1
    p.sum().backward()
    assert not p._post_accumulate_grad_hooks
    p.grad = None
    driver.step()
    assert driver.t == 0


def test_frozen_parameters_are_no_obstacle() -> None:
    frozen, free = torch.ones(3), torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [frozen]}, {"params": [free]}], lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=TOTAL)
    free.sum().backward()
    optimizer.step()
    driver.step()
    assert driver.t == 1


@pytest.mark.parametrize("bad", [set(c) for c in itertools.combinations(range(4), 2)], ids=str)
def test_a_resume_around_skipped_updates_changes_nothing(bad: set[int]) -> None:
    optimizer = made({})
    driver = cd.drive(optimizer, "linear(to=0.1)", total=TOTAL)
    rates = scaled_loop(optimizer, driver.step, bad, passes=4)
    state = driver.state_dict()
    optimizer = made({})
    driver = cd.drive(optimizer, "linear(to=0.1)", total=TOTAL)
    driver.load_state_dict(state)
    rates += scaled_loop(optimizer, driver.step, bad, passes=4)
    assert rates == driver.curve.values(0, 4).tolist()
