"""What a process may use: compiler, shared memory, processors, memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cadence.findings.check import check
from cadence.findings.finding import Both
from cadence.findings.rule import Found
from cadence.record.machine.facts import Machine

MIB, GIB = 1 << 20, 1 << 30

SHARED = GIB
"""Below this, loading processes run out of shared memory with ordinary images; an engine gives 64 MiB unless asked."""

BATCH = 64 * 3 * 224 * 224 * 4
"""Bytes of 64 images of 224 x 224 in float32, as a measure."""

LITTLE = 4 * GIB
"""A framework for GPUs alone takes two to three gigabytes of the processor's memory."""


@check(
    "CE301",
    "no C compiler",
    "information",
    why="The optimizers of cadence are compiled for the machine where there is a compiler, and are made of the "
    "framework's operations where there is none: the same numbers, slower. torch.compile and Triton need one too.",
    fix="install one: apt-get install gcc libc6-dev",
    source="cadence.optim; PyTorch, torch.compile: a C++ compiler for CPU, a C compiler for Triton's launchers",
    example="a slim container",
    zh=(
        "没有 C 编译器",
        "有编译器时 cadence 的优化器会为本机编译；没有时由框架的运算组成：数值相同，但更慢。torch.compile 和 Triton "
        "也需要它。",
        "安装一个：apt-get install gcc libc6-dev",
    ),
)
def no_compiler(machine: Machine) -> Iterator[Found]:
    """Nothing called cc, gcc or clang."""
    if machine.compiler is None:
        yield Found(None, Both("none of cc, gcc, clang is a program here", "这里没有 cc、gcc、clang"))


@check(
    "CE302",
    "little shared memory",
    "warning",
    why='The processes of a DataLoader hand over their batches through /dev/shm. Where it is full they die: "Bus '
    "error. It is possible that dataloader's workers are out of shared memory\". NCCL needs it too. Engines give a "
    "container 64 MiB unless they are asked for more.",
    fix="docker run --shm-size=8g, or --ipc=host; in compose.yaml shm_size: 8gb",
    source="size of /dev/shm; PyTorch README, Docker image: shared memory",
    example="/dev/shm of 64 MiB",
    zh=(
        "共享内存太小",
        "DataLoader 的进程通过 /dev/shm 交出批次。满了就会死掉：“Bus error. It is possible that dataloader's workers "
        "are out of shared memory”。NCCL 也需要它。容器引擎默认只给 64 MiB。",
        "docker run --shm-size=8g，或 --ipc=host；compose.yaml 中写 shm_size: 8gb",
    ),
)
def little_shared(machine: Machine) -> Iterator[Found]:
    """A small /dev/shm, where there is a framework to use it."""
    size = machine.limits.shared
    if machine.builds and size is not None and size < SHARED:
        batches = size // BATCH
        yield Found(
            None,
            Both(f"/dev/shm holds {_bytes(size)}", f"/dev/shm 只有 {_bytes(size)}"),
            Both(
                f"that is {batches} batch{'es' * (batches != 1)} of 64 images (224 x 224, float32); 8 workers keep 16 "
                "of them there",
                f"相当于 {batches} 个批次（64 张 224 x 224 的 float32 图像）；8 个进程要放 16 个",
            ),
        )


@check(
    "CE303",
    "fewer processors than are visible",
    "warning",
    why="A control group limits how much of the processors a container gets, not how many it sees. Frameworks start a "
    "thread for each one they see; the threads then wait for each other while the group is held back.",
    fix="set OMP_NUM_THREADS, and no more loading processes than that",
    source="cpu.max of the control group",
    example="--cpus=2 on a machine with 64 processors",
    zh=(
        "可用的处理器少于看得见的",
        "控制组限制容器得到多少处理器时间，而不是看得见几个。框架按看得见的个数开线程；限流时它们互相等待。",
        "设置 OMP_NUM_THREADS，加载进程也不要超过它",
    ),
)
def few_processors(machine: Machine) -> Iterator[Found]:
    """A quota below the number of processors, and no variable that says so."""
    limits = machine.limits
    if limits.cpus is None or limits.processors is None or limits.cpus >= limits.processors:
        return
    threads = max(1, math.ceil(limits.cpus))
    if limits.threads is not None and limits.threads <= threads:
        return
    started = limits.threads or limits.processors
    if started <= threads:
        return
    yield Found(
        None,
        Both(
            f"{limits.processors} processors are visible, the control group gets {limits.cpus:g} of them",
            f"看得见 {limits.processors} 个处理器，控制组只得到 {limits.cpus:g} 个",
        ),
        Both(
            f"{started} threads would share {limits.cpus:g} processors",
            f"{started} 个线程将共用 {limits.cpus:g} 个处理器",
        ),
        Both(
            f"OMP_NUM_THREADS={threads}, and no more than {threads} loading processes",
            f"设置 OMP_NUM_THREADS={threads}，加载进程不超过 {threads} 个",
        ),
    )


@check(
    "CE304",
    "memory limit of the container",
    "information",
    why="A process that goes beyond the limit of its control group is killed without a word (exit status 137), "
    "whatever the machine has free.",
    fix="docker run --memory=..., or fewer loading processes",
    source="memory.max of the control group",
    example="--memory=2g on a machine with 128 GiB",
    zh=(
        "容器的内存限制",
        "超出控制组限制的进程会被直接杀死（退出状态 137），不管机器还剩多少。",
        "docker run --memory=…，或减少加载进程",
    ),
)
def memory_limit(machine: Machine) -> Iterator[Found]:
    """A limit that is small, by what frameworks take."""
    limits = machine.limits
    if limits.memory_limit is None or (limits.memory is not None and limits.memory_limit >= limits.memory):
        return
    if limits.memory_limit < LITTLE:
        of = f" of {_bytes(limits.memory)}" if limits.memory else ""
        of_zh = f"机器有 {_bytes(limits.memory)}，" if limits.memory else ""
        yield Found(
            None,
            Both(
                f"the control group gets {_bytes(limits.memory_limit)}{of}",
                f"{of_zh}控制组只得到 {_bytes(limits.memory_limit)}",
            ),
        )


def _bytes(n: int) -> str:
    return f"{n / GIB:.3g} GiB" if n >= GIB else f"{n / MIB:.3g} MiB"
