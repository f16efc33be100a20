"""Every method of ours on a GPU: the same numbers as on a processor, by every way of execution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cadence as cd

torch = pytest.importorskip("torch")

if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)

from cadence._errors import OptimizerError  # noqa: E402
from cadence.optim.kernels.cuda import PIECE  # noqa: E402
from optim_cases import NAMES, gradients, method, mixtures, starting_values  # noqa: E402

PATHS: dict[str, dict[str, Any]] = {
    "kernel": {"compiled": True},
    "operations": {"compiled": False},
    "captured": {"capturable": True},
}

every_method = pytest.mark.parametrize("name", NAMES)
every_path = pytest.mark.parametrize("path", PATHS)


def trained(
    name: str, device: str, dtype: Any, updates: int = 20, values: list[Any] | None = None, **settings: Any
) -> list[Any]:
    xs = [torch.nn.Parameter(torch.tensor(v, dtype=dtype, device=device)) for v in values or starting_values()]
    optimizer = method(name)(xs, **settings)
    for t in range(updates):
        for x, g in zip(xs, gradients(t + 1), strict=True):
            x.grad = torch.tensor(g, dtype=dtype, device=device)
        optimizer.step()
    return [x.detach().cpu() for x in xs]


def assert_close(one: list[Any], other: list[Any], within: float) -> None:
    for a, b in zip(one, other, strict=True):
        scale = max(float(b.abs().max()), 1e-30) if b.numel() else 1.0
        torch.testing.assert_close(a, b, rtol=0, atol=within * scale, check_stride=False)


@every_method
@every_path
@pytest.mark.parametrize("mixture", range(4))
def test_a_gpu_computes_what_a_processor_does(name: str, path: str, mixture: int) -> None:
    settings = mixtures(name)[mixture]
    for dtype, within in ((torch.float64, 1e-11), (torch.float32, 2e-5)):
        on_gpu = trained(name, "cuda", dtype, **settings, **PATHS[path])
        assert_close(on_gpu, trained(name, "cpu", dtype, **settings), within)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "rows": lambda v: v,
    "transposed": lambda v: v.t().contiguous().t(),
    "strided": lambda v: torch.stack([v, v], dim=-1)[..., 0],
    "offset": lambda v: torch.cat([v.new_zeros(3), v.flatten()])[3:].reshape(v.shape),
}


@every_method
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(5, 7), (3, PIECE - 1), (1, 3 * PIECE + 5)])
def test_size_and_layout_in_memory_change_nothing(name: str, layout: str, size: tuple[int, int]) -> None:
    value = torch.linspace(-1.0, 2.0, size[0] * size[1], dtype=torch.float64).reshape(size)
    plain = torch.nn.Parameter(value.clone())
    ours = torch.nn.Parameter(value.cuda())
    ours.data = LAYOUTS[layout](value.cuda())
    one, two = method(name)([plain]), method(name)([ours], compiled=True)
    for t in range(3):
        g = torch.sin(value + t)
        plain.grad, ours.grad = g, LAYOUTS[layout](g.cuda())
        one.step()
        two.step()
    assert_close([ours.detach().cpu()], [plain.detach()], 1e-12)
    assert two.trust_ratios() == pytest.approx(one.trust_ratios(), rel=1e-12)


@every_method
def test_the_same_update_gives_the_same_bits(name: str) -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal(size=size) for size in ((1000, 301), (4,), (7, 5), (65537,), (3, 3), (0,))]

    def once() -> list[Any]:
        xs = [torch.nn.Parameter(torch.tensor(v, dtype=torch.float32, device="cuda")) for v in values]
        optimizer = method(name)(xs, weight_decay=0.01)
        for t in range(3):
            for x in xs:
                x.grad = torch.cos(x.detach() + t)
            optimizer.step()
        return xs

    assert all(torch.equal(a, b) for a, b in zip(once(), once(), strict=True))


@every_method
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_what_is_stored(name: str, dtype: Any) -> None:
    def updated(kind: Any, device: str) -> list[Any]:
        xs = [torch.nn.Parameter(torch.tensor(v).to(dtype).to(device, kind)) for v in starting_values()]
        optimizer = method(name)(xs, lr=0.05)
        for t in range(3):
            for x, g in zip(xs, gradients(t), strict=True):
                x.grad = torch.tensor(np.sign(g) * (1 + np.abs(np.sin(g)))).to(dtype).to(device, kind)
            optimizer.step()
        return [x.detach().double().cpu() for x in xs]

    assert_close(updated(dtype, "cuda"), updated(torch.float64, "cpu"), 4 * torch.finfo(dtype).eps)


@every_method
def test_a_state_goes_from_a_processor_to_a_gpu_and_back(name: str) -> None:
    values = starting_values()
    stay = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    move = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    optimizer, there = method(name)(stay), method(name)(move)
    for t in range(9):
        if t in (3, 6):
            device = "cuda" if t == 3 else "cpu"
            state = there.state_dict()
            move = [torch.nn.Parameter(x.detach().to(device)) for x in move]
            there = method(name)(move)
            there.load_state_dict(state)
        for x, y, g in zip(stay, move, gradients(t), strict=True):
            x.grad = torch.tensor(g)
            y.grad = torch.tensor(g, device=y.device)
        optimizer.step()
        there.step()
    assert_close([x.detach() for x in move], [x.detach() for x in stay], 1e-12)


@every_method
def test_parameters_on_a_processor_and_a_gpu_share_an_optimizer(name: str) -> None:
    values = starting_values()
    xs = [torch.nn.Parameter(torch.tensor(v, device="cuda" if i % 2 else "cpu")) for i, v in enumerate(values)]
    ys = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    for those in (xs, ys):
        optimizer = method(name)(those)
        for t in range(3):
            for x, g in zip(those, gradients(t), strict=True):
                x.grad = torch.tensor(g, device=x.device)
            optimizer.step()
    assert_close([x.detach().cpu() for x in xs], [y.detach() for y in ys], 1e-12)


@every_method
def test_gradients_of_a_side_stream_are_waited_for_by_nobody_else(name: str) -> None:
    # All that a step launches must be in the stream that is current, or it would read gradients too early.
    x, y = (torch.nn.Parameter(torch.ones(2000, 2000, device="cuda")) for _ in range(2))
    one, two = method(name)([x]), method(name)([y])
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    for t in range(5):
        x.grad = torch.full_like(x, 0.1 * t)
        one.step()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(2_000_000)
            y.grad = torch.full_like(y, 0.1 * t)
            two.step()
    torch.cuda.synchronize()
    assert torch.equal(x, y)


@every_method
@pytest.mark.filterwarnings("ignore:The CUDA Graph is empty")
def test_an_update_that_would_be_frozen_into_a_graph_is_refused(name: str) -> None:
    x = torch.nn.Parameter(torch.ones(8, device="cuda"))
    x.grad = torch.ones_like(x)
    optimizer = method(name)([x])
    optimizer.step()
    with pytest.raises(OptimizerError, match="capturable=True"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        optimizer.step()


@every_method
def test_a_captured_update_follows_a_schedule(name: str) -> None:
    schedule = "warmup(3) >> cosine(to=0.1)"
    value = torch.linspace(-1.0, 2.0, 35, dtype=torch.float64)

    def made(device: str, **more: Any) -> tuple[Any, Any, Any]:
        x = torch.nn.Parameter(value.to(device))
        x.grad = torch.sin(x.detach())
        rate = torch.tensor(0.01, dtype=torch.float64, device=device) if more else 0.01
        optimizer = method(name)([x], lr=rate, **more)
        return x, optimizer, cd.drive(optimizer, schedule, total=12)

    plain, one, driver = made("cpu")
    x, two, on_gpu = made("cuda", capturable=True)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    graph = torch.cuda.CUDAGraph()
    for t in range(10):
        one.step()
        driver.step()
        plain.grad = torch.sin(plain.detach())
        if t < 3:
            with torch.cuda.stream(stream):
                two.step()
                on_gpu.step()
                x.grad.copy_(torch.sin(x.detach()))
            continue
        if t == 3:
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(graph):
                two.step()
                x.grad.copy_(torch.sin(x.detach()))
        graph.replay()
        on_gpu.step()
    assert on_gpu.t == driver.t == 10
    assert on_gpu.values == driver.values
    assert_close([x.detach().cpu()], [plain.detach()], 1e-11)


@every_method
@pytest.mark.parametrize("seed", range(3))
def test_whatever_changes_between_updates_changes_the_same_on_both(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=size) for size in ((40, 3), (7,), (2, 3, 5), (1,), (PIECE + 3,), (6, 6))]
    pairs = []
    for device in ("cpu", "cuda"):
        xs = [torch.nn.Parameter(torch.tensor(v, device=device)) for v in values]
        pairs.append((xs, method(name)([{"params": xs[:2]}, {"params": xs[2:5], "weight_decay": 0.05}])))
    for t in range(30):
        what, which = int(rng.integers(9)), int(rng.integers(5))
        resting = set(rng.integers(0, 5, 2).tolist()) if rng.random() < 0.3 else set[int]()
        for xs, optimizer in pairs:
            if what == 0:
                optimizer.param_groups[which % 2]["lr"] *= 0.7
            elif what == 1:
                optimizer.param_groups[which % 2]["weight_decay"] = 0.0 if which % 3 else 0.02
            elif what == 2:
                xs[which].data = xs[which].data.clone()
            elif what == 3:
                for key, value in optimizer.state[xs[which]].items():
                    optimizer.state[xs[which]][key] = value.clone()
            elif what == 4:
                optimizer.load_state_dict(optimizer.state_dict())
            elif what == 5 and len(optimizer.param_groups) == 2:
                optimizer.add_param_group({"params": [xs[5]], "lr": 0.02})
            elif what == 6:
                optimizer.state.pop(xs[which], None)
            for i, x in enumerate(xs):
                g = torch.cos(x.detach() * (i + 1) + t)
                x.grad = None if i in resting else (g.t().contiguous().t() if what == 7 and g.dim() == 2 else g)
            optimizer.step()
    assert_close([x.detach().cpu() for x in pairs[1][0]], [x.detach() for x in pairs[0][0]], 1e-9)
    steps = [[float(o.state[x]["step"]) for x in xs if x in o.state] for xs, o in pairs]
    assert steps[0] == steps[1]


def test_gradients_are_not_kept_from_one_update_to_the_next() -> None:
    x = torch.nn.Parameter(torch.ones(1 << 20, device="cuda"))
    optimizer = method("lamb")([x])
    for _ in range(3):
        x.grad = torch.ones_like(x)
        optimizer.step()
        optimizer.zero_grad()
        held = torch.cuda.memory_allocated()
    x.grad = torch.ones_like(x)
    optimizer.step()
    optimizer.zero_grad()
    assert torch.cuda.memory_allocated() == held
