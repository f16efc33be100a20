"""Every method of ours is a torch optimizer in all that torch's users do with one."""

from __future__ import annotations

import contextlib
import copy
import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cadence as cd

torch = pytest.importorskip("torch")

from cadence._errors import CadenceError, OptimizerError, StateError  # noqa: E402
from cadence.optim.rules.found import rules  # noqa: E402
from optim_cases import NAMES, gradients, method, mixtures, starting_values  # noqa: E402

PATHS: dict[str, dict[str, Any]] = {"kernel": {}, "pieces": {"compiled": False}, "whole": {"capturable": True}}

every_method = pytest.mark.parametrize("name", NAMES)
every_path = pytest.mark.parametrize("path", PATHS)


def parameters(dtype: Any = torch.float64) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.tensor(v, dtype=dtype)) for v in starting_values()]


def train(optimizer: Any, xs: list[torch.nn.Parameter], steps: range | int) -> None:
    for t in range(steps) if isinstance(steps, int) else steps:
        for x, g in zip(xs, gradients(t + 1), strict=True):
            x.grad = torch.tensor(g, dtype=x.dtype)
        optimizer.step()


def assert_same(one: list[Any], other: list[Any], *, rtol: float = 0.0) -> None:
    for a, b in zip(one, other, strict=True):
        if rtol:
            scale = max(float(b.detach().abs().max()), 1e-30) if b.numel() else 1.0
            torch.testing.assert_close(a.detach(), b.detach(), rtol=0, atol=rtol * scale, check_stride=False)
        else:
            assert torch.equal(a, b)


# ---- precisions ------------------------------------------------------------------------------------------------------


@every_method
def test_in_single_precision_kernel_and_operations_agree_to_rounding(name: str) -> None:
    settings = mixtures(name)[1]
    results = {}
    for path, modes in PATHS.items():
        xs = parameters(torch.float32)
        train(method(name)(xs, **settings, **modes), xs, 20)
        results[path] = xs
    assert_same(results["pieces"], results["kernel"], rtol=1e-5)
    assert_same(results["whole"], results["kernel"], rtol=1e-5)


def of_size_one(t: int) -> list[np.ndarray]:
    """Gradients whose squares half precision can hold."""
    return [np.sign(g) * (1 + np.abs(np.sin(g))) for g in gradients(t)]


@every_method
@every_path
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_what_is_stored_not_what_is_computed_in(name: str, path: str, dtype: Any) -> None:
    def updated(kind: Any, modes: dict[str, Any]) -> list[torch.Tensor]:
        xs = [torch.nn.Parameter(torch.tensor(v).to(dtype).to(kind)) for v in starting_values()]
        optimizer = method(name)(xs, lr=0.05, **modes)
        for t in range(3):
            for x, g in zip(xs, of_size_one(t), strict=True):
                x.grad = torch.tensor(g).to(dtype).to(kind)
            optimizer.step()
        return [x.detach().double() for x in xs]

    # Parameters and states are rounded at each of three updates.
    roundings = 4 * torch.finfo(dtype).eps
    assert_same(updated(dtype, PATHS[path]), updated(torch.float64, {}), rtol=roundings)


# ---- layouts ---------------------------------------------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "transposed": lambda v: v.t().contiguous().t(),
    "strided": lambda v: torch.stack([v, v], dim=-1)[..., 0],
    "offset": lambda v: torch.cat([v.new_zeros(3), v.flatten()])[3:].reshape(v.shape),
}


