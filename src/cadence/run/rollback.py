"""Back to a checkpoint, and on from there at a lower rate.

The order of the steps makes it safe to be killed anywhere: until the checkpoint is written anew, a resumed run comes to
the same fault and does the same again; from then on it goes on from what was decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cadence.drivers.driver import Driver
from cadence.recipe.parts import DivergenceRecipe
from cadence.run.checkpoint import Checkpoints
from cadence.run.engine import Engine
from cadence.run.policy import Fault, Policy
from cadence.run.ranks import Ranks, attempted, first
from cadence.run.recording import NoRecording, Recording

START = 0.01
"""Where the warmup after a rollback begins, as a share of the rate."""


def go_back(
    ranks: Ranks,
    engine: Engine,
    driver: Driver,
    recording: Recording | NoRecording,
    checkpoints: Checkpoints,
    policy: Policy,
    rules: DivergenceRecipe,
    rewarm: int,
    fault: Fault,
    position: int,
) -> Mapping[str, Any] | None:
    """Take up the newest checkpoint with a lower rate. Collective.

    The data are not taken back: what made the run diverge would do so again. (So did the training of PaLM: Chowdhery et
    al. 2022, arXiv:2204.02311, section 5.1.)

    Args:
        ranks, engine, driver, recording, checkpoints, policy: of the run.
        rules: of the recipe.
        rewarm: updates of the warmup.
        fault: what is wrong.
        position: groups of micro-batches that were used, that of the fault included.

    Returns:
        The loop's state at the checkpoint, with the position in the data to go on from; None where there is no
        checkpoint.
    """
    # The disk is asked once: another process might see it a moment later.
    found = first(ranks, checkpoints.newest)
    if found is None:
        return None
    t, content = found
    was, number, state = driver.t, policy.rollbacks + 1, content["state"]
    if ranks.rank == 0:
        checkpoints.drop_after(t)
    recording.roll_back(t, state["driver"]["events"], number)
    attempted(ranks, lambda: checkpoints.load(t, content, engine))
    told = f"{fault.now}: back to the checkpoint after update {t}, and on with the data behind it at {rules.factor:g} "
    told += f"of the learning rate{f', warmed up over {rewarm} updates' if rewarm else ''} "
    driver.roll_back(
        state["driver"],
        {
            "number": number,
            "from": was,
            "loss": fault.loss,
            "data": position,
            "factor": rules.factor,
            "updates": rewarm,
            "start": START,
            "sentence": f"{told}(rollback {number} of at most {rules.rollbacks}).",
        },
    )
    policy.resume({**state["loop"]["policy"], "rollbacks": number})
    loop = {**state["loop"], "position": position, "policy": policy.state()}
    recording.flush(sync=True)
    if ranks.rank == 0:
        checkpoints.amend(t, content, {**state, "driver": driver.state_dict(), "loop": loop})
    return loop
