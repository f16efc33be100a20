"""LAMB does what its paper says, and each of its variants what its keyword says."""

from __future__ import annotations

import contextlib
import copy
import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from cadence._errors import CadenceError, OptimizerError, StateError  # noqa: E402
from cadence.optim.for_torch.lamb import Lamb  # noqa: E402

SHAPES = [(3, 4), (4,), (2, 3, 3, 3), (), (5, 1), (1, 40)]
STEPS = 50


def starting_values(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=shape) for shape in SHAPES]
    values[1] = np.zeros(4)  # a fresh bias: its norm is 0
    return values


def gradients(step: int) -> list[np.ndarray]:
    rng = np.random.default_rng([7, step])
    return [rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3) for shape in SHAPES]


def paper(
    values: list[np.ndarray],
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    weight_decay: float = 0.01,
    adapt: bool = True,
    trust_clip: float | None = None,
    norm_clip: float | None = None,
    bias_correction: bool = True,
    grad_averaging: bool = True,
    decoupled_decay: bool = False,
    max_grad_norm: float | None = None,
    maximize: bool = False,
    steps: int = STEPS,
) -> list[np.ndarray]:
    """Algorithm 2 of arXiv:1904.00962v5 line by line in float64, and the variants in the plainest form there is."""
    (b1, b2), x = betas, [v.copy() for v in values]
    m, v = [np.zeros_like(a) for a in x], [np.zeros_like(a) for a in x]
    for t in range(1, steps + 1):
        g = [-a if maximize else a for a in gradients(t)]
        norm = math.sqrt(sum(float((a**2).sum()) for a in g))
        if max_grad_norm is not None and norm > max_grad_norm:
            g = [a / norm * max_grad_norm for a in g]
        for i in range(len(x)):
            m[i] = b1 * m[i] + ((1 - b1) if grad_averaging else 1.0) * g[i]
            v[i] = b2 * v[i] + (1 - b2) * g[i] ** 2
            m_hat = m[i] / (1 - b1**t) if bias_correction else m[i]
            v_hat = v[i] / (1 - b2**t) if bias_correction else v[i]
            r = m_hat / (np.sqrt(v_hat) + eps)
            if decoupled_decay:
                x[i] = x[i] - lr * weight_decay * x[i]
            else:
                r = r + weight_decay * x[i]
            size, length = float(np.sqrt((x[i] ** 2).sum())), float(np.sqrt((r**2).sum()))
            ratio = 1.0
            if adapt and size > 0 and length > 0:
                ratio = min(size, math.inf if norm_clip is None else norm_clip) / length
            if adapt and trust_clip is not None:
                ratio = min(ratio, trust_clip)
            x[i] = x[i] - lr * ratio * r
    return x


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


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.3},
        {"weight_decay": 0.0},
        {"adapt": False},
        {"lr": 0.02, "trust_clip": 0.7},
        {"lr": 0.02, "norm_clip": 1.5},
        {"lr": 0.02, "norm_clip": 1.5, "trust_clip": 0.3},
        {"bias_correction": False},
        {"grad_averaging": False},
        {"lr": 0.02, "decoupled_decay": True, "weight_decay": 0.5},
        {"max_grad_norm": 1.0},
        {"maximize": True},
        {"maximize": True, "max_grad_norm": 3.0, "decoupled_decay": True, "bias_correction": False, "lr": 0.03},
    ],
    ids=str,
)
def test_fifty_steps_are_those_of_the_paper(settings: dict[str, Any]) -> None:
    assert_close(trained(**settings), paper(starting_values(), **settings))


@pytest.mark.parametrize(
    "variant",
    [
        {"adapt": False},
        {"trust_clip": 0.7},
        {"norm_clip": 1.5},
        {"bias_correction": False},
        {"grad_averaging": False},
        {"decoupled_decay": True, "weight_decay": 0.5},
        {"max_grad_norm": 1.0},
        {"maximize": True},
    ],
    ids=str,
)
def test_every_variant_differs_from_the_paper_that_has_none(variant: dict[str, Any]) -> None:
    plain = {"weight_decay": variant["weight_decay"]} if "weight_decay" in variant else {}
    assert any(np.abs(a - b).max() > 1e-6 for a, b in zip(trained(**variant), trained(**plain), strict=True))


