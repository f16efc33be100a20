"""What frameworks said when they were loaded and used; empty unless they were asked."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.findings.check import check
from cadence.findings.finding import Both
from cadence.findings.rule import Found
from cadence.record.machine.facts import Machine


@check(
    "CE501",
    "a framework cannot be loaded",
    "error",
    why="Whatever the versions say, this environment cannot train with it.",
    fix="make a fresh environment, and install the framework there in one command",
    source="importing it, in a process of its own",
    example="OSError: libcudnn.so.9: cannot open shared object file",
    zh=("框架无法加载", "不管版本怎么说，这个环境都无法用它训练。", "新建环境，用一条命令安装该框架"),
)
def not_loaded(machine: Machine) -> Iterator[Found]:
    """Import failed, crashed, or did not end."""
    for asked in machine.tried:
        if asked.fault is not None:
            yield Found(None, Both(f"import {asked.package}: {asked.fault}", f"import {asked.package}：{asked.fault}"))


@check(
    "CE502",
    "GPUs that the framework does not see",
    "error",
    why="The driver lists them and the framework is built for CUDA, so that one of the two does not fit the other, or "
    "the libraries between them.",
    fix="look at the findings above first; then reinstall the framework with its requirements",
    source="device_count() against nvidia-smi",
    example="nvidia-smi lists 2 GPUs, torch sees 0",
    zh=(
        "框架看不到的 GPU",
        "驱动列出了它们，框架也是 CUDA 版，所以两者之一或中间的库不相配。",
        "先看上面的问题；再连同依赖重装框架",
    ),
)
def not_seen(machine: Machine) -> Iterator[Found]:
    """Nothing seen of what the driver lists, where nothing is hidden."""
    if not machine.gpus or machine.visible is not None:
        return
    for asked in machine.tried:
        if asked.fault is None and asked.cuda is not None and asked.devices < len(machine.gpus):
            yield Found(
                None,
                Both(
                    f"nvidia-smi lists {len(machine.gpus)} GPU{'s' * (len(machine.gpus) != 1)}, {asked.package} sees "
                    f"{asked.devices}",
                    f"nvidia-smi 列出 {len(machine.gpus)} 块 GPU，{asked.package} 看到 {asked.devices} 块",
                ),
            )


@check(
    "CE503",
    "a GPU on which nothing can be computed",
    "error",
    why="A convolution of one value was tried, which needs the driver, the kernels and cuDNN.",
    fix="look at the findings above first; then at what the framework says",
    source="a convolution on each GPU",
    example="cuda:0: no kernel image is available for execution on the device",
    zh=("无法计算的 GPU", "试了一次最小的卷积，它需要驱动、核函数和 cuDNN。", "先看上面的问题；再看框架的报错"),
)
def not_working(machine: Machine) -> Iterator[Found]:
    """A kernel failed."""
    for asked in machine.tried:
        for said in asked.failed:
            yield Found(None, Both(f"{asked.package}: {said}", f"{asked.package}：{said}"))


@check(
    "CE504",
    "arrays of numpy cannot become tensors",
    "error",
    why="The framework was built for another numpy. Loading it prints a warning at most; the first array fails.",
    fix="install a newer version of the framework, or pip install 'numpy<2'",
    source="handing one array over",
    example="torch: RuntimeError: Numpy is not available",
    zh=(
        "numpy 数组无法变成张量",
        "框架是为另一版 numpy 编译的。加载时最多有一条警告；第一个数组就会失败。",
        "安装更新的框架，或 pip install 'numpy<2'",
    ),
)
def no_arrays(machine: Machine) -> Iterator[Found]:
    """The first array failed."""
    for asked in machine.tried:
        if asked.numpy is not None:
            yield Found(None, Both(f"{asked.package}: {asked.numpy}", f"{asked.package}：{asked.numpy}"))
