"""Cadence's optimizers for paddle are used as paddle's own, and refuse what those take in silence."""

from __future__ import annotations

import copy
import logging
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import CadenceError, CompilerError, OptimizerError, StateError

paddle = pytest.importorskip("paddle")

from cadence.optim.for_paddle.adabound import AdaBound  # noqa: E402
from cadence.optim.for_paddle.lamb import Lamb  # noqa: E402
from cadence.optim.for_paddle.lars import Lars  # noqa: E402
from cadence.optim.rules.peers import PEERS, Peer  # noqa: E402
from cadence.optim.stepping import paddle_method  # noqa: E402
from optim_cases import gradients, starting_values  # noqa: E402
from optim_peers import run_peer  # noqa: E402

lr: Any = paddle.optimizer.lr
Gradients = Any


def parameters(values: list[np.ndarray] | None = None, dtype: str = "float64") -> list[Any]:
    """Parameters with the names that they have in a new process."""
    with paddle.utils.unique_name.guard():
        return [
            paddle.create_parameter(list(v.shape), dtype, default_initializer=paddle.nn.initializer.Assign(v))
            for v in (starting_values() if values is None else values)
        ]


def give(xs: list[Any], t: int) -> None:
    for x, g in zip(xs, gradients(t), strict=True):
        x.grad = paddle.to_tensor(g).astype(x.dtype)


def train(optimizer: Any, xs: list[Any], steps: range | int) -> list[np.ndarray]:
    for t in steps if isinstance(steps, range) else range(1, steps + 1):
        give(xs, t)
        optimizer.step()
    return [x.numpy().copy() for x in xs]


def assert_equal(one: list[np.ndarray], other: list[np.ndarray], rtol: float = 1e-12) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * float(np.abs(b).max()))


def differ(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return any(float(np.abs(a - b).max()) > 1e-9 for a, b in zip(one, other, strict=True))


def method(name: str) -> Any:
    module = __import__(f"cadence.optim.for_paddle.{name}", fromlist=["*"])
    return next(x for x in vars(module).values() if getattr(getattr(x, "rule", None), "name", "") == name)


# ---- paddle's own ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "peer", [p for p in PEERS if p.name.startswith("paddle.") and p.settings is not None], ids=lambda p: p.name
)
def test_with_the_settings_that_are_named_it_is_paddle_s_own_in_single_precision(peer: Peer) -> None:
    values, steps = starting_values(), 20
    singles = [v.astype("float32") for v in values]
    asked = {"momentum": 0.9} if peer.method == "lars" else {}
    theirs = run_peer(peer.name, singles, lambda t: [g.astype("float32") for g in gradients(t)], steps, 0.01, asked)
    xs = parameters(values, "float32")
    assert_equal(train(method(peer.method)(0.01, xs, **peer.settings), xs, steps), theirs, 3e-6)


# ---- rates -----------------------------------------------------------------------------------------------------------


def test_each_group_has_its_multiple_of_the_rate_and_its_own_settings() -> None:
    xs = parameters()
    groups = [
        {"params": xs[:3], "learning_rate": 0.5, "weight_decay": 0.3},
        {"params": xs[3:], "betas": (0.5, 0.9), "adapt": False},
    ]
    together = train(Lamb(0.02, groups, weight_decay=0.1), xs, 10)
    apart = parameters()
    first, second = Lamb(0.01, apart[:3], weight_decay=0.3), Lamb(0.02, apart[3:], betas=(0.5, 0.9), adapt=False)
    second._weight_decay = 0.1
    for t in range(1, 11):
        give(apart, t)
        first.step()
        second.step()
    assert_equal(together, [x.numpy() for x in apart])


def test_a_parameter_has_its_own_multiple_of_the_rate() -> None:
    value = starting_values()[0]

    def one(kind: Any, multiple: float, rate: float) -> np.ndarray:
        attribute = paddle.ParamAttr(learning_rate=multiple, initializer=paddle.nn.initializer.Assign(value))
        x = paddle.create_parameter(list(value.shape), "float64", attr=attribute)
        optimizer = kind(rate, [x])
        x.grad = paddle.to_tensor(gradients(1)[0])
        optimizer.step()
        return x.numpy()

    for kind in (Lamb, AdaBound):
        np.testing.assert_allclose(one(kind, 0.25, 0.04), one(kind, 1.0, 0.01), rtol=1e-12)
        assert (one(kind, 0.0, 0.04) == value).all()


