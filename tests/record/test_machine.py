"""What is found out about a machine: by files, by the driver's tool, by asking a framework."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cadence.record.machine import gpus, look
from cadence.record.machine.builds import build_in, declared, doubles, own_ranges, ranges_in
from cadence.record.machine.facts import Build, Driver, Gpu, Machine
from cadence.record.machine.limits import limits
from cadence.record.machine.look import compiler, this_machine, tried

posix = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")

# ---- the driver's tool -----------------------------------------------------------------------------------------------

TABLE = """
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |
+-----------------------------------------------------------------------------------------+
"""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in for nvidia-smi goes; no other program is there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "nvidia-smi"


def stand_in(path: Path, script: str) -> None:
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


@posix
def test_driver_and_devices_are_those_that_the_tool_lists(smi: Path) -> None:
    lines = "NVIDIA H100 80GB HBM3, 81559, 550.54.15, 9.0\\nNVIDIA A100, PCIe, [N/A], 550.54.15, 8.0\\n"
    stand_in(smi, f"case \"$*\" in *query*) printf '{lines}';; *) echo '{TABLE}';; esac\n")
    driver, devices = gpus.nvidia()
    assert driver == Driver(present=True, cuda="12.4")
    assert devices == (
        Gpu("NVIDIA H100 80GB HBM3", 81559 << 20, "550.54.15", (9, 0)),
        Gpu("NVIDIA A100, PCIe", None, "550.54.15", (8, 0)),
    )


@posix
def test_a_tool_that_fails_is_quoted(smi: Path) -> None:
    stand_in(smi, "echo Failed to initialize NVML: Driver/library version mismatch; exit 18\n")
    assert gpus.nvidia() == (
        Driver(present=True, fault="Failed to initialize NVML: Driver/library version mismatch"),
        (),
    )
    stand_in(smi, "exit 9\n")
    assert gpus.nvidia()[0].fault == "exit status 9"


@posix
def test_a_tool_that_hangs_is_not_waited_for(smi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(smi, "exec /bin/sleep 60\n")
    monkeypatch.setattr(gpus, "SECONDS", 0.3)
    begin = time.monotonic()
    assert "no answer" in (gpus.nvidia()[0].fault or "")
    assert time.monotonic() - begin < 10


def test_without_the_tool_there_is_no_driver(smi: Path) -> None:
    assert gpus.nvidia() == (Driver(), ())


@pytest.mark.parametrize(
    ("table", "cuda"),
    [(TABLE, "12.4"), ("| CUDA UMD Version: 13.1 |", "13.1"), ("CUDA Version: N/A", None), ("", None)],
)
def test_the_newest_cuda_is_read_from_the_tools_table(table: str, cuda: str | None) -> None:
    assert gpus.cuda_in(table) == cuda


@pytest.mark.parametrize("line", ["", "name", "name, [N/A], [N/A], [N/A]", ",,,"])
def test_a_line_that_lacks_something_leaves_it_out(line: str) -> None:
    found = gpus.gpu_in(line)
    assert (found.memory, found.driver, found.capability) == (None, None, None)


# ---- version files ---------------------------------------------------------------------------------------------------

TORCH = "from typing import Optional\n__version__ = '2.13.0{}'\ncuda: Optional[str] = {}\nhip: Optional[str] = None\n"
PADDLE = "full_version = '3.3.1'\ncuda_version = '{}'\ncompiled_cuda_archs = {}\ndef show():\n    print(cuda_version)\n"


@pytest.mark.parametrize(
    ("package", "text", "build"),
    [
        ("torch", TORCH.format("+cpu", None), Build("torch", "2.13.0+cpu")),
        ("torch", TORCH.format("", "'13.0'"), Build("torch", "2.13.0", "13.0")),
        (
            "torchvision",
            "__version__ = '0.28.0+cu130'\ncuda = _check()\n",
            Build("torchvision", "0.28.0+cu130", "13.0"),
        ),
        ("torchvision", "__version__ = '0.28.0+cpu'\n", Build("torchvision", "0.28.0+cpu")),
        ("paddle", PADDLE.format("False", "[]"), Build("paddle", "3.3.1")),
        ("paddle", PADDLE.format("12.6", "[80, 90, 100]"), Build("paddle", "3.3.1", "12.6", ((8, 0), (9, 0), (10, 0)))),
    ],
)
def test_what_a_package_was_built_for_is_read_from_its_version_file(package: str, text: str, build: Build) -> None:
    assert build_in(package, text) == build


@pytest.mark.parametrize("text", ["", "not python at all (", "__version__ = 3", "x = 1\0"])
def test_a_file_that_tells_nothing_is_no_build(text: str) -> None:
    assert build_in("torch", text) is None


def test_the_builds_of_this_environment_are_those_of_the_frameworks() -> None:
    torch = pytest.importorskip("torch")
    build = this_machine().build("torch")
    assert build is not None
    assert (build.version, build.cuda) == (str(torch.__version__), torch.version.cuda)


# ---- what packages declare -------------------------------------------------------------------------------------------


def installed(folder: Path, name: str, version: str, *lines: str, files: tuple[str, ...] = ()) -> None:
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("\n".join([f"Name: {name}", f"Version: {version}", *lines]) + "\n")
    (about / "RECORD").write_text("".join(f"{file},,\n" for file in files))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, before all others."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_requirements_are_read_with_the_libraries_that_they_name(site: Path) -> None:
    installed(
        site, "aframework", "1.0", "Requires-Python: >=3.10", "Requires-Dist: numpy",
        "Requires-Dist: nvidia-alibrary-cu13==9.1; platform_system == 'Linux'",
        "Requires-Dist: other; extra == 'all'",
    )  # fmt: skip
    installed(site, "nvidia-alibrary-cu13", "9.2")
    versions, needs, pythons = declared(["aframework", "no-such-package"])
    assert versions == {"aframework": "1.0", "nvidia-alibrary-cu13": "9.2"}
    assert needs == {"aframework": ("numpy", "nvidia-alibrary-cu13==9.1; platform_system == 'Linux'")}
    assert pythons == {"aframework": ">=3.10"}


def test_two_packages_with_one_file_are_found(site: Path) -> None:
    shared = ("nvidia/alibrary/lib/liba.so.9", "nvidia/__init__.py")
    installed(site, "nvidia-alibrary-cu12", "9.1", files=shared)
    installed(site, "nvidia-alibrary-cu13", "9.2", files=(*shared, "nvidia/more"))
    installed(site, "nvidia-blibrary-cu12", "1", files=("nvidia/__init__.py", "nvidia/b12"))
    installed(site, "nvidia-blibrary-cu13", "2", files=("nvidia/__init__.py", "nvidia/b13"))
    names = [f"nvidia-{x}library-cu{n}" for x in "ab" for n in (12, 13)]
    assert doubles(dict.fromkeys(names, "")) == (
        ("nvidia-alibrary-cu12", "nvidia-alibrary-cu13", "nvidia/alibrary/lib/liba.so.9"),
    )


def test_a_range_for_users_goes_before_one_for_tests() -> None:
    requirements = [
        "paddlepaddle<4,>=3.3; extra == 'peers'", "paddlepaddle<4,>=3; extra == 'paddle'", "numpy (>=1.26)",
        "cadence[torch]; extra == 'peers'", "pytorch_optimizer<5,>=4; extra == 'dev'",
    ]  # fmt: skip
    assert ranges_in(requirements) == {"paddlepaddle": "<4,>=3", "numpy": ">=1.26", "pytorch-optimizer": "<5,>=4"}
    assert own_ranges("no-such-package") == {}


# ---- limits ----------------------------------------------------------------------------------------------------------


def files(root: Path, **contents: str) -> None:
    for name, text in contents.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_limits_of_a_container_are_read_at_the_top_of_its_groups(tmp_path: Path) -> None:
    files(
        tmp_path, _dot_dockerenv="", proc__self__cgroup="0::/\n", proc__meminfo="MemTotal: 131072 kB\nMemFree: 1 kB\n",
        sys__fs__cgroup__cpu_dot_max="150000 100000\n", sys__fs__cgroup__memory_dot_max="4294967296\n", dev__shm__x="",
    )  # fmt: skip
    found = limits(tmp_path, {"OMP_NUM_THREADS": "4,2"})
    assert (found.container, found.cpus, found.memory_limit, found.memory) == ("docker", 1.5, 4 << 30, 128 << 20)
    assert found.threads == 4
    assert found.shared
    assert found.processors


def test_the_tightest_of_nested_groups_holds(tmp_path: Path) -> None:
    files(
        tmp_path, proc__self__cgroup="0::/user/session\n",
        sys__fs__cgroup__user__cpu_dot_max="200000 100000\n", sys__fs__cgroup__user__memory_dot_max="1000\n",
        sys__fs__cgroup__user__session__cpu_dot_max="400000 100000\n",
        sys__fs__cgroup__user__session__memory_dot_max="max\n",
        sys__fs__cgroup__other__cpu_dot_max="1000 100000\n",
    )  # fmt: skip
    found = limits(tmp_path, {})
    assert (found.cpus, found.memory_limit) == (2.0, 1000)


def test_groups_of_the_first_version_are_read_too(tmp_path: Path) -> None:
    files(
        tmp_path, proc__self__cgroup="4:cpu,cpuacct:/job\n3:memory:/job\n1:name=systemd:/\n",
        sys__fs__cgroup__cpu__job__cpu_dot_cfs_quota_us="50000\n",
        sys__fs__cgroup__cpu__job__cpu_dot_cfs_period_us="100000\n",
        sys__fs__cgroup__memory__job__memory_dot_limit_in_bytes="9223372036854771712\n",
    )  # fmt: skip
    found = limits(tmp_path, {})
    assert (found.cpus, found.memory_limit) == (0.5, None)


def test_without_limits_there_are_none(tmp_path: Path) -> None:
    files(tmp_path, proc__self__cgroup="0::/\n", sys__fs__cgroup__cpu_dot_max="max 100000\n")
    found = limits(tmp_path, {"OMP_NUM_THREADS": "many"})
    assert (found.container, found.cpus, found.memory_limit, found.shared) == (None, None, None, None)
    assert found.threads is None


@pytest.mark.parametrize(
    ("mark", "variables", "kind"),
    [
        ("_dot_dockerenv", {}, "docker"), ("run___dot_containerenv", {}, "podman"),
        ("x", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"), ("x", {"container": "lxc"}, "lxc"), ("x", {}, None),
    ],
)  # fmt: skip
def test_a_container_is_known_by_the_mark_of_its_engine(
    mark: str, variables: dict[str, str], kind: str | None, tmp_path: Path
) -> None:
    files(tmp_path, **{mark: ""})
    assert limits(tmp_path, variables).container == kind


@posix
def test_the_compiler_is_the_one_that_is_named_or_the_first_there_is(smi: Path) -> None:
    assert compiler(None) is None
    stand_in(smi.with_name("clang"), "")
    assert compiler(None) == str(smi.with_name("clang"))
    assert compiler("no-such-compiler") is None


# ---- asking a framework ----------------------------------------------------------------------------------------------

FAKE = """
class _Any:
    def __init__(self, **kept): self.__dict__.update(kept)
