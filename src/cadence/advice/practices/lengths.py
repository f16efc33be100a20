"""Lengths that a practice states in epochs."""

from __future__ import annotations

from cadence.advice.profile import Profile


def warmup_epochs(profile: Profile, n: float) -> int | str:
    """A warmup of so many epochs, but never more than a tenth of the run."""
    if profile.epochs is None or profile.steps_per_epoch is None or n > 0.1 * profile.epochs:
        return "10%" if profile.epochs is not None and n > 0.1 * profile.epochs else "5%"
    return f"{n:g} epochs"