def test_tensors_that_were_not_made_as_parameters_are_trained_too() -> None:
    values = starting_values()[2:4]
    xs, ys = parameters(values), [paddle.to_tensor(v, stop_gradient=False) for v in values]
    trained: list[list[np.ndarray]] = []
    for those in (xs, ys):
        optimizer = Lamb(0.1, [{"params": [x], "learning_rate": m} for x, m in zip(those, (0.5, 2.0), strict=True)])
        for t in range(1, 4):
            for x, g in zip(those, gradients(t)[2:4], strict=True):
                x.grad = paddle.to_tensor(g)
            optimizer.step()
        trained.append([x.numpy() for x in those])
    assert_equal(*trained, 0.0)


def test_a_driver_governs_rate_decay_and_betas_with_groups_and_without() -> None:
    plan = cd.plan({"lr": cd.linear(to=0.1), "weight_decay": cd.linear(to=0.5), "beta1": cd.linear(to=0.5)})
    grouped, plain = parameters(), parameters()
    optimizers = [Lamb(0.02, [{"params": grouped}], weight_decay=0.1), Lamb(0.02, plain, weight_decay=0.1)]
    drivers = [cd.drive(optimizer, plan, total=20) for optimizer in optimizers]
    by_hand = parameters()
    for t in range(10):
        for optimizer, driver, xs in zip(optimizers, drivers, [grouped, plain], strict=True):
            give(xs, t + 1)
            optimizer.step()
            driver.step()
    assert_equal([x.numpy() for x in grouped], [x.numpy() for x in plain])
    optimizer = Lamb(0.02, by_hand)
    for t in range(10):
        factor = 1 - 0.5 * t / 20
        optimizer.set_lr(0.02 * (1 - 0.9 * t / 20))
        optimizer._weight_decay, optimizer._beta1 = 0.1 * factor, 0.9 * factor
        give(by_hand, t + 1)
        optimizer.step()
    assert_equal([x.numpy() for x in by_hand], [x.numpy() for x in plain])


@pytest.mark.parametrize("scheduler", ["paddle", "warmup", "cadence"])
def test_bounds_follow_any_scheduler_through_its_base(scheduler: str) -> None:
    made: dict[str, Any] = {
        "paddle": lambda: lr.StepDecay(0.01, step_size=4, gamma=0.1),
        "warmup": lambda: lr.LinearWarmup(lr.StepDecay(0.01, step_size=4, gamma=0.1), 5, 0.0, 0.01),
        "cadence": lambda: cd.paddle_scheduler("warmup(3) >> cosine()", base=0.01, total=30),
    }
    follows = made[scheduler]()
    xs, ys = parameters(), parameters()
    one, other = AdaBound(follows, xs, final_lr=0.1), AdaBound(0.01, ys)
    for t in range(1, 21):
        give(xs, t)
        give(ys, t)
        other.set_lr(follows())
        one.step()
        other.step()
        follows.step()
    assert_equal([x.numpy() for x in xs], [y.numpy() for y in ys])
    # A bound that did not follow would be another one.
    zs = parameters()
    still = AdaBound(0.01, zs)
    for t in range(1, 21):
        give(zs, t)
        still._base = other.get_lr()
        still.step()
    assert differ([z.numpy() for z in zs], [y.numpy() for y in ys])


def test_a_scheduler_may_give_numbers_of_numpy() -> None:
    xs, ys = parameters(), parameters()
    numpys = Lamb(lr.LambdaDecay(0.5, lambda t: np.float32(0.25)), xs)
    assert_equal(train(numpys, xs, 3), train(Lamb(0.125, ys), ys, 3), 0.0)


def test_a_scheduler_that_comes_later_brings_its_base() -> None:
    xs, ys = parameters(), parameters()
    later, first = AdaBound(0.5, xs), AdaBound(lr.StepDecay(0.01, 2), ys)
    later.set_lr_scheduler(lr.StepDecay(0.01, 2))
    assert_equal(train(later, xs, 3), train(first, ys, 3), 0.0)
    with pytest.raises(OptimizerError, match=r"write set_lr\(0.1\) for a number"):
        later.set_lr_scheduler(0.1)
    with pytest.raises(OptimizerError, match="without a scale for its bounds"):
        later.set_lr_scheduler(lr.StepDecay(0.0, 2))


def test_the_base_goes_with_the_state_and_a_driver_takes_it_from_there() -> None:
    xs = parameters()
    optimizer = AdaBound(0.01, [{"params": xs[:3]}, {"params": xs[3:], "learning_rate": 0.5}])
    optimizer.set_lr(0.001)
    train(optimizer, xs, 5)
    state = copy.deepcopy(optimizer.state_dict())
    ys = parameters([x.numpy() for x in xs])
    again = AdaBound(0.7, [{"params": ys[:3]}, {"params": ys[3:], "learning_rate": 0.5}])
    again.set_state_dict(state)
    again.set_lr(0.001)
    assert_equal(train(again, ys, range(6, 12)), train(optimizer, xs, range(6, 12)))
    assert cd.drive(again, "constant()", total=10).curve.bases == {"lr": (0.01, 0.005)}


