"""The methods of other libraries, run in double precision on numpy arrays."""

from __future__ import annotations

import importlib
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Arrays = list[np.ndarray]
Gradients = Callable[[int], Arrays]


def run_peer(name: str, start: Arrays, gradients: Gradients, steps: int, lr: float, given: dict[str, Any]) -> Arrays:
    """What a peer makes of the starting values; the test is skipped where its library is missing."""
    library = name.partition(".")[0]
    return _RUNNERS[library](name, start, gradients, steps, lr, given)


def _torch(name: str, start: Arrays, gradients: Gradients, steps: int, lr: float, given: dict[str, Any]) -> Arrays:
    torch = pytest.importorskip("torch")
    folder, _, member = name.rpartition(".")
    module = _timm() if folder.startswith("timm") else pytest.importorskip(folder)
    xs = [torch.nn.Parameter(torch.tensor(v)) for v in start]
    optimizer = getattr(module, member)(xs, lr=lr, **given)
    for t in range(1, steps + 1):
        for x, g in zip(xs, gradients(t), strict=True):
            x.grad = torch.tensor(g)
        optimizer.step()
    return [x.detach().numpy() for x in xs]


def _timm() -> Any:
    """timm's optimizers without timm, whose other parts need torchvision."""
    folder = Path(sysconfig.get_paths()["purelib"], "timm", "optim")
    if not folder.is_dir():
        pytest.skip("timm is not installed")
    package = types.ModuleType("timm_optim_alone")
    package.__path__ = [str(folder)]
    sys.modules["timm_optim_alone"] = package
    members: dict[str, Any] = {}
    for file in ("lamb", "lars", "rmsprop_tf"):
        members |= vars(importlib.import_module(f"timm_optim_alone.{file}"))
    return types.SimpleNamespace(**members)


def _optax(name: str, start: Arrays, gradients: Gradients, steps: int, lr: float, given: dict[str, Any]) -> Arrays:
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    with _double(jax):
        method = getattr(optax, name.partition(".")[2])(lr, **given)
        values = [jax.numpy.asarray(v) for v in start]
        state = method.init(values)
        update = jax.jit(method.update)
        for t in range(1, steps + 1):
            updates, state = update([jax.numpy.asarray(g) for g in gradients(t)], state, values)
            values = optax.apply_updates(values, updates)
        return [np.asarray(v) for v in values]


def _keras(name: str, start: Arrays, gradients: Gradients, steps: int, lr: float, given: dict[str, Any]) -> Arrays:
    jax, keras = pytest.importorskip("jax"), pytest.importorskip("keras")
    if keras.config.backend() != "jax":
        pytest.skip("keras runs on another backend here")
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        with _double(jax):
            variables = [keras.Variable(v, dtype="float64") for v in start]
            optimizer = getattr(keras.optimizers, name.rpartition(".")[2])(lr, **given)
            optimizer.build(variables)
            for t in range(1, steps + 1):
                optimizer.apply([keras.ops.convert_to_tensor(g, dtype="float64") for g in gradients(t)], variables)
            return [np.asarray(v.value) for v in variables]
    finally:
        keras.config.set_floatx(before)


def _paddle(name: str, start: Arrays, gradients: Gradients, steps: int, lr: float, given: dict[str, Any]) -> Arrays:
    paddle = pytest.importorskip("paddle")
    folder, _, member = name.rpartition(".")
    values = [paddle.to_tensor(v, stop_gradient=False) for v in start]
    held = "parameter_list" if member == "LarsMomentumOptimizer" else "parameters"
    optimizer = getattr(importlib.import_module(folder), member)(lr, **{held: values, **given})
    for t in range(1, steps + 1):
        for x, g in zip(values, gradients(t), strict=True):
            x.grad = paddle.to_tensor(g)
        optimizer.step()
    return [v.numpy() for v in values]


def _double(jax: Any) -> Any:
    """Double precision for a while; its place moved between releases of jax."""
    home = jax if hasattr(jax, "enable_x64") else pytest.importorskip("jax.experimental")
    return home.enable_x64(True)


_RUNNERS = {
    "torch": _torch,
    "timm": _torch,
    "pytorch_optimizer": _torch,
    "optax": _optax,
    "keras": _keras,
    "paddle": _paddle,
}
