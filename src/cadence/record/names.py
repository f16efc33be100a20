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

RUN_KEYS = ("spec", "horizon", "groups", "values", "bases")
"""What a run says of itself; its name is the folder's if it has no other."""

STATUSES = ("finished", "stopped", "diverged", "failed")
"""How a run ends."""

ENDED = ("finished", "stopped", "diverged")
"""Ends that the same run would come to again. One that failed (no memory, no disk, a fault in the code) may go on."""