def test_a_group_that_is_added_later_is_trained_with_its_own_base() -> None:
    xs = parameters()
    optimizer = AdaBound(0.01, [{"params": xs[:3]}])
    driver = cd.drive(optimizer, "linear(to=0.1)", total=20)
    for t in range(1, 5):
        give(xs, t)
        optimizer.step()
        driver.step()
    optimizer._add_param_group({"params": xs[3:], "learning_rate": 2.0})
    before = [x.numpy() for x in xs[3:]]
    give(xs, 5)
    optimizer.step()
    assert all((x.numpy() != b).any() for x, b in zip(xs[3:], before, strict=True))
    driver.step()
    assert len(driver.curve.bases["lr"]) == 2
    assert optimizer.state_dict()["cadence"]["bases"] == list(driver.curve.bases["lr"])


# ---- gradients -------------------------------------------------------------------------------------------------------


def test_gradients_are_clipped_and_regularized_as_paddle_does_it_before() -> None:
    xs = parameters()
    xs[0].regularizer = paddle.regularizer.L2Decay(0.1)
    clipped = train(Lars(0.1, xs, grad_clip=paddle.nn.ClipGradByValue(0.3)), xs, 3)
    ys = parameters()
    optimizer = Lars(0.1, ys)
    for t in range(1, 4):
        for y, g in zip(ys, gradients(t), strict=True):
            g = np.clip(g, -0.3, 0.3)
            y.grad = paddle.to_tensor(g + 0.1 * y.numpy() if y is ys[0] else g)
        optimizer.step()
    assert_equal([y.numpy() for y in ys], clipped, 1e-7)


def test_the_norm_of_all_groups_together_is_what_is_bounded() -> None:
    xs, ys = parameters(), parameters()
    grouped = Lamb(0.1, [{"params": xs[:2]}, {"params": xs[2:]}], max_grad_norm=0.5)
    assert_equal(train(grouped, xs, 5), train(Lamb(0.1, ys, max_grad_norm=0.5), ys, 5))
    assert differ(train(Lamb(0.1, ys, max_grad_norm=0.5), ys, 5), train(Lamb(0.1, xs), xs, 5))


def test_what_has_no_gradient_or_is_frozen_is_left_alone() -> None:
    xs = parameters()
    optimizer = Lamb(0.1, xs)
    give(xs, 1)
    xs[0].grad = None
    xs[2].stop_gradient = True
    before = [x.numpy() for x in xs]
    optimizer.step()
    moved = [bool((x.numpy() != b).any()) for x, b in zip(xs, before, strict=True)]
    assert moved == [False, True, False, True, True, True]
    assert not any(name.startswith(xs[0].name) for name in optimizer.state_dict())


@pytest.mark.parametrize("way", ["minimize", "apply_gradients"])
@pytest.mark.parametrize("grouped", [False, True])
def test_every_entrance_of_paddle_is_an_update(way: str, grouped: bool) -> None:
    xs, ys = parameters(), parameters()
    expected = train(Lamb(0.1, ys), ys, 3)
    optimizer = Lamb(0.1, [{"params": xs[:2]}, {"params": xs[2:]}] if grouped else xs)
    for t in range(1, 4):
        give(xs, t)
        if way == "minimize":
            optimizer.minimize(paddle.zeros([]))
        elif not grouped:
            optimizer.apply_gradients([(x, x.grad) for x in xs])
        else:
            optimizer.step()
    assert_equal([x.numpy() for x in xs], expected)


