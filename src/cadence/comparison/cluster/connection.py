"""A connection to a Ray cluster: the only file, beside the task's own, that calls Ray."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

from cadence._errors import ClusterError
from cadence.comparison.child import last_line
from cadence.comparison.cluster.address import check_address
from cadence.comparison.cluster.mailbox import Mailbox
from cadence.comparison.cluster.room import nodes_of, share_of
from cadence.comparison.cluster.task import Errand, own_version, perform
from cadence.comparison.pool import worker_environment

START_SECONDS = 45.0
"""So long the first process of cadence on the cluster may take to start."""


@final
class Cluster:
    """A connection to a cluster, with a mailbox there.

    Args:
        address: as `ray.init` takes it.
        threads: of one run.
        devices: what the recipes ask for.

    Raises:
        ClusterError: it does not answer, or has no room for a run.
    """

    def __init__(self, address: str, threads: int, devices: Sequence[str]) -> None:
        check_address(address)
        import ray
        import ray.exceptions

        self._ray: Any = ray
        self.errors: Any = ray.exceptions
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (Exception, SystemExit) as error:
            where = "on this machine" if address == "auto" else f"at {address}"
            raise ClusterError(
                f"no Ray cluster can be reached {where} ({short(error)}); start one with `ray start --head`, or write "
                f"its address: --on ray=HOST:PORT"
            ) from error
        self.share = share_of(threads, devices, self.nodes())
        environment = worker_environment(threads)
        if "PYTHONPATH" in os.environ:
            environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        surroundings = {"env_vars": environment}
        self._task = self._ray.remote(perform).options(
            num_cpus=self.share.cpus, num_gpus=self.share.gpus, max_retries=0, runtime_env=surroundings
        )
        # Beside the head: if that is lost, all is.
        self.mailbox = (
            self._ray.remote(Mailbox)
            .options(num_cpus=0, resources={"node:__internal_head__": 0.001}, runtime_env=surroundings)
            .remote()
        )
        try:
            self.get(self.mailbox.take.remote(0.0), START_SECONDS)
        except Exception as error:
            raise ClusterError(
                f"no process of cadence can be started on the cluster's head ({short(error)}); install cadence "
                f"{own_version()} there, in the python that Ray was started with"
            ) from error

    def nodes(self) -> list[Mapping[str, float]]:
        """What the machines have that are alive."""
        return list(nodes_of(self._ray.nodes()))

    def room(self) -> int:
        """How many runs fit on the cluster."""
        return sum(self.share.fit(node) for node in self.nodes())

    def begin(self, errand: Errand, files: Iterable[tuple[str, bytes]]) -> tuple[Any, object]:
        """Give a job to the cluster.

        Returns:
            What is to come of it, and what must be kept until then.
        """
        stored = [(path, self._ray.put(data)) for path, data in files]
        return self._task.remote(errand, self.mailbox, stored), stored

    def ready(self, refs: Sequence[Any], seconds: float) -> list[Any]:
        """Those of which there is a result within some time."""
        return list(self._ray.wait(list(refs), num_returns=1, timeout=seconds)[0])

    def get(self, ref: Any, seconds: float | None = None) -> Any:
        """A result."""
        return self._ray.get(ref, timeout=seconds)

    def cancel(self, ref: Any) -> None:
        """End a task, whatever it is doing."""
        self._ray.cancel(ref, force=True)

    def close(self) -> None:
        """End all that this connection has begun."""
        self._ray.shutdown()


def short(error: BaseException) -> str:
    """The end of what an error of Ray says, whose beginning is mostly where."""
    return last_line(str(error)) or type(error).__name__
