"""The interface between data and training, and the task that binds data, model, loss and metric."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from cadence._errors import TaskError, neighbours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.generic]

Split: TypeAlias = Literal["val", "tune"]
"""A held-out part: ``"val"`` is what is reported, ``"tune"`` is what tuning is judged on."""

Compare: TypeAlias = Callable[[Any, Any], Any]
"""A loss or a metric of one framework: (outputs, targets) -> mean over the targets, as a scalar tensor."""


class Batch(NamedTuple):
    """Some rows of data.

    Attributes:
        inputs: what the model is given; the first axis counts rows.
        targets: what it should answer; the first axis counts rows.
        examples: number of rows.
        tokens: number of targets that the loss is a mean over; the weight of this batch in a mean over several.
    """

    inputs: Array
    targets: Array
    examples: int
    tokens: int


Pin: TypeAlias = Callable[[Any], Callable[[], object]]
"""Is given a piece of memory that can be written to; returns what must be called before that memory is given up."""


class Data(abc.ABC):
    """Rows to train on and rows to judge on, which never overlap.

    Everything is a pure function of its arguments, so that a run that was killed goes on with the very batch it would
    have seen next, and two frameworks see the same batches.
    """

    @property
    @abc.abstractmethod
    def train_examples(self) -> int:
        """Rows in one epoch."""

    @property
    @abc.abstractmethod
    def tokens_per_example(self) -> int | None:
        """Targets per row where rows are sequences of one length; None where counting tokens makes no sense."""

    @property
    @abc.abstractmethod
    def default_batch_size(self) -> int:
        """Rows per batch where nothing else is asked for."""

    @abc.abstractmethod
    def batches_per_epoch(self, batch_size: int) -> int:
        """Batches in one epoch, a partial last one included.

        Raises:
            TaskError: a batch size below one.
        """

    @abc.abstractmethod
    def batches(self, seed: int, epoch: int, batch_size: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch in training order, the partial last one included.

        Batch i of an epoch depends on seed, epoch, batch size and i alone: ``batches(s, e, b, start=k)`` yields what
        ``batches(s, e, b)`` yields after its first k.

        Args:
            seed: of order and augmentation, 0 or more.
            epoch: 0 or more.
            batch_size: rows, 1 or more.
            start: the first batch wanted, 0 or more.

        Raises:
            TaskError: an argument out of its range; raised by the call, not by the first batch.
        """

    def share(self, seed: int, epoch: int, batch_size: int, start: int, step: int) -> Iterator[Batch]:
        """Every `step`-th of the batches that `batches` gives from number `start` on: one process's part of them.

        Data whose batches take long to make override this and make no others.

        Raises:
            TaskError: see `batches`.
        """
        return itertools.islice(self.batches(seed, epoch, batch_size, start), 0, None, step)

    def lend(self, pin: Pin) -> None:
        """Have a function called with each piece of memory that batches will lie in again and again.

        A GPU reads such memory by itself, once its driver knows of it. Data without such memory do nothing.
        """
        del pin

    @abc.abstractmethod
    def held_out(self, split: Split) -> Iterator[Batch]:
        """Every row of a held-out part once, in a fixed order, without augmentation.

        Raises:
            TaskError: another name than ``"val"`` or ``"tune"``; raised by the call, not by the first batch.
        """

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """``"sha256:..."`` of all that is trained and judged on. Equal fingerprints: comparable results."""


