"""What an optimizer is to train: whose it is, and its parameters or groups as a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from cadence._errors import OptimizerError
from cadence.optim.groups.groups import Groups

Framework: TypeAlias = Literal["torch", "paddle"]
"""A framework whose parameters an optimizer trains."""


@dataclass(frozen=True)
class Trained:
    """Parameters to train.

    Attributes:
        framework: of them.
        entries: parameters; or pairs of name and parameter; or groups, whose ``"params"`` are lists.
        model: what they were taken from, where that was given.
    """

    framework: Framework
    entries: list[Any]
    model: Any

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The groups; none where there are plain parameters."""
        return [entry for entry in self.entries if is_group(entry)]

    @property
    def keys(self) -> set[str]:
        """Keys of all groups."""
        return {key for group in self.groups for key in group}

    @property
    def named(self) -> list[tuple[str, Any]]:
        """Every parameter with what messages call it."""
        flat = _members(self.entries)
        names = {id(p): name for name, p in self.model.named_parameters()} if self.model is not None else {}
        return [p if _is_pair(p) else (names.get(id(p), str(i)), p) for i, p in enumerate(flat)]


def kind_of(x: object) -> Framework | None:
    """The framework that an object is of, or that a class of its is derived from."""
    for cls in type(x).__mro__:
        top = cls.__module__.partition(".")[0]
        if top == "torch" or top == "paddle":
            return top
    return None


def is_group(entry: Any) -> bool:
    """Whether an entry describes a group."""
    return isinstance(entry, dict)


def _is_pair(entry: Any) -> bool:
    """Whether an entry is a parameter with its name before it."""
    return isinstance(entry, tuple) and len(entry) == 2  # pyright: ignore[reportUnknownArgumentType]


def plain(entry: Any) -> Any:
    """A parameter without the name that may stand before it."""
    return entry[1] if _is_pair(entry) else entry


def _members(entries: list[Any]) -> list[Any]:
    """Parameters, or pairs of name and parameter, of all entries."""
    flat: list[Any] = []
    for entry in entries:
        flat += entry["params"] if is_group(entry) else [entry]
    return flat


def trained(name: str, params: Any) -> Trained:
    """A model, parameters or groups as a list.

    Args:
        name: of the optimizer, for messages.
        params: as for `cadence.optimizer`.

    Raises:
        OptimizerError: nothing that can be trained.
    """
    if isinstance(params, Groups):
        params = params.entries()
    kind = kind_of(params)
    if kind is not None and callable(getattr(params, "named_parameters", None)):
        return Trained(kind, _trainable(name, params, kind), params)
    if kind is not None or isinstance(params, (str, Mapping, set, frozenset)) or not isinstance(params, Iterable):
        raise OptimizerError(
            f"the optimizer {name!r} was given a {type(params).__name__} to train; "  # pyright: ignore[reportUnknownArgumentType]
            f"give a model, a list of parameters, or a list of groups"
        )
    entries: list[Any] = [_entry(name, entry) for entry in params]  # pyright: ignore[reportUnknownVariableType]
    if not entries:
        raise OptimizerError(f"the optimizer {name!r} was given no parameters; give a model, or model.parameters()")
    return Trained(_framework(name, entries), entries, None)


def _trainable(name: str, model: Any, kind: Framework) -> list[Any]:
    frozen = "stop_gradient" if kind == "paddle" else "requires_grad"
    found = [p for p in model.parameters() if bool(getattr(p, frozen)) is (kind == "torch")]
    if not found:
        remedy = "stop_gradient=False" if kind == "paddle" else "requires_grad"
        raise OptimizerError(
            f"the model {type(model).__name__} has no trainable parameters for the optimizer {name!r}; "
            f"set {remedy} on those to train"
        )
    return found


def _entry(name: str, entry: Any) -> Any:
    """One entry; of a group a copy, with its parameters as a list."""
    if not isinstance(entry, Mapping):
        return entry
    group: dict[str, Any] = dict(entry)  # pyright: ignore[reportUnknownArgumentType]
    if "params" not in group:
        raise OptimizerError(f"a group for the optimizer {name!r} lacks the key 'params'; it has {sorted(group)}")
    given = group["params"]
    if isinstance(given, (set, frozenset)):
        raise OptimizerError(
            f"a group for the optimizer {name!r} has its parameters as a set, which has no order; give a list"
        )
    group["params"] = [given] if kind_of(given) is not None else list(given)
    if not group["params"]:
        called = f" {group['name']!r}" if "name" in group else ""
        raise OptimizerError(f"the group{called} of the optimizer {name!r} has no parameters; give it some, or drop it")
    return group


def _framework(name: str, entries: list[Any]) -> Framework:
    """The one framework of all entries."""
    kinds: dict[Framework, Any] = {}
    for member in _members(entries):
        tensor = plain(member)
        kind = kind_of(tensor)
        if kind is None or not hasattr(tensor, "shape"):
            raise OptimizerError(
                f"the optimizer {name!r} was given {member!r:.60} among its parameters; give parameters of a model of "
                f"torch or paddle"
            )
        kinds[kind] = tensor
    if len(kinds) > 1:
        raise OptimizerError(
            f"the optimizer {name!r} was given parameters of torch and of paddle; make one optimizer for each"
        )
    return next(iter(kinds))
