"""The range test in a loop of one's own, in torch."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import cadence as cd  # noqa: E402
from cadence._errors import DriverError, HorizonError, OptimizerError, SpecError  # noqa: E402
from cadence.finder.sweeps import LEAST  # noqa: E402

ROWS = 96
INPUTS = torch.randn(ROWS, 8, generator=torch.Generator().manual_seed(5))
TARGETS = (INPUTS[:, :2].sum(1, keepdim=True) > 0).float()


class Training:
    """A small training with everything that a test could leave behind: statistics, dropout, momentum, a shuffled
    loader.
    """

    def __init__(self, optimizer: str = "adamw", updates: int = 3, **groups: float) -> None:
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Dropout(0.2),
            torch.nn.Linear(16, 1),
        )  # fmt: skip
        head, body = self.model[4].parameters(), [*self.model[0].parameters(), *self.model[1].parameters()]
        kinds: dict[str, Any] = {
            "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3),
            "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
            "lamb": lambda p: cd.optimizer("lamb", p, lr=1e-3),
            "fused": lambda p: torch.optim.AdamW(p, lr=torch.tensor(1e-3), fused=True),
        }
        self.optimizer = kinds[optimizer](
            [{"params": body, "name": "body"}, {"params": head, "name": "head", **groups}]
        )
        data = torch.utils.data.TensorDataset(INPUTS, TARGETS)
        self.loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
        self.batches = self.forever()
        for _ in range(updates):
            self.update()

    def forever(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self.loader for _ in itertools.count())

    def loss(self) -> Any:
        inputs, targets = next(self.batches)
        # Augmentation that draws from python and numpy.
        inputs = inputs + 0.01 * random.random() + 0.01 * float(np.random.rand())
        return torch.nn.functional.binary_cross_entropy_with_logits(self.model(inputs), targets)

    def update(self) -> float:
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def everything(self) -> dict[str, Any]:
        return copy.deepcopy(
            {
                "model": self.model.state_dict(),
                "gradients": [None if p.grad is None else p.grad for p in self.model.parameters()],
                "modes": [m.training for m in self.model.modules()],
                "optimizer": self.optimizer.state_dict(),
                "torch": torch.get_rng_state(),
                "python": random.getstate(),
                "numpy": np.random.get_state(),
            }
        )

    def goes_on(self) -> list[float]:
        """What the next updates come to, on a loader that is begun anew."""
        self.batches = self.forever()
        return [self.update() for _ in range(8)]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b))
    return a == b


def search(training: Training, updates: int = 60, **options: Any) -> Any:
    finder = cd.find_lr(training.optimizer, model=training.model, updates=updates, **options)
    for _ in finder:
        finder.observe(training.update())
    return finder.result


# ---- everything is put back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lamb", "fused"])
@pytest.mark.parametrize("updates", [0, 3])
def test_everything_is_as_it_was_to_the_bit_and_training_goes_on_as_if_nothing_had_been(
    optimizer: str, updates: int
) -> None:
    undisturbed, training = Training(optimizer, updates), Training(optimizer, updates)
    before = training.everything()
    search(training)
    assert same(training.everything(), before)
    Training(optimizer, updates)  # sets all random numbers as they were
    expected = undisturbed.goes_on()
    Training(optimizer, updates)
    assert training.goes_on() == expected


class Left(Exception):
    """Something that goes wrong inside of the loop."""


@pytest.mark.parametrize("at", [1, 20])
@pytest.mark.parametrize("how", ["break", "exception", "return", "with"])
def test_a_loop_that_is_left_puts_everything_back_too(how: str, at: int) -> None:
    training = Training()
    before = training.everything()
    finder = cd.find_lr(training.optimizer, model=training.model, updates=60)

    def loop() -> None:
        for turn, _ in enumerate(finder):
            finder.observe(training.update())
            if turn == at:
                if how == "exception":
                    raise Left
                if how == "return":
                    return
                break

    if how == "exception":
        with pytest.raises(Left) as caught:
            loop()
        assert caught.value.__traceback__ is not None  # the frames live, and yet all is back
    elif how == "with":
        turns = iter(finder)
        with finder:
            for _ in range(at):
                next(turns)
                finder.observe(training.update())
    else:
        loop()
    assert same(training.everything(), before)
    with pytest.raises(DriverError, match="was left before it was over"):
        _ = finder.result


def test_tensors_groups_and_lists_remain_the_objects_that_they_were() -> None:
    training = Training()
    held = [training.optimizer.param_groups, *training.optimizer.param_groups]
    held += [*training.model.parameters(), *training.model.buffers()]
    held += [state["exp_avg"] for state in training.optimizer.state.values()]
    search(training)
    now = [training.optimizer.param_groups, *training.optimizer.param_groups]
    now += [*training.model.parameters(), *training.model.buffers()]
    now += [state["exp_avg"] for state in training.optimizer.state.values()]
    assert all(a is b for a, b in zip(held, now, strict=True))


def test_hooks_are_gone_afterwards() -> None:
    training = Training()
    before = len(training.optimizer._optimizer_step_post_hooks)
    search(training)
    assert len(training.optimizer._optimizer_step_post_hooks) == before


def test_buffers_that_are_not_saved_and_other_states_are_put_back_too() -> None:
    training = Training()
    training.model.register_buffer("seen", torch.zeros(1), persistent=False)
    generator = torch.Generator().manual_seed(3)
    other = np.random.default_rng(4)
    state, plain = generator.get_state(), copy.deepcopy(other.bit_generator.state)
    finder = cd.find_lr(training.optimizer, model=training.model, updates=40, also=[generator, other])
    for _ in finder:
        training.model.seen += torch.rand(1, generator=generator) + other.random()
        training.model.seen = training.model.seen.clone()
        finder.observe(training.update())
    assert training.model.seen.item() == 0
    assert torch.equal(generator.get_state(), state)
    assert other.bit_generator.state == plain


def test_a_driver_that_was_there_before_goes_on_where_it_stood() -> None:
    training = Training(updates=0)
    driver = cd.drive(training.optimizer, "warmup(10) >> cosine()", total=100)
    for _ in range(3):
        training.update()
        driver.step()
    rates = [group["lr"] for group in training.optimizer.param_groups]
    finder = cd.find_lr(training.optimizer, model=training.model, updates=40, also=[driver])
    for _ in finder:
        finder.observe(training.update())
    assert [group["lr"] for group in training.optimizer.param_groups] == rates
    training.update()
    driver.step()
    assert driver.t == 4


# ---- what counts -----------------------------------------------------------------------------------------------------


def test_groups_keep_the_ratio_of_their_rates() -> None:
    training = Training(lr=2e-4)
    finder = cd.find_lr(training.optimizer, model=training.model, updates=40)
    for lr in finder:
        first, second = (group["lr"] for group in training.optimizer.param_groups)
        assert (first, second) == (lr, pytest.approx(0.2 * lr, rel=1e-12))
        finder.observe(training.update())
    assert finder.result.own == (1e-3, 2e-4)
    assert finder.result.names == ("body", "head")
    if finder.result.rates is not None:
        assert finder.result.rates[1] == pytest.approx(0.2 * finder.result.rate)


def test_a_group_without_a_rate_stays_without_one() -> None:
    training = Training("sgd", lr=0.0)
    before = training.model[4].weight.clone()
    finder = cd.find_lr(training.optimizer, model=training.model, updates=40)
    for _ in finder:
        finder.observe(training.update())
        assert torch.equal(training.model[4].weight, before)


def test_micro_batches_count_with_their_mean() -> None:
    whole, parts = Training(updates=0), Training(updates=0)
    losses = [0.7 - 0.4 / (1 + np.exp(-(k % 20 - 10))) for k in range(60)]
    results = []
    for training, shifts in ((whole, (0.0,)), (parts, (-0.1, 0.1))):
        finder = cd.find_lr(training.optimizer, model=training.model, updates=60)
        for turn, _ in enumerate(finder):
            training.update()
            for shift in shifts:
                finder.observe(losses[turn] + shift)
        results.append(finder.result)
    for row, other in zip(results[0].swept.losses, results[1].swept.losses, strict=True):
        np.testing.assert_allclose(row, other)


class Scaler:
    """Skips every third update, as a loss scaler that overflows does."""

    def __init__(self) -> None:
        self.turn = 0

    def step(self, training: Training) -> None:
        self.turn += 1
        if self.turn % 3:
            training.optimizer.step()


def test_skipped_updates_do_not_count_and_their_rate_comes_again() -> None:
    training, scaler = Training(), Scaler()
    finder = cd.find_lr(training.optimizer, model=training.model, updates=40)
    rates, turns = [], 0
    for lr in finder:
        turns += 1
        training.optimizer.zero_grad()
        loss = training.loss()
        loss.backward()
        scaler.step(training)
        finder.observe(loss)
        rates.append(lr)
    found = finder.result
    assert found.skipped == turns // 3
    assert found.swept.updates == turns - found.skipped <= 40
    assert all(rates[k] == rates[k - 1] for k in range(3, turns, 3))


def test_a_real_loss_scaler_is_put_back_and_its_skips_are_seen() -> None:
    training = Training()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=5)
    finder = cd.find_lr(training.optimizer, model=training.model, updates=40, scaler=scaler)
    for turn, _ in enumerate(finder):
        training.optimizer.zero_grad()
        loss = training.loss()
        scaled = scaler.scale(loss)
        scaled.backward()
        if turn == 0:
            training.model[0].weight.grad.fill_(float("inf"))
        scaler.step(training.optimizer)
        scaler.update()
        finder.observe(loss.detach())
    assert finder.result.skipped >= 1
    assert scaler.get_scale() == 2.0**40
    assert not scaler._per_optimizer_states


def test_a_budget_may_be_a_share_of_the_run() -> None:
    training = Training()
    found = search(training, updates="5%", total="50 epochs", steps_per_epoch=20)  # type: ignore[arg-type]
    assert 40 <= found.swept.updates <= 50
    with pytest.raises(HorizonError, match="unknown length"):
        cd.find_lr(training.optimizer, model=training.model, updates="5%")


def test_repeats_begin_from_the_same_state_and_see_other_batches() -> None:
    training = Training()
    seen: list[tuple[float, Any]] = []
    finder = cd.find_lr(training.optimizer, model=training.model, updates=40, start=1e-4, end=1.0, repeats=2)
    for lr in finder:
        seen.append((lr, training.model[0].weight.detach().clone()))
        finder.observe(training.update())
    begin = [weight for lr, weight in seen if lr == 1e-4]
    assert len(begin) == 2
    assert torch.equal(*begin)
    rates = [lr for lr, _ in seen]
    assert rates[:20] == rates[20:] == pytest.approx(np.geomspace(1e-4, 1.0, 20))
    assert finder.result.swept.losses[0] != finder.result.swept.losses[1]
    assert not finder.result.swept.scout_losses


class Cautious(torch.optim.SGD):
    """An optimizer whose step calls that of its parent, which torch tells its hooks of, too."""

    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


def test_a_step_that_calls_the_step_of_its_parent_is_one_update() -> None:
    training = Training("sgd", updates=1)
    training.optimizer = Cautious(training.model.parameters(), lr=0.1)
    hooks = training.optimizer._optimizer_step_pre_hooks, training.optimizer._optimizer_step_post_hooks
    found = search(training)
    assert 45 <= found.swept.updates <= 60
    assert found.skipped == 0
    assert not any(hooks)


def test_a_mean_of_micro_batches_may_be_told_as_tensors_numbers_or_integers() -> None:
    training = Training(updates=0)
    finder = cd.find_lr(training.optimizer, model=training.model, updates=40)
    for _ in finder:
        training.update()
        for loss in (torch.tensor(2.0), 1, np.float32(0.5), 0.5):
            finder.observe(loss)
    assert {loss for row in finder.result.swept.losses for loss in row} == {1.0}


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"start": 1.0, "end": 1e-3}, SpecError, "upside down"),
        ({"start": -1.0}, SpecError, "positive"),
        ({"updates": LEAST - 1}, SpecError, f"at least {LEAST}"),
        ({"repeats": 0}, SpecError, "at least 1"),
        ({"repeats": 9, "updates": 50}, SpecError, "at least 81"),
        ({"model": None}, DriverError, "needs the model"),
        ({"model": 3}, DriverError, "torch module"),
        ({"also": [3]}, DriverError, "cannot be put back"),
        ({"seed": 3}, DriverError, "seed= and progress="),
    ],
)
def test_what_no_test_can_be_made_of_is_refused_at_once(
    options: dict[str, Any], error: type[Exception], told: str
) -> None:
    training = Training(updates=0)
    with pytest.raises(error, match=told):  # noqa: PT012
        finder = cd.find_lr(training.optimizer, **{"model": training.model, **options})
        next(iter(finder))


def test_an_optimizer_whose_rates_are_all_0_is_refused() -> None:
    model = torch.nn.Linear(1, 1)
    with pytest.raises(OptimizerError, match="every parameter group is 0"):
        cd.find_lr(torch.optim.SGD(model.parameters(), lr=0.0), model=model)


def test_what_is_no_optimizer_is_refused() -> None:
    with pytest.raises(DriverError, match="torch or paddle optimizer"):
        cd.find_lr(object(), model=torch.nn.Linear(1, 1))


def test_a_loop_that_tells_no_loss_is_told_so() -> None:
    training = Training()
    before = training.everything()
    with pytest.raises(DriverError, match="no loss was told"):  # noqa: PT012
        for _ in cd.find_lr(training.optimizer, model=training.model):
            training.update()
    assert same(training.everything(), before)


def test_a_loop_that_never_steps_the_optimizer_is_told_so() -> None:
    training = Training()
    finder = cd.find_lr(training.optimizer, model=training.model)
    with pytest.raises(DriverError, match="did no update"):  # noqa: PT012
        for _ in finder:
            finder.observe(1.0)


def test_two_updates_in_one_turn_are_refused() -> None:
    training = Training()
    finder = cd.find_lr(training.optimizer, model=training.model)
    with pytest.raises(DriverError, match="did 2 updates"):  # noqa: PT012
        for _ in finder:
            training.update()
            finder.observe(training.update())


def test_a_finder_is_gone_through_once() -> None:
    training = Training()
    finder = cd.find_lr(training.optimizer, model=training.model, updates=30)
    with pytest.raises(DriverError, match="belongs into the loop"):
        finder.observe(1.0)
    with pytest.raises(DriverError, match="has not begun"):
        _ = finder.result
    for _ in finder:
        finder.observe(training.update())
    with pytest.raises(DriverError, match="is over"):
        iter(finder)


@pytest.mark.parametrize(
    ("loss", "reason"),
    [(lambda lr: float("nan"), "nan"), (lambda lr: 1.0, "constant"), (lambda lr: 1.0 + lr * 1e30, "diverges")],
)
def test_losses_that_say_nothing_end_in_a_sentence(loss: Any, reason: str) -> None:
    training = Training()
    finder = cd.find_lr(training.optimizer, model=training.model, updates=60)
    before = np.inf
    for lr in finder:
        training.update()
        fresh, before = lr <= before, lr
        finder.observe(1.0 if fresh and reason != "nan" else loss(lr))
    assert finder.result.suggestions.reason == reason
    assert finder.result.rate is None
    assert finder.result.suggestions.sentence in str(finder.result)
