"""A schedule as a paddle scheduler: in loops, in `paddle.Model`, in static programs, in and out of states."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import DriverError, FeedbackError, HorizonError, StateError

paddle = pytest.importorskip("paddle")

pytestmark = [
    # paddle.Model and paddle's own way through a static program do what paddle warns of.
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:Tensor do not have 'place' interface:UserWarning"),
]

SCHEDULE = "warmup(3) >> cosine(to=0.01)"
PLATEAU = "warmup(2) >> constant() * plateau('val_loss', factor=0.5, patience=0)"


def rates(scheduler: Any, count: int) -> list[float]:
    """What it says at each of so many updates."""
    seen = []
    for _ in range(count):
        seen.append(scheduler())
        scheduler.step()
    return seen


def optimizer_of(scheduler: Any, kind: Any = None) -> Any:
    ones = paddle.nn.initializer.Constant(1.0)
    p = paddle.create_parameter([3], "float32", default_initializer=ones)
    return (kind or paddle.optimizer.SGD)(scheduler, parameters=[p])


def update(optimizer: Any) -> float:
    """Does one update of plain descent and returns how far it went: the rate, in float32."""
    (p,) = optimizer._parameter_list
    optimizer.clear_grad()
    p.set_value(np.zeros(3, np.float32))
    p.sum().backward()
    optimizer.step()
    return float(-p.numpy()[0])


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULE,
        "linear(10).past_end('repeat')",
        "cosine(6).past_end('mirror')",
        "steps(at=[4, 8])",
        "cosine(5).repeat(decay=0.5)",
        "exponential(to=absolute(1e-4))",
    ],
)
def test_it_gives_the_curve_and_goes_on_past_the_end(schedule: str) -> None:
    scheduler = cd.paddle_scheduler(schedule, base=0.1, total=20)
    assert isinstance(scheduler, paddle.optimizer.lr.LRScheduler)
    curve = cd.place(schedule, total=20, base=0.1)
    assert rates(scheduler, 60) == [curve.at(t) for t in range(60)]
    assert (scheduler.last_epoch, scheduler.base_lr, scheduler.curve) == (60, 0.1, curve)


def test_it_gives_what_torch_s_scheduler_gives_to_the_bit() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    other = cd.torch_scheduler(theirs, SCHEDULE, total=40)
    seen = []
    for _ in range(50):
        seen.append(theirs.param_groups[0]["lr"])
        theirs.step()
        other.step()
    assert rates(cd.paddle_scheduler(SCHEDULE, base=0.1, total=40), 50) == seen


def test_the_optimizer_uses_it() -> None:
    scheduler = cd.paddle_scheduler(SCHEDULE, base=0.1, total=10)
    optimizer = optimizer_of(scheduler)
    for t in range(10):
        assert optimizer.get_lr() == scheduler.curve.at(t)
        assert update(optimizer) == np.float32(scheduler.curve.at(t))
        scheduler.step()


def test_any_epoch_can_be_asked_for_in_any_order() -> None:
    scheduler = cd.paddle_scheduler("cosine()", base=0.1, total=2000)
    for t in (7, 3, 1900, 0, 600):
        scheduler.step(t)
        assert (scheduler.last_epoch, scheduler()) == (t, scheduler.curve.at(t))
    scheduler.step(epoch=np.int64(5))
    assert scheduler() == scheduler.curve.at(5)


def test_it_begins_after_last_epoch_as_paddle_s_own_do() -> None:
    ours = cd.paddle_scheduler("cosine()", base=0.1, total=100, last_epoch=6)
    theirs = paddle.optimizer.lr.LambdaDecay(0.1, lambda t: 0.5 + 0.5 * np.cos(np.pi * t / 100), last_epoch=6)
    assert ours.last_epoch == theirs.last_epoch == 7
    assert ours() == pytest.approx(theirs(), rel=1e-12)


# Paddle's LinearWarmup says so of every state with another scheduler's in it.
@pytest.mark.filterwarnings("ignore:There are some unused values in state_dict:UserWarning")
def test_it_may_stand_inside_paddle_s_linear_warmup() -> None:
    def warm() -> Any:
        inner = cd.paddle_scheduler("cosine()", base=0.1, total=10)
        return paddle.optimizer.lr.LinearWarmup(inner, warmup_steps=5, start_lr=0.0, end_lr=0.1)

    outer, curve = warm(), cd.place("cosine()", total=10, base=0.1)
    seen = rates(outer, 8)
    assert seen == pytest.approx([0.02 * t for t in range(5)] + [curve.at(t) for t in range(3)])
    state, outer = outer.state_dict(), warm()
    outer.set_state_dict(state)
    outer.step()
    assert outer() == curve.at(4)


def test_more_steps_than_updates_are_divided() -> None:
    scheduler = cd.paddle_scheduler("linear()", base=1.0, total=4, steps_per_update=2)
    assert rates(scheduler, 8) == [1.0, 1.0, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25]
    state, scheduler = scheduler.state_dict(), cd.paddle_scheduler("linear()", base=1.0, total=4, steps_per_update=2)
    assert (state["t"], state["last_epoch"]) == (4, 8)
    scheduler.set_state_dict(state)
    assert scheduler() == 0.0


# ---- state -----------------------------------------------------------------------------------------------------------


def test_the_state_is_in_the_optimizer_s_and_that_one_alone_is_enough(tmp_path: Any) -> None:
    make = lambda base: optimizer_of(cd.paddle_scheduler(SCHEDULE, base=base, total=12), paddle.optimizer.AdamW)  # noqa: E731
    with paddle.utils.unique_name.guard():
        optimizer = make(0.1)
        for _ in range(5):
            update(optimizer)
            optimizer._learning_rate.step()
        paddle.save(optimizer.state_dict(), str(tmp_path / "all.pdopt"))
    rest = rates(optimizer._learning_rate, 10)
    with paddle.utils.unique_name.guard():
        optimizer = make(0.7)
        optimizer.set_state_dict(paddle.load(str(tmp_path / "all.pdopt")))
        assert (optimizer.get_lr(), optimizer._learning_rate.last_epoch) == (rest[0], 5)
        update(optimizer)
        assert rates(optimizer._learning_rate, 10) == rest


def test_the_state_is_plain_data_that_a_driver_can_load() -> None:
    scheduler = cd.paddle_scheduler(SCHEDULE, base=0.1, total=12)
    rates(scheduler, 5)
    state = json.loads(json.dumps(scheduler.state_dict()))
    assert (state["last_epoch"], state["last_lr"]) == (5, scheduler())
    scheduler.state_keys()
    assert scheduler.keys == list(state)
    optimizer = optimizer_of(0.9)
    driver = cd.drive(optimizer, SCHEDULE, total=12)
    driver.load_state_dict(state)
    assert (driver.t, optimizer.get_lr()) == (5, scheduler())


def test_a_state_of_another_schedule_or_of_paddle_s_own_is_refused() -> None:
    scheduler = cd.paddle_scheduler(SCHEDULE, base=0.1, total=12)
    for other, told in ((("linear()", 12), "made with warmup"), ((SCHEDULE, 13), "a run of 13 updates")):
        with pytest.raises(StateError, match=told):
            scheduler.set_state_dict(cd.paddle_scheduler(other[0], base=0.1, total=other[1]).state_dict())
    with pytest.raises(StateError, match="no state of a cadence scheduler"):
        optimizer_of(scheduler).set_state_dict(optimizer_of(paddle.optimizer.lr.StepDecay(0.1, 3)).state_dict())
    with pytest.raises(StateError, match="no state of a cadence scheduler"):
        cd.paddle_scheduler(PLATEAU, base=0.1).set_state_dict({})


# ---- feedback --------------------------------------------------------------------------------------------------------


def test_with_feedback_a_step_is_an_update_and_a_step_with_a_metric_an_observation() -> None:
    scheduler = cd.paddle_scheduler(PLATEAU, base=0.1)
    assert isinstance(scheduler, paddle.optimizer.lr.ReduceOnPlateau)
    optimizer = optimizer_of(scheduler)
    seen = []
    losses = iter([5.0, 1.0, paddle.to_tensor([1.5]), np.array([2.0]), np.float32(0.5)])
    for t in range(10):
        seen.append(update(optimizer))
        scheduler.step()
        if t % 2:
            scheduler.step(next(losses))
    # The first evaluation belongs to the warmup; then 1.0 is the best, 1.5 and 2.0 cut.
    assert seen == pytest.approx([0.001, 0.0505, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025], rel=1e-6)
    assert (scheduler.last_epoch, [e["kind"] for e in scheduler.driver.journal]) == (10, ["keep", "cut", "cut", "keep"])


def test_without_a_clock_the_observations_alone_do_what_paddle_s_own_does() -> None:
    options = {"factor": 0.5, "patience": 2, "cooldown": 1}
    theirs = paddle.optimizer.lr.ReduceOnPlateau(0.1, **options)
    ours = cd.paddle_scheduler("constant() * plateau('loss', factor=0.5, patience=2, cooldown=1)", base=0.1)
    for loss in (1.0, 0.9, 0.9, 0.95, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.8, 0.81, 0.82, 0.83, 0.84):
        theirs.step(loss)
        ours.step(loss)
        assert ours() == pytest.approx(theirs(), rel=1e-12)
    assert ours() < 0.05


def test_a_clock_that_is_never_moved_is_told() -> None:
    scheduler = cd.paddle_scheduler(PLATEAU, base=0.1)
    scheduler.step(1.0)
    with pytest.raises(DriverError, match=r"step\(metric\) was called twice and step\(\) never"):
        scheduler.step(1.0)


def test_a_state_with_feedback_goes_on_as_if_unbroken() -> None:
    def run(scheduler: Any, begin: int, end: int) -> list[float]:
        seen = []
        for t in range(begin, end):
            seen.append(scheduler())
            scheduler.step()
            scheduler.step({"val_loss": 1.0 + t % 3, "other": 2.0})
        return seen

    unbroken = run(cd.paddle_scheduler(PLATEAU, base=0.1, steps_per_update=1), 0, 12)
    first = cd.paddle_scheduler(PLATEAU, base=0.1)
    rows = run(first, 0, 5)
    state = json.loads(json.dumps(optimizer_of(first).state_dict()["LR_Scheduler"]))
    second = cd.paddle_scheduler(PLATEAU, base=0.7)
    optimizer_of(second).set_state_dict({"LR_Scheduler": state})
    assert (second.last_epoch, second.base_lr) == (5, 0.1)
    assert rows + run(second, 5, 12) == unbroken
    assert len(set(unbroken)) > 3


def test_several_metrics_are_reported_by_name() -> None:
    schedule = "constant() * plateau('val_loss') * plateau('accuracy')"
    scheduler = cd.paddle_scheduler(schedule, base=0.1)
    with pytest.raises(DriverError, match="report them by name"):
        scheduler.step(0.3)
    with pytest.raises(FeedbackError, match="accuracy"):
        scheduler.step({"val_loss": 0.3})
    scheduler.step({"val_loss": 0.3, "accuracy": 0.5})
    assert scheduler() == 0.1


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [0.37, np.float32(0.3), "0.3"])
def test_a_metric_is_refused_where_no_metric_governs(metric: Any) -> None:
    scheduler = cd.paddle_scheduler("cosine()", base=0.1, total=10)
    with pytest.raises(DriverError, match=r"takes no metric, and got .*; leave it out, or write cosine\(\) \* plateau"):
        scheduler.step(metric)
    with pytest.raises(DriverError, match=r"step\(-1\) is no update number"):
        scheduler.step(-1)
    assert scheduler.last_epoch == 0


@pytest.mark.parametrize(
    ("schedule", "options", "error", "told"),
    [
        ({"lr": "cosine()", "beta1": "cosine()"}, {}, DriverError, "governs lr, beta1; use cadence.drive"),
        ({"head/lr": "cosine()"}, {}, DriverError, "governs head/lr"),
        ("cosine()", {"last_epoch": 1.5}, DriverError, "last_epoch is 1.5; give a whole number from -1"),
        ("cosine()", {"steps_per_update": 0}, DriverError, "steps_per_update is 0; give a whole number from 1"),
        ("cosine()", {"reduce": dict}, DriverError, "follows none; leave it out"),
        ("cosine()", {"total": None}, HorizonError, "total"),
        (PLATEAU, {"last_epoch": 3}, DriverError, "cannot begin at last_epoch=3"),
    ],
)
def test_what_it_cannot_follow_is_refused(schedule: Any, options: Any, error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        cd.paddle_scheduler(schedule, **{"base": 0.1, "total": 10, **options})


def test_an_epoch_cannot_move_a_schedule_with_feedback() -> None:
    with pytest.raises(DriverError, match="leave epoch out"):
        cd.paddle_scheduler(PLATEAU, base=0.1).step(1.0, epoch=3)


# ---- paddle.Model ----------------------------------------------------------------------------------------------------


class Noise(paddle.io.Dataset):  # type: ignore[misc, name-defined]
    def __getitem__(self, index: int) -> Any:
        x = np.random.default_rng(index).normal(size=4).astype(np.float32)
        return x, x[:1]

    def __len__(self) -> int:
        return 12


class Watch(paddle.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Notes the rate at each batch; drives and observes where a driver is given."""

    def __init__(self, driver: Any = None) -> None:
        super().__init__()
        self.seen: list[float] = []
        self.driver = driver

    def on_train_batch_begin(self, step: int, logs: Any = None) -> None:
        self.seen.append(self.model._optimizer.get_lr())

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        if self.driver is not None:
            self.driver.step()

    def on_eval_end(self, logs: Any = None) -> None:
        scheduler = self.model._optimizer._learning_rate
        if self.driver is not None:
            self.driver.observe({"val_loss": logs["loss"][0]})
        elif isinstance(scheduler, paddle.optimizer.lr.ReduceOnPlateau):
            scheduler.step(1.0)


