"""Models and optimizers of paddle, put back in place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, final

import paddle

from cadence._errors import DriverError
from cadence.drivers.paddle_groups import groups_of, plain
from cadence.drivers.paddle_hooks import ENTRANCES, parameters_of
from cadence.drivers.writer import Clock
from cadence.finder.subject import Back, Subject, all_back, plain_numbers, remembered

PLAIN = (bool, int, float, str, type(None))


@final
class PaddleSubject(Subject):
    """What a loop trains in paddle.

    Args:
        models: all that the updates change.
        optimizers: the updates of the first are counted.
        also: whatever else has a state.

    Raises:
        DriverError: something that is no model, or has no state.
    """

    def __init__(self, models: Sequence[Any], optimizers: Sequence[Any], also: Sequence[Any]) -> None:
        for model in models:
            if not isinstance(model, paddle.nn.Layer):
                raise DriverError(f"model= takes a paddle layer (or a list of them), not a {type(model).__name__}")
        self._models: list[Any] = list(models)
        self._given = optimizers[0]
        self._optimizers = [plain(optimizer) for optimizer in optimizers]
        self._also = list(also)
        self._clock = Clock()
        self._repeat: list[Back] = []
        self._whole: list[Back] = []

    @property
    def clock(self) -> Clock:
        return self._clock

    def begin(self) -> None:
        own = paddle.get_rng_state()
        numbers: Back = lambda: paddle.set_rng_state(own)  # noqa: E731
        self._whole = [numbers, plain_numbers(), *(remembered(thing) for thing in self._also)]
        self._repeat = [
            *(_of_layer(model) for model in self._models),
            _of_tensors(self._tensors()),
            _of_gradients(self._parameters()),
            *(_of_optimizer(optimizer) for optimizer in self._optimizers),
        ]
        self._whole.append(self._counting())

    def again(self) -> None:
        all_back(self._repeat)

    def end(self) -> None:
        self.again()
        all_back(self._whole)
        self._repeat, self._whole = [], []

    def _parameters(self) -> list[Any]:
        """What is trained: in the models, and what an optimizer trains that is in none of them; each once."""
        found = [p for model in self._models for p in model.parameters()]
        found += [p for optimizer in self._optimizers for p in parameters_of(optimizer)]
        return list({id(p): p for p in found}.values())

    def _tensors(self) -> list[Any]:
        """Weights, and all buffers: running statistics are among them."""
        held = [layer._buffers.values() for model in self._models for layer in [model, *model.sublayers()]]
        buffers = {id(b): b for values in held for b in values if b is not None}
        return [*self._parameters(), *buffers.values()]

    # ---- counting ------------------------------------------------------------------------------------------------

    def _counting(self) -> Back:
        """Count what the optimizer does; paddle has no hooks for that."""
        place = _own(self._given)
        before = {name: place[name] for name in ENTRANCES if name in place}
        for name in ENTRANCES:
            if callable(inner := getattr(self._given, name, None)):
                place[name] = self._counted(inner)

        def back() -> None:
            for name in ENTRANCES:
                place.pop(name, None)
            place.update(before)

        return back

    def _counted(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        clock = self._clock
        # The loss scaler calls the optimizer in any case, and leaves there what it has found.
        told: Callable[[str], Any] | None = getattr(self._given, "_get_auxiliary_var", None)

        def call(*args: Any, **kwargs: Any) -> Any:
            if clock.begun:
                # One that asks for another one, beside it, is one.
                return inner(*args, **kwargs)
            clock.begun = True
            try:
                done = inner(*args, **kwargs)
            finally:
                clock.begun = False
            found = None if told is None else told("found_inf")
            if found is None or not bool(found):
                clock.done += 1
            return done

        return call


def _of_layer(model: Any) -> Back:
    """Which tensors the buffers are, and modes."""
    places = [(layer, dict(layer._buffers), layer.training) for layer in [model, *model.sublayers()]]

    def back() -> None:
        for layer, buffers, training in places:
            layer._buffers.clear()
            layer._buffers.update(buffers)
            layer.training = training

    return back


def _of_tensors(tensors: Iterable[Any]) -> Back:
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors]

    def back() -> None:
        for tensor, value in kept:
            _fill(tensor, value)

    return back


def _of_gradients(parameters: Iterable[Any]) -> Back:
    kept = [(p, None if p.grad is None else p.grad.detach().clone()) for p in parameters]

    def back() -> None:
        for parameter, value in kept:
            if value is None:
                parameter.clear_gradient(set_to_zero=False)
            else:
                parameter.grad = value.clone()

    return back


def _of_optimizer(optimizer: Any) -> Back:
    """State, groups, rate, and plain attributes."""
    _begin_state(optimizer)
    states = {name: dict(store) for name, store in optimizer._accumulators.items()}
    masters = dict(getattr(optimizer, "_master_weights", {}))
    tensors = _of_tensors([*(x for store in states.values() for x in store.values()), *masters.values()])
    rate = float(optimizer.get_lr())
    groups = [{k: v for k, v in group.items() if k != "params"} for group in groups_of(optimizer)]
    own = [copy.copy(getattr(p, "optimize_attr", None)) for p in parameters_of(optimizer)]
    place = _own(optimizer)
    attributes = {k: v for k, v in place.items() if isinstance(v, PLAIN)}

    def back() -> None:
        for name, store in optimizer._accumulators.items():
            for key in [key for key in store if key not in states.get(name, {})]:
                del store[key]
            store.update(states.get(name, {}))
        if masters or getattr(optimizer, "_master_weights", None):
            optimizer._master_weights.clear()
            optimizer._master_weights.update(masters)
        tensors()
        for group, values in zip(groups_of(optimizer), groups, strict=True):
            group.update(values)
        for parameter, attr in zip(parameters_of(optimizer), own, strict=True):
            if attr is not None:
                parameter.optimize_attr = dict(attr)
        for name in [k for k, v in place.items() if isinstance(v, PLAIN) and k not in attributes]:
            del place[name]
        place.update(attributes)
        optimizer.set_lr(rate)

    return back


def _begin_state(optimizer: Any) -> None:
    """Let the optimizer make its state now.

    One that was made during the test could be taken away again, but paddle counts up the names that it gives to it, and
    a state by other names fits no optimizer that is made anew.
    """
    block = paddle.static.default_main_program().global_block()
    groups = groups_of(optimizer)
    if not groups:
        optimizer._create_accumulators(block, [p for p in parameters_of(optimizer) if not p.stop_gradient])
    for group in groups:
        trained = [p for p in group["params"] if not p.stop_gradient]
        optimizer._create_accumulators(block, {**_plainly(group), "params": trained})


def _plainly(group: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in group.items() if k != "params"}


def _own(thing: Any) -> dict[str, Any]:
    return thing.__dict__


def _fill(tensor: Any, value: Any) -> None:
    with paddle.no_grad():
        paddle.assign(value, output=tensor)
