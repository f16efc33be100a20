"""Names under which pytorch_optimizer hands on torch's own classes."""

from __future__ import annotations

from dataclasses import replace

from cadence.conversion.definition import definitions

CLASSES = {
    "constant": "ConstantLR",
    "step": "StepLR",
    "multi_step": "MultiStepLR",
    "multiplicative": "MultiplicativeLR",
    "cyclic": "CyclicLR",
    "one_cycle": "OneCycleLR",
    "cosine_annealing": "CosineAnnealingLR",
    "cosine_annealing_with_warm_restart": "CosineAnnealingWarmRestarts",
}
"""Name -> torch's class."""


def _hand_on() -> None:
    for name, torch in CLASSES.items():
        own = definitions("torch")[torch]
        note = f"torch's {torch}." + (f" {own.note}" if own.note else "")
        made = replace(own, framework="pytorch_optimizer", name=name, note=note, aliases=())
        definitions("pytorch_optimizer").add(name, made)


_hand_on()
