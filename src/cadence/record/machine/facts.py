"""The data: what was found out about a machine, in values that a check can be given by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

Capability: TypeAlias = tuple[int, int]
"""Compute capability of a GPU, e.g. (9, 0); the generation of code that it runs."""


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA device, as the driver's own tool lists it.

    Attributes:
        name: e.g. ``"NVIDIA H100 80GB HBM3"``.
        memory: in bytes.
        driver: version of the driver.
        capability: None where the tool does not tell.
    """

    name: str
    memory: int | None = None
    driver: str | None = None
    capability: Capability | None = None


@dataclass(frozen=True)
class Driver:
    """What `nvidia-smi` said.

    Attributes:
        present: whether there is such a program.
        cuda: newest CUDA that the driver runs, e.g. ``"12.4"``.
        fault: its last words, where it failed.
    """

    present: bool = False
    cuda: str | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Build:
    """One installed package that is built for a CUDA, or for none.

    Attributes:
        package: ``"torch"``, ``"torchvision"``, ``"torchaudio"`` or ``"paddle"``.
        version: its own, with what stands behind a plus: ``"2.13.0+cpu"``.
        cuda: e.g. ``"13.0"``; None for a build without.
        archs: compute capabilities it holds code for; empty where the files do not say.
    """

    package: str
    version: str
    cuda: str | None = None
    archs: tuple[Capability, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What a process may use.

    Attributes:
        container: what kind of container this is: ``"docker"``; None outside.
        processors: that this process may run on.
        cpus: share of them that its control group gets, in processors; None: all.
        memory: of the machine, in bytes.
        memory_limit: of the control group, in bytes; None: none.
        shared: size of ``/dev/shm`` in bytes, through which loading processes hand over their batches.
        threads: the variable OMP_NUM_THREADS.
    """

    container: str | None = None
    processors: int | None = None
    cpus: float | None = None
    memory: int | None = None
    memory_limit: int | None = None
    shared: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Tried:
    """What a framework said when it was loaded and used, in a process of its own.

    Attributes:
        package: ``"torch"`` or ``"paddle"``.
        fault: its last words, where it could not be loaded.
        cuda: None: built without.
        cudnn: version of the library that it found.
        devices: GPUs that it sees.
        archs: compute capabilities that it holds code for.
        ptx: the newest that it can compile for while it runs; None: it cannot.
        failed: what a small product said on each GPU where it failed.
        backends: ways in which processes can talk: ``"gloo"``, ``"nccl"``.
        numpy: what was said when an array of numpy became a tensor, where that failed.
    """

    package: str
    fault: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    devices: int = 0
    archs: tuple[Capability, ...] = ()
    ptx: Capability | None = None
    failed: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    numpy: str | None = None


@dataclass(frozen=True)
class Machine:
    """All of it.

    Attributes:
        python: its version.
        system: ``"Linux"``, ``"Darwin"`` or ``"Windows"``.
        packages: name -> version of what is installed.
        needs: name of an installed package -> its requirements, as it declares them.
        pythons: name of an installed package -> range of Python that it declares.
        ranges: name -> the range that cadence was tested with.
        doubles: pairs of packages that own the same file, with one such file.
        builds: packages that are built for a CUDA.
        driver: what the driver's tool said.
        gpus: that it lists.
        visible: the variable CUDA_VISIBLE_DEVICES.
        limits: what this process may use.
        compiler: path of a C compiler.
        tried: what the frameworks said; empty where they were not asked.
    """

    python: str
    system: str = "Linux"
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    pythons: Mapping[str, str] = field(default_factory=dict[str, str])
    ranges: Mapping[str, str] = field(default_factory=dict[str, str])
    doubles: tuple[tuple[str, str, str], ...] = ()
    builds: tuple[Build, ...] = ()
    driver: Driver = Driver()
    gpus: tuple[Gpu, ...] = ()
    visible: str | None = None
    limits: Limits = Limits()
    compiler: str | None = None
    tried: tuple[Tried, ...] = ()

    def build(self, package: str) -> Build | None:
        """The build of a package; None where it is not installed, or tells nothing."""
        return next((build for build in self.builds if build.package == package), None)

    def to_json(self) -> dict[str, Any]:
        """Plain data of what `cadence.environment` does not hold: without packages and their requirements."""
        kept = ("builds", "driver", "gpus", "limits", "compiler", "tried")
        return {key: value for key, value in asdict(self).items() if key in kept}
