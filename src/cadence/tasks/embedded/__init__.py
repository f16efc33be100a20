"""Tasks that need nothing but cadence and its `torch` extra: one file each, found by `cadence.tasks.task`."""