@dataclass(frozen=True)
class Task:
    """Something to train, with the same data for every framework.

    Attributes:
        name: as tables and folders call it.
        data: rows to train and to judge on.
        models: engine name -> function that builds a freshly initialised model. The engine seeds before it calls.
        losses: engine name -> what is minimised, a mean over the targets.
        metrics: engine name -> what is reported beside the loss, a mean over the targets.
        metric_name: what the metric is called in records, without its split: ``"accuracy"``.
        metric_better: ``"max"`` where more of the metric is better, ``"min"`` where less is.
        loss_reference: loss of the best answer that does not look at the inputs, on ``"val"``; a training that ends
            above it has learnt nothing. None where it is not known.
        about: one sentence for reports: what the data are, where they come from, how they are split.

    Raises:
        TaskError: a part is missing or does not fit the others.

    Example:
        >>> import numpy as np
        >>> from cadence.tasks import ArrayData
        >>> x = np.arange(20.0, dtype=np.float32).reshape(10, 2)
        >>> rows = ArrayData(x[:8], x[:8, 0], val=(x[8:], x[8:, 0]))
        >>> mean_square = lambda outputs, targets: ((outputs - targets) ** 2).mean()
        >>> Task(
        ...     "line",
        ...     rows,
        ...     models={"torch": dict},
        ...     losses={"torch": mean_square},
        ...     metrics={"torch": mean_square},
        ...     metric_name="square_error",
        ...     metric_better="min",
        ... ).engines
        ('torch',)
    """

    name: str
    data: Data
    models: Mapping[str, Callable[[], Any]]
    losses: Mapping[str, Compare]
    metrics: Mapping[str, Compare]
    metric_name: str
    metric_better: Literal["min", "max"]
    loss_reference: float | None = None
    about: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise TaskError(f"a task needs a name, not {self.name!r}; write what tables and folders should call it")
        if not isinstance(self.data, Data):
            raise TaskError(
                f"the data of the task {self.name!r} are {type(self.data).__name__}; wrap arrays as "
                f"cadence.tasks.ArrayData(x, y, val=(x_val, y_val)), or derive a class from cadence.tasks.Data"
            )
        if not isinstance(self.metric_name, str) or not self.metric_name.isidentifier():
            raise TaskError(
                f"metric_name={self.metric_name!r} of the task {self.name!r} cannot be a column of a record; "
                f"write letters, digits and underscores, e.g. 'accuracy'"
            )
        if self.metric_better not in ("min", "max"):
            raise TaskError(
                f"metric_better={self.metric_better!r} of the task {self.name!r}; write 'max' if more "
                f"{self.metric_name} is better, else 'min'"
            )
        self._check_engines()

    def _check_engines(self) -> None:
        """Every engine with a model has a loss and a metric, and all of them can be called."""
        for kind, entries in (("models", self.models), ("losses", self.losses), ("metrics", self.metrics)):
            if not isinstance(entries, Mapping):
                raise TaskError(
                    f"{kind} of the task {self.name!r} is {type(entries).__name__}; "
                    f"write a mapping from engine to function: {kind}={{'torch': ...}}"
                )
            for engine, entry in entries.items():
                if not callable(entry):
                    raise TaskError(
                        f"{kind}[{engine!r}] of the task {self.name!r} is {type(entry).__name__}, which cannot be "
                        f"called; write the function itself"
                    )
        if not self.models:
            raise TaskError(f"the task {self.name!r} has no model; write models={{'torch': build_model}}")
        for kind, entries in (("losses", self.losses), ("metrics", self.metrics)):
            for engine in self.models:
                if engine not in entries:
                    raise TaskError(
                        f"the task {self.name!r} has a model for the engine {engine!r} but nothing for it among its "
                        f"{kind}; write {kind}={{{engine!r}: ...}} too"
                    )

    @property
    def engines(self) -> tuple[str, ...]:
        """Names of the engines that can train this task, sorted."""
        return tuple(sorted(self.models))

    def model(self, engine: str) -> Callable[[], Any]:
        """The function that builds the model. Raises TaskError where the engine has none."""
        return self.models[self._known(engine)]

    def loss(self, engine: str) -> Compare:
        """What is minimised. Raises TaskError where the engine has none."""
        return self.losses[self._known(engine)]

    def metric(self, engine: str) -> Compare:
        """What is reported beside the loss. Raises TaskError where the engine has none."""
        return self.metrics[self._known(engine)]

    def _known(self, engine: str) -> str:
        if engine not in self.models:
            raise TaskError(
                f"the task {self.name!r} has no model for the engine {engine!r}; {neighbours(engine, self.models)}"
            )
        return engine