def fit(rate: Any, callbacks: list[Any], **options: Any) -> Any:
    network = paddle.nn.Linear(4, 1)
    model = paddle.Model(network)
    optimizer = paddle.optimizer.Momentum(rate, parameters=network.parameters())
    model.prepare(optimizer, paddle.nn.MSELoss())
    for callback in callbacks:
        if isinstance(callback, Watch) and callable(callback.driver):
            callback.driver = callback.driver(optimizer)
    model.fit(Noise(), batch_size=2, verbose=0, shuffle=False, callbacks=callbacks, **options)
    return model


def test_model_fit_steps_it_once_for_each_batch() -> None:
    watch = Watch()
    scheduler = cd.paddle_scheduler(SCHEDULE, base=0.1, total="3 epochs", steps_per_epoch=6)
    fit(scheduler, [watch], epochs=3)
    assert watch.seen == scheduler.curve.values().tolist()
    assert scheduler.last_epoch == 18


def test_model_fit_steps_it_once_for_each_epoch_where_it_is_told_so() -> None:
    watch = Watch()
    scheduler = cd.paddle_scheduler("warmup(1) >> cosine()", base=0.1, total=4)
    fit(scheduler, [watch, paddle.callbacks.LRScheduler(by_step=False, by_epoch=True)], epochs=4)
    assert watch.seen == np.repeat(scheduler.curve.values(), 6).tolist()


