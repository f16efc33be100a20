"""What an epoch is in updates, and an update in samples: batch size, accumulation, processes, what is left over."""

from __future__ import annotations

from dataclasses import dataclass

from cadence._errors import RecipeError
from cadence.curve.horizon import Horizon
from cadence.tasks import Data


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows, as updates.

    An update takes `accumulate` micro-batches of `batch_size` rows in each of `world` processes. The micro-batches of
    an update are neighbours in the order of the data; process r takes those with the numbers r, r + world, ... among
    them, so that the data of a run are the same whatever the number of processes is.

    Attributes:
        rows: that there are.
        batch_size, accumulate, world: see above.
        updates: in one epoch.
        last: rows of its last update; less than `samples` where the rows do not divide.
        left_out: rows that an epoch does not see, because the last update would be a partial one.
    """

    rows: int
    batch_size: int
    accumulate: int
    world: int
    updates: int
    last: int
    left_out: int

    @property
    def samples(self) -> int:
        """Rows of a whole update, over all processes."""
        return self.batch_size * self.accumulate * self.world


def epoch_of(data: Data, batch_size: int, accumulate: int = 1, world: int = 1, *, drop_last: bool = False) -> Epoch:
    """An epoch of some data.

    Args:
        data: to train on.
        batch_size: rows of one micro-batch.
        accumulate: micro-batches of an update in each process.
        world: processes.
        drop_last: whether rows that do not fill an update are left out; else they are an update too.

    Raises:
        RecipeError: a batch, or with `drop_last` an update, of more rows than there are; more processes than an epoch
            has micro-batches.
    """
    rows, samples = data.train_examples, batch_size * accumulate * world
    if batch_size > rows:
        raise RecipeError(f"batch_size is {batch_size}, and there are {rows} training examples; write at most that")
    if drop_last:
        if samples > rows:
            raise RecipeError(
                f"an update takes {samples} examples ({_factors(batch_size, accumulate, world)}), there are {rows}, "
                f"and drop_last leaves out what does not fill an update; write smaller ones, or drop_last: false"
            )
        updates = rows // samples
        return Epoch(rows, batch_size, accumulate, world, updates, samples, rows - updates * samples)
    batches = data.batches_per_epoch(batch_size)
    if world > batches:
        raise RecipeError(
            f"there are {world} processes, and an epoch has {batches} batches of {batch_size}; start at most {batches} "
            f"processes, or write a smaller batch_size"
        )
    updates = -(-batches // (accumulate * world))
    return Epoch(rows, batch_size, accumulate, world, updates, rows - (updates - 1) * samples, 0)


def moved(position: int, was: Horizon, now: Horizon) -> int:
    """A place in the data, in updates of another size.

    Of the epoch that has been begun no row is passed over: where the rows seen are no whole number of the new updates,
    those of the last, partial one are seen a second time.

    Args:
        position: updates' worth of data used before.
        was: what an update was.
        now: what it is from now on.

    Example:
        >>> from cadence.curve.horizon import horizon
        >>> moved(9, horizon(None, 7, 8), horizon(None, 4, 16))
        5
    """
    before, after = was.steps_per_epoch or 1, now.steps_per_epoch or 1
    epoch, done = divmod(position, before)
    return epoch * after + min(done * (was.batch_size or 1) // (now.batch_size or 1), after)


def _factors(batch_size: int, accumulate: int, world: int) -> str:
    parts = [f"batch_size {batch_size}"]
    parts += [f"accumulate {accumulate}"] if accumulate > 1 else []
    parts += [f"{world} processes"] if world > 1 else []
    return " x ".join(parts)
