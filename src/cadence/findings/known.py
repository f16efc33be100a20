"""What fits together, as its makers say: one table each, with its source."""

from __future__ import annotations

from cadence.record.machine.facts import Capability

DRIVERS: dict[int, int] = {11: 450, 12: 525, 13: 580}
"""Major version of CUDA -> the oldest driver for Linux that runs programs built with any of its minor versions.

Source: NVIDIA, CUDA Compatibility, "Minor Version Compatibility", table 1.
"""

TORCH_CUDA: dict[str, str] = {
    "2.6": "12.4", "2.7": "12.6", "2.8": "12.8", "2.9": "12.8", "2.10": "12.8",
    "2.11": "13.0", "2.12": "13.0", "2.13": "13.0", "2.14": "13.0", "2.15": "13.2",
}  # fmt: skip
"""Version of torch -> CUDA of the build for Linux that `pip install torch` brings.

Source: the requirements that those builds declare (nvidia-cuda-runtime-cu12, cuda-toolkit).
"""

_TO_HOPPER: tuple[Capability, ...] = ((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0))

TORCH_ARCHS: dict[str, tuple[Capability, ...]] = {
    "11.8": ((3, 7), *_TO_HOPPER),
    "12.1": _TO_HOPPER,
    "12.4": _TO_HOPPER,
    "12.6": _TO_HOPPER,
    # Volta left and came back between the releases that were built with 12.8: it is not spoken of.
    "12.8": (*_TO_HOPPER[2:], (10, 0), (12, 0)),
    "13.0": (*_TO_HOPPER[3:], (10, 0), (12, 0)),
}
"""CUDA of torch's own builds -> compute capabilities they hold code for, on x86-64. A GPU (M, m) runs code made for
(M, k), k <= m.

Source: PyTorch, RELEASE.md, "PyTorch CUDA Support Matrix"; for 11.8 to 12.4 `torch.cuda.get_arch_list()` of the builds.
"""

NUMPY_2: dict[str, str] = {"torch": "2.3", "paddlepaddle": "3.0", "paddlepaddle-gpu": "3.0"}
"""Package -> first version that works with numpy 2, of those that do not say in their requirements that earlier ones do
not.

Source: PyTorch issues 107302 and 132179; Paddle pull request 64937 and issue 67599.
"""

NO_NCCL = frozenset({"Windows", "Darwin"})
"""Systems for which there is no NCCL. Source: NVIDIA, NCCL Installation Guide: Linux."""

CLIENTS = ("torchvision", "torchaudio")
"""Packages with code of their own for the GPU that runs inside torch."""
