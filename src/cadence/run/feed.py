"""Micro-batches in groups of one update each, from any place of any epoch on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from cadence._errors import TaskError
from cadence.run.course import Course
from cadence.run.ranks import Ranks, blank
from cadence.tasks import Batch, Data


def groups(data: Data, course: Course, seed: int, position: int, ranks: Ranks) -> Iterator[list[Batch]]:
    """This process's micro-batches of one update after the other, epoch after epoch, without end.

    The micro-batches of an update are neighbours in the order of the data, and processes take them in turn; so the
    data of an update are the same whatever number of processes shares them. Where the last turn of an epoch has too
    few, processes without one get a batch that counts nothing.

    Args:
        data: to train on.
        course: of the run.
        seed: of the data's order.
        position: groups that were used before.
        ranks: that train together.

    Yields:
        The micro-batches of one update, over all processes; at the end of an epoch what is left of them, unless that
        is left out.

    Raises:
        TaskError: data that end before the number of batches they promise.
    """
    per_epoch, world = course.epoch.updates, ranks.world
    count, size = data.batches_per_epoch(course.batch_size), course.accumulate * world
    epoch, done = divmod(position, per_epoch)
    while True:
        begin = done * size + ranks.rank
        batches = data.share(seed, epoch, course.batch_size, start=begin, step=world)
        for update in range(done, per_epoch):
            turns = -(-min(size, count - update * size) // world)
            group = list(islice(batches, turns))
            if len(group) < turns and update * size + ranks.rank + len(group) * world < count:
                raise TaskError(
                    f"epoch {epoch} ends before the {count} batches that batches_per_epoch promises; correct the "
                    f"task's data"
                )
            if len(group) < turns:
                nearest = group or list(islice(data.share(seed, epoch, course.batch_size, start=0, step=1), 1))
                group.append(blank(nearest[0]))
            yield group
        epoch, done = epoch + 1, 0
