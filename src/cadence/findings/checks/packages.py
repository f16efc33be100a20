"""Versions of Python and of packages that do not fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cadence.findings.check import check
from cadence.findings.finding import Both
from cadence.findings.known import CLIENTS, NUMPY_2
from cadence.findings.rule import Found
from cadence.findings.versions import requirement, within
from cadence.record.machine.facts import Build, Machine


@check(
    "CE101",
    "Python outside a package's range",
    "error",
    why="A package that was put into a Python which it does not support fails when it is imported, or later.",
    fix="make an environment with a Python that all packages support, 3.11 for the tested set in constraints.txt",
    source="Requires-Python of the installed package",
    example="Python 3.9.18 with torch 2.9.1, which asks for >=3.10",
    zh=(
        "Python 不在包支持的范围内",
        "装进不支持的 Python 里的包，导入时或稍后会失败。",
        "用所有包都支持的 Python 新建环境；constraints.txt 中测试过的组合用 3.11",
    ),
)
def python_range(machine: Machine) -> Iterator[Found]:
    """The Python against what each package declares."""
    for name, wanted in machine.pythons.items():
        if within(machine.python, wanted) is False:
            package = f"{name} {machine.packages.get(name, '')}".strip()
            yield Found(
                None,
                Both(
                    f"Python is {machine.python}, {package} asks for {wanted}",
                    f"Python 是 {machine.python}，{package} 要求 {wanted}",
                ),
            )


@check(
    "CE102",
    "version that cadence was not tested with",
    "warning",
    why="Names, defaults and numbers of frameworks change between major versions; cadence's equality with them was "
    "proven for its range only.",
    fix="install a version of the range: pip install -c constraints.txt 'cadence[torch]' brings the tested set",
    source="Requires-Dist of the installed cadence, which is pyproject.toml",
    example="torch 3.0.0, tested with >=2.6,<3",
    zh=(
        "cadence 未测试过的版本",
        "框架的名称、默认值和数值会随大版本改变；cadence 与它们相等只在其范围内得到证明。",
        "装范围内的版本：pip install -c constraints.txt 'cadence[torch]' 会装上测试过的组合",
    ),
)
def tested_range(machine: Machine) -> Iterator[Found]:
    """Each package against the range of pyproject.toml."""
    for name, wanted in machine.ranges.items():
        version = machine.packages.get(name)
        if version is not None and within(version, wanted) is False:
            yield Found(
                None,
                Both(
                    f"{name} is {version}, cadence is tested with {wanted}",
                    f"{name} 是 {version}，cadence 测试的范围是 {wanted}",
                ),
            )


@check(
    "CE103",
    "packages that ask for other versions of each other",
    "error",
    why="Packages with compiled code fit exactly one version of what they were compiled for: torchvision 0.28.0 asks "
    'for torch 2.13.0 and fails to load with any other ("operator torchvision::nms does not exist"). An installer '
    "that is called twice lets the second call break what the first had made.",
    fix="install both in one command, so that the installer looks for a pair: pip install torch torchvision",
    source="Requires-Dist of the installed packages",
    example="torchvision 0.28.0 asks for torch ==2.13.0, here is 2.14.1",
    zh=(
        "包之间要求的版本不一致",
        "含编译代码的包只配它编译时的那个版本：torchvision 0.28.0 要求 torch 2.13.0，换成别的就无法加载"
        "（“operator torchvision::nms does not exist”）。分两次调用安装程序，第二次会弄坏第一次装好的。",
        "在同一条命令里安装两者，让安装程序找出配对：pip install torch torchvision",
    ),
)
def needs(machine: Machine) -> Iterator[Found]:
    """Requirements among the packages that matter, of those that are installed."""
    place = {
        "python_version": ".".join(machine.python.split(".")[:2]),
        "python_full_version": machine.python,
        "platform_system": machine.system,
        "sys_platform": {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}.get(machine.system, ""),
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    versions = {name.lower().replace("_", "-"): version for name, version in machine.packages.items()}
    for name, texts in machine.needs.items():
        for text in texts:
            need = requirement(text, place)
            if need is None:
                continue
            other, wanted = need
            version = versions.get(other)
            if version is not None and wanted and within(version, wanted) is False:
                package = f"{name} {machine.packages.get(name, '')}".strip()
                yield Found(
                    None,
                    Both(
                        f"{package} asks for {other} {wanted}, here is {version}",
                        f"{package} 要求 {other} {wanted}，这里是 {version}",
                    ),
                    fix=Both(
                        f"install both in one command, so that the installer looks for a pair: pip install {name} "
                        f"'{other}{wanted}'",
                        f"在同一条命令里安装两者，让安装程序找出配对：pip install {name} '{other}{wanted}'",
                    ),
                )


@check(
    "CE104",
    "numpy 2 with a package built for numpy 1",
    "error",
    why='Compiled code for numpy 1 cannot read arrays of numpy 2: torch says "Numpy is not available", paddle fails '
    "where a tensor becomes an array. These releases do not forbid numpy 2, so no installer notices.",
    fix="install a newer version of the framework, or pip install 'numpy<2'",
    source="PyTorch issue 132179; Paddle issue 67599",
    example="torch 2.2.2 with numpy 2.1.0",
    zh=(
        "numpy 2 与为 numpy 1 编译的包",
        "为 numpy 1 编译的代码读不了 numpy 2 的数组：torch 报 “Numpy is not available”，paddle 在张量转数组时失败。"
        "这些版本没有声明不支持 numpy 2，安装程序不会发现。",
        "安装更新的框架，或 pip install 'numpy<2'",
    ),
)
def numpy_abi(machine: Machine) -> Iterator[Found]:
    """Frameworks from before numpy 2."""
    numpy = machine.packages.get("numpy")
    if numpy is None or within(numpy, ">=2") is not True:
        return
    for name, first in NUMPY_2.items():
        version = machine.packages.get(name)
        if version is not None and within(version, f"<{first}") is True:
            yield Found(
                None,
                Both(
                    f"{name} {version} is built for numpy 1, here is numpy {numpy}",
                    f"{name} {version} 是为 numpy 1 编译的，这里是 numpy {numpy}",
                ),
                fix=Both(
                    f"pip install '{name}>={first}', or pip install 'numpy<2'",
                    f"pip install '{name}>={first}'，或 pip install 'numpy<2'",
                ),
            )


@check(
    "CE105",
    "two packages that own the same files",
    "error",
    why="The one that was installed later wrote over the other's files, so that the versions which the installer "
    "names are not what is loaded; removing either leaves the other broken. paddlepaddle and paddlepaddle-gpu are "
    "such a pair, and the libraries for CUDA 12 and CUDA 13 where they share a folder.",
    fix="keep one of them: pip uninstall both, then install the one that is wanted",
    source="the lists of files (RECORD) of the installed packages",
    example="paddlepaddle and paddlepaddle-gpu",
    zh=(
        "两个包拥有相同的文件",
        "后装的覆盖了先装的文件，安装程序报告的版本并不是真正加载的；卸载其一会弄坏另一个。paddlepaddle 与 "
        "paddlepaddle-gpu 就是这样一对，共用目录的 CUDA 12 与 CUDA 13 库也是。",
        "只留一个：先 pip uninstall 两者，再装需要的那个",
    ),
)
def shared_files(machine: Machine) -> Iterator[Found]:
    """Pairs that wrote over each other."""
    for first, second, file in machine.doubles:
        yield Found(
            None,
            Both(f"{first} and {second} both brought {file}", f"{first} 和 {second} 都带来了 {file}"),
            fix=Both(
                f"pip uninstall {first} {second}, then install the one that is wanted",
                f"先 pip uninstall {first} {second}，再装需要的那个",
            ),
        )


@check(
    "CE106",
    "torch and its companion built for different CUDA",
    "error",
    why="torchvision and torchaudio hold compiled code that is loaded into torch; a build for another CUDA, or one for "
    "a GPU beside a torch without, does not load, although the version numbers fit.",
    fix="install both from the same index, in one command",
    source="version.py of the installed packages; torchvision.extension, which compares the major versions on import",
    example="torch 2.13.0+cpu with torchvision 0.28.0+cu130",
    zh=(
        "torch 与其配套包为不同的 CUDA 编译",
        "torchvision、torchaudio 含有加载进 torch 的编译代码；为别的 CUDA 编译的，或 GPU 版配 CPU 版 torch，"
        "即使版本号相配也加载不了。",
        "在同一条命令里从同一个索引安装两者",
    ),
)
def companions(machine: Machine) -> Iterator[Found]:
    """torchvision and torchaudio against torch: with or without CUDA, and of which major version."""
    torch = machine.build("torch")
    if torch is None:
        return
    for build in (b for b in machine.builds if b.package in CLIENTS):
        if _major(build) != _major(torch):
            yield Found(
                None,
                Both(
                    ", ".join(f"{b.package} {b.version} is built for {_made_for(b)}" for b in (torch, build)),
                    "，".join(f"{b.package} {b.version} 为 {_made_for(b)} 编译" for b in (torch, build)),
                ),
            )


def _major(build: Build) -> str:
    other = re.search(r"\+(rocm|xpu)", build.version)  # made for GPUs of other makers
    return other[1] if other else (build.cuda or "").partition(".")[0]


def _made_for(build: Build) -> str:
    return f"CUDA {build.cuda}" if build.cuda else _major(build) or "CPU"