def _fails(*_, device="cpu", **__): raise RuntimeError("CUDA error: no kernel image\\n  more")
print("a banner")
version = _Any(cuda="13.0")
backends = _Any(cudnn=_Any(version=lambda: 91002))
cuda = _Any(is_available=lambda: True, device_count=lambda: 2, get_arch_list=lambda: ["sm_80", "sm_120", "compute_120"])
distributed = _Any(is_available=lambda: True, is_gloo_available=lambda: True, is_nccl_available=lambda: False)
ones, from_numpy = _fails, _fails
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is imported as torch by other processes."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "torch.py"


def test_what_a_framework_says_comes_back(fake: Path) -> None:
    fake.write_text(FAKE)
    said = tried("torch")
    assert said.fault is None
    assert (said.cuda, said.cudnn, said.devices) == ("13.0", "9.10.2", 2)
    assert (said.archs, said.ptx) == (((8, 0), (12, 0)), (12, 0))
    assert said.backends == ("gloo",)
    assert said.failed == tuple(f"cuda:{i}: RuntimeError: CUDA error: no kernel image" for i in (0, 1))
    assert said.numpy is None or "Error" in said.numpy


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("raise OSError('libcudnn.so.9: cannot open')", "OSError: libcudnn.so.9: cannot open"),
        ("import os; os._exit(7)", "the process ended with exit status 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the process ended with signal 9"),
        ("raise SystemExit('bye')", "the process ended with exit status 1"),
    ],
)
@posix
def test_a_framework_that_fails_or_crashes_does_so_elsewhere(code: str, fault: str, fake: Path) -> None:
    fake.write_text(code)
    assert tried("torch").fault == fault


def test_a_framework_that_hangs_is_not_waited_for(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(look, "SECONDS", 0.5)
    assert "no answer" in (tried("torch").fault or "")


@pytest.mark.parametrize("package", ["torch", "paddle"])
def test_the_frameworks_that_are_installed_can_be_asked(package: str) -> None:
    pytest.importorskip(package)
    said = tried(package)
    assert (said.fault, said.numpy, said.failed) == (None, None, ())
    assert "gloo" in said.backends


def test_nothing_is_imported_to_find_out_and_the_answer_is_plain_data() -> None:
    script = (
        "import json, sys\nfrom cadence.record.machine.look import this_machine\n"
        "json.dumps(this_machine().to_json())\n"
        "print(sorted({'numpy', 'torch', 'paddle', 'jax', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_plain_data_leaves_out_what_is_written_elsewhere() -> None:
    data = json.loads(json.dumps(Machine("3.11.9", builds=(Build("torch", "2", "13.0"),)).to_json()))
    assert sorted(data) == ["builds", "compiler", "driver", "gpus", "limits", "tried"]
    assert data["builds"] == [{"package": "torch", "version": "2", "cuda": "13.0", "archs": []}]