def test_an_update_that_the_loss_scaler_skips_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Paddle has no loss scaling on a processor; it is told that there is another device.
    class OnDevice:
        def __getattr__(self, name: str) -> Any:
            return lambda: name == "is_gpu_place"

    monkeypatch.setattr("paddle.amp.grad_scaler._dygraph_tracer", lambda: SimpleNamespace(_expected_place=OnDevice()))
    scaler = paddle.amp.GradScaler(init_loss_scaling=1024.0, use_dynamic_loss_scaling=False)
    monkeypatch.undo()
    xs, ys = parameters(dtype="float32"), parameters(dtype="float32")
    optimizer = Lamb(0.1, xs)
    driver = cd.drive(optimizer, "constant()", total=10)
    for t, overflow in enumerate([True, False, True, False, False]):
        optimizer.clear_grad()
        weights = [paddle.to_tensor(g.astype("float32")) for g in gradients(t)]
        loss = sum((x * w).sum() for x, w in zip(xs, weights, strict=True))
        scaler.scale(loss * (math.inf if overflow else 1.0)).backward()
        scaler.step(optimizer)
        scaler.update()
        driver.step()
    assert driver.t == 3
    other = Lamb(0.1, ys)
    for t in (1, 3, 4):
        for y, g in zip(ys, gradients(t), strict=True):
            y.grad = paddle.to_tensor(g.astype("float32"))
        other.step()
    assert_equal([x.numpy() for x in xs], [y.numpy() for y in ys], 1e-6)
    assert optimizer.state_dict()[f"{xs[0].name}_step_0"].item() == 3.0


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")
def test_paddle_s_own_training_loop_uses_it() -> None:
    paddle.seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype("float32")
    y = (x @ np.array([[1.0], [-2.0], [0.5], [3.0]])).astype("float32")
    net = paddle.nn.Linear(4, 1)
    model = paddle.Model(net)
    scheduler = cd.paddle_scheduler("warmup(5) >> cosine()", base=0.1, total=160)
    model.prepare(Lamb(scheduler, net.parameters(), weight_decay=0.0), paddle.nn.MSELoss())

    class Data(paddle.io.Dataset):
        def __getitem__(self, i: int) -> Any:
            return x[i], y[i]

        def __len__(self) -> int:
            return len(x)

    model.fit(Data(), batch_size=8, epochs=20, verbose=0, shuffle=False)
    assert float(((net(paddle.to_tensor(x)) - paddle.to_tensor(y)) ** 2).mean()) < 0.01
    assert scheduler.last_epoch == 160


@pytest.mark.filterwarnings("ignore:The program will return to single-card operation:UserWarning")
def test_a_model_for_several_processes_is_trained_as_ever() -> None:
    def losses(wrap: bool) -> list[float]:
        paddle.seed(1)
        layer = paddle.nn.Linear(4, 1)
        model = paddle.DataParallel(layer) if wrap else layer
        optimizer = Lamb(0.1, model.parameters())
        seen = []
        for _ in range(4):
            loss = (model(paddle.ones([2, 4])) - 3.0).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            seen.append(loss.item())
        return seen

    assert losses(True) == pytest.approx(losses(False), rel=1e-6)


@pytest.mark.parametrize("compiled", [None, False])
def test_autograd_notices_that_a_parameter_was_changed(compiled: bool | None) -> None:
    (x,) = parameters([np.ones(3)])
    optimizer = Lamb(0.1, [x], compiled=compiled)
    kept = (x * x).sum()
    x.grad = paddle.ones([3], "float64")
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        kept.backward()


# ---- state -----------------------------------------------------------------------------------------------------------


def test_states_are_named_as_paddle_s_accumulators_in_every_optimizer_of_a_process() -> None:
    xs = parameters()[:1]
    for _ in range(2):
        optimizer = Lamb(cd.paddle_scheduler("cosine()", base=0.1, total=9), xs)
        xs[0].grad = paddle.to_tensor(gradients(1)[0])
        optimizer.step()
        name = xs[0].name
        assert set(optimizer.state_dict()) == {
            f"{name}_exp_avg_0",
            f"{name}_exp_avg_sq_0",
            f"{name}_step_0",
            "LR_Scheduler",
            "cadence",
        }


def test_a_name_goes_into_the_names_of_states_as_in_paddle() -> None:
    xs, ys = parameters(), parameters()
    optimizer, again = Lamb(0.1, xs, name="mine"), Lamb(0.1, ys, name="mine")
    train(optimizer, xs, 1)
    assert f"{xs[0].name}_mine_exp_avg_0" in optimizer.state_dict()
    again.set_state_dict(optimizer.state_dict())
    assert again.state_dict().keys() == optimizer.state_dict().keys()
    refused(Lamb(0.1, ys), optimizer.state_dict(), "18 tensors, of which 0 belong")


@pytest.mark.parametrize("numpy", [False, True])
def test_a_state_is_gone_on_from_after_paddle_has_saved_it(tmp_path: Path, numpy: bool) -> None:
    def made(values: list[np.ndarray] | None = None) -> Any:
        xs = parameters(values)
        return xs, Lamb(cd.paddle_scheduler("warmup(3) >> cosine()", base=0.1, total=20), xs)

    xs, optimizer = made()
    for t in range(1, 6):
        train(optimizer, xs, range(t, t + 1))
        optimizer._learning_rate.step()
    paddle.save(optimizer.state_dict(), str(tmp_path / "a.pdopt"))
    ys, again = made([x.numpy() for x in xs])
    again.set_state_dict(paddle.load(str(tmp_path / "a.pdopt"), return_numpy=numpy))
    assert again.get_lr() == optimizer.get_lr()
    for t in range(6, 11):
        train(optimizer, xs, range(t, t + 1))
        train(again, ys, range(t, t + 1))
        optimizer._learning_rate.step()
        again._learning_rate.step()
    assert all((x.numpy() == y.numpy()).all() for x, y in zip(xs, ys, strict=True))


