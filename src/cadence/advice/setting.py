"""Choices as the numbers that make an optimizer: what a recommendation comes to, and what a pilot tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, final

from cadence._errors import AdviceError
from cadence.advice.choice import Choice
from cadence.optim.groups.door import parameter_groups
from cadence.optim.make import optimizer as make_optimizer


@dataclass(frozen=True)
class Setting:
    """Everything that an optimizer is made of.

    Attributes:
        name: of the method.
        lr: base rate.
        weight_decay: None where the method is to have its own.
        arguments: of the method: betas, momentum.
        no_decay: whether biases and normalisation have no decay.
        layer_decay: factor of the rate from one depth to the one before; None: none.
        groups: groups with values of their own, as in a recipe.
    """

    name: str
    lr: float
    weight_decay: float | None
    arguments: Mapping[str, Any]
    no_decay: bool = True
    layer_decay: float | None = None
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def make(self, model: Any) -> Any:
        """An optimizer for a model of torch or paddle.

        Raises:
            OptimizerError: the method cannot train it.
        """
        arguments = {key: _frozen(x) for key, x in self.arguments.items()}
        decay: dict[str, Any] = {} if self.weight_decay is None else {"weight_decay": self.weight_decay}
        if not self.no_decay and self.layer_decay is None and not self.groups:
            return cast("Any", make_optimizer(self.name, model, lr=self.lr, **decay, **arguments))
        divided = parameter_groups(
            model, self.groups or None, no_decay=self.no_decay, layer_decay=self.layer_decay, lr=self.lr, **decay
        )
        return make_optimizer(self.name, divided, lr=self.lr, **decay, **arguments)


def _frozen(x: Any) -> Any:
    """Pairs as methods take them, wherever they were read from."""
    return tuple(cast("list[Any]", x)) if isinstance(x, list) else x


@final
class Making:
    """Makes optimizers of one setting: what a pilot is given as `make_optimizer`.

    Attributes:
        setting: of all of them.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def __call__(self, model: Any) -> Any:
        """An optimizer for a model."""
        return self.setting.make(model)


def setting_of(chosen: Mapping[str, Choice]) -> Setting:
    """The setting that choices come to.

    Raises:
        AdviceError: the rate is not known.
    """
    rate = chosen["learning_rate"]
    if rate.value is None:
        told = "" if rate.pilot is None else f"; what would tell: {rate.pilot.en}"
        raise AdviceError(f"no learning rate is recommended: {rate.reason.en}{told}, or give one: learning_rate=")
    method = dict(chosen["optimizer"].value)
    name, divided = str(method.pop("name")), chosen["groups"].value
    return Setting(
        name,
        float(rate.value),
        chosen["weight_decay"].value,
        method,
        bool(divided["no_decay"]),
        divided["layer_decay"],
        divided.get("groups") or {},
    )
