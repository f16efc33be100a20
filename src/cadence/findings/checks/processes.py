"""Several processes: how they talk."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.findings.check import check
from cadence.findings.finding import Both
from cadence.findings.known import NO_NCCL
from cadence.findings.rule import Found
from cadence.record.machine.facts import Machine


@check(
    "CE401",
    "several GPUs without NCCL",
    "warning",
    why="NCCL carries gradients from GPU to GPU. Without it processes talk by gloo, through the memory of the "
    "processor, which is many times slower.",
    fix="on Linux install the build for CUDA with its requirements; on Windows use the Linux subsystem",
    source="torch.distributed.is_nccl_available() with --deep; NVIDIA, NCCL: Linux only",
    example="2 GPUs on Windows",
    zh=(
        "多块 GPU 而没有 NCCL",
        "NCCL 在 GPU 之间传递梯度。没有它，进程用 gloo 经过处理器内存通信，慢很多倍。",
        "Linux：安装 CUDA 版及其依赖；Windows：用 Linux 子系统",
    ),
)
def no_nccl(machine: Machine) -> Iterator[Found]:
    """By the system, or by the framework's own word."""
    if len(machine.gpus) < 2:
        return
    for build in machine.builds:
        if build.package not in ("torch", "paddle") or build.cuda is None:
            continue
        asked = next((t for t in machine.tried if t.package == build.package and t.fault is None), None)
        if machine.system in NO_NCCL or (asked is not None and "nccl" not in asked.backends):
            yield Found(
                None,
                Both(
                    f"{len(machine.gpus)} GPUs, and {build.package} {build.version} has no NCCL on {machine.system}",
                    f"有 {len(machine.gpus)} 块 GPU，而 {build.package} {build.version} 在 {machine.system} 上没有 "
                    "NCCL",
                ),
            )


@check(
    "CE402",
    "no way for processes to talk",
    "information",
    why="A build without distributed parts trains in one process only.",
    fix="install an official build of the framework",
    source="torch.distributed.is_available() with --deep",
    example="a torch that was built with USE_DISTRIBUTED=0",
    zh=("进程之间无法通信", "不含分布式部分的版本只能用一个进程训练。", "安装官方版本的框架"),
)
def no_distributed(machine: Machine) -> Iterator[Found]:
    """Neither gloo nor NCCL, by the framework's own word."""
    for asked in machine.tried:
        if asked.fault is None and not asked.backends:
            yield Found(
                None,
                Both(f"{asked.package} has neither gloo nor NCCL", f"{asked.package} 既没有 gloo 也没有 NCCL"),
            )
