"""Find out all of it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from cadence.record.environment import PACKAGES
from cadence.record.machine import probe
from cadence.record.machine.builds import builds, declared, doubles, own_ranges
from cadence.record.machine.facts import Capability, Machine, Tried
from cadence.record.machine.gpus import nvidia
from cadence.record.machine.limits import limits

SECONDS = 180.0
"""For loading one framework and a first kernel on each GPU, from a cold disk."""


def this_machine(*, deep: bool = False) -> Machine:
    """What is known about this machine. Nothing here fails: what cannot be found out is left empty.

    Args:
        deep: also load each framework that is installed, in a process of its own, and use it: seconds instead of
            tenths of one.
    """
    packages, needs, pythons = declared(PACKAGES)
    driver, gpus = nvidia()
    built = builds()
    frameworks = [build.package for build in built if build.package in ("torch", "paddle")]
    return Machine(
        python=platform.python_version(),
        system=platform.system(),
        packages=packages,
        needs=needs,
        pythons=pythons,
        ranges=own_ranges(__name__.partition(".")[0]),
        doubles=doubles(packages),
        builds=built,
        driver=driver,
        gpus=gpus,
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        limits=limits(),
        compiler=compiler(os.environ.get("CC")),
        tried=tuple(tried(name) for name in frameworks) if deep else (),
    )


def compiler(wanted: str | None) -> str | None:
    """Path of a C compiler: that of the variable ``CC``, else cc, gcc or clang."""
    return next(filter(None, map(shutil.which, [wanted] if wanted else ["cc", "gcc", "clang"])), None)


def tried(package: str) -> Tried:
    """Load a framework in a process of its own, and ask it."""
    code = Path(probe.__file__).read_text(encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, package],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Tried(package, fault=f"no answer within {SECONDS:g} seconds")
    except OSError as fault:
        return Tried(package, fault=str(fault))
    return answer_in(package, done.stdout.decode(errors="replace"), done.returncode)


def answer_in(package: str, said: str, status: int) -> Tried:
    """What the process said.

    Example:
        >>> answer_in("torch", "a warning\\nPROBE {\\"cuda\\": \\"13.0\\", \\"archs\\": [[9, 0]]}\\n", 0).archs
        ((9, 0),)
        >>> answer_in("torch", "", -11).fault
        'the process ended with signal 11'
    """
    lines = [line for line in said.splitlines() if line.startswith(probe.MARK)]
    if not lines:
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        return Tried(package, fault=f"the process ended with {ended}")
    told: dict[str, Any] = json.loads(lines[-1].removeprefix(probe.MARK))
    lists = {key: tuple(map(str, told.get(key) or ())) for key in ("failed", "backends")}
    ptx = told.get("ptx")
    return Tried(
        package,
        fault=told.get("fault"),
        cuda=told.get("cuda"),
        cudnn=told.get("cudnn"),
        devices=int(told.get("devices") or 0),
        archs=tuple(_capability(arch) for arch in told.get("archs") or ()),
        ptx=_capability(ptx) if ptx else None,
        numpy=told.get("numpy"),
        **lists,
    )


def _capability(pair: Any) -> Capability:
    return int(pair[0]), int(pair[1])
