"""Models and optimizers of torch, put back in place: whoever holds a tensor, a group or a state holds it still."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, final

import torch
from torch.optim import Optimizer

from cadence._errors import DriverError
from cadence.drivers.torch_hooks import count_quickly
from cadence.drivers.torch_writer import plain
from cadence.drivers.writer import Clock
from cadence.finder.subject import Back, Subject, all_back, plain_numbers, remembered

PLAIN = (bool, int, float, str, type(None))


@final
class TorchSubject(Subject):
    """What a loop trains in torch.

    Args:
        models: all that the updates change.
        optimizers: the updates of the first are counted.
        also: whatever else has a state.

    Raises:
        DriverError: something that is no model, or has no state.
    """

    def __init__(self, models: Sequence[Any], optimizers: Sequence[Any], also: Sequence[Any]) -> None:
        for model in models:
            if not isinstance(model, torch.nn.Module):
                raise DriverError(f"model= takes a torch module (or a list of them), not a {type(model).__name__}")
        self._models: list[torch.nn.Module] = list(models)
        self._optimizers = [plain(optimizer) for optimizer in optimizers]
        self._also = list(also)
        self._clock = Clock()
        self._repeat: list[Back] = []
        self._whole: list[Back] = []
        self._hooks: list[Any] = []

    @property
    def clock(self) -> Clock:
        return self._clock

    def begin(self) -> None:
        self._whole = [_random_numbers(), plain_numbers(), *(_of_other(thing) for thing in self._also)]
        self._repeat = [
            *(_of_module(model) for model in self._models),
            _of_tensors(self._tensors()),
            _of_gradients(self._parameters()),
            *(_of_optimizer(optimizer) for optimizer in self._optimizers),
        ]
        self._hooks = count_quickly(self._optimizers[0], self._clock)

    def again(self) -> None:
        # Here once, instead of around each of the copies.
        with torch.no_grad():
            all_back(self._repeat)

    def end(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self.again()
        all_back(self._whole)
        self._repeat, self._whole = [], []

    def _parameters(self) -> list[torch.Tensor]:
        """What is trained: in the models, and what an optimizer trains that is in none of them; each once."""
        found = [p for model in self._models for p in model.parameters()]
        found += [p for optimizer in self._optimizers for group in optimizer.param_groups for p in group["params"]]
        return list({id(p): p for p in found}.values())

    def _tensors(self) -> list[torch.Tensor]:
        """Weights, and all buffers: running statistics are among them."""
        buffers = {id(b): b for model in self._models for b in model.buffers()}
        return [*self._parameters(), *buffers.values()]


def _of_other(thing: Any) -> Back:
    back = remembered(thing)
    # Where a loss scaler stands between its step and its update; a loop that was left may have left it in between.
    between = getattr(thing, "_per_optimizer_states", None)
    if between is None:
        return back

    def back_and_clear() -> None:
        back()
        between.clear()

    return back_and_clear


def _random_numbers() -> Back:
    state = torch.get_rng_state()
    others = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None

    def back() -> None:
        torch.set_rng_state(state)
        if others is not None:
            torch.cuda.set_rng_state_all(others)

    return back


def _of_module(model: torch.nn.Module) -> Back:
    """Which tensors the buffers are, modes, and what a module itself calls state."""
    places = [(module, dict(_buffers(module)), module.training) for module in model.modules()]
    extra = [(m, copy.deepcopy(m.get_extra_state())) for m in model.modules() if _has_extra_state(m)]

    def back() -> None:
        for module, buffers, training in places:
            _buffers(module).clear()
            _buffers(module).update(buffers)
            module.training = training
        for module, state in extra:
            module.set_extra_state(copy.deepcopy(state))

    return back


def _buffers(module: torch.nn.Module) -> dict[str, Any]:
    return vars(module)["_buffers"]


def _has_extra_state(module: torch.nn.Module) -> bool:
    return type(module).get_extra_state is not torch.nn.Module.get_extra_state


def _of_tensors(tensors: Iterable[torch.Tensor]) -> Back:
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors]

    def back() -> None:
        for tensor, value in kept:
            tensor.copy_(value)

    return back


def _of_gradients(parameters: Iterable[torch.Tensor]) -> Back:
    kept = [(p, p.grad, None if p.grad is None else p.grad.detach().clone()) for p in parameters]

    def back() -> None:
        for parameter, gradient, value in kept:
            if gradient is not None and value is not None:
                gradient.copy_(value)
            parameter.grad = gradient

    return back


def _of_optimizer(optimizer: Optimizer) -> Back:
    """State, groups, and plain attributes, as some optimizers count with."""
    state = {key: _copied(value) for key, value in optimizer.state.items()}
    groups = [_copied({k: v for k, v in group.items() if k != "params"}) for group in optimizer.param_groups]
    lists = [list(group["params"]) for group in optimizer.param_groups]
    attributes = {k: v for k, v in vars(optimizer).items() if isinstance(v, PLAIN)}

    def back() -> None:
        _put(optimizer.state, state)
        del optimizer.param_groups[len(groups) :]
        for group, values, parameters in zip(optimizer.param_groups, groups, lists, strict=True):
            group["params"][:] = parameters
            _put(group, {"params": group["params"], **values})
        for name in [k for k, v in vars(optimizer).items() if isinstance(v, PLAIN) and k not in attributes]:
            delattr(optimizer, name)
        vars(optimizer).update(attributes)

    return back


def _copied(value: Any) -> Any:
    """Containers and tensors anew; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(x) for key, x in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if type(value) in (list, tuple):
        return type(value)(_copied(x) for x in value)
    return copy.copy(value)


def _put(there: Any, kept: dict[Any, Any]) -> None:
    """Make a dictionary what it was, into the tensors and dictionaries that it holds where they fit."""
    for key in [key for key in there if key not in kept]:
        del there[key]
    for key, value in kept.items():
        now = there.get(key)
        if isinstance(value, torch.Tensor) and isinstance(now, torch.Tensor) and _fits(now, value):
            now.copy_(value)
        elif isinstance(value, dict) and isinstance(now, dict):
            _put(now, value)  # pyright: ignore[reportUnknownArgumentType]
        else:
            there[key] = value if key == "params" else _copied(value)


def _fits(now: torch.Tensor, value: torch.Tensor) -> bool:
    return now.shape == value.shape and now.dtype == value.dtype and now.device == value.device