def test_model_fit_with_accumulation_is_divided() -> None:
    watch = Watch()
    scheduler = cd.paddle_scheduler("linear()", base=0.1, total=9, steps_per_update=2)
    fit(scheduler, [watch], epochs=3, accumulate_grad_batches=2)
    assert watch.seen == np.repeat(scheduler.curve.values(), 2).tolist()


def test_model_fit_with_feedback_counts_batches_and_observes_evaluations() -> None:
    watch = Watch()
    scheduler = cd.paddle_scheduler("warmup(3) >> constant() * plateau('val_loss', factor=0.5, patience=0)", base=0.1)
    fit(scheduler, [watch], epochs=3, eval_data=Noise())
    assert watch.seen[:3] == pytest.approx([0.001, 0.034, 0.067])
    assert watch.seen[3:] == [0.1] * 9 + [0.05] * 6


def test_model_save_and_load_go_on_as_if_unbroken(tmp_path: Any) -> None:
    def make() -> Any:
        return cd.paddle_scheduler(SCHEDULE, base=0.1, total=18)

    with paddle.utils.unique_name.guard():
        fit(make(), [first := Watch()], epochs=1).save(str(tmp_path / "half"))
    with paddle.utils.unique_name.guard():
        network = paddle.nn.Linear(4, 1)
        model = paddle.Model(network)
        scheduler = make()
        model.prepare(paddle.optimizer.Momentum(scheduler, parameters=network.parameters()), paddle.nn.MSELoss())
        model.load(str(tmp_path / "half"))
        model.fit(Noise(), batch_size=2, verbose=0, shuffle=False, callbacks=[second := Watch()], epochs=2)
    assert first.seen + second.seen == scheduler.curve.values().tolist()


