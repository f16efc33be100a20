"""The code for a GPU, executed on a processor: every block in turn, with one thread."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cadence.optim.kernels import cuda_source as writing
from cadence.optim.kernels.cuda import layout
from cadence.optim.kernels.values import Values
from cadence.optim.rules.found import rules
from cadence.optim.rules.rule import defaults
from optim_cases import NAMES, gradients, mixtures, starting_values

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")

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
extern "C" void go(int blocks, const word *table, const piece *pieces, const double *constants, double *sums,
                   double *scales) {
#if NORMS == 0
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) only(table, pieces, constants);
#else
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) first(table, pieces, constants, sums);
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) second(table, pieces, constants, sums, scales);
#endif
}
"""


def on_a_processor(code: str, folder: Path) -> Any:
    source, library = folder / "rule.cpp", folder / "rule.so"
    source.write_text(LANGUAGE + code + CALLED, encoding="utf-8")
    command = [str(COMPILER), "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-w", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    go = ctypes.CDLL(str(library)).go
    go.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 5]
    return go


def train(name: str, settings: dict[str, Any], updates: int, folder: Path) -> list[np.ndarray]:
    """Some updates in double precision of the parameters that all methods are tried on."""
    rule_class = rules()[name]
    group = {**defaults(rule_class), "initial_lr": settings.get("lr", defaults(rule_class)["lr"]), **settings}
    rule = rule_class.of(group)
    numbers = rule.numbers(group)
    written = writing.cuda_source.__wrapped__(rule, tuple(numbers), "double")
    go = on_a_processor(written.code, folder)
    xs = [np.ascontiguousarray(x, dtype=np.float64) for x in starting_values()]
    states = [{s: np.full_like(x, rule.start(group).get(s, 0.0)) for s in rule.state} for x in xs]
    laid = layout([x.size for x in xs])
    pieces = np.array(laid.pieces, dtype=np.int32)
    for t in range(1, updates + 1):
        gs = [np.ascontiguousarray(g) for g in gradients(t)]
        known = Values({**numbers, "t": float(t)})
        constants = np.array([known[one] for one in written.constants], dtype=np.float64)
        table = array("q")
        for x, g, state, first in zip(xs, gs, states, laid.firsts, strict=True):
            table.extend((x.ctypes.data, g.ctypes.data, *(s.ctypes.data for s in state.values()), x.size, first, 0))
        sums, scales = np.zeros(2 * len(pieces)), np.ones(len(xs))
        go(
            len(pieces) // 2, table.buffer_info()[0], pieces.ctypes.data, constants.ctypes.data, sums.ctypes.data,
            scales.ctypes.data,
        )  # fmt: skip
    return xs


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("piece", [4, 8192])
def test_code_for_a_gpu_computes_what_the_kernel_of_a_processor_does(
    name: str, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from optim_cases import method

    # One thread has no others to wait for; small pieces make a tensor of several.
    monkeypatch.setattr(writing, "THREADS", 1)
    monkeypatch.setattr(writing, "PIECE", piece)
    monkeypatch.setattr("cadence.optim.kernels.cuda.PIECE", piece)
    settings = {k: v for k, v in mixtures(name)[0].items() if k != "max_grad_norm"}
    found = train(name, settings, 10, tmp_path)
    xs = [torch.nn.Parameter(torch.tensor(x)) for x in starting_values()]
    optimizer = method(name)(xs, **settings)
    for t in range(1, 11):
        for x, g in zip(xs, gradients(t), strict=True):
            x.grad = torch.tensor(g)
        optimizer.step()
    for ours, x in zip(found, xs, strict=True):
        np.testing.assert_allclose(ours, x.detach().numpy(), rtol=1e-12, atol=1e-14)
