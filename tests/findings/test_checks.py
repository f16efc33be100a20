"""What `cadence env` finds on machines that are made by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from cadence.findings.check import CHECKS, misfits
from cadence.findings.finding import Finding
from cadence.findings.known import DRIVERS, TORCH_ARCHS, TORCH_CUDA
from cadence.findings.text import explained
from cadence.record.machine.facts import Build, Driver, Gpu, Limits, Machine, Tried

GIB = 1 << 30

H100 = Gpu("NVIDIA H100", 80 * GIB, "580.65", (9, 0))
TORCH = Build("torch", "2.13.0+cu130", "13.0")
CPU = Build("torch", "2.13.0+cpu")
ASKED = Tried("torch", cuda="13.0", cudnn="9.20.0", devices=1, archs=((8, 0), (9, 0)), backends=("gloo", "nccl"))

SOUND = Machine(
    "3.11.9",
    packages={"numpy": "2.4.6", "torch": "2.13.0", "torchvision": "0.28.0", "nvidia-cudnn-cu13": "9.20.0.48"},
    needs={
        "torch": ("filelock", 'nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"'),
        "torchvision": ("numpy", "torch (==2.13.0)"),
    },
    pythons={"torch": ">=3.10", "numpy": ">=3.11"},
    ranges={"torch": ">=2.6,<3", "numpy": ">=1.26,<3", "jax": ">=0.8"},
    builds=(TORCH, Build("torchvision", "0.28.0+cu130", "13.0")),
    driver=Driver(present=True, cuda="13.0"),
    gpus=(H100,),
    limits=Limits("docker", 16, 16.0, 128 * GIB, 64 * GIB, 8 * GIB, None),
    compiler="/usr/bin/gcc",
    tried=(ASKED,),
)
"""A machine on which everything fits."""


def but(**changes: Any) -> Machine:
    """The sound machine with something else."""
    limits = {key: changes.pop(key) for key in list(changes) if key in Limits.__dataclass_fields__}
    return replace(SOUND, limits=replace(SOUND.limits, **limits), **changes)


def asked(**changes: Any) -> Machine:
    return but(tried=(replace(ASKED, **changes),))


PADDLE = Build("paddle", "3.3.1", "12.6", ((8, 0), (9, 0)))

FOUND: list[tuple[str, Machine, str]] = [
    ("CE101", but(python="3.9.18", pythons={"torch": ">=3.10"}), "Python is 3.9.18, torch 2.13.0 asks for >=3.10"),
    ("CE102", but(packages=SOUND.packages | {"jax": "0.5.3"}), "jax is 0.5.3, cadence is tested with >=0.8"),
    (
        "CE103",
        but(packages=SOUND.packages | {"torchvision": "0.29.0"}, needs={"torchvision": ("torch (==2.14.0)",)}),
        "torchvision 0.29.0 asks for torch ==2.14.0, here is 2.13.0",
    ),
    (
        "CE103",
        but(packages=SOUND.packages | {"nvidia-cudnn-cu13": "9.26.0.51"}),
        "torch 2.13.0 asks for nvidia-cudnn-cu13 ==9.20.0.48, here is 9.26.0.51",
    ),
    ("CE104", but(packages={"numpy": "2.0.0", "torch": "2.2.2"}, ranges={}, needs={}), "torch 2.2.2 is built for numpy 1"),
    ("CE104", but(packages={"numpy": "2.4.6", "paddlepaddle": "2.6.2"}, needs={}), "paddlepaddle 2.6.2 is built for"),
    (
        "CE105",
        but(doubles=(("paddlepaddle", "paddlepaddle-gpu", "paddle/base/libpaddle.so"),)),
        "paddlepaddle and paddlepaddle-gpu both brought paddle/base/libpaddle.so",
    ),
    (
        "CE106",
        but(builds=(CPU, Build("torchvision", "0.28.0+cu130", "13.0")), gpus=(), driver=Driver(), tried=()),
        "torch 2.13.0+cpu is built for CPU, torchvision 0.28.0+cu130 is built for CUDA 13.0",
    ),
    ("CE106", but(builds=(TORCH, Build("torchaudio", "2.11.0+cu126", "12.6"))), "torchaudio 2.11.0+cu126 is built for"),
    ("CE201", but(builds=(CPU,), tried=()), "torch 2.13.0+cpu is built without CUDA, here is 1 x NVIDIA H100"),
    (
        "CE202",
        but(driver=Driver(present=True, cuda="12.4"), gpus=(replace(H100, driver="550.54"),)),
        "built for CUDA 13.0, which takes a driver 580 or newer; the driver 550.54 runs CUDA up to 12.4",
    ),
    (
        "CE202",
        but(driver=Driver(present=True), gpus=(replace(H100, driver="550.54"),)),
        "the driver 550.54 runs CUDA up to 12.x",
    ),
    (
        "CE203",
        but(builds=(Build("torch", "2.10.0", "12.8"),), driver=Driver(present=True, cuda="12.4"), tried=()),
        "torch 2.10.0 is built for CUDA 12.8, the driver 580.65 runs CUDA up to 12.4",
    ),
    (
        "CE204",
        but(builds=(Build("torch", "2.6.0", "12.4"),), gpus=(Gpu("RTX 5090", capability=(12, 0)),), tried=()),
        "holds code for 5.0, 6.0, 7.0, 7.5, 8.0, 8.6, 9.0, not for RTX 5090 (12.0)",
    ),
    ("CE204", but(gpus=(Gpu("Tesla V100", capability=(7, 0)),), tried=()), "not for Tesla V100 (7.0)"),
    ("CE204", asked(archs=((8, 0), (8, 6))), "holds code for 8.0, 8.6, not for NVIDIA H100 (9.0)"),
    (
        "CE204",
        but(builds=(PADDLE,), gpus=(Gpu("T4", capability=(7, 5)),), tried=()),
        "paddle 3.3.1 for CUDA 12.6 holds code for 8.0, 9.0, not for T4 (7.5)",
    ),
    (
        "CE205",
        but(gpus=(), driver=Driver(present=True, fault="Failed to initialize NVML: Driver/library version mismatch"), tried=()),
        "nvidia-smi: Failed to initialize NVML",
    ),
    ("CE206", but(gpus=(), driver=Driver(), tried=()), "torch 2.13.0+cu130 (CUDA 13.0), and no GPU in this container (docker)"),
    ("CE207", but(visible=""), "CUDA_VISIBLE_DEVICES is '', here is 1 x NVIDIA H100"),
    ("CE207", but(visible="-1"), "CUDA_VISIBLE_DEVICES is '-1'"),
    ("CE208", but(builds=(TORCH, PADDLE)), "torch 2.13.0+cu130 (CUDA 13.0) and paddle 3.3.1 (CUDA 12.6)"),
    ("CE301", but(compiler=None), "none of cc, gcc, clang"),
    ("CE302", but(shared=64 << 20), "/dev/shm holds 64 MiB"),
    ("CE303", but(cpus=2.0, processors=64), "64 processors are visible, the control group gets 2 of them"),
    ("CE303", but(cpus=1.5, processors=8, threads=4), "8 processors are visible, the control group gets 1.5 of them"),
    ("CE304", but(memory_limit=2 * GIB), "the control group gets 2 GiB of 128 GiB"),
    (
        "CE401",
        but(gpus=(H100, H100), system="Windows", tried=()),
        "2 GPUs, and torch 2.13.0+cu130 has no NCCL on Windows",
    ),
    ("CE401", replace(asked(backends=("gloo",), devices=2), gpus=(H100, H100)), "has no NCCL on Linux"),
    ("CE402", asked(backends=(), cuda=None), "torch has neither gloo nor NCCL"),
    ("CE501", asked(fault="OSError: libcudnn.so.9: cannot open"), "import torch: OSError: libcudnn.so.9"),
    ("CE502", asked(devices=0), "nvidia-smi lists 1 GPU, torch sees 0"),
    ("CE503", asked(failed=("cuda:0: no kernel image is available",)), "torch: cuda:0: no kernel image"),
    ("CE504", asked(numpy="RuntimeError: Numpy is not available"), "torch: RuntimeError: Numpy is not available"),
]  # fmt: skip


def of(code: str, machine: Machine) -> list[Finding]:
    return [finding for finding in misfits(machine) if finding.code == code]


def test_nothing_is_found_on_a_machine_where_everything_fits() -> None:
    assert misfits(SOUND) == []


def test_nothing_is_found_where_nothing_is_known() -> None:
    assert [finding.code for finding in misfits(Machine("3.11.9", compiler="/usr/bin/cc"))] == []


@pytest.mark.parametrize(("code", "machine", "said"), FOUND, ids=[f"{c}-{i}" for i, (c, _, _) in enumerate(FOUND)])
def test_what_does_not_fit_is_found_and_said(code: str, machine: Machine, said: str) -> None:
    (finding,) = misfits(machine)
    assert finding.code == code
    assert said in finding.message
    assert finding.fix
    assert all(re.search(r"[\u4e00-\u9fff]", text) for text in (finding.zh[0], finding.zh[3]))
    assert (finding.consequence == "") == (finding.zh[2] == "")
    # The same values in both languages.
    numbers = r"\d+(?:\.\d+)+"
    assert set(re.findall(numbers, finding.message)) == set(re.findall(numbers, finding.zh[1]))


def test_every_check_finds_something_in_these_machines_and_has_a_page_in_both_languages() -> None:
    assert sorted(CHECKS) == sorted({code for code, _, _ in FOUND})
    for code in CHECKS:
        assert CHECKS[code].source
        assert CHECKS[code].title in explained(CHECKS[code])
        assert CHECKS[code].zh[1] in explained(CHECKS[code], "zh")


SILENT: list[tuple[str, Machine]] = [
    ("CE101", but(pythons={"x": "a range that nobody can read"})),
    ("CE102", but(packages=SOUND.packages | {"torch": "2.14.0.dev20260801+cpu"}, needs={})),
    ("CE103", but(needs={"torch": ("triton==3; sys_platform == 'win32'", "numpy", "no-such>=1")})),
    ("CE104", but(packages={"numpy": "1.26.4", "torch": "2.2.2"}, needs={})),
    ("CE104", but(packages={"numpy": "2.0.0", "torch": "2.3.0"}, needs={})),
    # Only the major version of CUDA has to be the same.
    ("CE106", but(builds=(TORCH, Build("torchvision", "0.28.0+cu132", "13.2")))),
    ("CE106", but(builds=(Build("torch", "2.13.0+rocm7.0"), Build("torchvision", "0.28.0+rocm7.0")))),
    ("CE201", but(builds=(Build("torch", "2.13.0+rocm7.0"),))),
    ("CE201", but(builds=(CPU,), gpus=())),
    # A newer driver runs what was built for an older CUDA; the same major version is enough.
    ("CE202", but(builds=(Build("torch", "2.6.0", "12.4"),))),
    ("CE202", but(builds=(Build("torch", "2.10.0", "12.8"),), driver=Driver(present=True, cuda="12.0"))),
    ("CE202", but(driver=Driver(present=True), gpus=(replace(H100, driver="599.1"),))),
    ("CE203", but(driver=Driver(present=True, cuda="13.1"))),
    # 8.9 runs what was compiled for 8.6; 12.1 what was for 12.0; PTX is compiled for whatever is newer.
    ("CE204", but(gpus=(Gpu("L4", capability=(8, 9)),), tried=())),
    ("CE204", but(gpus=(Gpu("GB10", capability=(12, 1)),), tried=())),
    ("CE204", replace(asked(archs=((9, 0),), ptx=(12, 0)), gpus=(Gpu("next", capability=(13, 0)),))),
    ("CE204", but(builds=(Build("torch", "2.99.0", "19.0"),), tried=())),
    ("CE206", but(builds=(CPU,), gpus=(), driver=Driver())),
    ("CE207", but(visible="0")),
    ("CE208", but(builds=(TORCH, Build("paddle", "3.3.1")))),
    ("CE302", but(shared=None)),
    ("CE302", but(shared=64 << 20, builds=())),
    ("CE303", but(cpus=2.0, processors=64, threads=2)),
    ("CE303", but(cpus=None, processors=64)),
    ("CE303", but(cpus=7.5, processors=8)),
    ("CE304", but(memory_limit=128 * GIB)),
    ("CE401", replace(asked(devices=2), gpus=(H100, H100))),
    ("CE401", but(system="Windows")),
    # Two of eight were asked for.
    ("CE502", replace(asked(devices=2), gpus=(H100,) * 8, visible="0,1")),
]


@pytest.mark.parametrize(("code", "machine"), SILENT, ids=[f"{c}-{i}" for i, (c, _) in enumerate(SILENT)])
def test_what_fits_is_left_alone(code: str, machine: Machine) -> None:
    assert of(code, machine) == []


def test_little_shared_memory_is_counted_in_batches() -> None:
    (finding,) = of("CE302", but(shared=64 << 20))
    # 64 * 3 * 224 * 224 * 4 bytes are 36.75 MiB.
    assert finding.consequence.startswith("that is 1 batch of 64 images")
    (finding,) = of("CE302", but(shared=512 << 20))
    assert finding.consequence.startswith("that is 13 batches of 64 images")


def test_the_fix_of_an_old_driver_names_the_newest_torch_that_it_runs() -> None:
    (finding,) = of("CE202", but(driver=Driver(present=True, cuda="12.4")))
    assert "pip install 'torch==2.10.*'" in finding.fix
    assert "pip install 'torch==2.10.*'" in finding.zh[3]


def test_the_fix_of_a_build_without_cuda_is_one_that_the_driver_runs() -> None:
    def fix(build: Build, cuda: str) -> tuple[str, str]:
        driver = Driver(present=True, cuda=cuda)
        (finding,) = of("CE201", but(builds=(build,), driver=driver, tried=()))
        return finding.severity, finding.fix

    assert fix(CPU, "13.0") == ("warning", "install the build for CUDA: pip install --force-reinstall torch==2.13.0")
    assert fix(CPU, "12.4")[1].endswith("--force-reinstall 'torch==2.10.*'")
    assert "PaddlePaddle's own index" in fix(Build("paddle", "3.3.1"), "12.4")[1]


def test_a_build_without_cuda_beside_one_with_it_is_only_good_to_know() -> None:
    (finding,) = misfits(but(builds=(TORCH, Build("paddle", "3.3.1"))))
    assert (finding.code, finding.severity) == ("CE201", "information")


def test_a_published_list_of_versions_that_cannot_exist_together_is_taken_apart() -> None:
    # "Python 3.9+, PyTorch 2.9, CUDA 12.1": PyTorch 2.9 is built for 12.6, 12.8 and 13.0, and for Python 3.10 and newer.
    machine = Machine(
        "3.9.18",
        packages={"torch": "2.9.1", "torchvision": "0.16.0"},
        needs={"torchvision": ("torch (==2.1.0)",)},
        pythons={"torch": ">=3.10"},
        builds=(Build("torch", "2.9.1+cu130", "13.0"), Build("torchvision", "0.16.0+cu121", "12.1")),
        driver=Driver(present=True, cuda="12.1"),
        gpus=(Gpu("NVIDIA A100", driver="530.30", capability=(8, 0)),),
        compiler="/usr/bin/cc",
    )
    assert [finding.code for finding in misfits(machine)] == ["CE101", "CE103", "CE106", "CE202"]


def test_the_worst_come_first_and_the_milder_can_be_left_out() -> None:
    machine = but(compiler=None, shared=1 << 20, python="3.9.0", visible="")
    kinds = [finding.severity for finding in misfits(machine)]
    assert kinds == sorted(kinds, key=["error", "warning", "information"].index)
    assert {"error", "warning", "information"} == set(kinds)
    assert {f.severity for f in misfits(machine, at_least="warning")} == {"error", "warning"}
    assert {f.severity for f in misfits(machine, at_least="error")} == {"error"}


def test_the_tables_speak_of_the_same_versions() -> None:
    majors = {int(cuda.partition(".")[0]) for cuda in (*TORCH_CUDA.values(), *TORCH_ARCHS)}
    assert majors <= set(DRIVERS)
    assert all(archs == tuple(sorted(archs)) for archs in TORCH_ARCHS.values())
    # Newer drivers for newer CUDA.
    assert list(DRIVERS.values()) == sorted(DRIVERS.values())