def test_a_driver_counts_the_updates_of_model_fit_accumulation_included() -> None:
    watch = Watch(lambda optimizer: cd.drive(optimizer, {"lr": "linear()", "momentum": "linear(to=0.5)"}, total=9))
    model = fit(0.1, [watch], epochs=3, accumulate_grad_batches=2)
    assert watch.driver.t == 9
    assert watch.seen == np.repeat(watch.driver.curve.values(value="lr"), 2).tolist()
    assert model._optimizer._momentum == pytest.approx(0.45)


# ---- static programs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feedback", [False, True])
def test_a_static_program_asks_for_the_rate_at_each_run(feedback: bool) -> None:
    schedule = PLATEAU if feedback else SCHEDULE
    scheduler = cd.paddle_scheduler(schedule, base=0.1, total=10)
    paddle.enable_static()
    try:
        main, start = paddle.static.Program(), paddle.static.Program()
        with paddle.static.program_guard(main, start):
            x = paddle.static.data("x", [1, 3], "float32")
            w = paddle.create_parameter([3], "float32", default_initializer=paddle.nn.initializer.Constant(0.0))
            # The gradient of each weight is 1.
            paddle.optimizer.SGD(scheduler).minimize((x * w).sum())
        executor = paddle.static.Executor(paddle.CPUPlace())
        executor.run(start)
        weights, seen = [0.0], []
        for t in range(10):
            seen.append(scheduler())
            (now,) = executor.run(main, feed={"x": np.ones((1, 3), np.float32)}, fetch_list=[w])
            weights.append(float(now[0]))
            scheduler.step()
            if feedback:
                scheduler.step(1.0 + t)
    finally:
        paddle.disable_static()
    np.testing.assert_allclose(-np.diff(weights), seen, rtol=1e-4, atol=1e-7)
    if feedback:
        # The first two observations are the warmup's; the third is the best, and every later one cuts.
        assert seen == pytest.approx([0.001, 0.0505, 0.1, 0.1] + [0.1 * 0.5**k for k in range(1, 7)])
    else:
        assert seen == scheduler.curve.values().tolist()
