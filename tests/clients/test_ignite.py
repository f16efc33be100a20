"""Ignite: its handler around a torch scheduler, stepped at the beginning or at the end of an iteration."""

from __future__ import annotations

from typing import Any

import pytest

import cadence as cd

torch = pytest.importorskip("torch")
pytest.importorskip("ignite")

from ignite.engine import Engine, Events  # noqa: E402
from ignite.handlers import Checkpoint, LRScheduler, create_lr_scheduler_with_warmup  # noqa: E402

SCHEDULE = "warmup(3) >> cosine(to=0.01)"
PLAN = {"lr": SCHEDULE, "momentum": "linear(to=0.5)", "weight_decay": "linear(to=2)"}


class Training:
    """An engine that trains one weight and notes what each update really uses."""

    def __init__(self, schedule: Any, base: Any = 0.1, **options: Any) -> None:
        self.weight, bias = torch.ones(2, requires_grad=True), torch.ones(1, requires_grad=True)
        groups = [{"params": [self.weight]}, {"params": [bias], "lr": base / 10}]
        self.optimizer = torch.optim.SGD(groups, lr=base, momentum=0.9, weight_decay=0.01)
        self.scheduler = cd.torch_scheduler(self.optimizer, schedule, **options)
        self.seen: list[Any] = []
        self.engine = Engine(self.update)

    def update(self, engine: Any, batch: Any) -> float:
        self.optimizer.zero_grad()
        loss = (self.weight * batch).sum()
        loss.backward()
        self.seen.append([(g["lr"], g["momentum"], g["weight_decay"]) for g in self.optimizer.param_groups])
        self.optimizer.step()
        return float(loss.detach())

    def rates(self) -> list[float]:
        return [row[0][0] for row in self.seen]


def values(schedule: Any, total: int) -> list[float]:
    return cd.place(schedule, total=total, base=0.1).values().tolist()


def test_attached_to_the_beginning_of_an_iteration_it_gives_the_curve() -> None:
    training = Training(SCHEDULE, total=12)
    # The handler leaves out its first step, because the first value is there already.
    training.engine.add_event_handler(Events.ITERATION_STARTED, LRScheduler(training.scheduler))
    training.engine.run([1.0] * 6, max_epochs=2)
    assert training.rates() == values(SCHEDULE, 12)


def test_attached_to_the_end_the_handler_leaves_out_one_step_and_the_scheduler_alone_does_not() -> None:
    handled = Training(SCHEDULE, total=12)
    handled.engine.add_event_handler(Events.ITERATION_COMPLETED, LRScheduler(handled.scheduler))
    handled.engine.run([1.0] * 6, max_epochs=2)
    wanted = values(SCHEDULE, 12)
    assert handled.rates() == [wanted[0], *wanted[:-1]]  # as with torch's own
    alone = Training(SCHEDULE, total=12)
    alone.engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: alone.scheduler.step())
    alone.engine.run([1.0] * 6, max_epochs=2)
    assert alone.rates() == wanted


def test_epochs_are_the_unit_where_it_is_attached_to_them() -> None:
    training = Training("warmup(1) >> linear()", total=4)
    training.engine.add_event_handler(Events.EPOCH_STARTED, LRScheduler(training.scheduler))
    training.engine.run([1.0] * 3, max_epochs=4)
    assert training.rates() == [x for x in values("warmup(1) >> linear()", 4) for _ in range(3)]


def test_momentum_and_decay_follow_a_plan() -> None:
    training = Training(PLAN, total=12)
    training.engine.add_event_handler(Events.ITERATION_STARTED, LRScheduler(training.scheduler))
    training.engine.run([1.0] * 6, max_epochs=2)
    base = {"lr": [0.1, 0.01], "momentum": [0.9] * 2, "weight_decay": [0.01] * 2}
    curve = cd.place(PLAN, total=12, base=base)
    for g in range(2):
        for i, value in enumerate(PLAN):
            assert [row[g][i] for row in training.seen] == pytest.approx(curve.values(group=g, value=value))


def test_a_rate_in_a_tensor_stays_in_it() -> None:
    training = Training(SCHEDULE, base=torch.tensor(0.1), total=6)
    rates = [group["lr"] for group in training.optimizer.param_groups]
    training.engine.add_event_handler(Events.ITERATION_STARTED, LRScheduler(training.scheduler))
    training.engine.run([1.0] * 6, max_epochs=1)
    assert all(group["lr"] is rate for group, rate in zip(training.optimizer.param_groups, rates, strict=True))
    assert float(rates[0]) == pytest.approx(values(SCHEDULE, 6)[5])


def test_a_run_that_goes_on_from_a_checkpoint_is_the_unbroken_one() -> None:
    unbroken = Training(PLAN, total=12)
    unbroken.engine.add_event_handler(Events.ITERATION_STARTED, LRScheduler(unbroken.scheduler))
    unbroken.engine.run([1.0] * 6, max_epochs=2)
    first = Training(PLAN, total=12)
    first.engine.add_event_handler(Events.ITERATION_STARTED, handler := LRScheduler(first.scheduler))
    first.engine.run([1.0] * 6, max_epochs=1)
    saved = {"optimizer": first.optimizer.state_dict(), "handler": handler.state_dict()}
    second = Training(PLAN, base=0.7, total=12)
    handler = LRScheduler(second.scheduler)
    Checkpoint.load_objects({"optimizer": second.optimizer, "handler": handler}, saved)
    second.engine.add_event_handler(Events.ITERATION_STARTED, handler)
    second.engine.run([1.0] * 6, max_epochs=1)
    assert first.seen + second.seen == unbroken.seen


def test_ignite_s_own_warmup_goes_before_it_as_before_torch_s_own() -> None:
    def run(make: Any) -> list[float]:
        training = Training("linear()", total=9)
        scheduler = make(training)
        handler = create_lr_scheduler_with_warmup(
            scheduler, warmup_start_value=0.0, warmup_end_value=0.1, warmup_duration=4
        )
        training.engine.add_event_handler(Events.ITERATION_STARTED, handler)
        training.engine.run([1.0] * 6, max_epochs=2)
        return training.rates()

    ours = run(lambda training: training.scheduler)
    theirs = run(lambda training: torch.optim.lr_scheduler.LambdaLR(training.optimizer, lambda t: max(1 - t / 9, 0)))
    assert ours == pytest.approx(theirs)
    assert len(set(ours)) > 8


def test_the_handler_simulates_it_without_touching_it() -> None:
    training = Training(SCHEDULE, total=12)
    simulated = LRScheduler.simulate_values(12, training.scheduler)
    assert [row[1] for row in simulated] == values(SCHEDULE, 12)
    assert training.scheduler.last_epoch == 0


def test_a_metric_governs_from_an_evaluator() -> None:
    training = Training("warmup(4) >> constant() * plateau('loss', factor=0.5, patience=0)")
    evaluator = Engine(lambda engine, batch: 1.0)

    @training.engine.on(Events.EPOCH_COMPLETED)
    def evaluate() -> None:
        state = evaluator.run([0])
        training.scheduler.step(state.output)

    training.engine.run([1.0] * 6, max_epochs=4)
    warm = cd.place("warmup(4) >> constant()", base=0.1)
    # After 6 updates the best, then nothing better; the values of the warmup are counted by the optimizer.
    assert training.rates() == [warm.at(t) for t in range(12)] + [0.05] * 6 + [0.025] * 6
