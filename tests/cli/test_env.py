"""`cadence env`: what it shows, what it finds, how it ends."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cadence.findings.check import CHECKS
from cadence.record.machine import look
from cadence.record.machine.facts import Build, Driver, Gpu, Limits, Machine, Tried

SOUND = Machine(
    "3.11.9",
    builds=(Build("torch", "2.13.0", "13.0"),),
    driver=Driver(present=True, cuda="13.0"),
    gpus=(Gpu("NVIDIA H100", 80 << 30, "580.65", (9, 0)),),
    limits=Limits(container="docker", shared=8 << 30),
    compiler="/usr/bin/cc",
)
OLD = Machine(
    "3.11.9",
    builds=SOUND.builds,
    driver=Driver(present=True, cuda="12.4"),
    gpus=(Gpu("NVIDIA H100", 80 << 30, "550.54", (9, 0)),),
    limits=Limits(shared=64 << 20),
)
"""A driver that is too old, little shared memory, no compiler: one of each severity."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Makes the command believe that it runs on a machine."""

    def be(made: Machine) -> None:
        monkeypatch.setattr(look, "this_machine", lambda *, deep=False: made)

    return be


def test_a_sound_machine_is_shown_and_the_status_is_0(machine, command) -> None:
    machine(SOUND)
    done = command("env")
    assert (done.status, done.err) == (0, "")
    assert "NVIDIA H100 80 GiB, compute capability 9.0, driver 580.65" in done.out
    assert "CUDA up to 13.0" in done.out
    assert "torch 2.13.0 CUDA 13.0" in done.out
    assert done.out.endswith("\nno findings\n")


def test_what_does_not_fit_is_said_with_its_fix_and_the_status_is_1(machine, command) -> None:
    machine(OLD)
    done = command("env")
    assert done.status == 1
    heads = [line.split(":")[0] for line in done.out.splitlines() if " CE" in line]
    assert heads == ["error CE202 driver too old for the framework's CUDA", "warning CE302 little shared memory", "information CE301 no C compiler"]  # fmt: skip
    assert "    fix: update the driver" in done.out
    assert done.out.endswith("1 error, 1 warning, 1 for information\n")


def test_the_same_in_chinese(machine, command) -> None:
    machine(OLD)
    done = command("env", "--lang", "zh")
    assert done.status == 1
    assert "错误 CE202 驱动对框架的 CUDA 来说太旧：" in done.out
    assert "1 个错误，1 个警告，1 条提示" in done.out
    assert "计算能力 9.0" in done.out


def test_milder_findings_can_be_left_out_and_then_do_not_count(machine, command) -> None:
    machine(OLD)
    codes = [f["code"] for f in json.loads(command("env", "--json", "--at-least", "error").out)["findings"]]
    assert codes == ["CE202"]
    machine(Machine("3.11.9", builds=(Build("torch", "2.13.0+cpu"),), limits=OLD.limits))
    assert command("env").status == 1
    assert command("env", "--at-least", "error").status == 0
    machine(Machine("3.11.9"))
    assert command("env").status == 0  # no compiler is only good to know
    assert command("env", "--at-least", "some").status == 2


def test_json_holds_what_a_run_records_the_machine_and_the_findings(machine, command) -> None:
    machine(OLD)
    done = command("env", "--json")
    data = json.loads(done.out)
    assert done.status == 1
    assert data["machine"]["driver"] == {"present": True, "cuda": "12.4", "fault": None}
    assert {"python", "packages", "git", "device"} <= set(data)
    assert [f["severity"] for f in data["findings"]] == ["error", "warning", "information"]
    assert data["findings"][0]["fix"].startswith("update the driver")


def test_what_the_frameworks_said_is_shown(machine, command) -> None:
    tried = Tried("torch", cuda="13.0", cudnn="9.20.0", devices=1, archs=((9, 0),), backends=("gloo", "nccl"))
    machine(Machine("3.11.9", builds=SOUND.builds, gpus=SOUND.gpus, driver=SOUND.driver, tried=(tried,)))
    out = command("env", "--deep").out
    assert "cuDNN 9.20.0" in out
    assert "processes talk by gloo nccl" in out


def test_a_code_is_explained(command) -> None:
    done = command("env", "--explain", "ce302")
    assert done.status == 0
    assert done.out.startswith("CE302 (warning): little shared memory")
    assert "CE302 (警告)" in command("env", "--explain", "CE302", "--lang", "zh").out
    assert [each["code"] for each in json.loads(command("env", "--explain", "all", "--json").out)] == CHECKS.names()
    wrong = command("env", "--explain", "CE999")
    assert (wrong.status, "CE999" in wrong.err) == (2, True)


def test_this_machine_is_looked_at_without_loading_a_framework_or_numpy() -> None:
    script = (
        "import sys\nfrom cadence.cli.app import run\nstatus = run(['env', '--json'])\n"
        "assert status in (0, 1), status\n"
        "print(sorted({'numpy', 'torch', 'paddle', 'jax', 'scipy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert json.loads(done.stdout)["machine"]["limits"]["processors"] >= 1
