"""What is peculiar to LAMB."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from cadence._errors import OptimizerError  # noqa: E402
from cadence.optim.for_torch.lamb import Lamb  # noqa: E402
from optim_cases import gradients, starting_values  # noqa: E402

STEPS = 50


def trained(steps: int = STEPS, dtype: Any = torch.float64, **settings: Any) -> list[np.ndarray]:
    xs = [torch.nn.Parameter(torch.tensor(v, dtype=dtype)) for v in starting_values()]
    optimizer = Lamb(xs, **settings)
    for t in range(1, steps + 1):
        for x, g in zip(xs, gradients(t), strict=True):
            x.grad = torch.tensor(g, dtype=dtype)
        optimizer.step()
    return [x.detach().numpy() for x in xs]


def assert_close(one: list[np.ndarray], other: list[np.ndarray], *, rtol: float = 1e-12) -> None:
    for a, b in zip(one, other, strict=True):
        # Relative to the tensor: single elements may pass near 0.
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * float(np.abs(b).max()))


def test_without_adaptation_it_is_the_adamw_of_torch() -> None:
    xs = [torch.nn.Parameter(torch.tensor(v)) for v in starting_values()]
    optimizer = torch.optim.AdamW(xs, lr=0.01, eps=1e-6, weight_decay=0.1)
    for t in range(1, STEPS + 1):
        for x, g in zip(xs, gradients(t), strict=True):
            x.grad = torch.tensor(g)
        optimizer.step()
    theirs = [x.detach().numpy() for x in xs]
    for decoupled in (False, True):
        assert_close(trained(lr=0.01, weight_decay=0.1, adapt=False, decoupled_decay=decoupled), theirs)


numbers = st.floats(-1e3, 1e3).filter(lambda value: abs(value) > 1e-3)
vectors = st.lists(numbers, min_size=1, max_size=8)


@given(x=vectors, scale=st.floats(1e-6, 1e6), lr=st.floats(1e-6, 1.0))
def test_a_step_is_the_share_lr_of_the_layer_whatever_the_size_of_the_gradient(x, scale, lr):
    parameter = torch.nn.Parameter(torch.tensor(x, dtype=torch.float64))
    before = parameter.detach().clone()
    parameter.grad = scale * torch.arange(1.0, len(x) + 1, dtype=torch.float64)
    Lamb([parameter], lr=lr, weight_decay=0.0).step()
    moved = float((parameter.detach() - before).norm() / before.norm())
    assert moved == pytest.approx(lr, rel=1e-9)


@given(x=vectors, clip=st.floats(1e-3, 10.0))
def test_no_layer_steps_further_than_its_trust_clip_allows(x, clip):
    parameter = torch.nn.Parameter(torch.tensor(x, dtype=torch.float64))
    before = parameter.detach().clone()
    parameter.grad = torch.ones(len(x), dtype=torch.float64)
    Lamb([parameter], lr=1.0, weight_decay=0.0, eps=0.0, trust_clip=clip).step()
    adam_step = math.sqrt(len(x))  # the first step of Adam is 1 in every element
    norm = float(before.norm())
    assert float((parameter.detach() - before).norm()) == pytest.approx(min(clip * adam_step, norm), rel=1e-9)


def test_a_layer_of_zeros_leaves_zero_with_the_step_of_adam() -> None:
    x = torch.nn.Parameter(torch.zeros(3))
    x.grad = torch.tensor([1.0, -2.0, 0.5])
    Lamb([x], lr=0.1).step()
    assert x.tolist() == pytest.approx([-0.1, 0.1, -0.1], rel=1e-5)


def test_a_gradient_of_zero_leaves_a_layer_without_decay_where_it_is() -> None:
    x = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    x.grad = torch.zeros(2)
    Lamb([x], lr=0.1, weight_decay=0.0).step()
    assert x.tolist() == [1.0, 2.0]


def test_a_gradient_that_is_not_a_number_is_not_hidden() -> None:
    x = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    x.grad = torch.tensor([1.0, math.nan])
    Lamb([x], lr=0.1).step()
    assert x.isnan().all()


def test_each_group_keeps_to_its_own_settings() -> None:
    own = [
        {"lr": 0.03, "weight_decay": 0.0, "adapt": False},
        {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-2, "trust_clip": 0.5, "norm_clip": 2.0},
        {"bias_correction": False, "grad_averaging": False},
        {"decoupled_decay": True, "maximize": True},
    ]

    def pair() -> list[torch.nn.Parameter]:
        return [torch.nn.Parameter(torch.tensor(v)) for v in starting_values()[:4]]

    together, apart = pair(), pair()
    optimizers = [Lamb([{"params": [x], **g} for x, g in zip(together, own, strict=True)], lr=0.002)]
    singles = [Lamb([x], **{"lr": 0.002, **g}) for x, g in zip(apart, own, strict=True)]
    for t in range(1, 10):
        for x, y, g in zip(together, apart, gradients(t), strict=False):
            x.grad, y.grad = torch.tensor(g), torch.tensor(g)
        for optimizer in optimizers + singles:
            optimizer.step()
    assert all(torch.equal(x, y) for x, y in zip(together, apart, strict=True))


def test_the_gradient_norm_is_taken_over_all_groups_and_bounds_those_that_ask_for_it() -> None:
    # The squares of the gradient, 9 and 16, make a norm of 5; the second moment tells what came in.
    x, y = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    x.grad, y.grad = torch.tensor([3.0]), torch.tensor([4.0])
    optimizer = Lamb([{"params": [x], "max_grad_norm": 1.0}, {"params": [y]}], betas=(0.0, 0.0))
    optimizer.step()
    assert optimizer.state[x]["exp_avg"].item() == pytest.approx(3 / 5)
    assert optimizer.state[y]["exp_avg"].item() == 4.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_layer_in_half_precision_may_have_a_norm_that_half_precision_cannot_hold(dtype: torch.dtype) -> None:
    x = torch.nn.Parameter(torch.full((100, 100), 1000.0, dtype=dtype))  # norm 1e5, where float16 ends at 65,504
    x.grad = torch.ones(100, 100, dtype=dtype)
    Lamb([x], lr=0.25, weight_decay=0.0).step()
    assert x.detach().float().mean().item() == pytest.approx(750.0, rel=4e-3)


def test_an_empty_parameter_is_passed_over() -> None:
    x, y = torch.nn.Parameter(torch.ones(0, 3)), torch.nn.Parameter(torch.ones(2))
    x.grad, y.grad = torch.ones(0, 3), torch.ones(2)
    Lamb([x, y], max_grad_norm=1.0).step()
    assert y.isfinite().all()


def test_a_step_without_gradients_does_nothing() -> None:
    x = torch.nn.Parameter(torch.ones(2))
    Lamb([x], max_grad_norm=1.0).step()
    assert x.tolist() == [1.0, 1.0]


BAD = [
    ({"lr": math.nan}, "lr=nan"),
    ({"lr": -0.1}, "lr=-0.1"),
    ({"lr": math.inf}, "lr=inf"),
    ({"lr": "1e-3"}, "lr='1e-3'"),
    ({"lr": True}, "lr=True"),
    ({"lr": torch.tensor([0.1, 0.2])}, "tensor of shape"),
    ({"lr": torch.tensor(math.nan)}, "lr=nan"),
    ({"betas": (1.0, 0.999)}, "must lie in"),
    ({"betas": (0.9, -0.1)}, "must lie in"),
    ({"betas": (0.9, math.nan)}, "must lie in"),
    ({"betas": 0.9}, "two numbers"),
    ({"betas": (0.9,)}, "two numbers"),
    ({"eps": -1e-6}, "eps=-1e-06"),
    ({"eps": math.nan}, "eps=nan"),
    ({"weight_decay": -1.0}, "weight_decay=-1.0"),
    ({"trust_clip": 0.0}, "trust_clip=0.0"),
    ({"trust_clip": True}, "trust_clip=True"),
    ({"norm_clip": -1.0}, "norm_clip=-1.0"),
    ({"max_grad_norm": math.nan}, "max_grad_norm=nan"),
    ({"adapt": 1}, "adapt=1"),
    ({"maximize": "no"}, "maximize='no'"),
]


@pytest.mark.parametrize(("settings", "words"), BAD, ids=lambda value: str(value))
def test_a_setting_out_of_its_range_is_refused_with_its_value(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(OptimizerError, match=words.replace("(", r"\(")):
        Lamb([torch.nn.Parameter(torch.ones(2))], **settings)
    with pytest.raises(OptimizerError):
        Lamb([{"params": [torch.nn.Parameter(torch.ones(2))], **settings}])
