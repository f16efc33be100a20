"""C code to a function of this process, by the compiler of the machine; compiled once, and kept on disk."""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from cadence._errors import CompilerError

_COMMON = ("-std=c11", "-O3", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")
"""IEEE arithmetic, one rounding per operation: the numbers are those of the same formula in any framework. What is
given up is only that a square root sets `errno`, and that comparisons raise floating-point exceptions."""

_ATTEMPTS = (
    ("-march=native", "-mprefer-vector-width=512", "-fopenmp"),
    ("-march=native", "-fopenmp"),
    ("-march=native", "-fopenmp-simd"),
    ("-fopenmp-simd",),
    (),
)
"""Further flags, best first; compilers differ in which they know."""

_SECONDS = 120


def compiled(code: str) -> ctypes.CDLL:
    """The library that this code makes.

    Args:
        code: C11, complete.

    Raises:
        CompilerError: there is no C compiler, or it refuses the code.
    """
    compiler = c_compiler()
    key = hashlib.sha256("\0".join([code, compiler, _version(compiler), _processor(), *_COMMON]).encode()).hexdigest()
    library = kept_in() / f"{key[:32]}.so"
    if not library.exists():
        _compile(code, compiler, library)
    try:
        return ctypes.CDLL(str(library))
    except OSError as fault:
        raise CompilerError(f"{library} cannot be loaded ({fault}); remove it") from fault


@cache
def c_compiler() -> str:
    """Path of the machine's C compiler: that of the variable ``CC``, else cc, gcc or clang.

    Raises:
        CompilerError: there is none.
    """
    wanted = os.environ.get("CC")
    for name in [wanted] if wanted else ["cc", "gcc", "clang"]:
        found = shutil.which(name)
        if found is not None:
            return found
    where = f"CC names {wanted!r}, which is no program" if wanted else "there is no C compiler on this machine"
    raise CompilerError(f"{where}; install gcc or clang, or make the optimizer with compiled=False")


def _compile(code: str, compiler: str, library: Path) -> None:
    """Compile beside the target, and put it in place in one step: other processes may be doing the same."""
    with tempfile.TemporaryDirectory(dir=library.parent, prefix="compile-") as work:
        source, made = Path(work, "rule.c"), Path(work, "rule.so")
        source.write_text(code, encoding="utf-8")
        said = ""
        for flags in _ATTEMPTS:
            command = [compiler, *_COMMON, *flags, str(source), "-o", str(made), "-lm"]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
                )
            except (OSError, subprocess.TimeoutExpired) as fault:
                raise CompilerError(f"the C compiler {compiler} did not run: {fault}; name another by CC=") from fault
            if done.returncode == 0 and made.exists():
                os.replace(made, library)
                return
            told = done.stderr.strip() or f"exit status {done.returncode}, and no word"
            said = said or next((line for line in told.splitlines() if "error" in line), told)
    raise CompilerError(f"the C compiler {compiler} refuses the code of a rule ({said:.200}); name another by CC=")


@cache
def kept_in() -> Path:
    """Where what was compiled is kept: the user's cache, or a folder of this process where that cannot be trusted."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "cadence" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _only_mine(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    except (OSError, RuntimeError):
        pass
    own = tempfile.mkdtemp(prefix="cadence-kernels-")
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return Path(own)


def _only_mine(folder: Path) -> bool:
    """Whether nobody else may write there: what lies in it is run."""
    if not hasattr(os, "getuid"):
        return True
    about = folder.stat()
    return about.st_uid == os.getuid() and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@cache
def _version(compiler: str) -> str:
    try:
        said = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise CompilerError(f"the C compiler {compiler} did not run: {fault}; name another by CC=") from fault
    return said.stdout


@cache
def _processor() -> str:
    """What the code is made for: a folder may be shared by machines of different kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line for line in lines if line.lower().startswith(("flags", "features")))
    except (OSError, StopIteration):
        return f"{platform.machine()} {platform.processor()} {platform.node()}"
