"""One spec for both frameworks: what is named as in torch is the same training in paddle."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

paddle = pytest.importorskip("paddle")
torch = pytest.importorskip("torch")

import cadence as cd  # noqa: E402
from cadence._errors import OptimizerError  # noqa: E402
from cadence.optim.find import find  # noqa: E402
from cadence.optim.make import optimizer, optimizer_names  # noqa: E402
from cadence.optim.paddle_names import BETAS, METHODS  # noqa: E402

SHAPES = ((4, 3), (5,))


def weights(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in SHAPES]


def in_torch(name: str, lr: float, options: list[dict[str, Any]] | None, **arguments: Any) -> list[np.ndarray]:
    ps = [torch.nn.Parameter(torch.tensor(w)) for w in weights(0)]
    entries = ps if options is None else [{"params": [p], **o} for p, o in zip(ps, options, strict=True)]
    made = optimizer(name, entries, lr=lr, **arguments)
    for t in range(20):
        for p, g in zip(ps, weights(100 + t), strict=True):
            p.grad = torch.tensor(g)
        made.step()
    return [p.detach().numpy() for p in ps]


def in_paddle(name: str, lr: float, options: list[dict[str, Any]] | None, **arguments: Any) -> list[np.ndarray]:
    ps = [paddle.create_parameter(list(w.shape), "float64") for w in weights(0)]
    for p, w in zip(ps, weights(0), strict=True):
        p.set_value(w)
    entries = ps if options is None else [{"params": [p], **o} for p, o in zip(ps, options, strict=True)]
    made = optimizer(name, entries, lr=lr, **arguments)
    for t in range(20):
        made.clear_grad()
        sum((p * paddle.to_tensor(g)).sum() for p, g in zip(ps, weights(100 + t), strict=True)).backward()
        made.step()
    return [p.numpy() for p in ps]


CASES: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}),
    ("sgd", {"weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("adam", {}),
    ("adam", {"betas": [0.8, 0.95], "eps": 1e-4, "weight_decay": 0.1}),
    ("adam", {"amsgrad": True}),
    ("adamw", {}),
    ("adamw", {"betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 1}),
    ("adamax", {}),
    ("nadam", {"betas": (0.8, 0.95), "momentum_decay": 0.01}),
    ("radam", {"weight_decay": 0.1}),
    ("adadelta", {}),
    ("adagrad", {}),
    ("adagrad", {"initial_accumulator_value": 0.1, "weight_decay": 0.1}),
    ("torch:rmsprop/paddle:rmsprop", {}),
    ("torch:rmsprop/paddle:rmsprop", {"alpha": 0.9, "momentum": 0.9, "centered": True}),
    ("rprop", {}),
    ("lamb/paddle:lamb", {}),
    ("lamb/paddle:lamb", {"weight_decay": 0.1, "eps": 1e-4}),
    ("lamb", {"betas": (0.8, 0.95)}),
    ("lars", {"weight_decay": 0.1}),
    ("lars/paddle:lars", {}),
    ("lars/paddle:lars", {"trust": 0.01, "momentum": 0.5, "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_one_spec_is_one_training(name: str, arguments: dict[str, Any]) -> None:
    name, _, theirs = name.partition("/")
    theirs = theirs or name
    for ours, other in zip(
        in_torch(name, 0.01, None, **arguments), in_paddle(theirs, 0.01, None, **arguments), strict=True
    ):
        # Paddle keeps settings as float32, and adds the epsilon of adamax elsewhere.
        np.testing.assert_allclose(other, ours, rtol=1e-5, atol=1e-6)


GROUPED = ("sgd", "adam", "adamw", "adamax", "nadam", "adagrad", "adadelta", "rmsprop", "radam", "lamb")


@pytest.mark.parametrize("name", [*GROUPED, "momentum"])
def test_groups_have_rates_and_decays_of_their_own(name: str) -> None:
    arguments = {"momentum": 0.9} if name == "momentum" else {}
    name = "sgd" if name == "momentum" else name
    options = [{"lr": 0.05, "weight_decay": 0}, {"weight_decay": 0.3, "name": "rest"}]
    for ours, other in zip(
        in_torch(name, 0.01, options, **arguments), in_paddle(name, 0.01, options, **arguments), strict=True
    ):
        np.testing.assert_allclose(other, ours, rtol=1e-5, atol=1e-6)


def test_groups_have_moments_of_their_own() -> None:
    options = [{"betas": (0.5, 0.9)}, {"eps": 1e-2}]
    for ours, other in zip(in_torch("adam", 0.01, options), in_paddle("adam", 0.01, options), strict=True):
        np.testing.assert_allclose(other, ours, rtol=1e-5, atol=1e-6)
    options = [{"momentum": 0.5}, {}]
    for ours, other in zip(in_torch("sgd", 0.01, options), in_paddle("sgd", 0.01, options), strict=True):
        np.testing.assert_allclose(other, ours, rtol=1e-5, atol=1e-6)


# ---- the table is that of the classes --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_name_of_the_table_is_an_argument_of_the_class(name: str) -> None:
    spelling = METHODS[name]
    known = {p for path, _ in spelling.classes for p in find_class(path)}
    spelled = {theirs for theirs in spelling.names.values() if theirs} | spelling.own
    spelled |= set(BETAS) if "betas" in spelling.names else set()
    assert spelled <= known
    # Nothing of the class is out of reach, but what the optimizer itself gives.
    assert known - spelled <= {"learning_rate", "parameters", "parameter_list", "name", "regularization"}


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"lamb", "lars", "asgd"}))
def test_what_is_left_out_is_the_default_of_torch(name: str) -> None:
    spelling = METHODS[name]
    torchs = find(f"torch:{name}", "torch").parameters
    for key, theirs in spelling.names.items():
        if key not in torchs or key == "weight_decay":
            continue
        meant = torchs[key].default
        classes = [find_class(path) for path, _ in spelling.classes]
        for parameters in classes:
            if key == "betas":
                default = spelling.defaults.get(key, tuple(parameters[b].default for b in BETAS))
            elif theirs in parameters:
                default = spelling.defaults.get(key, parameters[theirs].default)
            else:
                continue
            assert default == meant


def find_class(path: str) -> dict[str, inspect.Parameter]:
    module, _, cls = path.partition(":")
    place = paddle.optimizer if module == "paddle.optimizer" else paddle.incubate.optimizer
    return dict(inspect.signature(getattr(place, cls)).parameters)


def test_names_for_paddle_are_those_of_paddle_and_ours() -> None:
    assert {"adamw", "sgd", "lamb", "lars"} <= set(optimizer_names("paddle"))
    assert "lion" not in optimizer_names("paddle")


# ---- what is taken ---------------------------------------------------------------------------------------------------


def test_of_a_layer_the_trainable_parameters_are_taken() -> None:
    net = paddle.nn.Sequential(paddle.nn.Linear(3, 3), paddle.nn.Linear(3, 2))
    for p in net[0].parameters():
        p.stop_gradient = True
    made = optimizer("adam", net, lr=1)
    assert [p.name for p in made._parameter_list] == [p.name for p in net[1].parameters()]
    assert made.get_lr() == 1.0
    assert len(optimizer("adam", net.named_parameters(), lr=0.1)._parameter_list) == 4


def test_sgd_with_momentum_is_paddles_momentum() -> None:
    net = paddle.nn.Linear(3, 2)
    assert type(optimizer("sgd", net, lr=0.1)) is paddle.optimizer.SGD
    made = optimizer("sgd", net, lr=0.1, momentum=0.8, nesterov=True)
    assert type(made) is paddle.optimizer.Momentum
    assert (made._momentum, made._use_nesterov) == (0.8, True)


def test_a_scheduler_of_ours_is_taken_as_the_rate_and_groups_are_multiples_of_its_base() -> None:
    net = paddle.nn.Linear(3, 2)
    scheduler = cd.paddle_scheduler("linear(4)", base=0.2)
    made = optimizer("adamw", [{"params": [net.weight], "lr": 0.1}, {"params": [net.bias]}], lr=scheduler)
    assert made.get_lr() == 0.2
    assert [g.get("learning_rate", 1.0) for g in made._param_groups] == [0.5, 1.0]
    scheduler.step()
    assert made.get_lr() == pytest.approx(0.15)
    warm = paddle.optimizer.lr.LinearWarmup(0.2, warmup_steps=10, start_lr=0.0, end_lr=0.2)
    made = optimizer("adamw", [{"params": [net.weight], "lr": 0.1}, {"params": [net.bias]}], lr=warm)
    assert [g.get("learning_rate", 1.0) for g in made._param_groups] == [0.5, 1.0]


def test_a_driver_sees_the_absolute_rates_of_groups() -> None:
    net = paddle.nn.Linear(3, 2)
    made = optimizer("adamw", [{"params": [net.weight], "lr": 0.3}, {"params": [net.bias]}], lr=0.1)
    driver = cd.drive(made, "constant()")
    assert driver.values["lr"] == pytest.approx([0.3, 0.1])


def test_paddles_own_arguments_go_by_their_names() -> None:
    clip = paddle.nn.ClipGradByGlobalNorm(1.0)
    made = optimizer("adamw", paddle.nn.Linear(3, 2), lr=0.1, grad_clip=clip, weight_decay=0.1)
    assert made._grad_clip is clip
    l1 = paddle.regularizer.L1Decay(0.1)
    assert optimizer("sgd", paddle.nn.Linear(3, 2), lr=0.1, weight_decay=l1).regularization is l1


# ---- slips -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("adam", {"beta1": 0.9}, "no argument 'beta1' here; did you mean 'betas=(beta1, beta2)'?"),
        ("adam", {"epsilon": 1e-8}, "did you mean 'eps'"),
        ("paddle:rmsprop", {"rho": 0.9}, "did you mean 'alpha'"),
        ("sgd", {"momentum": 0.9, "use_nesterov": True}, "did you mean 'nesterov'"),
        ("paddle:lamb", {"lamb_weight_decay": 0.1}, "did you mean 'weight_decay'"),
        ("sgd", {"momentun": 0.9}, "did you mean 'momentum'"),
        ("sgd", {"dampening": 0.1}, "paddle's 'sgd' has no argument 'dampening', only torch's has"),
        ("adamw", {"fused": True}, "only torch's has; leave it out, or train in torch"),
        ("sgd", {"nesterov": True}, "nesterov=True without momentum"),
        ("adam", {"betas": (0.9, 1.0)}, "each must lie in [0, 1)"),
        ("adam", {"betas": 0.9}, "must be 2 numbers"),
        ("adam", {"eps": "1e-8"}, "not the text '1e-8'"),
        ("adam", {"weight_decay": float("nan")}, "finite number, not nan"),
        ("adam", {"amsgrad": 1}, "true or false"),
        ("adamw", {"weight_decay": -0.1}, "at least 0, not -0.1"),
        ("adam", {"eps": -1e-8}, "eps of the optimizer 'adam' must be a finite number of at least 0"),
        ("sgd", {"momentum": -0.9}, "momentum of the optimizer 'sgd' must be a finite number of at least 0"),
        ("lion", {}, "no optimizer called 'lion' for paddle, only for torch (from pytorch_optimizer); paddle has ada"),
        ("schedule_free_sgd", {}, "only for torch (from schedulefree)"),
        ("muon", {}, "no optimizer called 'muon' for paddle, only for torch; paddle has"),
        ("adamww", {}, "did you mean 'adamw'"),
        ("momentum", {}, "write 'sgd' with momentum=0.9"),
        ("asgd", {}, "another method in paddle than in torch"),
        ("torch:adamw", {}, "is of torch, and the parameters are of paddle"),
        ("paddle.nn:Linear", {}, "refuses these settings"),
    ],
)
def test_a_slip_is_one_sentence(name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(OptimizerError) as caught:
        optimizer(name, paddle.nn.Linear(3, 2), lr=0.1, **arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_rate_is_refused() -> None:
    for lr in (float("nan"), -0.1, "0.1", None, True, paddle.to_tensor(0.1)):
        with pytest.raises(OptimizerError, match="lr of the optimizer 'adamw'"):
            optimizer("adamw", paddle.nn.Linear(3, 2), lr=lr)


def test_slips_in_groups_are_caught() -> None:
    net = paddle.nn.Linear(3, 2)
    for options, words in (
        ({"learning_rate": 0.1}, "which in paddle is a multiple; write lr"),
        ({"beta1": 0.8}, "did you mean 'betas"),
        ({"weightdecay": 0.8}, "did you mean 'weight_decay'"),
        ({"lr": float("inf")}, "finite number"),
        ({"weight_decay": -1}, "weight_decay in a group of the optimizer 'adamw' must be a finite number of at least"),
        ({"betas": (0.9, 1.0)}, "each must lie in"),
        ({"eps": "small"}, "not the text 'small'"),
    ):
        with pytest.raises(OptimizerError, match=words):
            optimizer("adamw", [{"params": [net.weight], **options}, {"params": [net.bias]}], lr=0.1)
    with pytest.raises(OptimizerError, match="which is no multiple of lr=0"):
        optimizer("adamw", [{"params": [net.weight], "lr": 0.1}, {"params": [net.bias]}], lr=0)


def test_parameters_of_two_frameworks_are_refused() -> None:
    with pytest.raises(OptimizerError, match="parameters of torch and of paddle"):
        optimizer("sgd", [paddle.nn.Linear(2, 2).weight, torch.ones(2)], lr=0.1)


def test_a_name_of_a_group_chooses_no_class() -> None:
    line = paddle.nn.Linear(2, 1)
    named = optimizer("adamw", [{"params": line.parameters(), "name": "all"}], lr=0.1)
    assert type(named) is type(optimizer("adamw", line, lr=0.1)) is paddle.optimizer.AdamW
