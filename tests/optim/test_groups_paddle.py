"""Groups of a paddle model: the same division as of torch's, in paddle's words, and what its optimizers make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import OptimizerError

paddle = pytest.importorskip("paddle")
nn = paddle.nn

Groups = dict[str, dict[str, Any]]


class Block(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.linear = nn.Linear(4, 4)


class Model(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.blocks = nn.LayerList([Block(), Block()])
        self.head = nn.Linear(4, 1)

    def forward(self, x: Any) -> Any:
        x = self.embed(x)
        for block in self.blocks:
            x = x + block.linear(block.norm(x))
        return self.head(x)


def made(groups: Groups | None = None, **keys: Any) -> tuple[Any, Any]:
    paddle.seed(0)
    model = Model()
    return model, cd.parameter_groups(model, groups, lr=0.1, weight_decay=0.01, **keys)


def weights(model: Any) -> dict[str, Any]:
    return {name: p.numpy().copy() for name, p in model.named_parameters()}


def train(model: Any, optimizer: Any, driver: Any, updates: int) -> None:
    for _ in range(updates):
        model(paddle.to_tensor([[1, 2, 3]])).square().mean().backward()
        optimizer.step()
        optimizer.clear_grad()
        driver.step()


def test_names_types_roles_and_depths_are_found() -> None:
    groups: Groups = {
        "embed": {"parameters": "type:Embedding"},
        "norms": {"parameters": "role:norm"},
        "low": {"parameters": "blocks.0.*"},
    }
    _, found = made(groups, layer_decay=0.5)
    assert {row["group"]: row["names"] for row in found.rows()} == {
        "embed:0": ["embed.weight"],
        "norms:2": ["blocks.1.norm.weight", "blocks.1.norm.bias"],
        "low:1": [f"blocks.0.{n}" for n in ("norm.weight", "norm.bias", "linear.weight", "linear.bias")],
        "rest:2": ["blocks.1.linear.weight", "blocks.1.linear.bias"],
        "rest:3": ["head.weight", "head.bias"],
    }
    assert [row["values"]["lr"] for row in found.rows()] == [0.0125, 0.05, 0.025, 0.05, 0.1]


def test_the_division_is_that_of_the_same_model_in_torch() -> None:
    torch = pytest.importorskip("torch")

    class TorchBlock(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = torch.nn.LayerNorm(4)
            self.linear = torch.nn.Linear(4, 4)

    class TorchModel(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(7, 4)
            self.blocks = torch.nn.ModuleList([TorchBlock(), TorchBlock()])
            self.head = torch.nn.Linear(4, 1)

    keys: dict[str, Any] = {"no_decay": True, "layer_decay": 0.7, "lr": 0.1, "weight_decay": 0.01}
    groups: Groups = {"body": {"parameters": "role:matrix", "lr": "x0.1"}}
    assert (
        cd.parameter_groups(Model(), groups, **keys).rows() == cd.parameter_groups(TorchModel(), groups, **keys).rows()
    )


def test_an_optimizer_gives_each_group_its_rate_and_its_decay() -> None:
    model, groups = made({"head": {"parameters": "head.*", "lr": "x10"}}, no_decay=True)
    optimizer = paddle.optimizer.SGD(0.1, parameters=groups, weight_decay=0.5)
    driver = cd.drive(optimizer, "linear()", total=10)
    assert driver.curve.groups == ("head", "head:no_decay", "rest", "rest:no_decay")
    assert driver.values["lr"] == [1.0, 1.0, 0.1, 0.1]
    before = weights(model)
    for p in model.parameters():
        (p * 0.0).sum().backward()  # so that only the decay moves anything
    optimizer.step()
    for name, now in weights(model).items():
        decayed = before[name] * (1 - (1.0 if "head" in name else 0.1) * 0.01)
        bare = "bias" in name or "norm" in name
        np.testing.assert_allclose(now, before[name] if bare else decayed, rtol=1e-6)


def test_a_frozen_group_is_not_touched_until_it_is_thawed() -> None:
    model, groups = made({"embed": {"parameters": "embed.*", "frozen": 3}})
    optimizer = paddle.optimizer.AdamW(0.1, parameters=groups, weight_decay=0.1)
    driver = cd.drive(optimizer, "constant()", total=6)
    before = weights(model)
    train(model, optimizer, driver, 3)
    assert np.array_equal(weights(model)["embed.weight"], before["embed.weight"])
    assert not np.array_equal(weights(model)["head.weight"], before["head.weight"])
    train(model, optimizer, driver, 1)
    assert not np.array_equal(weights(model)["embed.weight"], before["embed.weight"])
    assert [e["kind"] for e in driver.journal] == ["freeze", "thaw"]


@pytest.mark.parametrize("name", ["paddle:adamw", "cadence:lamb"])
@pytest.mark.parametrize("t", [1, 2, 3, 4])
def test_what_is_frozen_is_known_after_a_resume(t: int, name: str) -> None:
    def training() -> tuple[Any, Any, Any]:
        model, groups = made({"embed": {"parameters": "embed.*", "frozen": 3}})
        optimizer = cd.optimizer(name, groups, lr=0.1)
        return model, optimizer, cd.drive(optimizer, "warmup(2) >> cosine()", total=6)

    first, unbroken = training(), training()
    train(*unbroken, 6)
    train(*first, t)
    resumed = training()
    resumed[0].set_state_dict(first[0].state_dict())
    moments = {k: v for k, v in first[1].state_dict().items() if k != "LR_Scheduler"}
    names = {a.name: b.name for a, b in zip(first[0].parameters(), resumed[0].parameters(), strict=True)}
    resumed[1].set_state_dict(_renamed(moments, names))
    resumed[2].load_state_dict(first[2].state_dict())
    assert resumed[0].embed.weight.stop_gradient is (t < 3)
    train(*resumed, 6 - t)
    for key, value in weights(unbroken[0]).items():
        np.testing.assert_array_equal(weights(resumed[0])[key], value)


def _renamed(state: Any, names: dict[str, str]) -> Any:
    """A second model in one process has other names, by which an optimizer's state is known."""
    if not isinstance(state, dict):
        return state
    old = {key: max((n for n in names if key.startswith(n)), key=len, default="") for key in state}
    return {
        names.get(old[key], "") + key.removeprefix(old[key]): _renamed(value, names) for key, value in state.items()
    }


def test_a_rate_of_its_own_needs_the_optimizers() -> None:
    groups = cd.parameter_groups(Model(), {"head": {"parameters": "head.*", "lr": 0.5}})
    with pytest.raises(OptimizerError, match=r"'head' has the rate 0[.]5, which paddle takes as a multiple"):
        list(groups)
    assert groups.entries()[0]["lr"] == 0.5


def test_an_optimizer_by_name_takes_the_groups_too() -> None:
    _, groups = made({"head": {"parameters": "head.*", "lr": "x10"}}, no_decay=True)
    optimizer = cd.optimizer("adamw", groups, lr=0.1)
    assert cd.drive(optimizer, {"lr": "linear()", "weight_decay": 1}, total=10).values == {
        "lr": pytest.approx([1.0, 1.0, 0.1, 0.1]),
        "weight_decay": [0.01, 0.0, 0.01, 0.0],
    }