@pytest.mark.parametrize("weight_decay", [0.0, 0.01, 0.5])
def test_fifty_steps_are_those_of_optax(weight_decay: float) -> None:
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    # Its place moved between releases of jax.
    home = jax if hasattr(jax, "enable_x64") else pytest.importorskip("jax.experimental")
    with home.enable_x64(True):
        method = optax.lamb(0.01, weight_decay=weight_decay)
        values = [jax.numpy.asarray(v) for v in starting_values()]
        state = method.init(values)
        for t in range(1, STEPS + 1):
            updates, state = method.update([jax.numpy.asarray(g) for g in gradients(t)], state, values)
            values = optax.apply_updates(values, updates)
        theirs = [np.asarray(v) for v in values]
    assert theirs[0].dtype == np.float64
    assert_close(trained(lr=0.01, weight_decay=weight_decay), theirs)


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


@pytest.mark.parametrize("settings", [{"max_grad_norm": 0.1}, {"maximize": True}, {}], ids=str)
def test_the_gradient_is_left_as_it_was(settings: dict[str, Any]) -> None:
    x = torch.nn.Parameter(torch.ones(3))
    x.grad = torch.tensor([1.0, 2.0, 3.0])
    Lamb([x], **settings).step()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_tensor_as_rate_is_read_at_every_step_and_never_replaced(shape: tuple[int, ...]) -> None:
    rate = torch.full(shape, 0.1, dtype=torch.float64)
    x, y, z = (torch.nn.Parameter(torch.tensor(v)) for v in ([3.0, 4.0], [3.0, 4.0], 2.0))
    as_tensor, as_float = Lamb([x, z], lr=rate), Lamb([y], lr=0.1)
    for t, value in enumerate([0.1, 0.02, 0.3]):
        rate.fill_(value)
        as_float.param_groups[0]["lr"] = value
        x.grad, y.grad, z.grad = torch.tensor([1.0, t]), torch.tensor([1.0, t]), torch.tensor(1.0)
        as_tensor.step()
        as_float.step()
    assert as_tensor.param_groups[0]["lr"] is rate
    assert x.tolist() == pytest.approx(y.tolist(), rel=1e-6)
    assert z.shape == ()


def model_and_data() -> tuple[torch.nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    return model, torch.randn(16, 4)


def run(model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) - x.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()


def test_a_run_resumed_from_a_file_that_holds_no_code_is_the_unbroken_one_bit_for_bit() -> None:
    model, x = model_and_data()
    optimizer = Lamb(model.parameters(), lr=0.02, max_grad_norm=1.0)
    run(model, optimizer, x, 5)
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    run(model, optimizer, x, 5)

    file.seek(0)
    saved = torch.load(file, weights_only=True)
    again, _ = model_and_data()
    fresh = Lamb(again.parameters(), lr=0.5)
    again.load_state_dict(saved["model"])
    fresh.load_state_dict(saved["optimizer"])
    run(again, fresh, x, 5)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_copy_goes_on_as_the_original_does() -> None:
    model, x = model_and_data()
    optimizer = Lamb(model.parameters(), lr=0.02)
    run(model, optimizer, x, 3)
    other_model, other = copy.deepcopy((model, optimizer))
    run(model, optimizer, x, 3)
    run(other_model, other, x, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other_model.parameters(), strict=True))


def test_the_state_of_another_method_is_refused() -> None:
    model, x = model_and_data()
    adamw = torch.optim.AdamW(model.parameters(), lr=0.01)
    run(model, adamw, x, 4)
    with pytest.raises(StateError, match="'lamb'"):
        Lamb(model.parameters()).load_state_dict(adamw.state_dict())


