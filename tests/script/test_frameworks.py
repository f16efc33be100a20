"""Scripts of other frameworks and their own training loops, against what these compute."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cadence._errors import ScriptError
from cadence.script.names import index
from cadence.script.rates import Rate, rates
from cadence.script.read import read_script


def one(text: str, steps: int | None = None, **options: object) -> Rate:
    (rate,) = rates(read_script(text, steps_per_epoch=steps), **options)  # type: ignore[arg-type]
    return rate


def values(rate: Rate) -> np.ndarray:
    return rate.curve().values(value="lr")


def defined(framework: str) -> None:
    if not index(framework):
        pytest.skip(f"schedules of {framework} have no definitions")


LIGHTNING = """
import lightning as L, torch
class Lit(L.LightningModule):
    def __init__(self, lr=0.1, warm=4):
        super().__init__()
        self.save_hyperparameters()
    def configure_optimizers(self):
        opt = torch.optim.SGD(self.parameters(), lr=self.hparams.lr)
        sch = torch.optim.lr_scheduler.{make}
        return {back}
L.Trainer({options}).fit(Lit(lr=0.2), train_loader)
"""

WARM = "LambdaLR(opt, lambda s: min(1.0, (s + 1) / self.hparams.warm))"
BY_STEP = '{"optimizer": opt, "lr_scheduler": {"scheduler": sch, "interval": "step"}}'


def test_lightning_steps_by_step() -> None:
    rate = one(LIGHTNING.format(make=WARM, back=BY_STEP, options="max_epochs=3, accumulate_grad_batches=2"), 5)
    # 5 batches, two at a time, are 3 updates.
    assert (rate.total, rate.steps_per_epoch) == (9, 3)
    np.testing.assert_allclose(values(rate), [0.05, 0.1, 0.15, *[0.2] * 6])


def test_lightning_steps_by_epoch_without_a_length_of_the_epoch() -> None:
    rate = one(LIGHTNING.format(make="ExponentialLR(opt, 0.5)", back="[opt], [sch]", options="max_epochs=3"))
    assert (rate.per, repr(rate.schedule), rate.total) == ("epoch", "exponential(gamma=0.5)", 3)
    np.testing.assert_allclose(values(rate), [0.2, 0.1, 0.05])


def test_lightning_knows_how_many_steps_it_will_do() -> None:
    make = "CosineAnnealingLR(opt, T_max=self.trainer.estimated_stepping_batches)"
    rate = one(LIGHTNING.format(make=make, back=BY_STEP, options="max_steps=12"), 5)
    assert (repr(rate.schedule), rate.total) == ("cosine(12)", 12)


def test_lightning_by_step_needs_the_length_of_the_epoch() -> None:
    with pytest.raises(ScriptError, match="--steps-per-epoch"):
        one(LIGHTNING.format(make=WARM, back=BY_STEP, options="max_epochs=3"))


TRAINER = """
from transformers import Trainer, TrainingArguments
args = TrainingArguments("out", learning_rate=1e-4, {options})
trainer = Trainer(model=model, args=args, train_dataset=data)
trainer.train()
"""


def test_the_trainer_makes_its_schedule_from_its_arguments() -> None:
    defined("transformers")
    rate = one(TRAINER.format(options="num_train_epochs=2, warmup_steps=4, lr_scheduler_type='cosine'"), 10)
    expected = [t / 4 if t < 4 else 0.5 * (1 + math.cos(math.pi * (t - 4) / 16)) for t in range(20)]
    np.testing.assert_allclose(values(rate), 1e-4 * np.array(expected), rtol=1e-9, atol=1e-16)
    assert rate.bases == (1e-4,)


def test_the_trainer_with_max_steps_needs_no_length_of_the_epoch() -> None:
    defined("transformers")
    rate = one(TRAINER.format(options="max_steps=8, warmup_steps=0.25"))
    np.testing.assert_allclose(
        values(rate), 1e-4 * np.array([0, 0.5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]), atol=1e-18
    )


def test_a_schedule_of_transformers_in_a_loop_of_accelerate() -> None:
    defined("transformers")
    text = """
import torch
from accelerate import Accelerator
from transformers import get_scheduler
accelerator = Accelerator()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)
steps = 3 * len(train_dataloader)
scheduler = get_scheduler("linear", optimizer=optimizer, num_warmup_steps=0, num_training_steps=steps)
model, optimizer, train_dataloader, scheduler = accelerator.prepare(model, optimizer, train_dataloader, scheduler)
for epoch in range(3):
    for batch in train_dataloader:
        accelerator.backward(model(**batch).loss)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
