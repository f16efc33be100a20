"""Sums over the micro-batches of all processes that train together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, final

from cadence.run.ranks import Ranks
from cadence.tasks import Batch


class Step(Protocol):
    """Forward and backward of one micro-batch."""

    def __call__(self, batch: Batch, weight: float, /, *, last: bool) -> Any:
        """Add the gradients of its mean loss times `weight`, and return that loss, as something that has `item`.

        Where it is the update's last one, gradients are averaged over the processes.
        """
        ...


@final
class Sums:
    """Loss and gradients of an update as means over all its targets.

    How many targets an update has is known when all processes have told each other, which they do once, with the loss.
    Until then gradients are weighted as if it had as many as the update before; where it has not, they are corrected.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._expected = 1.0

    def over(self, batches: Sequence[Batch], step: Step, rescale: Callable[[float], None]) -> tuple[float, int]:
        """Compute the gradients of an update.

        Args:
            batches: of this process.
            step: computes one.
            rescale: multiplies all gradients by a factor.

        Returns:
            The mean loss, and the number of rows, over all processes.
        """
        # Frameworks take the mean over processes, and what is wanted is the sum.
        weight = self._ranks.world / self._expected
        last = len(batches) - 1
        losses = [step(batch, batch.tokens * weight, last=i == last) for i, batch in enumerate(batches)]
        # Read last: on an accelerator this is where the processor waits for it.
        mine = sum(loss.item() * batch.tokens for loss, batch in zip(losses, batches, strict=True) if batch.tokens)
        rows = sum(batch.examples for batch in batches)
        loss, targets, examples = self._ranks.total([mine, sum(batch.tokens for batch in batches), rows])
        if targets != self._expected:
            rescale(self._expected / targets)
            self._expected = targets
        return loss / targets, int(examples)
