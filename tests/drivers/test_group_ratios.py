"""Groups under one schedule keep their ratio, whatever happens: at any update, in any order of events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cadence as cd

SCHEDULES = [
    "warmup('10%') >> cosine(to=0.05)",
    "warmup(5) >> steps(at=[12, 20], gamma=0.3)",
    "wsd(warmup='10%', cooldown='20%', to=0.1)",
    "restarts(8, to=0.1, decay=0.7)",
    "one_cycle()",
    "exponential(to=0.02)",
    "warmup(4) >> constant() * plateau('val_loss', factor=0.5, patience=0)",
    "linear(to=0.1) * plateau('val_loss', factor=0.3, patience=1)",
    "formula('1 / sqrt(1 + t)')",
]
TOTAL = 30


class Side:
    """A framework's optimizers with a group for each base, and what can happen to them."""

    def __init__(self, bases: list[list[float]], schedule: str, total: int = TOTAL) -> None:
        self.schedule, self.total, self.bases = schedule, total, [list(b) for b in bases]
        self.weights = [1.0 for own in bases for _ in own]
        self.make()

    def make(self) -> None:
        self.optimizers = [self.optimizer(own) for own in self.bases]
        self.driver = cd.drive(self.optimizers, self.schedule, total=self.total)

    def optimizer(self, bases: list[float]) -> Any:
        raise NotImplementedError

    def update(self) -> None:
        raise NotImplementedError

    def add(self, base: float) -> None:
        raise NotImplementedError

    def rates(self) -> list[float]:
        raise NotImplementedError

    def resume(self) -> None:
        """Everything anew, at other rates, and the driver's state loaded."""
        state = self.driver.state_dict()
        self.bases = [[3.0 * x for x in own] for own in self.bases]
        self.make()
        self.driver.load_state_dict(state)
        self.bases = [[x / 3.0 for x in own] for own in self.bases]

    def check(self) -> None:
        """Each rate, over its base and over what was set for its group alone, is the same number."""
        flat = [x for own in self.bases for x in own]
        common = [rate / (base * w) for rate, base, w in zip(self.rates(), flat, self.weights, strict=True)]
        assert common == pytest.approx([common[0]] * len(common), rel=1e-10)


def torch_side() -> type[Side]:
    torch = pytest.importorskip("torch")

    class TorchSide(Side):
        def optimizer(self, bases: list[float]) -> Any:
            groups = [{"params": [torch.ones(1, requires_grad=True)], "lr": base} for base in bases]
            return torch.optim.SGD(groups, lr=1.0)

        def update(self) -> None:
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    for p in group["params"]:
                        p.grad = torch.ones_like(p)
                optimizer.step()
            self.driver.step()

        def add(self, base: float) -> None:
            self.optimizers[-1].add_param_group({"params": [torch.ones(1, requires_grad=True)], "lr": base})
            self.bases[-1].append(base)
            self.weights.append(1.0)
            # The driver notices before the next update.
            self.update()

        def rates(self) -> list[float]:
            return [group["lr"] for optimizer in self.optimizers for group in optimizer.param_groups]

    return TorchSide


def paddle_side() -> type[Side]:
    paddle = pytest.importorskip("paddle")

    def parameter() -> Any:
        return paddle.create_parameter([1], "float32")

    class PaddleSide(Side):
        def optimizer(self, bases: list[float]) -> Any:
            # A group's rate is a multiple of the optimizer's.
            groups = [{"params": [parameter()], "learning_rate": base / bases[0]} for base in bases]
            return paddle.optimizer.SGD(learning_rate=bases[0], parameters=groups)

        def update(self) -> None:
            for optimizer in self.optimizers:
                for group in optimizer._param_groups:
                    sum(p.sum() for p in group["params"]).backward()
                optimizer.step()
                optimizer.clear_grad()
            self.driver.step()

        def add(self, base: float) -> None:
            optimizer = self.optimizers[-1]
            multiple = base / self.bases[-1][0]
            optimizer._add_param_group({"params": [parameter()], "learning_rate": multiple})
            self.bases[-1].append(base)
            self.weights.append(1.0)
            self.update()

        def rates(self) -> list[float]:
            return [
                optimizer.get_lr() * group["learning_rate"]
                for optimizer in self.optimizers
                for group in optimizer._param_groups
            ]

    return PaddleSide


Event = tuple[str, float]

EVENTS = st.lists(
    st.tuples(st.sampled_from(["update", "observe", "set", "set one", "hold", "rewarm", "resume", "add"]),
              st.floats(0.1, 4.0)),
    max_size=14,
)  # fmt: skip
BASES = st.lists(st.lists(st.floats(1e-5, 10.0), min_size=1, max_size=3), min_size=1, max_size=2)


def play(side: Side, events: list[Event]) -> None:
    def current(g: int = 0) -> float:
        return side.driver.values["lr"][g] or 0.0

    def set_one(x: float) -> None:
        g = len(side.weights) - 1
        side.driver.set(g, lr=current(g) * x)
        side.weights[g] *= x

    acts: dict[str, Callable[[float], Any]] = {
        "update": lambda x: [side.update() for _ in range(1 + int(x))],
        "observe": lambda x: side.driver.observe({"val_loss": x}),
        "set": lambda x: side.driver.set(lr=current() * x),
        "set one": set_one,
        "hold": lambda x: side.driver.hold(1 + int(x)),
        "rewarm": lambda x: side.driver.rewarm(1 + int(x), start=x / 10),
        "resume": lambda x: side.resume(),
        "add": side.add,
    }
    side.check()
    for name, x in events:
        acts[name](x)
        side.check()


@given(BASES, st.sampled_from(SCHEDULES), EVENTS)
@settings(max_examples=120)
def test_ratios_survive_everything_in_torch(bases: Any, schedule: str, events: list[Event]) -> None:
    side = torch_side()(bases, schedule)
    play(side, events)
    for _ in range(TOTAL):
        side.update()
        side.check()


@given(BASES, st.sampled_from(SCHEDULES), EVENTS)
@settings(max_examples=25)
def test_ratios_survive_everything_in_paddle(bases: Any, schedule: str, events: list[Event]) -> None:
    side = paddle_side()(bases, schedule)
    play(side, events)
    for _ in range(5):
        side.update()
        side.check()
