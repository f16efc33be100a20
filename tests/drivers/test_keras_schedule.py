"""`keras_schedule`: in trainings, in saved models, on two backends."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import DriverError, HorizonError, SpecError

keras = pytest.importorskip("keras")

# Keras's own variables, asked for an array by numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

TEXT = "warmup(3) >> cosine(to=0.1)"


def model(rate: Any, scale: float | None = None, **options: Any) -> Any:
    keras.utils.set_random_seed(1)
    made = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(learning_rate=rate, **options)
    if scale is not None:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale)
    made.compile(optimizer=optimizer, loss="mse")
    return made


X = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


def number(x: Any) -> float:
    return float(keras.ops.convert_to_numpy(x))


class Seen(keras.callbacks.Callback):
    """The rate before each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.rates.append(number(self.model.optimizer.learning_rate))


def fit(of: Any, epochs: int) -> list[float]:
    seen = Seen()
    of.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=[seen])
    return seen.rates


def test_a_training_sees_the_curve_and_goes_on_in_a_loaded_model(tmp_path: Path) -> None:
    rate = cd.keras_schedule(TEXT, total="4 epochs", steps_per_epoch=4, base=0.05)
    whole = model(rate)
    assert fit(whole, 4) == pytest.approx(rate.curve.values().tolist(), rel=1e-6)

    half = model(rate, momentum=0.5)
    fit(half, 2)
    half.save(tmp_path / "half.keras")
    loaded = keras.models.load_model(tmp_path / "half.keras")
    assert loaded.optimizer.iterations == 8
    assert fit(loaded, 2) == pytest.approx(rate.curve.values(8).tolist(), rel=1e-6)