def test_a_model_of_paddle_is_saved_and_loaded_with_it(tmp_path: Path) -> None:
    def made() -> tuple[Any, Any]:
        with paddle.utils.unique_name.guard():
            net = paddle.nn.Linear(4, 1)
        model = paddle.Model(net)
        model.prepare(Lamb(0.1, net.parameters()), paddle.nn.MSELoss())
        return model, net

    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(8, 4)).astype("float32"), np.ones((8, 1), "float32")) for _ in range(6)]
    one, net = made()
    for x, y in batches[:3]:
        one.train_batch([x], [y])
    one.save(str(tmp_path / "m"))
    other, again = made()
    other.load(str(tmp_path / "m"))
    for x, y in batches[3:]:
        one.train_batch([x], [y])
        other.train_batch([x], [y])
    assert (net.weight.numpy() == again.weight.numpy()).all()


def refused(optimizer: Any, state: Any, words: str) -> None:
    before = {k: np.array(v) for k, v in optimizer.state_dict().items() if k != "cadence"}
    with pytest.raises(StateError, match=words):
        optimizer.set_state_dict(state)
    after = {k: np.array(v) for k, v in optimizer.state_dict().items() if k != "cadence"}
    assert before.keys() == after.keys()
    assert all((before[k] == after[k]).all() for k in before)


def test_a_state_that_does_not_fit_is_refused_and_nothing_is_changed() -> None:
    xs = parameters()
    optimizer = Lamb(0.1, xs)
    train(optimizer, xs, 2)
    state = optimizer.state_dict()
    lars, paddles = Lars(0.1, xs), paddle.optimizer.Lamb(0.1, parameters=xs)
    for other in (lars, paddles):
        give(xs, 1)
        other.step()
    refused(optimizer, lars.state_dict(), "the state of 'lars', and the optimizer is 'lamb'")
    refused(optimizer, paddles.state_dict(), "no state of one of cadence's methods")
    refused(optimizer, {}, "no state of one of cadence's methods")
    refused(optimizer, None, "NoneType is no state")
    refused(Lamb(0.1, parameters()[:3]), state, "18 tensors, of which 9 belong")
    first = f"{xs[0].name}_exp_avg_0"
    refused(optimizer, {**state, first: paddle.ones([2])}, r"has shape \(2,\), and the parameter \(3, 4\)")
    refused(optimizer, {k: v for k, v in state.items() if k != first}, "18 tensors, of which 17 belong")
    refused(Lamb(0.1, [{"params": xs[:3]}, {"params": xs[3:]}]), state, "1 parameter groups, and the optimizer has 2")
    refused(Lamb(lr.StepDecay(0.1, 3), xs), state, "has a StepDecay, and the state has none")


def test_a_state_that_was_loaded_is_not_shared_with_the_one_it_came_from() -> None:
    xs, ys = parameters(), parameters()
    optimizer, again = Lamb(0.1, xs), Lamb(0.1, ys)
    train(optimizer, xs, 3)
    state = optimizer.state_dict()
    again.set_state_dict(state)
    before = {k: v.numpy().copy() for k, v in state.items() if k != "cadence"}
    train(again, ys, 3)
    assert all((before[k] == state[k].numpy()).all() for k in before)


def test_a_copy_is_an_optimizer_of_its_own() -> None:
    xs, ys = parameters(), parameters()
    optimizer, alone = Lamb(0.1, xs), Lamb(0.1, ys)
    train(optimizer, xs, 2)
    other = copy.deepcopy(optimizer)
    train(other, other._parameter_list, range(3, 6))
    train(alone, ys, 2)
    assert_equal(train(optimizer, xs, range(3, 6)), train(alone, ys, range(3, 6)), 0.0)


# ---- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [None, False])
@pytest.mark.parametrize("shape", [(2, 2), (40, 40)])
def test_a_parameter_that_was_given_another_shape_is_refused(shape: tuple[int, ...], compiled: bool | None) -> None:
    (x,) = parameters([np.ones((4, 4))])
    optimizer = Lamb(0.1, [x], compiled=compiled)
    x.grad = paddle.ones([4, 4], "float64")
    optimizer.step()
    x.get_tensor().set(np.ones(shape), paddle.CPUPlace())
    with pytest.raises(OptimizerError, match=r"gradient of the parameter \S+ .*has shape \(4, 4\)"):
        optimizer.step()
    x.grad = paddle.ones(list(shape), "float64")
    with pytest.raises(OptimizerError, match="make the optimizer anew"):
        optimizer.step()
    assert (x.numpy() == 1.0).all()