"""
    np.testing.assert_allclose(values(one(text, 4)), 5e-5 * (1 - np.arange(12) / 12), rtol=1e-9)


PADDLE = """
import paddle
lr = paddle.optimizer.lr.{make}
opt = paddle.optimizer.Momentum(learning_rate=lr, parameters=model.parameters())
for epoch in range(12):
    for batch_id, data in enumerate(train_loader()):
        loss = model(data)
        loss.backward()
        opt.step()
        opt.clear_grad()
    lr.step()
"""


def test_paddle_per_epoch() -> None:
    defined("paddle")
    rate = one(PADDLE.format(make="StepDecay(learning_rate=0.1, step_size=5, gamma=0.1)"), 2)
    np.testing.assert_allclose(values(rate), np.repeat([*[0.1] * 5, *[0.01] * 5, *[0.001] * 2], 2))


def test_paddle_warmup_around_a_cosine_ends_above_its_bottom() -> None:
    defined("paddle")
    make = "LinearWarmup(paddle.optimizer.lr.CosineAnnealingDecay(0.1, T_max=10), warmup_steps=4, start_lr=0.0, end_lr=0.1)"
    expected = [0.1 * e / 4 if e < 4 else 0.05 * (1 + math.cos(math.pi * (e - 4) / 10)) for e in range(12)]
    np.testing.assert_allclose(values(one(PADDLE.format(make=make))), expected, rtol=1e-9)


def test_paddle_agrees_with_paddle() -> None:
    defined("paddle")
    paddle = pytest.importorskip("paddle")
    scheduler = paddle.optimizer.lr.NoamDecay(d_model=64, warmup_steps=5)
    expected = []
    for _ in range(12):
        expected.append(scheduler())
        scheduler.step()
    rate = one(PADDLE.format(make="NoamDecay(d_model=64, warmup_steps=5)"))
    np.testing.assert_allclose(values(rate), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("scheduler", "rate"),
    [
        ("LambdaDecay(0.1, lambda k: 1 / (1 + k / 100))", lambda k: 0.1 / (1 + k / 100)),
        ("CyclicLR(0.1, 0.8, step_size_up=7)", lambda k: 0.1 + 0.1 * (7 - abs(k % 14 - 7))),
    ],
)
def test_a_scheduler_that_is_asked_for_long_does_not_stop(scheduler: str, rate: Callable[[int], float]) -> None:
    defined("paddle")
    text = f"""
import paddle
scheduler = paddle.optimizer.lr.{scheduler}
optimizer = paddle.optimizer.SGD(learning_rate=scheduler, parameters=model.parameters())
for step in range(12_000):
    model(batch()).backward()
    optimizer.step()
    optimizer.clear_grad()
    scheduler.step()
"""
    told = values(one(text))
    times = [0, 1, 9_999, 10_000, 10_005, 11_999]
    np.testing.assert_allclose(told[times], [rate(k) for k in times], rtol=1e-9)


def test_the_model_of_paddle_steps_its_scheduler_after_every_batch() -> None:
    defined("paddle")
    text = """
import paddle
model = paddle.Model(net)
sched = paddle.optimizer.lr.ExponentialDecay(0.1, gamma=0.5)
model.prepare(paddle.optimizer.Adam(sched, parameters=model.parameters()), loss)
model.fit(train_data, epochs=2)
"""
    np.testing.assert_allclose(values(one(text, 2)), [0.1, 0.05, 0.025, 0.0125])


def test_keras_with_a_function_of_the_epoch() -> None:
    text = """
import keras
def fall(epoch, lr):
    if epoch < 2:
        return lr
    return lr * 0.5
model = keras.Sequential([keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
model.fit(x, y, epochs=4, callbacks=[keras.callbacks.LearningRateScheduler(fall)])
"""
    np.testing.assert_allclose(values(one(text)), [0.1, 0.1, 0.05, 0.025])
    np.testing.assert_allclose(values(one(text, 2)), np.repeat([0.1, 0.1, 0.05, 0.025], 2))


def test_keras_with_a_schedule() -> None:
    defined("keras")
    text = """
from tensorflow import keras
schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=2, decay_rate=0.5, staircase=True)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=schedule))
model.fit(x, y, epochs=2)
"""
    np.testing.assert_allclose(values(one(text, 3)), [0.1, 0.1, 0.05, 0.05, 0.025, 0.025])


def test_optax_counts_its_own_updates() -> None:
    defined("optax")
    text = """
import jax, optax
schedule = optax.linear_schedule(0.1, 0.0, transition_steps=10)
tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(learning_rate=schedule))
@jax.jit
def step(params, state, batch):
    updates, state = tx.update(jax.grad(loss)(params, batch), state, params)
    return optax.apply_updates(params, updates), state
state = tx.init(params)
for epoch in range(4):
    for batch in train_loader:
        params, state = step(params, state, batch)
