"""The range test in a loop of one's own, in paddle."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

paddle = pytest.importorskip("paddle")

import cadence as cd  # noqa: E402
from cadence._errors import DriverError  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:When training, we now always track global mean and variance")

ROWS = np.random.default_rng(5).standard_normal((96, 8)).astype("float32")
TARGETS = ROWS[:, :1] - ROWS[:, 1:2]


class Training:
    """A small training with everything that a test could leave behind."""

    def __init__(self, optimizer: str, updates: int) -> None:
        paddle.set_device("cpu")
        paddle.seed(1)
        random.seed(1)
        np.random.seed(1)
        self.model = paddle.nn.Sequential(
            paddle.nn.Linear(8, 16), paddle.nn.BatchNorm1D(16), paddle.nn.ReLU(), paddle.nn.Dropout(0.2),
            paddle.nn.Linear(16, 1),
        )  # fmt: skip
        body = [*self.model[0].parameters(), *self.model[1].parameters()]
        groups = [{"params": body}, {"params": self.model[4].parameters(), "learning_rate": 0.5}]
        kinds: dict[str, Any] = {
            "adamw": lambda: paddle.optimizer.AdamW(1e-3, parameters=groups),
            "plain": lambda: paddle.optimizer.Adam(1e-3, parameters=self.model.parameters()),
            "momentum": lambda: paddle.optimizer.Momentum(0.05, parameters=groups),
            "lamb": lambda: cd.optimizer("lamb", self.model, lr=1e-3),
        }
        self.optimizer = kinds[optimizer]()
        for _ in range(updates):
            self.update()

    def update(self) -> Any:
        rows = np.random.permutation(len(ROWS))[:16]
        inputs, targets = paddle.to_tensor(ROWS[rows]), paddle.to_tensor(TARGETS[rows])
        loss = ((self.model(inputs) - targets) ** 2).mean()
        loss.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        return loss

    def everything(self) -> dict[str, Any]:
        state = {k: v for k, v in self.optimizer.state_dict().items() if isinstance(v, paddle.Tensor)}
        return {
            "model": {k: v.numpy().copy() for k, v in self.model.state_dict().items()},
            "state": {k: v.numpy().copy() for k, v in state.items()},
            "modes": [layer.training for layer in self.model.sublayers()],
            "rate": self.optimizer.get_lr(),
            "multiples": [p.optimize_attr["learning_rate"] for p in self.model.parameters()],
            "numpy": np.random.get_state()[1].copy(),
            "drawn": self.drawn(),
        }

    @staticmethod
    def drawn() -> Any:
        """What paddle would draw next; its state says nothing that could be compared."""
        state = paddle.get_rng_state()
        numbers = paddle.rand([4]).numpy()
        paddle.set_rng_state(state)
        return numbers


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(np.array_equal(a, b))


@pytest.mark.parametrize("optimizer", ["adamw", "plain", "momentum", "lamb"])
@pytest.mark.parametrize("updates", [0, 3])
def test_everything_is_as_it_was_to_the_bit_and_training_goes_on_as_if_nothing_had_been(
    optimizer: str, updates: int
) -> None:
    # Paddle counts up the names of what it makes; each training is to count from the beginning, as in its own process.
    with paddle.utils.unique_name.guard():
        undisturbed = Training(optimizer, updates)
        expected = [float(undisturbed.update()) for _ in range(6)]
    with paddle.utils.unique_name.guard():
        training = Training(optimizer, updates)
        before = training.everything()
        finder = cd.find_lr(training.optimizer, model=training.model, updates=60)
        for lr in finder:
            assert training.optimizer.get_lr() == pytest.approx(lr)
            finder.observe(training.update())
        assert finder.result.swept.updates >= 45
        after = training.everything()
        if updates == 0:
            # The state that the first update would have made may be there already.
            before.pop("state")
            after.pop("state")
        assert same(before, after)
        assert "step" not in vars(training.optimizer)
        assert [float(training.update()) for _ in range(6)] == expected
    # A state under other names would fit no training that begins anew.
    assert training.optimizer.state_dict().keys() == undisturbed.optimizer.state_dict().keys()


@pytest.mark.parametrize("how", ["break", "exception"])
def test_a_loop_that_is_left_puts_everything_back_too(how: str) -> None:
    training = Training("adamw", 2)
    before = training.everything()
    finder = cd.find_lr(training.optimizer, model=training.model, updates=60)

    def loop() -> None:
        for turn, _ in enumerate(finder):
            finder.observe(training.update())
            if turn == 15:
                if how == "exception":
                    raise ValueError("left")
                break

    if how == "exception":
        with pytest.raises(ValueError, match="left"):
            loop()
    else:
        loop()
    assert same(training.everything(), before)


def test_groups_keep_their_ratio_and_skipped_updates_do_not_count() -> None:
    training = Training("adamw", 0)
    finder = cd.find_lr(training.optimizer, model=training.model, updates=40)
    turns = 0
    for _ in finder:
        turns += 1
        if turns % 4:
            finder.observe(training.update())
        else:
            finder.observe(1.0)
        assert training.optimizer._param_groups[1]["learning_rate"] == pytest.approx(0.5)
    assert finder.result.own == (1e-3, 5e-4)
    assert finder.result.skipped == turns // 4


def test_a_model_of_another_framework_is_refused() -> None:
    training = Training("plain", 0)
    with pytest.raises(DriverError, match="paddle layer"):
        cd.find_lr(training.optimizer, model=object())