@every_method
@every_path
@pytest.mark.parametrize("of", ["parameter", "gradient"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_layout_in_memory_changes_nothing(name: str, path: str, of: str, layout: str) -> None:
    value = torch.linspace(-1.0, 2.0, 35, dtype=torch.float64).reshape(5, 7)
    plain, other = torch.nn.Parameter(value.clone()), torch.nn.Parameter(value.clone())
    if of == "parameter":
        other.data = LAYOUTS[layout](value.clone())
    one, two = method(name)([plain], **PATHS[path]), method(name)([other], **PATHS[path])
    for t in range(3):
        g = torch.sin(value + t)
        plain.grad = g
        other.grad = LAYOUTS[layout](g.clone()) if of == "gradient" else g.clone()
        one.step()
        two.step()
    torch.testing.assert_close(other.detach(), plain.detach(), rtol=1e-12, atol=0, check_stride=False)


@every_method
@every_path
def test_channels_last_changes_nothing(name: str, path: str) -> None:
    value = torch.linspace(-1.0, 2.0, 4 * 3 * 5 * 5, dtype=torch.float64).reshape(4, 3, 5, 5)
    plain = torch.nn.Parameter(value.clone())
    other = torch.nn.Parameter(value.clone().to(memory_format=torch.channels_last))
    for x in (plain, other):
        optimizer = method(name)([x], **PATHS[path])
        for t in range(3):
            x.grad = torch.sin(value + t)
            optimizer.step()
    assert other.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(other.detach(), plain.detach(), rtol=1e-12, atol=0, check_stride=False)


@every_method
@every_path
def test_empty_and_single_numbers_are_parameters_too(name: str, path: str) -> None:
    xs = [torch.nn.Parameter(torch.ones(shape, dtype=torch.float64)) for shape in [(0, 3), (), (1,)]]
    optimizer = method(name)(xs, lr=0.1, **PATHS[path])
    for x in xs:
        x.grad = torch.ones_like(x)
    optimizer.step()
    assert xs[0].shape == (0, 3)
    assert xs[1].shape == ()
    assert xs[1].item() == pytest.approx(xs[2].item(), rel=1e-12)
    assert xs[1].item() < 1.0


@every_method
def test_an_expanded_parameter_is_refused(name: str) -> None:
    with pytest.raises(OptimizerError, match="expanded"):
        method(name)([torch.nn.Parameter(torch.ones(3, 1).expand(3, 4))])


# ---- what changes between updates ------------------------------------------------------------------------------------


@every_method
@every_path
def test_a_parameter_without_a_gradient_rests_and_counts_its_own_updates(name: str, path: str) -> None:
    x, y = (torch.nn.Parameter(torch.ones(4, dtype=torch.float64)) for _ in range(2))
    optimizer = method(name)([x, y], **PATHS[path])
    alone = torch.nn.Parameter(torch.ones(4, dtype=torch.float64))
    lone = method(name)([alone], **PATHS[path])
    for t in range(6):
        x.grad = torch.ones_like(x)
        y.grad = torch.sin(torch.arange(4.0, dtype=torch.float64) + t) if t % 2 else None
        optimizer.step()
        if t % 2:
            alone.grad = y.grad.clone()
            lone.step()
    assert [int(optimizer.state[p]["step"]) for p in (x, y)] == [6, 3]
    assert_same([y], [alone], rtol=1e-12)


@every_method
@every_path
def test_memory_of_a_parameter_or_state_may_be_exchanged_at_any_time(name: str, path: str) -> None:
    one, other = parameters(), parameters()
    settled, moved = method(name)(one, **PATHS[path]), method(name)(other, **PATHS[path])
    train(settled, one, 6)
    for t in range(6):
        train(moved, other, range(t, t + 1))
        for x in other:
            if t == 1:
                x.data = x.data.clone()
            for key, value in moved.state[x].items():
                if t == 2:
                    moved.state[x][key] = value.clone()
                elif t == 3:
                    value.data = value.data.clone()  # as code does that moves a state to a device and back
                elif t == 4:
                    value.share_memory_()
    assert_same(one, other)


@every_method
@every_path
def test_a_model_may_be_made_of_another_precision_between_updates(name: str, path: str) -> None:
    layer = torch.nn.Linear(4, 3)
    optimizer = method(name)(layer.parameters(), **PATHS[path])
    for kind in (torch.float32, torch.float64, torch.float32):
        layer.to(kind)
        layer(torch.ones(2, 4, dtype=kind)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(x.isfinite().all() for x in layer.parameters())
    assert {value.dtype for state in optimizer.state.values() for value in state.values()} == {torch.float32}


@every_method
@every_path
@pytest.mark.parametrize("wrong", ["short", "long", "number", "step"])
def test_a_state_that_cannot_be_that_of_the_parameter_is_an_error_and_nothing_is_written(
    name: str, path: str, wrong: str
) -> None:
    x = torch.nn.Parameter(torch.ones(8, dtype=torch.float64))
    optimizer = method(name)([x], **PATHS[path])
    x.grad = torch.ones_like(x)
    optimizer.step()
    key = next(key for key in optimizer.state[x] if key != "step")
    replaced: dict[str, tuple[str, Any]] = {
        "short": (key, torch.zeros(3, dtype=torch.float64)),
        "long": (key, torch.zeros(80, dtype=torch.float64)),
        "number": (key, 0.0),
        "step": ("step", torch.zeros(0)),
    }
    place, value = replaced[wrong]
    optimizer.state[x][place] = value
    before = x.detach().clone()
    with pytest.raises(OptimizerError, match=f"state '{place}'"):
        optimizer.step()
    assert torch.equal(x, before)


@every_method
@every_path
def test_a_parameter_that_was_given_another_shape_is_an_error(name: str, path: str) -> None:
    x = torch.nn.Parameter(torch.ones(8, dtype=torch.float64))
    optimizer = method(name)([x], **PATHS[path])
    x.grad = torch.ones_like(x)
    optimizer.step()
    x.grad = None
    x.data = torch.ones(2, 3, dtype=torch.float64)
    x.grad = torch.ones_like(x)
    with pytest.raises(OptimizerError, match="another shape"):
        optimizer.step()


@every_method
def test_autograd_notices_that_a_step_has_changed_what_it_kept(name: str) -> None:
    x = torch.nn.Parameter(torch.ones(3))
    optimizer = method(name)([x])
    loss = x.square().sum()
    x.grad = torch.ones(3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# ---- saved and copied ------------------------------------------------------------------------------------------------


def through_file(optimizer: Any, xs: list[Any], fresh: Any) -> Any:
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    return fresh


@every_method
@every_path
def test_a_state_from_a_file_that_holds_no_code_goes_on_bit_for_bit(name: str, path: str) -> None:
    settings = mixtures(name)[0]
    xs = parameters()
    optimizer = method(name)(xs, **settings, **PATHS[path])
    train(optimizer, xs, 4)
    copies = [torch.nn.Parameter(x.detach().clone()) for x in xs]
    again = through_file(optimizer, xs, method(name)(copies, lr=0.5, **PATHS[path]))
    train(optimizer, xs, range(4, 8))
    train(again, copies, range(4, 8))
    assert_same(xs, copies)
    assert again.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


@every_method
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])  # noqa: S301
def test_a_copy_goes_on_as_the_original_does_and_apart_from_it(name: str, copied: Callable[[Any], Any]) -> None:
    xs = parameters()
    optimizer = method(name)(xs)
    train(optimizer, xs, 3)
    others, other = copied((xs, optimizer))
    train(other, others, range(3, 6))
    train(optimizer, xs, range(3, 6))
    assert_same(xs, others)
    assert xs[0].data_ptr() != others[0].data_ptr()


@every_method
def test_the_state_of_another_method_is_refused(name: str) -> None:
    x = torch.nn.Parameter(torch.ones(3))
    x.grad = torch.ones(3)
    own = method(name)([x], lr=0.1)
    others = [method(other)([x], lr=0.1) for other in NAMES if other != name] + [torch.optim.AdamW([x])]
    for other in others:
        other.step()
        with pytest.raises(StateError, match=f"'{name}'"):
            own.load_state_dict(other.state_dict())


@every_method
def test_a_state_of_other_parameters_is_refused(name: str) -> None:
    x, y = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2, 2))
    x.grad = torch.ones(3)
    optimizer = method(name)([x])
    optimizer.step()
    with pytest.raises(StateError, match=r"shape \(3,\)"):
        method(name)([y]).load_state_dict(optimizer.state_dict())
    with pytest.raises(StateError, match="does not fit"):
        method(name)([x, y]).load_state_dict(optimizer.state_dict())


