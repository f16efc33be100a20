"""What a process needs of its machine: memory, and the use of a GPU. Nothing is imported, nothing is started."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

_STATM = Path("/proc/self/statm")


@final
class Meter:
    """Reads memory and use, of one device.

    Args:
        device: where the engine computes: ``{"type": "cuda", ...}``, with ``"index"`` where there are several.
    """

    def __init__(self, device: Mapping[str, Any]) -> None:
        self._index = int(device.get("index", 0))
        self._gpu = device.get("type") in ("cuda", "gpu")
        self._use = _Use(_physical(self._index)) if self._gpu else None

    def read(self) -> dict[str, float]:
        """What can be found out now, by the names of the record's columns: bytes, and the share of use."""
        found: dict[str, float] = {}
        if (memory := resident()) is not None:
            found["memory"] = memory
        if self._gpu:
            found.update(_allocated(self._index))
        if self._use is not None and (use := self._use.read()) is not None:
            found["gpu_use"] = use
        return found


def resident() -> int | None:
    """Bytes of main memory that this process holds now; None where the system does not say."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _allocated(index: int) -> dict[str, float]:
    """Bytes that the framework's allocator gave out, and holds, on a device; counters in this process."""
    for name, where in (("torch", "cuda"), ("paddle", "device.cuda")):
        module: Any = sys.modules.get(name)
        for part in where.split("."):
            module = getattr(module, part, None)
        try:
            if module is not None and (name != "torch" or module.is_initialized()):
                allocated, reserved = module.memory_allocated(index), module.memory_reserved(index)
                return {"gpu_allocated": int(allocated), "gpu_reserved": int(reserved)}
        except (RuntimeError, ValueError, AttributeError):
            continue
    return {}


def _physical(index: int) -> int:
    """Number of a device as the driver counts, which CUDA_VISIBLE_DEVICES may have hidden some of."""
    visible = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    if index < len(visible) and visible[index].isdecimal():
        return int(visible[index])
    return index


@final
class _Utilization(ctypes.Structure):
    """`nvmlUtilization_t`: percent of the last sampling period."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


@final
class _Use:
    """Use of a GPU by the driver's own library, NVML: what `nvidia-smi` prints, without starting it.

    Source: NVIDIA, NVML API Reference, `nvmlDeviceGetUtilizationRates`.
    """

    def __init__(self, physical: int) -> None:
        self._library: Any = None
        self._handle = ctypes.c_void_p()
        try:
            library: Any = ctypes.CDLL("libnvidia-ml.so.1")
            if library.nvmlInit_v2() == 0:
                found = library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(physical), ctypes.byref(self._handle))
                self._library = library if found == 0 else None
        except (OSError, AttributeError):
            pass

    def read(self) -> float | None:
        """Share of the last sampling period in which the GPU computed; None where it cannot be found out."""
        rates = _Utilization()
        if self._library is None or self._library.nvmlDeviceGetUtilizationRates(self._handle, ctypes.byref(rates)):
            return None
        return rates.gpu / 100
