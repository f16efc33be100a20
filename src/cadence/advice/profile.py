"""What is known of a training before it begins, and what follows from that by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from cadence.advice.counts import Counts
from cadence.findings.finding import Both

Reads: TypeAlias = Literal["image", "text", "table", "audio", ""]
"""What the model is given; empty: nobody said, and its layers do not tell."""

Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]

Augmentation: TypeAlias = Literal["none", "light", "strong"]


@dataclass(frozen=True)
class Profile:
    """A training in facts. Made by `cadence.advice.describe.describe`.

    Attributes:
        task: one of `cadence.advice.task_kinds.TASKS`.
        model: what it is made of.
        updates: optimizer updates in the whole run.
        batch_size: examples in one update, of all ranks and micro-batches together.
        dataset_size: rows to train on; None: nobody said.
        tokens_per_example: targets in a row, of sequences; None elsewhere.
        reads: what the model is given.
        fine_tuning: whether it begins with weights that were trained before.
        noise: share of the labels that are wrong, in [0, 1); None: nobody said.
        augmentation: how much the rows are changed each time they are used; None: nobody said.
        ranks: processes that train together.
        precision: arithmetic that was asked for; None: to be chosen.
        hardware: as it was named: ``"cpu"``, ``"A100"``; empty: nobody said.
        clip_norm: largest gradient norm that the training has already; None: none, or nobody said.
        given: fields that were asked for, which no rule decides.
        assumed: what was taken for granted because nobody said it.
    """

    task: str
    model: Counts
    updates: int
    batch_size: int
    dataset_size: int | None = None
    tokens_per_example: int | None = None
    reads: Reads = ""
    fine_tuning: bool = False
    noise: float | None = None
    augmentation: Augmentation | None = None
    ranks: int = 1
    precision: Precision | None = None
    hardware: str = ""
    clip_norm: float | None = None
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    assumed: tuple[Both, ...] = ()

    @property
    def parameters(self) -> int:
        """Numbers that are trained."""
        return self.model.trained

    @property
    def steps_per_epoch(self) -> int | None:
        """Updates in one pass over the data, the partial last one included; None without a size of the data."""
        return None if self.dataset_size is None else -(-self.dataset_size // self.batch_size)

    @property
    def passes(self) -> float | None:
        """How often each row is used: updates x batch / rows; None without a size of the data."""
        return None if self.dataset_size is None else self.updates * self.batch_size / self.dataset_size

    @property
    def epochs(self) -> float | None:
        """Length in epochs, whose last update may be a partial one; None without a size of the data."""
        return None if self.steps_per_epoch is None else self.updates / self.steps_per_epoch

    @property
    def parameters_per_sample(self) -> float | None:
        """Trained numbers for each row; None without a size of the data."""
        return None if self.dataset_size is None else self.parameters / self.dataset_size

    @property
    def tokens_per_step(self) -> int | None:
        """Targets in one update, of sequences."""
        return None if self.tokens_per_example is None else self.batch_size * self.tokens_per_example

    @property
    def tokens(self) -> int | None:
        """Targets in the whole run, of sequences; None elsewhere."""
        return None if self.tokens_per_step is None else self.updates * self.tokens_per_step

    @property
    def tokens_per_parameter(self) -> float | None:
        """Targets in the whole run for each trained number, of sequences; None elsewhere."""
        return None if self.tokens is None else self.tokens / self.parameters

    @property
    def samples(self) -> int:
        """Rows that the run goes through, each as often as it is used."""
        return self.updates * self.batch_size

    @property
    def batch_per_rank(self) -> int:
        """Rows of one update on each rank."""
        return self.batch_size // self.ranks

    def to_dict(self) -> dict[str, Any]:
        """Plain data, what follows by arithmetic included."""
        return {
            "task": self.task, "model": self.model.to_dict(), "updates": self.updates, "batch_size": self.batch_size,
            "dataset_size": self.dataset_size, "tokens_per_example": self.tokens_per_example, "reads": self.reads,
            "fine_tuning": self.fine_tuning, "noise": self.noise, "augmentation": self.augmentation,
            "ranks": self.ranks, "precision": self.precision, "hardware": self.hardware, "clip_norm": self.clip_norm,
            "given": dict(self.given), "steps_per_epoch": self.steps_per_epoch, "epochs": self.epochs,
            "passes": self.passes, "parameters_per_sample": self.parameters_per_sample,
            "tokens_per_step": self.tokens_per_step, "tokens": self.tokens,
            "tokens_per_parameter": self.tokens_per_parameter, "assumed": [text.en for text in self.assumed],
        }  # fmt: skip
