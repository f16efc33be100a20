"""Steps of our methods under torch's compiler, and without anything being read back from a device."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
testing = pytest.importorskip("torch._dynamo.testing")

from optim_cases import NAMES, gradients, method, mixtures, starting_values  # noqa: E402

# What torch's compiler says about torch's own code when it is first imported.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

every_method = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Any:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def parameters() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.tensor(v)) for v in starting_values()[:2]]


def train(optimizer: Any, xs: list[Any], rates: list[float], step: Any) -> None:
    for t, value in enumerate(rates):
        for group in optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value
        for x, g in zip(xs, gradients(t + 1), strict=False):
            x.grad = torch.tensor(g)
        step()


RATES = [0.1, 0.1, 0.07, 0.05, 0.03, 0.02]


def compared(name: str, settings: dict[str, Any], backend: Any, *, tensor: bool, capturable: bool = False) -> None:
    plain, compiled = parameters(), parameters()
    eager = method(name)(plain, lr=0.1, **settings)
    train(eager, plain, RATES, eager.step)
    rate = torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1
    optimizer = method(name)(compiled, lr=rate, capturable=capturable, **settings)

    @torch.compile(backend=backend, fullgraph=True)
    def step() -> None:
        optimizer.step()

    train(optimizer, compiled, RATES, step)
    for x, y in zip(compiled, plain, strict=True):
        scale = max(float(y.detach().abs().max()), 1e-9)
        torch.testing.assert_close(x, y, rtol=0, atol=1e-9 * scale)
    assert [int(optimizer.state[x]["step"]) for x in compiled] == [len(RATES)] * 2


@every_method
@pytest.mark.parametrize("tensor", [True, False], ids=["tensor", "number"])
def test_a_compiled_step_has_the_same_numbers_in_one_graph_that_a_changing_rate_leaves_as_it_is(
    name: str, tensor: bool
) -> None:
    counter = testing.CompileCounterWithBackend("eager")
    compared(name, {}, counter, tensor=tensor)
    # The first update makes the state. A number that changes is compiled once more, as one that may change.
    assert counter.frame_count == (2 if tensor else 3)


@every_method
def test_with_a_capturable_state_and_a_rate_on_the_device_a_step_reads_nothing_back(name: str) -> None:
    # In one graph, without breaks: reading a number would be one. (And through the functional form of the graph.)
    compared(name, mixtures(name)[3 if name == "lamb" else 1], "aot_eager", tensor=True, capturable=True)
