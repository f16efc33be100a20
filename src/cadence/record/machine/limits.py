"""What a process may use: control groups, the shared memory, whether this is a container."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cadence.record.machine.facts import Limits

_NO_LIMIT = 1 << 60
"""Control groups of version 1 write a number near 2 ** 63 where there is no limit."""


def limits(root: Path = Path("/"), variables: Mapping[str, str] = os.environ) -> Limits:
    """Read the system's files.

    Args:
        root: where they lie.
        variables: of the process.
    """
    groups = list(_groups(root))
    cpus = [n for n in map(_cpus, groups) if n is not None]
    memory = [n for n in map(_memory, groups) if n is not None]
    # More than one number says one for each level of nesting; the first is the outer.
    threads = re.match(r"\d+", variables.get("OMP_NUM_THREADS", ""))
    return Limits(
        container=container(root, variables),
        processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        cpus=min(cpus, default=None),
        memory=_physical(root),
        memory_limit=min(memory, default=None),
        shared=_size(root / "dev" / "shm"),
        threads=int(threads[0]) if threads else None,
    )


def container(root: Path, variables: Mapping[str, str]) -> str | None:
    """What kind of container a process lives in, by the marks that the engines leave."""
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run" / ".containerenv").exists():
        return "podman"
    if "KUBERNETES_SERVICE_HOST" in variables:
        return "kubernetes"
    return variables.get("container") or None


def _groups(root: Path) -> Iterator[Path]:
    """Folders of the process's control groups and of all above them: each may limit."""
    base = root / "sys" / "fs" / "cgroup"
    for line in _read(root / "proc" / "self" / "cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        wanted = [""] if not controllers else [c for c in controllers.split(",") if c in ("cpu", "memory")]
        for controller in wanted:
            top = base / controller
            here = top / path.strip("/")
            yield from (folder for folder in (here, *here.parents) if folder == top or top in folder.parents)
    # In a container the path may be the host's, while its own group is mounted at the top.
    yield from (base, base / "cpu", base / "memory")


def _cpus(group: Path) -> float | None:
    quota, _, period = _read(group / "cpu.max").strip().partition(" ")
    if not quota:
        quota, period = _read(group / "cpu.cfs_quota_us").strip(), _read(group / "cpu.cfs_period_us").strip()
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _memory(group: Path) -> int | None:
    told = _read(group / "memory.max").strip() or _read(group / "memory.limit_in_bytes").strip()
    return int(told) if told.isdecimal() and int(told) < _NO_LIMIT else None


def _physical(root: Path) -> int | None:
    found = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc" / "meminfo"), flags=re.MULTILINE)
    return int(found[1]) << 10 if found else None


def _size(folder: Path) -> int | None:
    try:
        about = os.statvfs(folder)
    except (OSError, AttributeError):
        return None
    return about.f_frsize * about.f_blocks


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
