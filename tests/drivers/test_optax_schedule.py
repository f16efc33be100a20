"""`optax_schedule`: under jit, vmap and scan, in every digit of float32, and in real optimizers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import DriverError, HorizonError, UnknownNameError

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
jnp = jax.numpy

LAST = 2**31 - 1
"""The largest count of an int32."""

EVERY_KIND = [
    ("warmup('5%') >> cosine(to=0.01)", {"total": 1000}),
    ("warmup(10) >> linear()", {"total": 10**9}),
    ("warmup(3000000000) >> cosine()", {"total": 2 * 10**10}),
    ("constant(5) >> decay(shape='1-sqrt')", {"total": LAST}),
    ("power(exponent=3)", {"total": LAST + 10}),
    ("cosine(10).repeat(grow=1.5, decay=0.9)", {"total": 1000}),
    ("cosine(10).repeat(grow=2)", {}),
    ("cosine(10).repeat(3, grow=2, decay=0.5)", {}),
    ("cosine('2.5 steps').repeat(decay=0.9)", {"total": 100}),
    ("(linear(7) >> cosine(5)).repeat(3, decay=0.5).staircase(2).clip(0.1)", {}),
    ("cosine('30.7 epochs').staircase('1 epoch')", {"steps_per_epoch": 7}),
    ("(cosine(30) >> power(20, exponent=3)).past_end('mirror')", {}),
    ("linear(30).past_end('repeat')", {}),
    ("formula('(1 - t / total) ** 2 if t > 5 else min(t, 3)')", {"total": 10**9}),
    ("steps(every='33.3 steps', gamma=0.9)", {"total": 1000}),
    ("steps(at=[3, 3000000000], gamma=0.5)", {}),
    ("piecewise([(0, 1), (10, 0.5), (20, 0.1)], shape='cosine')", {}),
    ("exponential(gamma=0.5, every='2.5 steps')", {"total": 100}),
    ("inverse(timescale=10) + absolute(0.001)", {}),
    ("(linear(200, start=0.1, to=1) >> cosine(800)).cut(150)", {}),
    ("cosine(100).stretch(1.5) * 0.5", {}),
]


def counts(end: int | None) -> Any:
    n = LAST if end is None else min(end + 3, LAST)
    near = np.concatenate([np.arange(250), n - np.arange(150), np.linspace(0, n, 60).astype(np.int64)])
    return np.unique(near[near >= 0]).astype(np.int32)


@pytest.mark.parametrize(("text", "run"), EVERY_KIND)
def test_traced_values_are_those_of_the_curve_rounded_once(text: str, run: dict[str, Any]) -> None:
    rate = cd.optax_schedule(text, base=0.3, **run)
    times = counts(rate.curve.end)
    exact = rate.curve.at(times)
    got = np.asarray(jax.jit(jax.vmap(rate))(times))
    assert got.dtype == np.float32
    # Half an ulp for the rounding, and what a fused multiplication may shift; where 1 - 1 is 0 that shift is all.
    np.testing.assert_allclose(got, exact, rtol=6.1e-8, atol=2e-16 * exact.max())


@pytest.mark.parametrize("text", ["linear()", "cosine()", "power(exponent=2)", "formula('1 - t / total')"])
@pytest.mark.parametrize("total", [10**6, LAST])
def test_the_end_of_a_long_run_keeps_its_digits(text: str, total: int) -> None:
    rate = cd.optax_schedule(text, total=total)
    last = np.arange(total - 100, total, dtype=np.int32)
    got = np.asarray(jax.jit(rate)(last), dtype=np.float64)
    np.testing.assert_allclose(got, rate.curve.at(last), rtol=1e-7)
    assert (got > 0).all()
    # optax's own has only zeros there.
    if text == "cosine()" and total == 10**6:
        assert not np.asarray(optax.cosine_decay_schedule(1.0, total)(last[-77:].astype(np.float32))).any()


def test_a_training_under_jit_and_scan_sees_the_curve_and_goes_on_from_its_state() -> None:
    rate = cd.optax_schedule("warmup(3) >> cosine(to=0.1)", total=12, base=0.5)
    decay = cd.optax_schedule("linear(to=0.5)", total=12, base=0.01)
    optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=rate, weight_decay=decay)
    params = {"w": jnp.ones(3)}

    @jax.jit
    def train(params: Any, state: Any, steps: Any) -> Any:
        def update(carry: Any, _: Any) -> Any:
            params, state = carry
            gradients = jax.grad(lambda p: jnp.sum(p["w"] ** 2))(params)
            updates, state = optimizer.update(gradients, state, params)
            seen = (state.hyperparams["learning_rate"], state.hyperparams["weight_decay"])
            return (optax.apply_updates(params, updates), state), seen

        return jax.lax.scan(update, (params, state), steps)

    (whole, _), seen = train(params, optimizer.init(params), jnp.arange(12))
    np.testing.assert_allclose(seen[0], rate.curve.at(np.arange(12)), rtol=6e-8)
    np.testing.assert_allclose(seen[1], decay.curve.at(np.arange(12)), rtol=6e-8)

    (half, state), _ = train(params, optimizer.init(params), jnp.arange(5))
    # The count is saved with the optimizer, as plain arrays.
    leaves, tree = jax.tree.flatten(state)
    loaded = jax.tree.unflatten(tree, [np.array(leaf) for leaf in leaves])
    (resumed, _), rest = train(half, loaded, jnp.arange(7))
    np.testing.assert_array_equal(rest[0], seen[0][5:])
    np.testing.assert_array_equal(resumed["w"], whole["w"])


def test_plain_optimizers_take_it_for_rate_and_for_weight_decay() -> None:
    rate = cd.optax_schedule("linear()", total=4, base=0.5)
    optimizer = optax.sgd(rate)
    params, gradients = jnp.zeros(1), jnp.ones(1)
    state = optimizer.init(params)
    for t in range(5):
        updates, state = optimizer.update(gradients, state, params)
        assert float(updates[0]) == pytest.approx(-rate.curve.at(t), abs=1e-9)
    decayed = optax.adamw(1e-3, weight_decay=rate)
    updates, _ = decayed.update(jnp.zeros(1), decayed.init(jnp.ones(1)), jnp.ones(1))
    assert float(updates[0]) == pytest.approx(-1e-3 * 0.5)


def test_it_joins_with_other_schedules_whose_counts_go_below_zero() -> None:
    rate = cd.optax_schedule("cosine()", total=10)
    joined = optax.join_schedules([optax.constant_schedule(7.0), rate, optax.linear_schedule(1.0, 0.0, 5)], [3, 8])
    got = np.asarray(jax.jit(jax.vmap(joined))(np.arange(15)))
    want = [7.0] * 3 + rate.curve.values(0, 5).tolist() + [1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0]
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)
    assert float(joined(0)) == 7.0


def test_known_and_traced_counts_of_every_kind_give_one_number() -> None:
    rate = cd.optax_schedule("cosine()", total=10)
    asked = [5, np.int64(5), np.array(5), jnp.int32(5), jnp.uint8(5)]
    numbers = {float(f(count)) for count in asked for f in (rate, jax.jit(rate))}
    assert len(numbers) == 1
    assert rate(jnp.arange(6).reshape(2, 3)).shape == (2, 3)


def test_the_result_has_the_precision_of_the_program(x64: None) -> None:
    rate = cd.optax_schedule("cosine()", total=7)
    assert jax.jit(rate)(jnp.int32(3)).dtype == jnp.float64
    np.testing.assert_allclose(np.asarray(jax.jit(rate)(np.arange(8))), rate.curve.at(np.arange(8)), rtol=1e-15)


def test_a_count_that_is_not_whole_is_refused() -> None:
    rate = cd.optax_schedule("cosine()", total=7)
    for ask in (rate, jax.jit(rate)):
        with pytest.raises(DriverError, match="whole number"):
            ask(jnp.float32(3.5))


def test_values_and_groups_of_a_plan_are_chosen_by_name() -> None:
    of = cd.plan({"lr": cd.linear(), "head*/lr": cd.linear() * 10, "weight_decay": cd.constant()})
    base = {"lr": 0.1, "weight_decay": 0.3}
    names = ["body", "head"]

    def first(**chosen: Any) -> float:
        return float(cd.optax_schedule(of, total=4, base=base, groups=names, **chosen)(0))

    assert first() == pytest.approx(0.1)
    assert first(group="head") == pytest.approx(1.0)
    assert first(value="weight_decay", group="head") == pytest.approx(0.3)
    with pytest.raises(UnknownNameError, match="did you mean 'weight_decay'"):
        first(value="weight_deacy")
    with pytest.raises(UnknownNameError, match="did you mean 'head'"):
        first(group="heat")
    with pytest.raises(DriverError, match="write value="):
        cd.optax_schedule(cd.plan({"beta1": 1, "beta2": 1}))


def test_what_is_no_function_of_the_count_is_refused_with_the_reason() -> None:
    with pytest.raises(DriverError, match=r"never tells a metric.*reduce_on_plateau"):
        cd.optax_schedule("constant() * plateau('val_loss')")
    with pytest.raises(DriverError, match="compiled code cannot raise"):
        cd.optax_schedule("cosine(10).past_end('raise')")
    with pytest.raises(HorizonError, match="total="):
        cd.optax_schedule("cosine()")


def test_more_growing_cycles_than_can_be_written_out_are_refused_when_traced() -> None:
    rate = cd.optax_schedule("cosine(1).repeat(grow=1.001)", total=10**6)
    assert float(rate(0)) == 1.0
    with pytest.raises(HorizonError, match="written out one by one"):
        jax.jit(rate)(0)
