"""State as tensors and plain data, and back."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import numpy as np
import torch

from cadence._errors import StateError
from cadence.run.nested import put_together, take_apart
from cadence.run.torch_state import (
    Parts,
    random_state,
    read_tensors,
    set_random_state,
    write_tensors,
)


def there_and_back(state: Any, folder: Path) -> Any:
    parts = Parts()
    rest = json.loads(json.dumps(take_apart(state, "", parts)))
    write_tensors(folder / "x.safetensors", parts.tensors)
    return put_together(rest, read_tensors(folder / "x.safetensors"))


def test_a_nested_state_comes_back_with_its_kinds(tmp_path: Path) -> None:
    state = {
        "state": {0: {"step": torch.tensor(3.0), "mean": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)}, 1: {}},
        "groups": [{"betas": (0.9, 0.99), "lr": 0.1, "name": "a", "none": None, "params": [0, 1], "flag": True}],
        "number": np.float64(0.25),
        "empty": torch.zeros(0, 4),
        "tensor": "a text that is called as a tag is",
        "map": {"tensor": "x"},
    }
    back = there_and_back(state, tmp_path)
    assert back["groups"] == state["groups"]
    assert isinstance(back["groups"][0]["betas"], tuple)
    assert (back["number"], back["tensor"], back["map"]) == (0.25, state["tensor"], state["map"])
    mean = back["state"][0]["mean"]
    assert mean.dtype == torch.bfloat16
    assert torch.equal(mean, state["state"][0]["mean"])  # type: ignore[index]
    assert back["state"][0]["step"].shape == ()
    assert back["empty"].shape == (0, 4)


def test_memory_that_is_shared_is_saved_once_and_views_of_it_too(tmp_path: Path) -> None:
    whole = torch.arange(10.0)
    state = {"a": whole, "b": whole, "view": whole[2:5], "turned": whole.reshape(2, 5).T}
    back = there_and_back(state, tmp_path)
    assert all(torch.equal(back[name], state[name]) for name in state)
    parts = Parts()
    take_apart(state, "", parts)
    assert sorted(parts.tensors) == ["a", "turned", "view"]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"f": print}, "f is <built-in function print>, a builtin_function_or_method"),
        ({"a": [{"s": {1, 2}}]}, "a.0.s is {1, 2}, a set"),
        ({"k": {(1, 2): 3}}, "k is"),
        ({"s": torch.eye(2).to_sparse()}, "s is a tensor of layout torch.sparse_coo"),
    ],
)
def test_what_cannot_be_saved_is_named(state: Any, said: str) -> None:
    with pytest.raises(StateError) as caught:
        take_apart(state, "", Parts())
    assert str(caught.value).startswith(said)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"PK\x03\x04 pickled nonsense")
    with pytest.raises(StateError, match="holds no tensors"):
        read_tensors(tmp_path / "x.safetensors")
    with pytest.raises(StateError, match="has no tensor 'w'"):
        put_together({"tensor": "w"}, {})
    with pytest.raises(StateError, match="means nothing"):
        put_together({"code": "print()"}, {})


def test_every_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    outside = random_state()
    try:
        random.gauss(0, 1)  # leaves half a pair behind
        np.random.standard_normal()
        kept = there_and_back(random_state(), tmp_path)
        first = random.gauss(0, 1), np.random.standard_normal(), torch.rand(2).tolist()
        set_random_state(kept)
        assert (random.gauss(0, 1), np.random.standard_normal(), torch.rand(2).tolist()) == first
    finally:
        set_random_state(outside)


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Adagrad", "RMSprop", "NAdam", "Adafactor", "LBFGS", "Rprop", "ASGD"])
def test_the_state_of_torchs_optimizers_comes_back_to_the_bit(name: str, tmp_path: Path) -> None:
    def build() -> tuple[Any, Any]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        return layer, getattr(torch.optim, name)(layer.parameters(), lr=0.01)

    def go(layer: Any, optimizer: Any, updates: int) -> None:
        for _ in range(updates):

            def loss() -> Any:
                optimizer.zero_grad()
                value = (layer(torch.ones(4, 3)) ** 2).mean()
                value.backward()
                return value

            optimizer.step(loss)

    layer, optimizer = build()
    go(layer, optimizer, 3)
    state = there_and_back({"model": layer.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path)
    go(layer, optimizer, 3)
    other, resumed = build()
    other.load_state_dict(state["model"])
    resumed.load_state_dict(state["optimizer"])
    go(other, resumed, 3)
    assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), other.parameters(), strict=True))