@every_method
def test_a_state_that_lacks_a_setting_of_today_takes_its_value_here(name: str) -> None:
    x = torch.nn.Parameter(torch.ones(3))
    x.grad = torch.ones(3)
    optimizer = method(name)([x], maximize=True)
    optimizer.step()
    state = optimizer.state_dict()
    del state["param_groups"][0]["maximize"]
    fresh = method(name)([x], maximize=True)
    fresh.load_state_dict(state)
    assert fresh.param_groups[0]["maximize"] is True
    fresh.step()


# ---- the rest of torch's interface -----------------------------------------------------------------------------------


@every_method
@every_path
def test_closures_hooks_and_zero_grad_work_as_in_torch(name: str, path: str) -> None:
    x = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer, seen = method(name)([x], lr=0.01, **PATHS[path]), []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))

    def closure() -> float:
        optimizer.zero_grad()
        assert x.grad is None
        loss = x.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 25.0
    assert optimizer.step() is None
    assert seen == ["before", "after"] * 2
    optimizer.zero_grad(set_to_none=False)
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0]


@every_method
def test_a_gradient_scaler_skips_updates_that_overflowed(name: str) -> None:
    x = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = method(name)([x], lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    twin = torch.nn.Parameter(x.detach().clone())
    plain = method(name)([twin], lr=0.01)
    for factor in (1.0, math.inf, 2.0):
        optimizer.zero_grad()
        scaler.scale((factor * x).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        if math.isfinite(factor):
            twin.grad = torch.full((2,), factor)
            plain.step()
    assert int(optimizer.state[x]["step"]) == 2
    assert_same([x], [twin])


@every_method
def test_one_thread_and_two_give_the_same_bits(name: str) -> None:
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            torch.manual_seed(0)
            xs = [torch.nn.Parameter(torch.randn(n)) for n in (300_000, 70, 40_000)]
            optimizer = method(name)(xs)
            for _ in range(2):
                for x in xs:
                    x.grad = torch.randn(x.shape)
                optimizer.step()
            results.append(xs)
    finally:
        torch.set_num_threads(before)
    assert_same(*results)


@every_method
@every_path
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_tensor_as_rate_is_read_at_every_step_and_never_replaced(
    name: str, path: str, shape: tuple[int, ...]
) -> None:
    rate = torch.full(shape, 0.1, dtype=torch.float64)
    one, other = parameters(), parameters()
    as_tensor, as_number = method(name)(one, lr=rate, **PATHS[path]), method(name)(other, lr=0.1, **PATHS[path])
    for t, value in enumerate([0.1, 0.02, 0.3]):
        rate.fill_(value)
        as_number.param_groups[0]["lr"] = value
        train(as_tensor, one, range(t, t + 1))
        train(as_number, other, range(t, t + 1))
    assert as_tensor.param_groups[0]["lr"] is rate
    assert_same(one, other, rtol=1e-12)


@every_method
@every_path
@pytest.mark.parametrize("settings", [{"maximize": True}, {}], ids=str)
def test_the_gradient_is_left_as_it_was(name: str, path: str, settings: dict[str, Any]) -> None:
    x = torch.nn.Parameter(torch.ones(3))
    x.grad = torch.tensor([1.0, 2.0, 3.0])
    more = {"max_grad_norm": 0.1} if name == "lamb" else {}
    method(name)([x], weight_decay=0.1, **settings, **more, **PATHS[path]).step()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]


@every_method
@every_path
def test_a_gradient_that_is_not_a_number_is_not_hidden(name: str, path: str) -> None:
    x = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    x.grad = torch.tensor([1.0, math.nan])
    method(name)([x], lr=0.1, **PATHS[path]).step()
    assert x[1].isnan()


@every_method
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
        ([{"params": [x := torch.nn.Parameter(torch.ones(2))]}, {"params": [x]}], "more than one parameter group"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_that_cannot_be_trained_are_refused(name: str, params: Any, words: str) -> None:
    with pytest.raises(OptimizerError, match=words):
        method(name)(params)


@every_method
def test_a_group_added_later_is_checked_and_trained(name: str) -> None:
    x, y = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = method(name)([x])
    with pytest.raises(OptimizerError, match="eps=-1"):
        optimizer.add_param_group({"params": [y], "eps": -1})
    assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": [y], "lr": 0.5})
    assert optimizer.param_groups[1]["initial_lr"] == 0.5
    y.grad = torch.ones(2)
    optimizer.step()
    assert y.max() < 1.0


@every_method
@given(data=st.data())
def test_whatever_is_given_only_errors_of_our_own_come_out(name: str, data: Any) -> None:
    values = st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.lists(st.floats(), max_size=3)
    settings = data.draw(st.dictionaries(st.sampled_from([s.name for s in rules()[name].settings]), values, max_size=3))
    with contextlib.suppress(CadenceError):
        method(name)([torch.nn.Parameter(torch.ones(2))], **settings)


@every_method
def test_a_sparse_gradient_is_refused_before_anything_moves(name: str) -> None:
    x, embedding = torch.nn.Parameter(torch.ones(2)), torch.nn.Embedding(4, 2, sparse=True)
    optimizer = method(name)([x, *embedding.parameters()])
    x.grad = torch.ones(2)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(OptimizerError, match="sparse=False"):
        optimizer.step()
    assert x.tolist() == [1.0, 1.0]


@every_method
def test_every_setting_is_checked_with_its_value_in_the_sentence(name: str) -> None:
    x = torch.nn.Parameter(torch.ones(2))
    for setting in rules()[name].settings:
        for bad in (math.nan, -1.0, "1e-3", None if setting.default is not None else -1.0):
            with pytest.raises(OptimizerError, match=setting.name):
                method(name)([x], **{setting.name: bad})
            with pytest.raises(OptimizerError, match=setting.name):
                method(name)([{"params": [x], setting.name: bad}])
    with pytest.raises(TypeError, match="unexpected keyword"):
        method(name)([x], no_such_setting=1)


@every_method
def test_it_learns(name: str) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    x = torch.randn(16, 4)
    optimizer = method(name)(model.parameters(), lr={"lars": 20.0, "adagrad": 0.1, "adabound": 1e-3}.get(name, 0.02))
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0]


# ---- bounds that follow the schedule ---------------------------------------------------------------------------------


def rate_at_the_bound(optimizer: Any, x: torch.nn.Parameter) -> float:
    """How far x moves per unit of momentum, where the bounds have closed: the rate of the SGD."""
    before = x.detach().clone()
    x.grad = torch.ones_like(x)
    optimizer.step()
    return float((before - x.detach())[0] / optimizer.state[x]["exp_avg"][0])


@every_path
def test_bounds_of_adabound_follow_the_schedule_from_the_groups_own_base_also_after_a_restart_and_for_new_groups(
    path: str,
) -> None:
    # gamma = 1e12: both bounds are final_lr * lr / base from the first update on.
    settings = {"final_lr": 0.5, "gamma": 1e12, **PATHS[path]}
    x, y, z = (torch.nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(3))
    optimizer = method("adabound")([{"params": [x]}, {"params": [y], "lr": 0.03}], lr=0.01, **settings)
    driver = cd.drive(optimizer, "linear(to=0)", total=10)
    for t in range(4):
        assert rate_at_the_bound(optimizer, x) == pytest.approx(0.5 * (1 - t / 10), rel=1e-9)
        driver.step()
    saved = io.BytesIO()
    torch.save([optimizer.state_dict(), driver.state_dict()], saved)
    saved.seek(0)
    state, place = torch.load(saved, weights_only=True)

    again = method("adabound")([{"params": [x]}, {"params": [y], "lr": 7.0}], lr=7.0, **settings)
    again.load_state_dict(state)
    driver = cd.drive(again, "linear(to=0)", total=10)
    driver.load_state_dict(place)
    for group, parameter in ((0, x), (1, y)):
        assert again.param_groups[group]["initial_lr"] == [0.01, 0.03][group]
        assert rate_at_the_bound(again, parameter) == pytest.approx(0.5 * 0.6, rel=1e-9)
    again.add_param_group({"params": [z], "lr": 0.2})
    for parameter in (x, y, z):
        parameter.grad = None
    z.grad = torch.ones_like(z)
    again.step()  # the driver meets the group here
    driver.step()
    assert rate_at_the_bound(again, z) == pytest.approx(0.5 * again.param_groups[2]["lr"] / 0.2, rel=1e-9)
    assert again.param_groups[2]["lr"] == pytest.approx(0.2 * driver.values["lr"][0] / 0.01, rel=1e-9)
