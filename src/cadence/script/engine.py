"""An engine of Ignite's: what it does with a batch, and what the script has hung into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cadence.script.events import When
from cadence.script.model import Function
from cadence.script.sims import MovingOptimizer, MovingScheduler


@dataclass
class Handler:
    """What an engine calls.

    Attributes:
        when: at which event.
        what: a scheduler of Ignite's, one of torch's whose step is meant, or a function of the script.
        more: what the function is given besides the engine.
    """

    when: When
    what: MovingScheduler | Function
    more: tuple[Any, ...] = ()


@dataclass
class Engine:
    """One engine.

    Attributes:
        process: what it does with each batch: a function of the script, or the update of an optimizer; None: nothing
            that a rate depends on.
        gather: batches to an update, where it updates by itself.
        handlers: in the order in which they were attached.
        state: its numbers, by the names that a script asks for them.
    """

    process: Function | MovingOptimizer | None
    gather: int = 1
    handlers: list[Handler] = field(default_factory=list[Handler])
    state: dict[str, Any] = field(default_factory=lambda: {"iteration": 0, "epoch": 0})
