"""What runs on a GPU, executed on a processor: the code as C++, every block in turn, with one thread."""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cadence.optim.kernels import cuda  # noqa: E402
from cadence.optim.kernels import cuda_source as writing  # noqa: E402
from cadence.optim.stepping import torch_method  # noqa: E402
from optim_cases import NAMES, gradients, method, mixtures, starting_values  # noqa: E402

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")

LANGUAGE = """
#include <cmath>
using std::sqrt;
#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(n)
#define __syncthreads()
struct place { unsigned x; };
static place threadIdx = {0};
static place blockIdx = {0};
"""
"""What CUDA C++ has beyond C++."""

CALLED = """
#define ALL(call) for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) call
#if NORMS == 0
extern "C" void all_only(unsigned blocks, const word *a, const piece *b, const double *c) { ALL(only(a, b, c)); }
#else
extern "C" void all_first(unsigned blocks, const word *a, const piece *b, const double *c, double *d) {
    ALL(first(a, b, c, d));
}
extern "C" void all_second(unsigned blocks, const word *a, const piece *b, const double *c, const double *d,
                           double *e) {
    ALL(second(a, b, c, d, e));
}
#endif
"""


class Launch:
    """In the place of `cuda.Launch`."""

    def __init__(self, function: Any, blocks: int, addresses: Sequence[int]) -> None:
        self._function, self._blocks = function, blocks
        self._addresses = [ctypes.c_void_p(address) for address in addresses]

    def begin(self, stream: object) -> None:
        del stream
        self._function(ctypes.c_uint(self._blocks), *self._addresses)


def compiled(folder: Path) -> Callable[..., cuda.CudaKernel]:
    """In the place of `kernel_of`: kernels whose functions are those of a processor."""

    @cache
    def kernel(rule: Any, names: tuple[str, ...], precision: Any) -> cuda.CudaKernel:
        written = writing.cuda_source.__wrapped__(rule, names, precision)
        path = folder / f"rule{len(list(folder.glob('*.cpp')))}.cpp"
        path.write_text(LANGUAGE + written.code + CALLED, encoding="utf-8")
        library = path.with_suffix(".so")
        command = [str(COMPILER), "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-w", str(path), "-o", str(library)]
        subprocess.run(command, check=True)
        found, made = ctypes.CDLL(str(library)), cuda.CudaKernel.__new__(cuda.CudaKernel)
        names_of = ("all_first", "all_second") if written.norms else ("all_only",)
        made.constants, made.norms = written.constants, written.norms
        made._functions = [getattr(found, name) for name in names_of]
        return made

    return kernel


@pytest.fixture(params=[4, 8192])
def as_on_a_gpu(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors of the processor are updated as those of a GPU are. Small pieces make a tensor of several."""
    # One thread has no others to wait for.
    monkeypatch.setattr(writing, "THREADS", 1)
    monkeypatch.setattr(writing, "PIECE", request.param)
    monkeypatch.setattr(cuda, "PIECE", request.param)
    monkeypatch.setattr(cuda, "Launch", Launch)
    monkeypatch.setattr(torch_method, "kernel", compiled(tmp_path))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=0))


@pytest.mark.parametrize("name", NAMES)
def test_code_for_a_gpu_computes_what_torchs_operations_do(name: str, as_on_a_gpu: None) -> None:
    results: list[list[Any]] = []
    for modes in ({"compiled": None}, {"compiled": False}):
        xs = [torch.nn.Parameter(torch.tensor(x)) for x in starting_values()]
        optimizer = method(name)(xs, **mixtures(name)[0], **modes)
        for t in range(1, 11):
            for x, g in zip(xs, gradients(t), strict=True):
                x.grad = torch.tensor(g)
            optimizer.step()
        assert len(optimizer.trust_ratios()) == len(xs)
        results.append([*(x.detach() for x in xs), torch.tensor(optimizer.trust_ratios(), dtype=torch.float64)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_whatever_changes_between_updates_is_seen(name: str, seed: int, as_on_a_gpu: None) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=size) for size in ((40, 3), (7,), (2, 3, 5), (1,), (11, 2), (6, 6))]
    pairs: list[tuple[list[Any], Any]] = []
    for modes in ({"compiled": None}, {"compiled": False}):
        xs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
        groups = [{"params": xs[:2]}, {"params": xs[2:5], "weight_decay": 0.05}]
        pairs.append((xs, method(name)(groups, **modes)))
    for t in range(30):
        what, which = int(rng.integers(12)), int(rng.integers(5))
        resting = set(rng.integers(0, 5, 2).tolist()) if rng.random() < 0.3 else set[int]()
        for xs, optimizer in pairs:
            change(what, which, xs, optimizer)
            for i, x in enumerate(xs):
                g = torch.cos(x.detach() * (i + 1) + t)
                x.grad = None if i in resting else (g.t().contiguous().t() if what == 7 and g.dim() == 2 else g)
            optimizer.step()
    for ours, theirs in zip(pairs[0][0], pairs[1][0], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    steps = [[float(o.state[x]["step"]) for x in xs if x in o.state] for xs, o in pairs]
    assert steps[0] == steps[1]


def change(what: int, which: int, xs: list[Any], optimizer: Any) -> None:
    """What may be done to an optimizer between two updates; most of the time nothing."""
    group, state = optimizer.param_groups[which % 2], optimizer.state[xs[which]]
    match what:
        case 0:
            group["lr"] *= 0.7
        case 1:
            group["weight_decay"] = 0.0 if which % 3 else 0.02
        case 2:
            xs[which].data = xs[which].data.clone()
        case 3:
            state.update({key: value.clone() for key, value in state.items()})
        case 4:
            optimizer.load_state_dict(optimizer.state_dict())
        case 5 if len(optimizer.param_groups) == 2:
            optimizer.add_param_group({"params": [xs[5]], "lr": 0.02})
        case 6:
            optimizer.state.pop(xs[which], None)
        case 8 if "step" in state:
            state["step"].fill_(3)
        case _:
            pass


def test_where_nothing_has_changed_tensors_are_not_asked_one_by_one(
    as_on_a_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    xs = [torch.nn.Parameter(torch.ones(size)) for size in (3, 40)]
    optimizer = method("lamb")([{"params": xs[:1]}, {"params": xs[1:], "adapt": False}])
    asked: list[int] = []
    slow = torch_method.TorchMethod._items
    monkeypatch.setattr(torch_method.TorchMethod, "_items", lambda self: (asked.append(1), slow(self))[1])
    for _ in range(5):
        for x in xs:
            x.grad = torch.ones_like(x)
        optimizer.step()
    assert len(asked) == 1
    assert [int(optimizer.state[x]["step"]) for x in xs] == [5, 5]
