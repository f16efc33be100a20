"""Compiled optimizer steps: a tensor rate costs one compilation, however often it changes."""

from __future__ import annotations

from typing import Any

import pytest

import cadence as cd

torch = pytest.importorskip("torch")
testing = pytest.importorskip("torch._dynamo.testing")

# What torch's compiler says about torch's own code when it is first imported.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


@pytest.fixture(autouse=True)
def fresh_compiler() -> Any:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled_loop(optimizer: Any, driver: Any, updates: int) -> tuple[int, list[float]]:
    """Number of graphs that were compiled, and the rate of each update."""
    counter = testing.CompileCounterWithBackend("eager")

    @torch.compile(backend=counter)
    def step() -> None:
        optimizer.step()

    rates = []
    for _ in range(updates):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.ones(3)
        rates.append(float(optimizer.param_groups[0]["lr"]))
        step()
        driver.step()
    return counter.frame_count, rates


def made(make: Any, rate: Any, **options: Any) -> Any:
    a, b = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    return make([{"params": [a]}, {"params": [b]}], lr=rate, **options)


CASES = [
    (torch.optim.Adam, {"foreach": False}),
    (torch.optim.AdamW, {"foreach": False}),
    (torch.optim.SGD, {"foreach": True}),
]


@pytest.mark.parametrize(("make", "options"), CASES, ids=["adam", "adamw", "sgd foreach"])
def test_a_tensor_rate_is_compiled_once(make: Any, options: Any) -> None:
    rate = torch.tensor(0.1)
    optimizer = made(make, rate, **options)
    driver = cd.drive(optimizer, "warmup(4) >> cosine(to=0.01)", total=12)
    graphs, rates = compiled_loop(optimizer, driver, 12)
    still = made(make, torch.tensor(0.1), **options)
    torch._dynamo.reset()
    without_driver, _ = compiled_loop(still, Nobody(), 12)
    assert graphs == without_driver == 1
    assert driver.t == 12
    assert rates == pytest.approx(driver.curve.values().tolist(), rel=1e-6)
    assert optimizer.param_groups[0]["lr"] is rate


@pytest.mark.parametrize(
    "schedule", ["warmup(4) >> cosine(to=0.01)", "warmup(4) >> constant() * plateau('loss', factor=0.5, patience=0)"]
)
def test_a_torch_scheduler_with_a_tensor_rate_is_compiled_once(schedule: str) -> None:
    rate, feedback = torch.tensor(0.1), "plateau" in schedule
    optimizer = made(torch.optim.Adam, rate, foreach=False)
    scheduler = cd.torch_scheduler(optimizer, schedule, **({} if feedback else {"total": 12}))

    class Steps:
        def step(self) -> None:
            scheduler.step(*([1.0] if feedback else []))

    graphs, rates = compiled_loop(optimizer, Steps(), 12)
    assert graphs == 1
    assert scheduler.last_epoch == 12
    # With feedback every evaluation after the warmup's last two cuts.
    cuts = [0.1 * 0.5**k for k in range(7)]
    warm = cd.place("warmup(4) >> constant()", base=0.1)
    wanted = [*(warm.at(t) for t in range(5)), *cuts] if feedback else scheduler.curve.values().tolist()
    assert rates == pytest.approx(wanted, rel=1e-6)
    assert optimizer.param_groups[0]["lr"] is rate


def test_a_loaded_state_does_not_compile_anew() -> None:
    optimizer = made(torch.optim.Adam, torch.tensor(0.1), foreach=False)
    driver = cd.drive(optimizer, "cosine(to=0.01)", total=12)
    counter = testing.CompileCounterWithBackend("eager")
    step = torch.compile(optimizer.step, backend=counter)
    for t in range(12):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.ones(3)
        step()
        driver.step()
        if t == 5:
            before = counter.frame_count
            state = driver.state_dict()
            driver.load_state_dict(state)
    assert counter.frame_count == before == 1


def test_a_float_rate_is_compiled_twice_as_under_any_scheduler() -> None:
    optimizer = made(torch.optim.Adam, 0.1, foreach=False)
    driver = cd.drive(optimizer, "cosine(to=0.01)", total=12)
    graphs, rates = compiled_loop(optimizer, driver, 12)
    # Torch takes the first float for a constant and then for a variable; that is its own affair.
    assert graphs == 2
    assert driver.t == 12
    assert rates == driver.curve.values().tolist()


def test_noticing_the_first_gradient_does_not_compile_a_model_again() -> None:
    def graphs(drive: bool) -> tuple[int, int]:
        torch._dynamo.reset()
        torch.manual_seed(0)
        counter = testing.CompileCounterWithBackend("aot_eager")
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        driver = cd.drive(optimizer, "cosine()", total=12) if drive else Nobody()
        run = torch.compile(model, backend=counter)
        for _ in range(5):
            optimizer.zero_grad()
            run(torch.ones(4, 3)).sum().backward()
            optimizer.step()
            driver.step()
        return counter.frame_count, driver.t

    assert graphs(drive=True) == (graphs(drive=False)[0], 5)


class Nobody:
    """Drives nothing."""

    t = 0

    def step(self) -> None:
        pass
