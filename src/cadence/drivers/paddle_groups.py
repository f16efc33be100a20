"""The parameter groups of a paddle optimizer, and where they keep what a plan can govern besides the rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, final

from paddle.optimizer import Optimizer
from paddle.regularizer import L2Decay

Slot: TypeAlias = tuple[dict[str, Any], str]
"""A dictionary and the key in it that holds a value."""

NUMBERS = ("momentum", "beta1", "beta2", "rho", "epsilon", "momentum_decay")
"""What a paddle optimizer reads at every update, besides its rate and its weight decay, where it has it."""


@final
class Group:
    """A parameter group, or an optimizer without groups as the only one.

    Args:
        optimizer: whose group it is.
        number: of the optimizer.
        index: of the group in it.
        options: the group's dictionary; None where the optimizer has none.
    """

    __slots__ = ("index", "number", "optimizer", "options")

    def __init__(self, optimizer: Any, number: int, index: int, options: dict[str, Any] | None) -> None:
        self.optimizer, self.number, self.index, self.options = optimizer, number, index, options

    def read(self, value: str) -> float | None:
        """What the group has for a value other than the rate; None where the optimizer has no such value."""
        if value == "weight_decay" and self._regularized():
            held = self._regularizer()
            return 0.0 if held is None else float(getattr(held, "_coeff", held))
        key = key_of(self.optimizer, value)
        if key is None:
            return None
        if self.options is None:
            return float(getattr(self.optimizer, f"_{key}"))
        return float(self.options.get(key, self.optimizer._default_dict[key]))

    def reader(self, value: str) -> Callable[[], float | None]:
        """A function that reads such a value at every update; faster than `read`, which finds out where it stands."""
        key = key_of(self.optimizer, value)
        if key is None or (value == "weight_decay" and self._regularized()):
            return lambda: self.read(value)
        place: dict[str, Any] = vars(self.optimizer) if self.options is None else self.options
        name = f"_{key}" if self.options is None else key
        default: Any = None if self.options is None else self.optimizer._default_dict[key]

        def read() -> float | None:
            return float(place.get(name, default))

        return read

    def slot(self, value: str) -> Slot:
        """Where such a value is written to."""
        if value == "weight_decay" and self._regularized():
            return vars(self._own_regularizer()), "_coeff"
        key = key_of(self.optimizer, value)
        place = self.options if self.options is not None else vars(self.optimizer)
        before = "" if self.options is not None else "_"
        if key == "regularization_coeff":
            # Where it was made without a decay, it does not look at the coefficient.
            place[f"{before}regularization_method"] = "l2_decay"
        return place, f"{before}{key}"

    def _regularized(self) -> bool:
        """Whether paddle adds the decay to the gradient by a regularizer, instead of decaying the weights itself."""
        key = key_of(self.optimizer, "weight_decay")
        return key is None or (key == "regularization_coeff" and self._regularizer() is not None)

    def _regularizer(self) -> Any:
        return (
            getattr(self.optimizer, "regularization", None)
            if self.options is None
            else self.options.get("weight_decay")
        )

    def _own_regularizer(self) -> Any:
        held = self._regularizer()
        # One that nobody else uses: a regularizer may be shared by several optimizers.
        kind: Any = L2Decay if held is None or isinstance(held, (int, float)) else type(held)
        own = kind(self.read("weight_decay"))
        if self.options is None:
            self.optimizer.regularization = own
        else:
            self.options["weight_decay"] = own
            for p in self.options["params"]:
                p.regularizer = own
        return own


def key_of(optimizer: Any, value: str) -> str | None:
    """Under what name an optimizer keeps a value: as an attribute with an underscore, and in its groups without."""
    names = {"weight_decay": ("weight_decay", "lamb_weight_decay", "regularization_coeff")}.get(value, (value,))
    if value != "weight_decay" and value not in NUMBERS:
        return None
    return next((name for name in names if hasattr(optimizer, f"_{name}")), None)


def plain(optimizer: Any) -> Any:
    """The optimizer inside wrappers, as fleet's, `LookAhead` and those that shard."""
    while True:
        found = [vars(optimizer).get(name) for name in ("_inner_opt", "inner_optimizer", "_optim")]
        inner = next((x for x in found if isinstance(x, Optimizer)), None)
        if inner is None:
            return optimizer
        optimizer = inner


def groups_of(optimizer: Any) -> list[dict[str, Any]]:
    """The parameter groups; none where the optimizer was given plain parameters."""
    groups = optimizer._param_groups
    return groups if groups and isinstance(groups[0], dict) else []


def values_of(optimizer: Any) -> list[str]:
    """Names of the values that an optimizer has and a plan can govern."""
    return ["lr", "weight_decay", *(name for name in NUMBERS if key_of(optimizer, name) is not None)]
