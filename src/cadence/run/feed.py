"""Micro-batches in groups of one update each, from any place of any epoch on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from cadence._errors import TaskError
from cadence.run.course import Course
from cadence.tasks import Batch, Data


def groups(data: Data, course: Course, seed: int, position: int) -> Iterator[list[Batch]]:
    """The micro-batches of one update after the other, epoch after epoch, without end.

    Args:
        data: to train on.
        course: of the run.
        seed: of the data's order.
        position: groups that were used before.

    Yields:
        The micro-batches of one update, over all processes; at the end of an epoch what is left of them, unless that
        is left out.

    Raises:
        TaskError: data that end before the number of batches they promise.
    """
    per_epoch, size = course.epoch.updates, course.accumulate * course.world
    epoch, done = divmod(position, per_epoch)
    while True:
        batches = data.batches(seed, epoch, course.batch_size, start=done * size)
        for _ in range(done, per_epoch):
            group = list(islice(batches, size))
            if not group:
                raise TaskError(
                    f"epoch {epoch} ends before the {data.batches_per_epoch(course.batch_size)} batches that "
                    f"batches_per_epoch promises; correct the task's data"
                )
            yield group
        epoch, done = epoch + 1, 0