@pytest.mark.parametrize("compiled", [None, False])
def test_a_state_that_was_given_another_size_or_precision_is_never_written_past_its_end(compiled: bool | None) -> None:
    for spoilt in (np.ones((2, 2)), np.ones((4, 4), "float32"), np.ones((4, 4), "float16")):
        (x,) = parameters([np.ones((4, 4))])
        optimizer = Lamb(0.1, [x], compiled=compiled)
        x.grad = paddle.ones([4, 4], "float64")
        optimizer.step()
        optimizer.state_dict()[f"{x.name}_exp_avg_0"].get_tensor().set(spoilt, paddle.CPUPlace())
        before = x.numpy().copy()
        if compiled is None or spoilt.shape == (2, 2):
            with pytest.raises(OptimizerError, match="make the optimizer anew"):
                optimizer.step()
            assert (x.numpy() == before).all()


def test_a_model_that_was_cast_goes_on_where_there_is_no_state_yet() -> None:
    layer = paddle.nn.Linear(3, 3)
    optimizer = Lamb(0.1, layer.parameters())
    layer.to(dtype="float64")
    layer(paddle.ones([2, 3], "float64")).sum().backward()
    optimizer.step()
    assert optimizer.state_dict()[f"{layer.weight.name}_exp_avg_0"].dtype == paddle.float64
    layer.to(dtype="float32")
    layer.clear_gradients()
    layer(paddle.ones([2, 3], "float32")).sum().backward()
    with pytest.raises(OptimizerError, match=r"is paddle\.float64; make the optimizer anew"):
        optimizer.step()


def test_gradients_that_lie_otherwise_in_memory_are_taken_as_they_are() -> None:
    value, g = starting_values()[0], gradients(1)[0]
    (x,), (y,) = parameters([value]), parameters([value])
    x.grad = paddle.to_tensor(np.ascontiguousarray(g.T)).T
    y.grad = paddle.to_tensor(g)
    Lamb(0.1, [x]).step()
    Lamb(0.1, [y]).step()
    assert (x.numpy() == y.numpy()).all()


def test_parameters_without_elements_or_axes_are_trained() -> None:
    xs = parameters([np.ones((0, 3)), np.array(2.0)])
    for compiled in (None, False):
        optimizer = Lamb(0.1, xs, compiled=compiled, weight_decay=0.0)
        for x in xs:
            x.grad = paddle.ones(x.shape, "float64")
        before = float(xs[1])
        optimizer.step()
        assert float(xs[1]) == pytest.approx(0.9 * before, rel=1e-5)


# ---- half precision --------------------------------------------------------------------------------------------------


def pairs(dtype: str) -> tuple[list[Any], list[Any]]:
    """The same values as parameters in single and in half precision."""
    zero = paddle.nn.initializer.Constant(0.0)
    xs = parameters(dtype="float32")
    halves = [paddle.create_parameter(x.shape, dtype, default_initializer=zero) for x in xs]
    with paddle.no_grad():
        for x, h in zip(xs, halves, strict=True):
            paddle.assign(x.astype(dtype), output=h)
            paddle.assign(h.astype("float32"), output=x)
    return xs, halves


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_single_and_rounded_once(dtype: str) -> None:
    xs, halves = pairs(dtype)
    one, other = Lamb(0.1, halves), Lamb(0.1, xs)
    for h, x, g in zip(halves, xs, gradients(1), strict=True):
        h.grad = paddle.to_tensor(g).astype(dtype)
        x.grad = h.grad.astype("float32")
    one.step()
    other.step()
    for h, x in zip(halves, xs, strict=True):
        assert h.dtype == getattr(paddle, dtype)
        np.testing.assert_allclose(h.astype("float32").numpy(), x.numpy(), rtol=2**-8 if dtype == "bfloat16" else 1e-3)
    assert one.state_dict()[f"{halves[0].name}_exp_avg_0"].dtype == paddle.float32


def test_with_multi_precision_what_is_rounded_away_is_kept() -> None:
    xs, halves = pairs("bfloat16")
    one, other = Lamb(1e-4, halves, multi_precision=True), Lamb(1e-4, xs)
    for t in range(1, 21):
        for h, x, g in zip(halves, xs, gradients(t), strict=True):
            h.grad = paddle.to_tensor(g).astype("bfloat16")
            x.grad = h.grad.astype("float32")
        one.step()
        other.step()
    masters = one.state_dict()["master_weights"]
    for h, x in zip(halves, xs, strict=True):
        assert (masters[h.name].numpy() == x.numpy()).all()
        assert (h.astype("float32").numpy() == x.astype("bfloat16").astype("float32").numpy()).all()
    again = Lamb(1e-4, halves, multi_precision=True)
    again.set_state_dict(one.state_dict())
    assert all((again._master_weights[n].numpy() == m.numpy()).all() for n, m in masters.items())


