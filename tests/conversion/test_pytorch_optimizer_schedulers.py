"""pytorch_optimizer's schedulers give the numbers of the schedules that they are read as, there and back again."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from cadence._errors import CadenceError, ConversionError, HorizonError
from cadence.conversion.definition import definitions
from cadence.conversion.doors import from_native, to_code, to_native
from cadence.conversion.framework import framework
from cadence.conversion.native import Native
from draws import Draws
from native_numbers import TOLERANCE, on_run, reading_of, widest_gap

pytest.importorskip("torch")
pytest.importorskip("pytorch_optimizer")

OWN = ("linear", "cosine", "poly", "rex", "cosine_annealing_with_warmup", "warmup_stable_decay", "chebyshev")


def peer(name: str, **arguments: Any) -> Native:
    return definitions("pytorch_optimizer")[name].bind([], arguments)


class Random(Draws):
    """Random configurations, edge cases among them."""

    def some(self, **choices: tuple[Any, ...]) -> dict[str, Any]:
        return {key: self.of(*values) for key, values in choices.items() if self.rng.random() < 0.6}

    def warmed(self, name: str) -> Native:
        more = self.some(
            min_lr=(0.001, 0.01, 0.2, 0.0), init_lr=(0.001, 0.05, 0.0), warmup_steps=(0, 1, self.whole(2, 20))
        )
        if name == "poly":
            more |= self.some(poly_order=(0.5, 1.0, 2.0, 0.3))
        return peer(name, t_max=self.whole(1, 50), max_lr=self.of(0.1, 0.3, 0.0), **more)

    def linear(self) -> Native:
        return self.warmed("linear")

    def cosine(self) -> Native:
        return self.warmed("cosine")

    def poly(self) -> Native:
        return self.warmed("poly")

    def rex(self) -> Native:
        return peer(
            "rex", total_steps=self.whole(-1, 60), max_lr=self.of(0.1, 1.0, 0.0), min_lr=self.of(0.0, 0.01, 0.2)
        )

    def cosine_annealing_with_warmup(self) -> Native:
        n = self.whole(2, 20)
        more = self.some(
            cycle_mult=(1.0, 2.0, 1.5, 0.7, 3), warmup_steps=(0, n - 1, self.whole(0, n)), gamma=(1.0, 0.5, 1.1)
        )
        return peer(
            "cosine_annealing_with_warmup",
            first_cycle_steps=n,
            max_lr=self.of(0.1, 0.3),
            min_lr=self.of(0.0, 0.2),
            **more,
        )

    def warmup_stable_decay(self) -> Native:
        more = self.some(
            min_lr_ratio=(0.0, 0.1, 0.5),
            num_cycles=(0.5, 1.0, 0.25),
            cooldown_type=("cosine", "1-sqrt", "linear", "1-square", "?"),
        )
        return peer(
            "warmup_stable_decay", num_warmup_steps=self.whole(0, 10), num_stable_steps=self.whole(0, 20),
            num_decay_steps=self.whole(0, 20), **more,
        )  # fmt: skip

    def chebyshev(self) -> Native:
        return peer("chebyshev", num_epochs=self.whole(-1, 70), **self.some(is_warmup=(False, False, True)))

    def proportion(self) -> Native:
        inner = getattr(self, self.of(*OWN))()
        if self.rng.random() < 0.3:
            inner = Native("torch", "StepLR", {"step_size": self.whole(1, 20)})
        return peer(
            "proportion", lr_scheduler=inner, max_lr=self.of(0.1, 0.05, 0.3), min_lr=self.of(0.0, 0.01),
            max_value=self.of(2.0, 0.5), min_value=self.of(2.0, 0.05, 0.5),
        )  # fmt: skip


REFUSED = (
    "below min_lr", "rises for ever", "divides by their difference", "at least 0", "past the end of the schedule",
    "the length of the run", "is finite and at least 0",
)  # fmt: skip


@pytest.mark.parametrize("name", [*OWN, "proportion"])
def test_random_configurations_give_the_same_numbers(name: str) -> None:
    random, compared, count = Random(len(name)), 0, 150
    for _ in range(count):
        native, bases = getattr(random, name)(), random.of((0.1,), (0.3,), (0.1, 0.01))
        total = random.whole(3, 90)
        on = on_run(bases, total)
        try:
            schedule, curve = reading_of(native, on)
        except CadenceError as reason:
            refused_for_cause(native, bases, total, str(reason))
            continue
        widest = widest_gap(curve, native, on, total - 1)
        assert widest <= TOLERANCE, f"{native} on {bases}, {total} as {schedule}: {widest}"
        compared += 1
    assert compared > 0.55 * count


def refused_for_cause(native: Native, bases: tuple[float, ...], total: int, reason: str) -> None:
    """The peer divides by zero, or has a rate below zero."""
    assert any(words in reason for words in REFUSED), reason
    made, on = framework("pytorch_optimizer"), on_run(bases, total)
    followed = native.arguments.get("lr_scheduler")
    try:
        lowest = min(values.min() for values in made.run(native, on, total).values())
        if isinstance(followed, Native) and followed.framework == "pytorch_optimizer":
            lowest = min(lowest, made.run(followed, on, total)["lr"].min())
    except ZeroDivisionError:
        return
    assert lowest < 0


@pytest.mark.parametrize("name", OWN)
def test_there_and_back_again_gives_the_same_numbers(name: str) -> None:
    random, expressed = Random(len(name) + 1), 0
    made = framework("pytorch_optimizer")
    for _ in range(60):
        native, total = getattr(random, name)(), random.whole(20, 90)
        on = on_run((0.1,), total)
        try:
            _, curve = reading_of(native, on)
            back = made.express(curve)
        except CadenceError:
            continue
        expressed += 1
        assert widest_gap(curve, back, on, total - 1) <= TOLERANCE
        made.code(back, on)
    # Most lines fall below zero on such runs, and have no schedule.
    assert expressed > (5 if name == "linear" else 15)


@pytest.mark.parametrize(
    "native",
    [
        peer("linear", t_max=50, max_lr=0.1, min_lr=0.001, init_lr=0.01, warmup_steps=5),
        peer("cosine", t_max=50, max_lr=0.1, min_lr=0.001, warmup_steps=5),
        peer("poly", poly_order=2.0, t_max=6, max_lr=0.1, min_lr=0.001, warmup_steps=5),
        peer("rex", total_steps=50, max_lr=0.1, min_lr=0.01),
        peer("cosine_annealing_with_warmup", first_cycle_steps=20, max_lr=0.1, min_lr=0.001, warmup_steps=5, gamma=0.5),
        peer("cosine_annealing_with_warmup", first_cycle_steps=5, cycle_mult=2.0, max_lr=0.1, min_lr=0.001, gamma=1.0),
        peer("warmup_stable_decay", num_warmup_steps=5, num_stable_steps=20, num_decay_steps=20, cooldown_type="cosine", min_lr_ratio=0.1),
        peer("warmup_stable_decay", num_warmup_steps=5, num_stable_steps=20, num_decay_steps=20),
        peer("chebyshev", num_epochs=32),
        peer("step", step_size=30),
        peer("cosine_annealing", T_max=50),
    ],
    ids=repr,
)  # fmt: skip
def test_what_was_read_is_written_as_the_same_call(native: Native) -> None:
    on = on_run((0.1,), 51)
    _, curve = reading_of(native, on)
    back = framework("pytorch_optimizer").express(curve)
    own = definitions("pytorch_optimizer")[native.name]
    assert back.name == native.name
    assert own.full(back) == own.full(native)


def test_the_names_are_those_that_the_peer_lists() -> None:
    from pytorch_optimizer import get_supported_lr_schedulers

    known = set(definitions("pytorch_optimizer"))
    assert known >= set(get_supported_lr_schedulers())
    assert known - set(get_supported_lr_schedulers()) == {"deberta_v3", "deberta_v3_large_lr_scheduler"}


@pytest.mark.parametrize("name", [n for n in definitions("pytorch_optimizer") if "deberta" not in n and n != "poly"])
def test_every_scheduler_has_its_own_signature(name: str) -> None:
    from pytorch_optimizer import load_lr_scheduler

    own = {
        p.name: p.default
        for p in inspect.signature(load_lr_scheduler(name)).parameters.values()
        if p.name != "optimizer"
    }
    read = {p.name: p.default for p in definitions("pytorch_optimizer")[name].parameters}
    assert read == own
    assert list(read) == list(own)


def test_the_first_update_runs_at_the_lowest_rate() -> None:
    # step() is called after an update, and the warmup begins with the first call.
    _, curve = reading_of(
        peer("cosine", t_max=10, max_lr=0.1, min_lr=0.01, init_lr=0.02, warmup_steps=2), on_run((0.1,), 11)
    )
    np.testing.assert_allclose(curve.values(0, 4), [0.01, 0.02, 0.06, 0.1], rtol=1e-15)


def test_poly_rises() -> None:
    _, curve = reading_of(peer("poly", t_max=10, max_lr=0.1), on_run((1.0,), 12))
    assert curve.at(9) == pytest.approx(0.1 * 8**0.5)


def test_a_line_that_would_fall_below_zero_is_refused_or_ends() -> None:
    native = peer("linear", t_max=10, max_lr=0.1)
    with pytest.raises(ConversionError, match="make the run at most 11 steps long"):
        reading_of(native, on_run((0.1,), 30))
    unknown = from_native("pytorch_optimizer", "linear", {"t_max": 10, "max_lr": 0.1})
    import cadence as cd

    assert cd.place(unknown, total=10).at(10) == pytest.approx(0.01)
    with pytest.raises(HorizonError, match="past the end"):
        cd.place(unknown, total=30)


def test_the_groups_of_deberta_keep_their_own_rates() -> None:
    native = peer("deberta_v3", layer_low_threshold=2, layer_middle_threshold=4, head_param_start=6)
    rates = framework("pytorch_optimizer").run(native, on_run((1e-4,) * 7, 3), 3)["lr"][:, 0]
    np.testing.assert_allclose(rates, [1e-4, 8e-6, 8e-6, 2e-5, 2e-5, 4e-5, 4e-5])
    assert repr(reading_of(native, on_run(tuple(rates), 3))[0]) == "constant()"
    on = on_run((1.0,) * 7, 3)
    _, curve = reading_of(native, on)
    assert widest_gap(curve, native, on, 2) == 0
    with pytest.raises(ConversionError, match="the rate of each group"):
        reading_of(native, on_run((1.0,), 3))


@pytest.mark.parametrize(
    ("native", "words"),
    [
        (peer("cosine", t_max=10, max_lr=-0.1), "max_lr is -0.1"),
        (peer("cosine", t_max=-10, max_lr=0.1), "t_max is -10"),
        (peer("cosine", t_max=10.5, max_lr=0.1), "whole"),
        (peer("poly", poly_order=0.0, t_max=10, max_lr=0.1), "poly_order is 0"),
        (peer("cosine_annealing_with_warmup", first_cycle_steps=5, warmup_steps=5), "must be shorter"),
        (peer("cosine_annealing_with_warmup", first_cycle_steps=5, last_epoch=3), "last_epoch is 3"),
        (peer("proportion", lr_scheduler=peer("proportion", lr_scheduler=peer("rex", total_steps=9), max_lr=1.0), max_lr=1.0), "another proportion"),
        (peer("step", step_size=0), "step_size"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_the_peer_refuses_is_refused_with_the_reason(native: Native, words: str) -> None:
    with pytest.raises(CadenceError, match=words):
        reading_of(native, on_run((0.1,), 50))


# ---- objects -----------------------------------------------------------------------------------------------------


def optimizer() -> Any:
    import torch

    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


@pytest.mark.parametrize(
    "native",
    [
        peer("linear", t_max=50, max_lr=0.1, min_lr=0.001, init_lr=0.01, warmup_steps=5),
        peer("cosine", t_max=50, max_lr=0.1, warmup_steps=5),
        peer("poly", poly_order=2.0, t_max=50, max_lr=0.1),
        peer("rex", total_steps=50, max_lr=0.1, min_lr=0.01),
        peer(
            "cosine_annealing_with_warmup", first_cycle_steps=6, max_lr=0.1, warmup_steps=2, gamma=0.5, cycle_mult=2.0
        ),
        peer("proportion", lr_scheduler=peer("cosine", t_max=50, max_lr=0.1), max_lr=0.1, max_value=2.0, min_value=0.5),
    ],
    ids=repr,
)
@pytest.mark.parametrize("steps", [0, 1, 9])
@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")
def test_an_object_in_mid_run_is_read(native: Native, steps: int) -> None:
    made = framework("pytorch_optimizer")
    scheduler = made.build(native, on_run((0.1,), 50), optimizer())
    for _ in range(steps):
        if native.name == "proportion":
            scheduler.lr_scheduler.step()
        scheduler.step()
    live = made.inspect(scheduler)
    own = definitions("pytorch_optimizer")[native.name]
    assert live.t == steps
    assert own.full(live.native) == own.full(native)
    # And through the door that users take.
    assert from_native(scheduler, base=0.1, total=40) == from_native(
        "pytorch_optimizer", native.name, native.arguments, base=0.1, total=40
    )


@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")
def test_a_saved_state_is_read_where_it_says_enough() -> None:
    made = framework("pytorch_optimizer")
    native = peer("cosine_annealing_with_warmup", first_cycle_steps=6, max_lr=0.1, warmup_steps=2, gamma=0.5)
    scheduler = made.build(native, on_run((0.1,), 50), optimizer())
    for _ in range(9):
        scheduler.step()
    live = made.restore(native.name, scheduler.state_dict(), (0.1,))
    assert (live.t, dict(live.native.arguments)) == (9, dict(native.arguments))
    with pytest.raises(ConversionError, match="saves no state"):
        made.restore("cosine", {}, (0.1,))


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("constant(1, start=0.01) >> linear(5, start=0, to=1) >> cosine(44, to=0.01)", "CosineScheduler"),
        ("linear(5, start=0, to=1) >> constant(20) >> ramp(25, shape='1-sqrt')", "get_wsd_schedule"),
        ("steps(every=10)", "StepLR"),
    ],
)
def test_code_builds_the_scheduler_that_the_object_is(text: str, called: str) -> None:
    code = to_code(text, "pytorch_optimizer", base=0.1, total=50)
    assert f"import {called}" in code
    scope: dict[str, Any] = {"optimizer": optimizer()}
    exec(code, scope)  # noqa: S102 - the code under test
    built = to_native(text, "pytorch_optimizer", optimizer(), base=0.1, total=50)
    assert type(scope["scheduler"]) is type(built)


def test_what_it_cannot_say_is_named() -> None:
    with pytest.raises(ConversionError, match="pytorch_optimizer has no"):
        to_code("constant(3, start=0.3) >> cosine(7)", "pytorch_optimizer", base=0.1, total=20)


def test_an_object_that_is_no_scheduler_is_refused() -> None:
    with pytest.raises(ConversionError, match="known are"):
        framework("pytorch_optimizer").inspect(3)
