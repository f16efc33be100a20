"""A saved state that is of another method is refused, where torch would take it and train on with the wrong numbers."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from cadence._errors import StateError
from cadence.optim.known import words

TELLING = words(
    """
    alpha amsgrad beta2_decay betas centered dampening etas initial_accumulator_value lambd lr_decay momentum
    momentum_decay nesterov ns_steps rho step_sizes t0 weight_lr_power
    """
)
"""Settings that methods have had for so long that their presence or absence tells methods apart, not releases."""


def watch_loading(optimizer: Optimizer, name: str) -> None:
    """Check what is loaded into an optimizer, before it is.

    Args:
        optimizer: is told apart by the settings of its groups.
        name: of the method, for messages.
    """

    def look(optimizer: Optimizer, state: dict[str, Any]) -> None:
        check_state(optimizer, name, state)

    optimizer.register_load_state_dict_pre_hook(look)


def check_state(optimizer: Optimizer, name: str, state: dict[str, Any]) -> None:
    """Refuse a state of another method.

    Raises:
        StateError: it has settings that the optimizer does not have, or lacks some that it has. (Adam and AdamW differ
            in the value of one.)

    Example:
        >>> import torch
        >>> weight = [torch.nn.Parameter(torch.ones(1))]
        >>> adam = torch.optim.Adam(weight, lr=0.1)
        >>> check_state(adam, "adam", torch.optim.Adamax(weight, lr=0.1).state_dict())
        Traceback (most recent call last):
        cadence._errors.StateError: this state is of another method than 'adam' (without amsgrad); load it into an \
optimizer of the method that it is of
    """
    own = set(optimizer.defaults).union(*optimizer.param_groups) & TELLING
    for group in state.get("param_groups", []):
        there = set(group) & TELLING
        # Cadence's own say whose they are.
        if "method" in group:
            there.add("method")
        signs = [f"with {key}" for key in sorted(there - own)] + [f"without {key}" for key in sorted(own - there)]
        key = "decoupled_weight_decay"
        if key in group and group[key] != optimizer.defaults.get(key, group[key]):
            signs.append(f"{key}={group[key]}")
        if signs:
            raise StateError(
                f"this state is of another method than {name!r} ({', '.join(signs)}); load it into an optimizer of the "
                f"method that it is of"
            )
