"""MLflow's tracking store, in a local file.

Its file store is no longer kept up by MLflow, so a SQLite file it is. A number costs a row of that data base: of long
runs only some updates are told. MLflow cannot take a number back: a resumed run becomes a new run of MLflow's, and the
former is put into MLflow's trash.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from cadence._errors import RecordError
from cadence._lazy import need
from cadence.record.files import make_folder, write_atomically
from cadence.record.loggers.logger import Logger

MOST_UPDATES = 1000
"""Of a run, evenly spread, are told to MLflow."""

BATCH = 1000
"""Numbers of one call: the most that MLflow takes."""

WITHOUT_TOTAL = 10
"""Updates from one that is told to the next, in a run whose length is not known."""

_ID = "run_id"


def open_here(folder: Path) -> Logger:
    """MLflow's logger of a run.

    Raises:
        RecordError: the environment names a server as the store.
    """
    return MLflowLogger(folder, _store(folder))


def _store(folder: Path) -> str:
    """Address of the store: what MLFLOW_TRACKING_URI says, where that is a file, else a file in the folder."""
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not given:
        return f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    if not given.startswith("sqlite:///"):
        raise RecordError(
            f"MLFLOW_TRACKING_URI is {given!r:.100}, and a record is written to local files only; write "
            f"sqlite:////path/to/mlflow.db, or leave the variable out"
        )
    return given


@final
class MLflowLogger(Logger):
    """One run of MLflow's, in the experiment ``cadence``.

    Args:
        folder: for the store, and for the number of MLflow's run.
        store: address of the store.
    """

    def __init__(self, folder: Path, store: str) -> None:
        self._folder = folder
        self._store = store
        self._tracking: Any = need("mlflow.tracking", extra="mlflow")
        self._entities: Any = need("mlflow.entities", extra="mlflow")
        self._client: Any = None
        self._run = ""
        self._every = WITHOUT_TOTAL
        self._waiting: list[Any] = []
        self._texts: list[str] = []

    def go_on(self, t: int) -> int:
        make_folder(self._folder)
        if self._client is None:
            self._client = self._tracking.MlflowClient(tracking_uri=self._store)
        former = self._folder / _ID
        if former.exists():
            self._client.delete_run(former.read_text(encoding="utf-8").strip())
        found = self._client.get_experiment_by_name("cadence")
        files = (self._folder.resolve() / "artifacts").as_uri()
        experiment = self._client.create_experiment("cadence", files) if found is None else found.experiment_id
        self._run = str(self._client.create_run(experiment, run_name=self._folder.resolve().parent.name).info.run_id)
        write_atomically(former, self._run)
        self._waiting, self._texts = [], []
        return 0

    def describe(self, run: Mapping[str, Any]) -> None:
        horizon: Mapping[str, Any] = run.get("horizon") or {}
        total = horizon.get("total")
        self._every = WITHOUT_TOTAL if total is None else max(1, int(total) // MOST_UPDATES)
        told = {"spec": run.get("spec"), **horizon}
        for value, bases in dict(run.get("bases") or {}).items():
            for group, base in zip(run.get("groups") or (), bases, strict=False):
                told[f"base/{value}/{group}"] = base
        parameters = [self._entities.Param(_safe(k), str(x)[:6000]) for k, x in told.items() if x is not None]
        for first in range(0, len(parameters), 100):
            self._client.log_batch(self._run, params=parameters[first : first + 100])

    def numbers(self, t: int, numbers: Mapping[str, float]) -> None:
        # What is no update, an evaluation or a setting, is told in any case.
        if "loss" in numbers and t % self._every:
            return
        now = round(time.time() * 1000)
        self._waiting += [self._entities.Metric(_safe(name), number, now, t) for name, number in numbers.items()]
        if len(self._waiting) >= BATCH:
            self.flush()

    def text(self, t: int, kind: str, sentence: str) -> None:
        self._texts.append(f"{t} {kind}: {sentence}\n")

    def flush(self) -> None:
        while self._waiting:
            self._client.log_batch(self._run, metrics=self._waiting[:BATCH])
            self._waiting = self._waiting[BATCH:]
        if self._texts and self._client is not None:
            self._client.log_text(self._run, "".join(self._texts), "journal.txt")

    def close(self, status: str | None) -> None:
        if self._client is None:
            return
        self.flush()
        if status is not None:
            self._client.set_tag(self._run, "cadence.status", status)
            self._client.set_terminated(self._run, "FAILED" if status in ("failed", "diverged") else "FINISHED")
        self._client = None


def _safe(name: str) -> str:
    """A name in the characters that MLflow takes."""
    return "".join(c if c.isalnum() or c in "_-./ :" else "_" for c in name)[:250]