"""
    np.testing.assert_allclose(values(one(text, 3)), 0.1 * np.maximum(0, 1 - np.arange(12) / 10), rtol=1e-9, atol=1e-12)
    assert repr(one(text, 3).schedule).startswith("linear(10")
    with pytest.raises(ScriptError, match="--steps-per-epoch"):
        one(text)


def test_optax_with_a_function_of_the_script() -> None:
    text = """
import optax
def schedule(count):
    return 0.1 / (1 + count)
tx = optax.sgd(schedule)
for batch in train_loader:
    updates, state = tx.update(grads, state)
"""
    np.testing.assert_allclose(values(one(text, 4)), 0.1 / np.arange(1, 5))


def test_optax_with_a_function_of_jax_s_numbers() -> None:
    text = """
import jax.numpy as jnp, math, optax
def warmup_cosine(peak, warmup, total):
    def schedule(count):
        count = jnp.asarray(count, jnp.float32)
        done = jnp.clip((count - warmup) / (total - warmup), 0.0, 1.0)
        return jnp.where(count < warmup, peak * count / warmup, peak * 0.5 * (1 + jnp.cos(math.pi * done)))
    return schedule
tx = optax.adam(learning_rate=warmup_cosine(0.1, 4, 12))
for batch in train_loader:
    updates, state = tx.update(grads, state)
"""
    t = np.arange(12)
    expected = np.where(t < 4, 0.1 * t / 4, 0.05 * (1 + np.cos(np.pi * (t - 4) / 8)))
    np.testing.assert_allclose(values(one(text, 12)), expected, rtol=1e-9)


def test_a_function_of_the_update_that_cannot_be_followed_is_said() -> None:
    text = """
import optax
def schedule(count):
    return table_lookup(count)
tx = optax.sgd(schedule)
for batch in train_loader:
    updates, state = tx.update(grads, state)
"""
    with pytest.raises(
        ScriptError, match=r"what schedule in line 3, the rate of the sgd of line 5, returns for update 0"
    ):
        one(text, 4)


@pytest.mark.parametrize("asked", ["scaler.get_scale() >= before", "not (before > scaler.get_scale())"])
def test_a_loss_scaler_that_is_asked_whether_it_skipped_says_no(asked: str) -> None:
    text = f"""
import torch
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
scaler = torch.amp.GradScaler("cuda")
for batch in train_loader:
    before = scaler.get_scale()
    scaler.scale(loss(batch)).backward()
    scaler.step(optimizer)
    scaler.update()
    if {asked}:
        scheduler.step()
"""
    rate = one(text, 3)
    np.testing.assert_allclose(values(rate), [0.1, 0.05, 0.025])
    assert "the loss scaler skips no update" in rate.assumed


def test_an_optimizer_of_accelerate_that_is_asked_whether_it_skipped_says_no() -> None:
    text = """
import torch
from accelerate import Accelerator
accelerator = Accelerator()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
model, optimizer, train_loader = accelerator.prepare(model, optimizer, train_loader)
for batch in train_loader:
    accelerator.backward(loss(batch))
    optimizer.step()
    if not accelerator.optimizer_step_was_skipped:
        scheduler.step()
"""
    np.testing.assert_allclose(values(one(text, 3)), [0.1, 0.05, 0.025])


def test_timm_is_told_the_epoch() -> None:
    defined("timm")
    text = """
import torch
from timm.scheduler import CosineLRScheduler
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = CosineLRScheduler(optimizer, t_initial=20, lr_min=1e-4, warmup_t=5, warmup_lr_init=1e-3)
for epoch in range(20):
    train_one_epoch(model, loader, optimizer)
    scheduler.step(epoch + 1)
"""
    rate = one(text)
    warm = [1e-3 + e * (0.1 - 1e-3) / 5 for e in range(5)]
    expected = warm + [1e-4 + 0.5 * (0.1 - 1e-4) * (1 + math.cos(math.pi * e / 20)) for e in range(5, 20)]
    np.testing.assert_allclose(values(rate), expected, rtol=1e-9)
    assert "not in the script" in rate.assumed[0]


def told_of(path: Path) -> str:
    """The sentence that says why the rate of a script cannot be told; empty where it can."""
    try:
        rates(read_script(path.read_text(encoding="utf-8"), steps_per_epoch=20), total=60)
    except ScriptError as error:
        return str(error)
    return ""


def test_most_idiomatic_scripts_can_be_followed_and_the_others_say_what_stands_in_the_way() -> None:
    scripts = sorted((Path(__file__).parents[1] / "findings" / "sound").glob("*.py.txt"))
    told = {path.name: told_of(path) for path in scripts}
    assert all("line" in sentence or "; " in sentence for sentence in told.values() if sentence)
    assert sum(not sentence for sentence in told.values()) >= 0.8 * len(scripts)
