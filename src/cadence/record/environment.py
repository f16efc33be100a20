"""Where a run runs: versions, machine, device, state of the code. Nothing is imported to find out."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy", "scipy", "scikit-learn",
    "torch", "torchvision", "torchaudio", "accelerate", "lightning", "pytorch-lightning", "pytorch-ignite",
    "transformers", "datasets", "tokenizers", "timm", "safetensors", "deepspeed", "bitsandbytes",
    "pytorch_optimizer", "schedulefree", "prodigyopt",
    "paddlepaddle", "paddlepaddle-gpu",
    "jax", "jaxlib", "optax", "flax",
    "keras", "tensorflow",
    "optuna", "ray",
)  # fmt: skip
"""Distributions that change what a training computes."""

GIT_SECONDS = 2.0
GPU_SECONDS = 5.0
"""A repository on a slow disk, and a driver that hangs, must not hold up a training."""

_GPU_FIELDS = "name,memory.total,driver_version"


def environment(packages: Iterable[str] = PACKAGES, *, data: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What must be known about the place where a run runs, to compare it with another or to repeat it.

    Nothing here fails: what cannot be found out is None, or missing from `packages`.

    Args:
        packages: names of distributions whose versions are wanted; those that are not installed are left out.
        data: name -> ``"sha256:..."`` of what is trained on.

    Returns:
        Plain data, the content of ``environment.json``: python, platform, processor, cpu_count (processors that this
        process may use), memory (bytes), packages (name -> version), git (commit, and whether tracked files differ from
        it; None outside a repository), command, data, started (now, ISO 8601, UTC), device (gpus: name, memory in
        bytes, driver of each; visible: CUDA_VISIBLE_DEVICES).

    Example:
        >>> here = environment(["numpy", "no-such-package"], data={"mine": "sha256:0"})
        >>> sorted(here["packages"]), here["data"]
        (['cadence', 'numpy'], {'mine': 'sha256:0'})
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpu_count": _cpu_count(),
        "memory": _memory(),
        "packages": _versions(packages),
        "git": _git(),
        "command": [sys.executable or "python", *sys.argv],
        "data": dict(data or {}),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "device": {"gpus": _gpus(), "visible": os.environ.get("CUDA_VISIBLE_DEVICES")},
    }


def _processor() -> str:
    """The model, where the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return _output(["sysctl", "-n", "machdep.cpu.brand_string"], GIT_SECONDS) or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _cpu_count() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _versions(names: Iterable[str]) -> dict[str, str]:
    # The running cadence, which need not be the installed one.
    own = __name__.partition(".")[0]
    versions = {own: str(sys.modules[own].__version__)}
    for name in names:
        try:
            version: str | None = metadata.version(name)
        except (metadata.PackageNotFoundError, OSError, KeyError, ValueError):
            continue  # not installed, or only the remains of it
        if version:
            versions[name] = version
    return versions


def _git() -> dict[str, Any] | None:
    """Commit and state of the working directory's repository."""
    until = time.monotonic() + GIT_SECONDS

    def git(*arguments: str) -> str | None:
        # No locks, no monitor: looking must neither disturb another git nor start a program that the repository names.
        command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments]
        return _output(command, until - time.monotonic())

    if git("rev-parse", "--git-dir") is None:
        return None
    commit = git("rev-parse", "--quiet", "--verify", "HEAD")
    changes = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _gpus() -> list[dict[str, Any]]:
    """The NVIDIA devices of the machine, asked of the driver's own tool."""
    listing = _output(["nvidia-smi", f"--query-gpu={_GPU_FIELDS}", "--format=csv,noheader,nounits"], GPU_SECONDS)
    gpus: list[dict[str, Any]] = []
    for line in (listing or "").splitlines():
        name, memory, driver = ([part.strip() for part in line.rsplit(",", 2)] + ["", ""])[:3]
        gpus.append(
            {"name": name, "memory": int(memory) << 20 if memory.isdecimal() else None, "driver": driver or None}
        )
    return gpus


def _output(command: list[str], seconds: float) -> str | None:
    """What a program prints; None where it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None
