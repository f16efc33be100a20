"""What a framework says when it is loaded and used. This file runs as a program of its own: `python -c TEXT torch`.

So a framework that crashes, hangs or warns does so elsewhere, and two that cannot live in one process need not.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from typing import Any

MARK = "PROBE "
"""Begins the line with the answer; frameworks print much else."""


def probe(package: str) -> dict[str, Any]:
    """Load a framework and ask it; what it cannot answer is left out."""
    try:
        framework: Any = importlib.import_module(package)
        return {"torch": _torch, "paddle": _paddle}[package](framework)
    except Exception as fault:
        return {"fault": _words(fault)}


def _torch(torch: Any) -> dict[str, Any]:
    names = list(torch.cuda.get_arch_list()) if torch.version.cuda else []
    answer: dict[str, Any] = {
        "cuda": torch.version.cuda,
        "cudnn": _dotted(torch.backends.cudnn.version()),
        "devices": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "archs": [_capability(name) for name in names if name.startswith("sm_")],
        "ptx": next((_capability(name) for name in reversed(names) if name.startswith("compute_")), None),
        "backends": _torch_backends(torch),
        "numpy": _numpy(torch.from_numpy),
        "failed": [],
    }
    for i in range(answer["devices"]):
        try:
            x = torch.ones(1, 1, 4, 4, device=f"cuda:{i}")
            torch.nn.functional.conv2d(x, x).item()
        except Exception as fault:
            answer["failed"].append(f"cuda:{i}: {_words(fault)}")
    return answer


def _torch_backends(torch: Any) -> list[str]:
    distributed = torch.distributed
    if not distributed.is_available():
        return []
    return [name for name in ("gloo", "nccl") if getattr(distributed, f"is_{name}_available")()]


def _paddle(paddle: Any) -> dict[str, Any]:
    built = bool(paddle.is_compiled_with_cuda())
    answer: dict[str, Any] = {
        "cuda": str(paddle.version.cuda()) if built else None,
        "cudnn": str(paddle.version.cudnn()) if built else None,
        "devices": int(paddle.device.cuda.device_count()) if built else 0,
        "backends": _paddle_backends(paddle, built),
        "numpy": _numpy(lambda array: paddle.to_tensor(array, place=paddle.CPUPlace()).numpy()),
        "failed": [],
    }
    for i in range(answer["devices"]):
        try:
            place = paddle.CUDAPlace(i)
            x = paddle.to_tensor([[[[1.0] * 4] * 4]], place=place)
            paddle.nn.functional.conv2d(x, x).item()
        except Exception as fault:
            answer["failed"].append(f"gpu:{i}: {_words(fault)}")
    return answer


def _paddle_backends(paddle: Any, built: bool) -> list[str]:
    gloo = ["gloo"] if paddle.distributed.is_available() else []
    return [*gloo, "nccl"] if built and str(paddle.version.nccl()) != "0" else gloo


def _numpy(convert: Callable[[Any], object]) -> str | None:
    """What goes wrong when an array is handed over: a framework built for another numpy fails here, not before."""
    try:
        convert(importlib.import_module("numpy").zeros(1, "float32"))
    except Exception as fault:
        return _words(fault)
    return None


def _capability(name: str) -> list[int]:
    found = re.search(r"_(\d+)(\d)", name)
    return [int(found[1]), int(found[2])] if found else [0, 0]


def _dotted(cudnn: int | None) -> str | None:
    """91002 -> 9.10.2; 8907 -> 8.9.7: cuDNN 9 counts in ten thousands."""
    if not cudnn:
        return None
    unit = 10000 if cudnn >= 90000 else 1000
    return f"{cudnn // unit}.{cudnn % unit // 100}.{cudnn % 100}"


def _words(fault: BaseException) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return f"{type(fault).__name__}: {lines[0]:.300}" if lines else type(fault).__name__


if __name__ == "__main__":
    print(MARK + json.dumps(probe(sys.argv[1])))