def test_parameters_count_their_own_steps() -> None:
    x, y = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = Lamb([x, y])
    x.grad = torch.ones(2)
    optimizer.step()
    assert y not in optimizer.state
    assert y.tolist() == [1.0, 1.0]
    y.grad = torch.ones(2)
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in (x, y)] == [2, 1]


def test_a_closure_is_called_with_gradients_enabled_and_its_loss_returned() -> None:
    x = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = Lamb([x], lr=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = x.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 25.0
    assert x.detach().norm().item() < 5.0


def test_step_hooks_fire() -> None:
    x = torch.nn.Parameter(torch.ones(2))
    optimizer, seen = Lamb([x]), []
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    x.grad = torch.ones(2)
    optimizer.step()
    assert seen == [1]


def test_another_layout_in_memory_changes_nothing() -> None:
    def after(layout: torch.memory_format) -> torch.Tensor:
        torch.manual_seed(1)
        x = torch.nn.Parameter(torch.randn(4, 3, 5, 5, dtype=torch.float64).to(memory_format=layout))
        optimizer = Lamb([x], lr=0.05)
        for t in range(5):
            x.grad = torch.full_like(x, t + 1.0) * x.detach().sign()
            optimizer.step()
        assert x.is_contiguous(memory_format=layout)
        return x.detach()

    torch.testing.assert_close(
        after(torch.contiguous_format), after(torch.channels_last), rtol=1e-12, atol=0, check_stride=False
    )


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


def test_it_learns() -> None:
    model, x = model_and_data()
    optimizer = Lamb(model.parameters(), lr=0.02)
    first = (model(x) - x.sum(1, keepdim=True)).square().mean().item()
    run(model, optimizer, x, 200)
    assert (model(x) - x.sum(1, keepdim=True)).square().mean().item() < 0.02 * first


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


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ([], "no parameters"),
        (iter([]), "no parameters"),
        ([{"params": []}], "no parameters"),
        ([{"lr": 0.1}], "needs the key 'params'"),
        (torch.ones(2), "one tensor"),
        ({torch.ones(2)}, "given as set"),
        ({"params": [torch.ones(2)]}, "given as dict"),
        (3, "given as int"),
        ([3], "cannot be trained"),
        ([torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))], "view_as_real"),
        ([torch.ones(2, dtype=torch.int64)], "real numbers"),
        ([torch.ones(2, requires_grad=True) * 2], "cannot be trained"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_that_cannot_be_trained_are_refused(params: Any, words: str) -> None:
    with pytest.raises(OptimizerError, match=words):
        Lamb(params)


def test_the_same_parameter_in_two_groups_is_refused() -> None:
    x = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(OptimizerError, match="more than one parameter group"):
        Lamb([{"params": [x]}, {"params": [x]}])


def test_a_group_added_later_is_checked_and_trained() -> None:
    x, y = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = Lamb([x])
    with pytest.raises(OptimizerError, match="eps=-1"):
        optimizer.add_param_group({"params": [y], "eps": -1})
    assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": [y], "adapt": False})
    y.grad = torch.ones(2)
    optimizer.step()
    assert y.tolist() == pytest.approx([1 - 1.01e-3] * 2)


def test_a_sparse_gradient_is_refused_before_anything_moves() -> None:
    x, embedding = torch.nn.Parameter(torch.ones(2)), torch.nn.Embedding(4, 2, sparse=True)
    optimizer = Lamb([x, *embedding.parameters()])
    x.grad = torch.ones(2)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(OptimizerError, match="sparse=False"):
        optimizer.step()
    assert x.tolist() == [1.0, 1.0]


@given(
    st.dictionaries(
        st.sampled_from(["lr", "betas", "eps", "weight_decay", "trust_clip", "adapt", "max_grad_norm"]),
        st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.lists(st.floats(), max_size=3),
    )
)
def test_whatever_is_given_only_errors_of_our_own_come_out(settings):
    with contextlib.suppress(CadenceError):
        Lamb([torch.nn.Parameter(torch.ones(2))], **settings)
