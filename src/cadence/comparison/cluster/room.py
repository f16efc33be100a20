"""How many trainings a cluster has room for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cadence._errors import ClusterError

Node = Mapping[str, float]
"""What a machine has, as Ray calls it: ``"CPU"``, ``"GPU"``, ..."""


@dataclass(frozen=True)
class Share:
    """What one training takes of a machine.

    Attributes:
        cpus, gpus: how many.
    """

    cpus: int
    gpus: int

    def fit(self, node: Node) -> int:
        """How many trainings a machine has room for.

        Example:
            >>> Share(2, 1).fit({"CPU": 16.0, "GPU": 4.0}), Share(2, 0).fit({"GPU": 4.0})
            (4, 0)
        """
        room = int(node.get("CPU", 0) // self.cpus)
        return min(room, int(node.get("GPU", 0) // self.gpus)) if self.gpus else room


def check_devices(devices: Collection[str]) -> None:
    """Refuse what makes no sense where Ray gives each training its accelerator.

    Raises:
        ClusterError: a device of one machine.

    Example:
        >>> check_devices({"cuda:1"})
        Traceback (most recent call last):
        cadence._errors.ClusterError: device 'cuda:1' is one of a machine's own, and on a cluster each run is given one;
        write device: cuda
    """
    for device in sorted(devices):
        if re.fullmatch(r"(cuda|gpu):\d+", device):
            raise ClusterError(
                f"device {device!r} is one of a machine's own, and on a cluster each run is given one; write device: "
                f"{device.partition(':')[0]}"
            )


def share_of(threads: int, devices: Collection[str], nodes: Sequence[Node]) -> Share:
    """What one training takes: a CPU for each thread, and a GPU where a recipe asks for one or takes what there is.

    Args:
        threads: of one training.
        devices: what the recipes ask for: ``"cpu"``, ``"cuda"``, ``"auto"``, ...
        nodes: of the cluster.

    Raises:
        ClusterError: no machine has so much.

    Example:
        >>> share_of(1, {"auto"}, [{"CPU": 8.0}]), share_of(1, {"auto", "cpu"}, [{"CPU": 8.0, "GPU": 1.0}])
        (Share(cpus=1, gpus=0), Share(cpus=1, gpus=1))
    """
    most = {kind: max((node.get(kind, 0.0) for node in nodes), default=0.0) for kind in ("CPU", "GPU")}
    asked = bool({"cuda", "gpu"} & set(devices))
    share = Share(threads, int(asked or ("auto" in devices and most["GPU"] >= 1)))
    if asked and most["GPU"] < 1:
        raise ClusterError(
            "a run asks for 1 GPU (device: cuda), and no machine of the cluster has one; write device: cpu, or add one "
            "that has"
        )
    if most["CPU"] < threads:
        raise ClusterError(
            f"a run asks for {threads} CPU{'s' * (threads > 1)} (threads: {threads}), and the machines of the cluster "
            f"have {most['CPU']:g} at most; lower threads, or add a machine that has so many"
        )
    if not any(share.fit(node) for node in nodes):
        raise ClusterError(
            f"a run asks for {share.cpus} CPUs and {share.gpus} GPU, and no machine of the cluster has both; lower "
            f"threads, or add a machine that has"
        )
    return share


def nodes_of(told: Sequence[Mapping[str, Any]]) -> list[Node]:
    """What the machines have that are alive, of what ``ray.nodes()`` tells."""
    return [dict(one.get("Resources") or {}) for one in told if one.get("Alive")]
