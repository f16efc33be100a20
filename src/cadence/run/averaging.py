"""When a set of weights enters the running average, and with what share."""

from __future__ import annotations

from dataclasses import dataclass

from cadence.curve.horizon import Horizon, round_half_up
from cadence.recipe.recipe import Recipe
from cadence.run.engine import Engine
from cadence.spec.span import span

_ETA = 8
"""How much newer sets count more than older ones while the memory grows; 0 would count all alike."""


@dataclass(frozen=True)
class Averaging:
    """A running average of the weights: a pure function of the update number, so that a resumed run needs no more.

    Attributes:
        decay: of an older average with each newer one, in (0, 1].
        start: updates that pass before the first set of weights enters.
        every: updates from one set to the next.
    """

    decay: float
    start: int
    every: int

    def share(self, t: int) -> float | None:
        """The share with which the weights enter that update `t - 1` has made; None where they do not.

        Args:
            t: updates done.

        Source: polynomial-decay averaging, Shamir & Zhang 2013, arXiv:1212.1824, section 4, of which the plain average
        of Polyak & Juditsky 1992 (doi:10.1137/0330046) is the case without growing weights; from where its share is
        below 1 - decay on, the exponential average that torch (`swa_utils.get_ema_multi_avg_fn`) and timm
        (`ModelEmaV3`) keep. Those two begin with the first weights and forget them as slowly as all others.

        Example:
            >>> [Averaging(decay=0.75, start=2, every=2).share(t) for t in range(8)]
            [None, None, None, 1.0, None, 0.9, None, 0.8181818181818182]
        """
        since = t - self.start - 1
        if since < 0 or since % self.every:
            return None
        n = since // self.every + 1
        return max(1 - self.decay, (_ETA + 1) / (_ETA + n))

    def after(self, t: int, engine: Engine) -> None:
        """Let the weights enter that update `t - 1` has made, where they are to."""
        share = self.share(t)
        if share is not None:
            engine.average(share)


def averaging(recipe: Recipe, run: Horizon) -> Averaging | None:
    """The averaging of a recipe; None where it wants none.

    Args:
        recipe: of the training.
        run: its length.

    Raises:
        HorizonError: a start in a unit that the task does not have.
    """
    wanted = recipe.average
    if wanted is None:
        return None
    start = 0 if wanted.start is None else round_half_up(run.updates(span(wanted.start)))
    return Averaging(wanted.decay, start, wanted.every)