# ---- without a compiler ----------------------------------------------------------------------------------------------


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> Any:
        raise CompilerError("there is no C compiler on this machine; install gcc")

    monkeypatch.setattr(paddle_method, "kernel", fail)


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_it_says_so_once_and_computes_the_same(caplog: pytest.LogCaptureFixture) -> None:
    xs, ys = parameters(), parameters()
    with caplog.at_level(logging.WARNING, "cadence.optim"):
        without = train(Lamb(0.1, xs), xs, 5)
    assert [r.getMessage() for r in caplog.records] == [
        "lamb is updated by paddle's own operations, which is slower: there is no C compiler on this machine; "
        "install gcc"
    ]
    assert_equal(without, train(Lamb(0.1, ys, compiled=False), ys, 5))
    with pytest.raises(CompilerError, match="no C compiler"):
        Lamb(0.1, xs, compiled=True)


@pytest.mark.parametrize("kind", [Lamb, AdaBound])
@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_small_tensors_of_one_shape_are_updated_together_as_they_are_one_by_one(kind: Any, dtype: str) -> None:
    rng = np.random.default_rng(3)
    values = [rng.normal(size=shape) for shape in [(3, 2)] * 4 + [()] * 3 + [(5,)] * 2 + [(3, 2)]]
    values[1][:] = 0.0

    def one(settings: dict[str, Any], apart: bool) -> tuple[list[np.ndarray], list[float]]:
        xs = parameters(values, dtype)
        groups = [{"params": [x]} for x in xs] if apart else [{"params": xs[:8]}, {"params": xs[8:], "eps": 1e-3}]
        if apart:
            groups[8]["eps"] = groups[9]["eps"] = 1e-3
        optimizer = kind(0.1, groups, **settings)
        for t in range(4):
            draws = np.random.default_rng(t)
            for i, x in enumerate(xs):
                # One of them is a step behind.
                g = draws.normal(size=x.shape).astype(dtype)
                x.grad = None if i == 3 and t == 0 else paddle.to_tensor(g)
            optimizer.step()
        return [x.numpy().astype("float64") for x in xs], optimizer.trust_ratios()

    together, ratios = one({"compiled": False}, apart=False)
    for settings in ({"compiled": False}, {}):
        alone, others = one(settings, apart=True)
        assert_equal(together, alone, 1e-12 if dtype == "float64" else 1e-3)
        assert ratios == pytest.approx(others, rel=1e-9 if dtype == "float64" else 1e-3)


def test_trust_ratios_are_told_for_each_tensor() -> None:
    xs = parameters([np.array([3.0, 4.0]), np.zeros(3)])
    optimizer = Lamb(0.1, xs, weight_decay=0.0)
    assert optimizer.trust_ratios() == []
    for x in xs:
        x.grad = paddle.ones(x.shape, "float64")
    optimizer.step()
    assert optimizer.trust_ratios() == pytest.approx([5 / math.sqrt(2), 1.0], rel=1e-5)


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"betas": (1.0, 0.9)}, r"betas=\(1.0, 0.9\): each must lie in \[0, 1\)"),
        ({"betas": 0.9}, "must be two numbers"),
        ({"eps": -1.0}, "eps=-1.0 must be a finite number of at least 0"),
        ({"weight_decay": math.nan}, "weight_decay=nan"),
        ({"weight_decay": "1e-2"}, "weight_decay='1e-2'"),
        ({"learning_rate": math.nan}, "the learning rate is nan"),
        ({"learning_rate": -0.1}, "the learning rate is -0.1"),
        ({"learning_rate": "0.1"}, "learning_rate='0.1' must be a number or"),
        ({"parameters": []}, "parameters is empty"),
        ({"parameters": None}, "parameters is given as NoneType"),
        ({"parameters": {}}, "parameters is given as dict"),
        ({"parameters": [1.0]}, "float is no parameter"),
        ({"grad_clip": 1.0}, "grad_clip=1.0 does not clip"),
        ({"multi_precision": 1}, "multi_precision=1 must be True or False"),
        ({"compiled": "yes"}, "compiled='yes' must be True, False or None"),
        ({"adapt": 1}, "adapt=1 must be True or False"),
    ],
    ids=str,
)
def test_bad_settings_are_refused_when_it_is_made(arguments: dict[str, Any], words: str) -> None:
    given = {"learning_rate": 0.1, "parameters": parameters(), **arguments}
    with pytest.raises(OptimizerError, match=words):
        Lamb(**given)


