"""The names that docs/formats.md fixes for a run folder."""

from __future__ import annotations

VERSION = 1

RUN = "run.json"
RECIPE = "recipe.yaml"
ENVIRONMENT = "environment.json"
UPDATES = "updates.jsonl"
EVALUATIONS = "evaluations.jsonl"
JOURNAL = "journal.jsonl"
RESULT = "result.json"
CHECKPOINTS = "checkpoints"
ROLLBACKS = "rollbacks"
COMMANDS = "commands"

LOGGERS = ("tensorboard", "visualdl", "mlflow")
"""Programs whose format a record is also written in, each in a folder of its name. Each has a file
`loggers/<name>_logger.py`, and an extra of its name that installs what it needs."""

RUN_KEYS = ("spec", "horizon", "groups", "values", "bases")
"""What a run says of itself; its name is the folder's if it has no other."""

STATUSES = ("finished", "stopped", "diverged", "failed", "interrupted")
"""How a run ends; one that is interrupted was asked to, and stands at a checkpoint."""

ENDED = ("finished", "stopped", "diverged")
"""Ends that the same run would come to again. One that failed (no memory, no disk, a fault in the code) or was
interrupted may go on."""

LISTENS = "listens"
"""Key of ``run.json`` of a loop of somebody's own that follows commands."""

LINEAGE = ("branched_from", "branches")
"""What a run says of others: the one that it began in, and those that began in it."""

CLOCKS = frozenset({
    "seconds", "data_seconds", "update_seconds", "checkpoint_seconds", "evaluation_seconds", "samples_per_second",
    "tokens_per_second", "memory", "gpu_allocated", "gpu_reserved", "gpu_use",
})  # fmt: skip
"""Columns about the machine: two runs of the same training differ in them, and in nothing else."""
