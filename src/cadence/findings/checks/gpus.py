"""GPU, driver and CUDA."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cadence.findings.check import check
from cadence.findings.finding import Both
from cadence.findings.known import DRIVERS, TORCH_ARCHS, TORCH_CUDA
from cadence.findings.rule import Found
from cadence.record.machine.facts import Build, Capability, Gpu, Machine


def frameworks(machine: Machine) -> list[Build]:
    """The builds that train."""
    return [build for build in machine.builds if build.package in ("torch", "paddle")]


@check(
    "CE201",
    "build without CUDA beside a GPU",
    "warning",
    why="A build for CPU sees no GPU, and trains without a word on the processor.",
    fix="install the build for CUDA",
    source="version file of the framework; nvidia-smi",
    example="torch 2.13.0+cpu on a machine with an NVIDIA H100",
    zh=("有 GPU 却装了不带 CUDA 的版本", "CPU 版看不到 GPU，会不声不响地在处理器上训练。", "安装 CUDA 版"),
)
def no_cuda(machine: Machine) -> Iterator[Found]:
    """CPU builds where `nvidia-smi` lists a GPU; only good to know where another framework uses it."""
    used = any(build.cuda is not None for build in frameworks(machine))
    for build in frameworks(machine):
        other = re.search(r"\+(rocm|xpu)", build.version)  # made for GPUs of other makers
        if build.cuda is None and machine.gpus and not other:
            yield Found(
                None,
                Both(
                    f"{build.package} {build.version} is built without CUDA, here is {_listed(machine.gpus)}",
                    f"{build.package} {build.version} 不带 CUDA，这里有 {_listed(machine.gpus)}",
                ),
                fix=_with_cuda(build, _newest(machine)),
                severity="information" if used else None,
            )


def _with_cuda(build: Build, newest: int | None) -> Both:
    """How to get the build for CUDA that the driver runs."""
    version = build.version.partition("+")[0]
    if build.package == "paddle":
        return Both(
            f"pip uninstall paddlepaddle, then install paddlepaddle-gpu {version} from PaddlePaddle's own index; what "
            "a plain pip install brings ends with 2.6",
            f"先 pip uninstall paddlepaddle，再从飞桨自己的索引安装 paddlepaddle-gpu {version}；直接 pip install "
            "得到的止于 2.6",
        )
    fit = [minor for minor, cuda in TORCH_CUDA.items() if newest is None or _numbers(cuda)[0] <= newest]
    same = ".".join(version.split(".")[:2])
    wanted = f"'torch=={fit[-1]}.*'" if fit and same in TORCH_CUDA and same not in fit else f"torch=={version}"
    return Both(
        f"install the build for CUDA: pip install --force-reinstall {wanted}",
        f"安装 CUDA 版：pip install --force-reinstall {wanted}",
    )


@check(
    "CE202",
    "driver too old for the framework's CUDA",
    "error",
    why="A driver runs programs built for its own major version of CUDA and for older ones. With a newer one the "
    "framework sees no GPU, or fails at the first kernel.",
    fix="update the driver, or install a build for the CUDA that it runs",
    source="NVIDIA, CUDA Compatibility: minor version compatibility; nvidia-smi names the newest CUDA it runs",
    example="torch 2.13.0 (CUDA 13.0) with a driver for CUDA 12.4",
    zh=(
        "驱动对框架的 CUDA 来说太旧",
        "驱动只能运行为同一 CUDA 大版本或更早版本编译的程序。更新的版本，框架看不到 GPU，或在第一个核函数处失败。",
        "更新驱动，或安装它能运行的 CUDA 的版本",
    ),
)
def driver_too_old(machine: Machine) -> Iterator[Found]:
    """The major version of each build's CUDA against the driver's."""
    newest = _newest(machine)
    for build in frameworks(machine):
        wanted = _numbers(build.cuda)
        if newest is None or not wanted or wanted[0] <= newest:
            continue
        least = DRIVERS.get(wanted[0])
        needs = f", which takes a driver {least} or newer" if least else ""
        needs_zh = f"，需要 {least} 或更新的驱动" if least else ""
        runs = machine.driver.cuda or f"{newest}.x"
        fit = [version for version, cuda in TORCH_CUDA.items() if _numbers(cuda)[0] <= newest]
        older = f": pip install 'torch=={fit[-1]}.*'" if build.package == "torch" and fit else ""
        yield Found(
            None,
            Both(
                f"{build.package} {build.version} is built for CUDA {build.cuda}{needs}; the driver{_version(machine)}"
                f"runs CUDA up to {runs}",
                f"{build.package} {build.version} 为 CUDA {build.cuda} 编译{needs_zh}；驱动{_version(machine)}最高支持 "
                f"CUDA {runs}",
            ),
            fix=Both(
                f"update the driver, or install a build for the CUDA that it runs{older}",
                f"更新驱动，或安装它能运行的 CUDA 的版本{older.replace(': ', '：')}",
            ),
        )


def _newest(machine: Machine) -> int | None:
    """The newest major version of CUDA that the driver runs: as it says, else by its own version."""
    told = _numbers(machine.driver.cuda)
    if told:
        return told[0]
    drivers = [_numbers(gpu.driver)[0] for gpu in machine.gpus if _numbers(gpu.driver)]
    fit = [cuda for cuda, least in DRIVERS.items() if drivers and least <= min(drivers)]
    # Beyond the table nothing is known; and other systems number their drivers otherwise.
    return fit[-1] if fit and machine.system == "Linux" and fit[-1] != max(DRIVERS) else None


@check(
    "CE203",
    "driver older than the framework's CUDA",
    "information",
    why="Within one major version an older driver runs newer programs, but not what they compile while they run "
    '(torch.compile, Triton, custom kernels): "the provided PTX was compiled with an unsupported toolchain".',
    fix="update the driver before torch.compile is used",
    source="NVIDIA, CUDA Compatibility: limitations of minor version compatibility",
    example="torch 2.10.0 (CUDA 12.8) with a driver for CUDA 12.4",
    zh=(
        "驱动比框架的 CUDA 旧",
        "同一大版本内，旧驱动能运行较新的程序，但不能运行它们在运行时编译的代码（torch.compile、Triton、自定义核函数）："
        "“the provided PTX was compiled with an unsupported toolchain”。",
        "使用 torch.compile 之前更新驱动",
    ),
)
def driver_older(machine: Machine) -> Iterator[Found]:
    """The minor version, where the major one is the same."""
    driver = _numbers(machine.driver.cuda)
    for build in frameworks(machine):
        wanted = _numbers(build.cuda)
        if driver and wanted and wanted[0] == driver[0] and wanted > driver:
            yield Found(
                None,
                Both(
                    f"{build.package} {build.version} is built for CUDA {build.cuda}, the driver{_version(machine)}"
                    f"runs CUDA up to {machine.driver.cuda}",
                    f"{build.package} {build.version} 为 CUDA {build.cuda} 编译，驱动{_version(machine)}最高支持 CUDA "
                    f"{machine.driver.cuda}",
                ),
            )


@check(
    "CE204",
    "GPU that the build holds no code for",
    "error",
    why='Compiled code for a GPU of generation (M, k) runs on (M, m), m >= k, and on no other generation: "no kernel '
    'image is available for execution on the device".',
    fix="install a build with code for it: older GPUs need an older CUDA, newer ones a newer",
    source="PyTorch, RELEASE.md: CUDA support matrix; paddle.version.cuda_archs(); get_arch_list() with --deep",
    example="torch 2.6.0 (CUDA 12.4, up to 9.0) on an NVIDIA RTX 5090 (12.0)",
    zh=(
        "框架里没有该 GPU 的代码",
        "为 (M, k) 代 GPU 编译的代码可在 (M, m) 上运行（m >= k），其他代不行："
        "“no kernel image is available for execution on the device”。",
        "安装含有其代码的版本：旧 GPU 用旧的 CUDA，新 GPU 用新的",
    ),
)
def no_code(machine: Machine) -> Iterator[Found]:
    """The compute capability of each GPU against what the build holds, by its own word or by the table."""
    for build in frameworks(machine):
        if build.cuda is None:
            continue
        asked = next((t for t in machine.tried if t.package == build.package and t.archs), None)
        table = TORCH_ARCHS.get(build.cuda, ()) if build.package == "torch" and machine.system == "Linux" else ()
        archs = asked.archs if asked else build.archs or table
        ptx = asked.ptx if asked else None
        for gpu in dict.fromkeys(machine.gpus):
            if not archs or gpu.capability is None or _runs(gpu.capability, archs, ptx):
                continue
            told = f"{gpu.name} ({_dotted(gpu.capability)})"
            held = ", ".join(map(_dotted, archs))
            yield Found(
                None,
                Both(
                    f"{build.package} {build.version} for CUDA {build.cuda} holds code for {held}, not for {told}",
                    f"{build.package} {build.version}（CUDA {build.cuda}）含有 {held} 的代码，没有 {told} 的",
                ),
            )


@check(
    "CE205",
    "the driver does not answer",
    "error",
    why="Where nvidia-smi fails, no framework finds a GPU. After an update of the driver without a restart it says "
    '"Driver/library version mismatch"; in a container that was started without GPUs it finds no device.',
    fix="restart the machine after an update of the driver; start a container with --gpus all",
    source="nvidia-smi",
    example="nvidia-smi: Failed to initialize NVML: Driver/library version mismatch",
    zh=(
        "驱动没有应答",
        "nvidia-smi 失败时，任何框架都找不到 GPU。更新驱动后未重启，它会报 “Driver/library version mismatch”；"
        "容器启动时没有给 GPU，它找不到设备。",
        "更新驱动后重启机器；用 --gpus all 启动容器",
    ),
)
def no_answer(machine: Machine) -> Iterator[Found]:
    """`nvidia-smi` is there and fails."""
    if machine.driver.fault is not None:
        yield Found(None, Both(f"nvidia-smi: {machine.driver.fault}", f"nvidia-smi：{machine.driver.fault}"))


@check(
    "CE206",
    "build for CUDA without a GPU",
    "information",
    why="It works, on the processor, and takes some gigabytes more than a build for CPU. In a container the GPUs have "
    "to be asked for.",
    fix="in a container: docker run --gpus all; elsewhere check that nvidia-smi runs",
    source="version file of the framework; nvidia-smi",
    example="torch 2.13.0 (CUDA 13.0), and no nvidia-smi",
    zh=(
        "CUDA 版却没有 GPU",
        "能用，但在处理器上运行，并比 CPU 版多占几个 GB。容器里的 GPU 需要在启动时要求。",
        "容器：docker run --gpus all；否则检查 nvidia-smi 能否运行",
    ),
)
def no_gpu(machine: Machine) -> Iterator[Found]:
    """GPU builds where nothing lists a GPU."""
    built = [build for build in frameworks(machine) if build.cuda is not None]
    if built and not machine.gpus and machine.driver.fault is None and machine.driver.cuda is None:
        names = ", ".join(f"{build.package} {build.version} (CUDA {build.cuda})" for build in built)
        where = f" in this container ({machine.limits.container})" if machine.limits.container else " here"
        where_zh = f"这个容器（{machine.limits.container}）里" if machine.limits.container else "这里"
        yield Found(None, Both(f"{names}, and no GPU{where}", f"{names}，但{where_zh}没有 GPU"))


@check(
    "CE207",
    "all GPUs hidden",
    "information",
    why="With CUDA_VISIBLE_DEVICES empty or -1 no framework sees a GPU.",
    fix="unset CUDA_VISIBLE_DEVICES, or name the GPUs: CUDA_VISIBLE_DEVICES=0,1",
    source="NVIDIA, CUDA C++ Programming Guide: CUDA environment variables",
    example="CUDA_VISIBLE_DEVICES= on a machine with 8 GPUs",
    zh=(
        "所有 GPU 都被隐藏",
        "CUDA_VISIBLE_DEVICES 为空或 -1 时，任何框架都看不到 GPU。",
        "取消 CUDA_VISIBLE_DEVICES，或写明 GPU：CUDA_VISIBLE_DEVICES=0,1",
    ),
)
def hidden(machine: Machine) -> Iterator[Found]:
    """A variable that hides what the driver lists."""
    if machine.gpus and machine.visible is not None and machine.visible.strip() in ("", "-1", "NoDevFiles"):
        yield Found(
            None,
            Both(
                f"CUDA_VISIBLE_DEVICES is {machine.visible!r}, here is {_listed(machine.gpus)}",
                f"CUDA_VISIBLE_DEVICES 是 {machine.visible!r}，这里有 {_listed(machine.gpus)}",
            ),
        )


@check(
    "CE208",
    "two frameworks built for different CUDA in one environment",
    "warning",
    why="Each brings its own CUDA, cuDNN and NCCL. Where both are loaded into one process, the library that was loaded "
    "first serves both, in a version that one of them was not built for; where their packages share a folder, the one "
    "that was installed later has written over the other's.",
    fix="one environment, or one container, for each framework; their runs can still be compared: a record is a folder",
    source="version files of the frameworks; requirements of torch and paddlepaddle-gpu on nvidia-* packages",
    example="torch 2.13.0 (CUDA 13.0) and paddle 3.3.1 (CUDA 12.6)",
    zh=(
        "同一环境里两个框架为不同的 CUDA 编译",
        "各自带来自己的 CUDA、cuDNN 和 NCCL。装进同一进程时，先加载的库同时服务两者，其中一个不是为它编译的；"
        "两边的包共用目录时，后装的已覆盖先装的。",
        "每个框架一个环境或一个容器；运行仍可比较：记录就是一个文件夹",
    ),
)
def several(machine: Machine) -> Iterator[Found]:
    """torch and paddle, both for GPUs, of different CUDA."""
    built = [build for build in frameworks(machine) if build.cuda is not None]
    if len({build.cuda for build in built}) > 1:
        names = [f"{b.package} {b.version} (CUDA {b.cuda})" for b in built]
        yield Found(None, Both(" and ".join(names), " 和 ".join(names)))


def _runs(gpu: Capability, archs: Sequence[Capability], ptx: Capability | None) -> bool:
    return any(major == gpu[0] and minor <= gpu[1] for major, minor in archs) or (ptx is not None and ptx <= gpu)


def _numbers(version: str | None) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:2]) if version else ()


def _dotted(capability: Capability) -> str:
    return f"{capability[0]}.{capability[1]}"


def _listed(gpus: Sequence[Gpu]) -> str:
    names = [gpu.name for gpu in gpus]
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))


def _version(machine: Machine) -> str:
    drivers = [gpu.driver for gpu in machine.gpus if gpu.driver]
    return f" {drivers[0]} " if drivers else " "