def test_an_unknown_setting_is_a_type_error_with_its_neighbours() -> None:
    with pytest.raises(TypeError, match=r"Lamb has no argument 'weight_decy'; did you mean 'weight_decay'"):
        Lamb(0.1, parameters(), weight_decy=0.1)
    assert issubclass(OptimizerError, CadenceError)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ({"betas": (0.9, 1.5)}, "each must lie in"),
        ({"lr": 0.1}, "write learning_rate, which is a multiple"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 of a parameter group"),
        ({"wieght_decay": 0.0}, "has the key 'wieght_decay'; did you mean 'weight_decay'"),
        ({"weight_decay": paddle.regularizer.L2Decay(0.1)}, "weight_decay=.* must be a finite number"),
        ({"grad_clip": 1.0}, "grad_clip=1.0 does not clip"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_bad_groups_are_refused(group: dict[str, Any], words: str) -> None:
    with pytest.raises(OptimizerError, match=words):
        Lamb(0.1, [{"params": parameters(), **group}])


def test_bad_lists_of_groups_and_parameters_are_refused() -> None:
    xs = parameters()
    for given, words in [
        ([{"params": xs[:2]}, {"params": xs[1:]}], "is there twice"),
        ([*xs, xs[0]], "is there twice"),
        ([*xs, *parameters()], f"two parameters are called {xs[0].name}, and states go by name"),
        ([{"params": []}], "the params of a group is empty"),
        ([{"weight_decay": 0.1}], "needs the key 'params'"),
        ([{"params": xs[:2]}, xs[2]], "mixes tensors and groups"),
        ([xs[2], {"params": xs[:2]}], "mixes tensors and groups"),
        (xs[0], "is one tensor"),
        (set(xs), "is given as set"),
        ([paddle.zeros([2], "complex64")], "works with real numbers"),
    ]:
        with pytest.raises(OptimizerError, match=words):
            Lamb(0.1, given)
    with pytest.raises(OptimizerError, match="was made with parameters, and not with groups"):
        Lamb(0.1, xs[:2])._add_param_group({"params": xs[2:]})


def test_a_generator_of_parameters_is_taken_once() -> None:
    xs = parameters()
    optimizer = Lamb(0.1, [{"params": (x for x in xs[:2])}, {"params": iter(xs[2:])}])
    assert [len(g["params"]) for g in optimizer._param_groups] == [2, 4]


def test_sparse_gradients_are_refused_before_anything_is_changed() -> None:
    embedding, layer = paddle.nn.Embedding(10, 4, sparse=True), paddle.nn.Linear(4, 1)
    optimizer = Lamb(0.1, [*layer.parameters(), *embedding.parameters()])
    layer(embedding(paddle.to_tensor([1, 2]))).sum().backward()
    before = layer.weight.numpy().copy()
    with pytest.raises(OptimizerError, match="is sparse, and lamb works on whole tensors"):
        optimizer.step()
    assert (layer.weight.numpy() == before).all()


def test_a_rate_that_is_no_number_is_refused_before_anything_is_changed() -> None:
    xs = parameters()
    optimizer = Lamb(lr.LambdaDecay(0.1, lambda t: math.nan if t else 1.0), xs)
    before = train(optimizer, xs, 1)
    optimizer._learning_rate.step()
    with pytest.raises(OptimizerError, match="the learning rate is nan"):
        train(optimizer, xs, 1)
    assert all((x.numpy() == b).all() for x, b in zip(xs, before, strict=True))
    with pytest.raises(OptimizerError, match="the learning rate is inf"):
        Lamb(0.1, xs).set_lr(math.inf)


def test_adabound_needs_a_base_above_zero() -> None:
    for rate in (0.0, lr.StepDecay(0.0, 3)):
        with pytest.raises(OptimizerError, match="without a scale for its bounds"):
            AdaBound(rate, parameters())
    xs = parameters()
    before = [x.numpy() for x in xs]
    optimizer = AdaBound(0.1, xs)
    optimizer.set_lr(0.0)
    assert_equal(train(optimizer, xs, 2), before)


def test_within_to_static_it_says_what_to_do_instead() -> None:
    layer = paddle.nn.Linear(3, 1)
    optimizer = Lamb(0.1, layer.parameters())

    @paddle.jit.to_static(full_graph=True)
    def update(x: Any) -> Any:
        optimizer.step()
        return layer(x)

    with pytest.raises(Exception, match="call it outside"):
        update(paddle.ones([2, 3]))
