"""Lengths that a practice states in epochs."""

from __future__ import annotations

from cadence.advice.profile import Profile


def warmup_epochs(profile: Profile, n: float, most: float = 0.1) -> int | str:
    """A warmup of so many epochs, but never more than a share of the run.

    Args:
        profile: of the training.
        n: epochs, above 0.
        most: share of the run, in (0, 1).

    Returns:
        A length; a twentieth of the run where nobody knows what an epoch is.
    """
    if profile.epochs is None:
        return "5%"
    return f"{100 * most:g}%" if n > most * profile.epochs else f"{n:g} epochs"
