"""CUDA code to machine code, by the compiler that comes with torch's CUDA builds; compiled once, and kept on disk.

Source: NVIDIA, "NVRTC (runtime compilation library)", user guide.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cadence._errors import CompilerError
from cadence.optim.kernels.compiler import kept_in

_FLAGS = ("--std=c++17", "--fmad=false")
"""One rounding per operation: the numbers are those of the same formula on a processor."""

_ANYWAY = "make the optimizer with compiled=False"


def machine_code(code: str, capability: tuple[int, int], cuda: str) -> bytes:
    """What a GPU executes.

    Args:
        code: CUDA C++, complete, without headers.
        capability: of the GPU, e.g. ``(9, 0)``.
        cuda: version that the framework is built with, e.g. ``"13.0"``.

    Raises:
        CompilerError: there is no such compiler, or it refuses the code, or does not know this GPU.
    """
    library = _library(cuda)
    architecture = f"--gpu-architecture=sm_{capability[0]}{capability[1]}"
    key = hashlib.sha256("\0".join([code, architecture, str(_version(library)), *_FLAGS]).encode()).hexdigest()
    kept = kept_in() / f"{key[:32]}.cubin"
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    made = _compiled(library, code, architecture)
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=kept.parent, prefix="compile-") as work:
        Path(work, "made").write_bytes(made)
        os.replace(Path(work, "made"), kept)
    return made


def _compiled(library: Any, code: str, architecture: str) -> bytes:
    program = ctypes.c_void_p()
    if library.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"rule.cu", 0, None, None):
        raise CompilerError(f"the CUDA compiler could not begin; {_ANYWAY}")
    try:
        flags = [flag.encode() for flag in (architecture, *_FLAGS)]
        if library.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*flags)):
            said = _told(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog, program).decode(errors="replace")
            line = next((line for line in said.splitlines() if "error" in line), said.strip())
            raise CompilerError(f"the CUDA compiler refuses the code of a rule ({line.strip(chr(0)):.200}); {_ANYWAY}")
        return _told(library.nvrtcGetCUBINSize, library.nvrtcGetCUBIN, program)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _told(size_of: Any, content_of: Any, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    if size_of(program, ctypes.byref(size)):
        return b""
    content = ctypes.create_string_buffer(size.value)
    return b"" if content_of(program, content) else content.raw


def _version(library: Any) -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


@cache
def _library(cuda: str) -> Any:
    """The compiler, as a library: that of the same major version of CUDA."""
    if os.name != "posix":
        raise CompilerError(f"CUDA code is compiled on Linux alone here; {_ANYWAY}")
    major = cuda.partition(".")[0]
    for path in (*_beside_torch(major), Path(f"libnvrtc.so.{major}")):
        # It opens its own part by name alone, which is found where that is loaded already.
        for part in sorted(path.parent.glob("libnvrtc-builtins*")) if path.is_absolute() else ():
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(part))
        with contextlib.suppress(OSError):
            return ctypes.CDLL(str(path))
    raise CompilerError(
        f"the CUDA compiler of torch's build, libnvrtc.so.{major}, is not found; install the package "
        f"nvidia-cuda-nvrtc, or {_ANYWAY}"
    )


def _beside_torch(major: str) -> Iterator[Path]:
    """Where torch's builds, or the packages that they bring, have it."""
    for package, places in (("nvidia", "*/lib"), ("torch", "lib")):
        found = importlib.util.find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            for name in (f"libnvrtc.so.{major}*", f"libnvrtc-[0-9a-f]*.so.{major}*"):
                yield from sorted(Path(folder).resolve().glob(f"{places}/{name}"))
