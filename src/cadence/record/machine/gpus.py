"""The GPUs and what their driver can run, asked of `nvidia-smi`."""

from __future__ import annotations

import re
import shutil
import subprocess

from cadence.record.machine.facts import Driver, Gpu

SECONDS = 10.0
"""A driver that hangs must not hold up anybody."""

_FIELDS = ("name", "memory.total", "driver_version", "compute_cap")


def nvidia() -> tuple[Driver, tuple[Gpu, ...]]:
    """Ask the driver's tool twice: for the table that people see, which alone names the CUDA, and for the devices."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Driver(), ()
    status, said = _said([program])
    if status != 0:
        return Driver(present=True, fault=_last(said) or f"exit status {status}"), ()
    _, listed = _said([program, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"])
    return Driver(present=True, cuda=cuda_in(said)), tuple(map(gpu_in, filter(str.strip, listed.splitlines())))


def cuda_in(table: str) -> str | None:
    """The newest CUDA that the driver runs.

    Example:
        >>> cuda_in("| NVIDIA-SMI 550.54.15   Driver Version: 550.54.15   CUDA Version: 12.4 |")
        '12.4'
    """
    # Later tools write "CUDA UMD Version", because a container may bring a driver library newer than the kernel's.
    found = re.search(r"CUDA (?:\w+ )?Version\s*:\s*(\d+\.\d+)", table)
    return found[1] if found else None


def gpu_in(line: str) -> Gpu:
    """One line of the list of devices.

    Example:
        >>> gpu_in("NVIDIA A100, PCIe, 40960, 550.54, 8.0").capability
        (8, 0)
    """
    # A name may hold commas.
    name, memory, driver, capability = [*(part.strip() for part in line.rsplit(",", 3)), "", "", ""][:4]
    version = re.fullmatch(r"(\d+)\.(\d+)", capability)
    return Gpu(
        name,
        int(memory) << 20 if memory.isdecimal() else None,
        driver if driver[:1].isdecimal() else None,
        (int(version[1]), int(version[2])) if version else None,
    )


def _said(command: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"no answer within {SECONDS:g} seconds"
    except OSError as fault:
        return -1, str(fault)
    return done.returncode, done.stdout.decode(errors="replace")


def _last(said: str) -> str:
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