def test_a_rate_that_is_followed_and_one_that_is_given_by_hand_train_to_the_same_weights() -> None:
    rate = cd.keras_schedule(TEXT, total=8, base=0.05)
    followed, by_hand = model(rate), model(0.05)
    fit(followed, 2)
    for t in range(8):
        by_hand.optimizer.learning_rate = rate.curve.at(t)
        batch = slice(4 * (t % 4), 4 * (t % 4) + 4)
        by_hand.train_on_batch(X[batch], Y[batch])
    for a, b in zip(followed.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_its_configuration_is_plain_data_that_makes_an_equal() -> None:
    rate = cd.keras_schedule(TEXT, total="4 epochs", steps_per_epoch=4, base=0.05, steps_per_update=2)
    config = keras.optimizers.schedules.serialize(rate)
    again = keras.optimizers.schedules.deserialize(config)
    assert again.get_config() == rate.get_config() == {
        "schedule": TEXT, "total": 16, "steps_per_epoch": 4, "batch_size": None, "tokens_per_step": None,
        "base": 0.05, "steps_per_update": 2, "name": "CadenceSchedule",
    }  # fmt: skip
    assert [number(again(t)) for t in range(40)] == [number(rate(t)) for t in range(40)]


def test_steps_of_every_kind_give_one_number() -> None:
    rate = cd.keras_schedule(TEXT, total=10, base=0.05)
    variable = keras.Variable(4, dtype="int32", trainable=False)
    asked = [4, np.int64(4), variable, keras.ops.convert_to_tensor(4), keras.ops.convert_to_tensor(4, dtype="uint8")]
    assert {number(rate(step)) for step in asked} == {float(np.float32(rate.curve.at(4)))}


def test_traced_steps_are_exact_at_the_end_of_a_long_run() -> None:
    jax = pytest.importorskip("jax")
    if keras.backend.backend() != "jax":
        pytest.skip("Keras was loaded for another backend")
    rate = cd.keras_schedule("linear()", total=10**9)
    last = np.arange(10**9 - 50, 10**9, dtype=np.int32)
    got = np.asarray(jax.jit(jax.vmap(rate))(last), dtype=np.float64)
    np.testing.assert_allclose(got, rate.curve.at(last), rtol=1e-7)


@pytest.mark.parametrize(("floatx", "dtype"), [("float16", "float32"), ("float32", "float32")])
def test_narrow_floats_do_not_narrow_the_rate(floatx: str, dtype: str) -> None:
    before = keras.config.floatx()
    keras.config.set_floatx(floatx)
    try:
        rate = cd.keras_schedule("linear()", total=10, base=1e-8)
        got = rate(keras.ops.convert_to_tensor(5))
        assert keras.backend.standardize_dtype(got.dtype) == dtype
        assert number(got) == pytest.approx(5e-9)
    finally:
        keras.config.set_floatx(before)


def test_updates_that_a_loss_scaler_skips_are_none() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        rate = cd.keras_schedule(TEXT, total=8, base=0.05)
        assert fit(model(rate, scale=1.0), 2) == pytest.approx(rate.curve.values().tolist(), rel=1e-6)
        overflowing = model(rate, scale=2.0**30)
        rates = fit(overflowing, 2)
        assert rates[:4] == [float(np.float32(rate.curve.at(0)))] * 4
    finally:
        keras.config.set_dtype_policy(before)


def test_accumulated_batches_are_one_update() -> None:
    rate = cd.keras_schedule(TEXT, total=4, base=0.05, steps_per_update=2)
    seen = fit(model(rate, gradient_accumulation_steps=2), 2)
    assert seen == pytest.approx(np.repeat(rate.curve.values(), 2).tolist(), rel=1e-6)


def test_what_keras_cannot_follow_is_refused_with_the_reason() -> None:
    with pytest.raises(DriverError, match=r"never tells a metric.*ReduceLROnPlateau"):
        cd.keras_schedule("constant() * plateau('val_loss')")
    with pytest.raises(DriverError, match=r"learning rate and for nothing else.*lr, momentum"):
        cd.keras_schedule(cd.plan({"lr": cd.linear(), "momentum": 1}), total=10)
    with pytest.raises(DriverError, match="learning rate and for nothing else"):
        cd.keras_schedule(cd.plan({"weight_decay": cd.linear()}), total=10)
    with pytest.raises(DriverError, match="cannot raise"):
        cd.keras_schedule("cosine(10).past_end('raise')")
    with pytest.raises(HorizonError, match="total="):
        cd.keras_schedule("cosine()")
    with pytest.raises(SpecError, match="base is a number"):
        cd.keras_schedule("cosine(5)", base="0.1")  # type: ignore[arg-type]
    with pytest.raises(DriverError, match="at least 1, not 0"):
        cd.keras_schedule("cosine(5)", steps_per_update=0)
    with pytest.raises(DriverError, match=r"whole number.*optimizer.iterations"):
        cd.keras_schedule("cosine(5)")(2.5)


ON_TORCH = """
import numpy as np, keras, torch, cadence as cd
from cadence.drivers.keras_numbers import NUMBERS

assert keras.backend.backend() == "torch"
rate = cd.keras_schedule("warmup(3) >> cosine(to=0.1)", total=8, base=0.05)
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.SGD(learning_rate=rate), loss="mse", jit_compile=False)
model.fit(np.ones((8, 3), "float32"), np.ones((8, 1), "float32"), batch_size=2, epochs=1, verbose=0)
assert abs(float(model.optimizer.learning_rate) - rate.curve.at(4)) < 1e-9

# Compiled code goes round it; where a step is not on the CPU it is computed there.
compiled = torch.compile(lambda t: rate(t) * 2, backend="eager")
assert abs(float(compiled(torch.tensor(5))) - 2 * rate.curve.at(5)) < 1e-8
for text, run in {cases!r}:
    curve, t = cd.place(text, **run), np.arange(300)
    got = curve.traced(torch.tensor(t, dtype=torch.float64), NUMBERS)
    assert got.dtype == torch.float64, text
    np.testing.assert_allclose(got.numpy(), curve.at(t), rtol=1e-14, atol=1e-15, err_msg=text)
"""

CASES = [
    ("warmup('5%') >> cosine(to=0.01)", {"total": 1000}),
    ("cosine(10).repeat(grow=1.5, decay=0.9)", {"total": 1000}),
    ("cosine('2.5 steps').repeat(decay=0.9)", {"total": 100}),
    ("(linear(7) >> cosine(5)).repeat(3, decay=0.5).staircase(2).clip(0.1)", {}),
    ("(cosine(30) >> power(20, exponent=3)).past_end('mirror')", {}),
    ("linear(30).past_end('repeat')", {}),
    ("formula('where(t < 5, min(t, 3), sqrt(t) if t > 100 else max(2, 1 - t / total))')", {"total": 200}),
    ("steps(every='33.3 steps', gamma=0.9)", {"total": 1000}),
    ("steps(at=[3, 30], gamma=0.5)", {}),
    ("piecewise([(0, 1), (10, 0.5), (20, 0.1)], shape='cosine')", {}),
    ("exponential(gamma=0.5, every='2.5 steps')", {"total": 100}),
    ("inverse(timescale=10) + absolute(0.001)", {}),
]


def test_it_works_on_torch_too() -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    script = ON_TORCH.replace("{cases!r}", repr(CASES))
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
