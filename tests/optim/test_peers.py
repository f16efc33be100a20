"""What is said about other libraries' methods is so: with the settings that are named, the numbers are theirs."""

from __future__ import annotations

import ast
import os
from typing import Any

import numpy as np
import pytest

from optim_cases import gradients, method, starting_values
from optim_peers import run_peer

# Keras looks for tensorflow where nothing is said.
os.environ.setdefault("KERAS_BACKEND", "jax")

torch = pytest.importorskip("torch")

from cadence.optim.rules.peers import PEERS, Peer  # noqa: E402

STEPS = 50
FEW = [0, 1, 5]  # a matrix, a fresh bias and a vector: what jax compiles, it compiles once for each
LR = 2.0**-6  # a rate that single precision has, too

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.script.*:DeprecationWarning", "ignore::DeprecationWarning:paddle.*"
)


def few(values: list[np.ndarray]) -> list[np.ndarray]:
    return [values[i] for i in FEW]


def ours(peer: Peer, settings: dict[str, Any]) -> list[np.ndarray]:
    xs = [torch.nn.Parameter(torch.tensor(v)) for v in few(starting_values())]
    groups: Any = xs
    if peer.name == "pytorch_optimizer.LARS":
        groups = [
            {"params": [x for x in xs if x.ndim > 1]},
            {"params": [x for x in xs if x.ndim < 2], "adapt": False, "weight_decay": 0.0},
        ]
    optimizer = method(peer.method)(groups, lr=LR, compiled=False, **settings)
    for t in range(1, STEPS + 1):
        for x, g in zip(xs, few(gradients(t)), strict=True):
            x.grad = torch.tensor(g)
        optimizer.step()
    return [x.detach().numpy() for x in xs]


def given_by(call: str) -> dict[str, Any]:
    """Arguments as they are written."""
    parsed = ast.parse(f"f({call})", mode="eval").body
    assert isinstance(parsed, ast.Call)
    return {str(k.arg): ast.literal_eval(k.value) for k in parsed.keywords}


# Numbers that single precision has, too: paddle keeps its settings in it. Theirs, and ours.
EXACT = {
    "paddle.optimizer.Lamb": (
        {"lamb_weight_decay": 2.0**-7, "beta1": 0.875, "beta2": 1 - 2.0**-7, "epsilon": 2.0**-20},
        {"weight_decay": 2.0**-7, "betas": (0.875, 1 - 2.0**-7), "eps": 2.0**-20},
    ),
    "paddle.incubate.optimizer.LarsMomentumOptimizer": (
        {"momentum": 0.875, "lars_weight_decay": 2.0**-11, "lars_coeff": 2.0**-10},
        {"momentum": 0.875, "weight_decay": 2.0**-11, "trust": 2.0**-10},
    ),
    "paddle.optimizer.RMSProp": ({"rho": 0.875, "epsilon": 2.0**-20}, {"alpha": 0.875, "eps": 2.0**-20}),
    "paddle.optimizer.Adagrad": ({"epsilon": 2.0**-20}, {"eps": 2.0**-20}),
    "paddle.optimizer.AdamW": (
        {"beta1": 0.875, "beta2": 1 - 2.0**-7, "epsilon": 2.0**-20, "weight_decay": 2.0**-7},
        {"betas": (0.875, 1 - 2.0**-7), "eps": 2.0**-20, "weight_decay": 2.0**-7},
    ),
}

RUN = [peer for peer in PEERS if not peer.name.startswith("adabound.")]  # their code is older than torch's today
CASES = [(p, call) for p in RUN if p.settings is not None for call in ("", *p.options)]


def assert_equal(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for a, b in zip(one, other, strict=True):
        # Relative to the tensor: single elements may pass near 0.
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * float(np.abs(b).max()))


@pytest.mark.parametrize(("peer", "call"), CASES, ids=lambda v: v.name if isinstance(v, Peer) else v or "defaults")
def test_with_the_settings_that_are_named_fifty_updates_are_those_of_the_peer(peer: Peer, call: str) -> None:
    assert peer.settings is not None
    theirs, own = EXACT.get(peer.name, ({}, {}))
    settings = {**peer.settings, **own, **(peer.options[call] if call else {})}
    given = {**theirs, **given_by(call)}
    assert_equal(
        ours(peer, settings),
        run_peer(peer.name, few(starting_values()), lambda t: few(gradients(t)), STEPS, LR, given),
    )


@pytest.mark.parametrize(
    ("peer", "call"), [c for c in CASES if c[1]], ids=lambda v: v.name if isinstance(v, Peer) else v
)
def test_every_option_that_is_named_makes_a_difference(peer: Peer, call: str) -> None:
    assert peer.settings is not None
    plain, chosen = ours(peer, dict(peer.settings)), ours(peer, {**peer.settings, **peer.options[call]})
    assert max(float(np.abs(a - b).max()) for a, b in zip(plain, chosen, strict=True)) > 1e-9


@pytest.mark.parametrize("peer", [p for p in RUN if p.settings is None], ids=lambda p: p.name)
def test_where_no_settings_are_named_there_is_a_difference(peer: Peer) -> None:
    theirs = run_peer(peer.name, few(starting_values()), lambda t: few(gradients(t)), STEPS, LR, {})
    near = ours(peer, {"weight_decay": 0.004, "eps": 1e-7})
    apart = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(near, theirs, strict=True))
    assert 1e-6 < apart < 1e-2


@pytest.mark.parametrize("weight_decay", [0.0, 0.01, 0.5])
def test_lamb_of_the_paper_is_that_of_optax(weight_decay: float) -> None:
    peer = Peer("lamb", "optax.lamb", "", {})
    given = {"weight_decay": weight_decay}
    theirs = run_peer(peer.name, few(starting_values()), lambda t: few(gradients(t)), STEPS, LR, given)
    assert_equal(ours(peer, given), theirs)


def test_adabound_of_the_authors_is_that_of_pytorch_optimizer_where_gradients_are_far_above_its_epsilon() -> None:
    peer = next(p for p in PEERS if p.name == "pytorch_optimizer.AdaBound")

    def of_size_one(t: int) -> list[np.ndarray]:
        return [np.sign(g) * (1 + np.abs(np.sin(g))) for g in few(gradients(t))]

    xs = [torch.nn.Parameter(torch.tensor(v)) for v in few(starting_values())]
    optimizer = method("adabound")(xs, lr=LR)
    for t in range(1, STEPS + 1):
        for x, g in zip(xs, of_size_one(t), strict=True):
            x.grad = torch.tensor(g)
        optimizer.step()
    theirs = run_peer(peer.name, few(starting_values()), of_size_one, STEPS, LR, {"weight_decouple": False})
    assert_equal([x.detach().numpy() for x in xs], theirs)
