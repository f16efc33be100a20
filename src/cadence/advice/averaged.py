"""An average of the weights kept beside an optimizer in a loop of one's own, and switched by it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, final

from cadence.optim.trained import kind_of
from cadence.run.average import Average, Live
from cadence.run.averaging import Averaging

KEY = "average"
"""Of an optimizer's state: where the average is."""


def averaged(optimizer: Any, model: Any, averaging: Averaging) -> Any:
    """Have an optimizer keep an average of a model's weights.

    Args:
        optimizer: of torch or paddle, over the model's parameters. It gets `train` and `eval`, and its state has the
            average.
        model: whose weights are averaged, and replaced by the average after ``optimizer.eval()``.
        averaging: which updates enter, with what share.

    Returns:
        The optimizer.
    """
    if kind_of(model) == "paddle":
        from cadence.run.paddle_average import PaddleLive

        kept = _Kept(optimizer, PaddleLive(model), averaging)
        _into_paddle(optimizer, kept)
    else:
        from cadence.run.torch_average import TorchLive

        kept = _Kept(optimizer, TorchLive(model), averaging)
        _into_torch(optimizer, kept)
    optimizer.train, optimizer.eval, optimizer.train_mode = kept.train, kept.eval, True
    return optimizer


@final
class _Kept:
    """The average, how many updates were done, and which weights the model has."""

    def __init__(self, optimizer: Any, live: Live, averaging: Averaging) -> None:
        self._of = weakref.ref(optimizer)
        self._average = Average(live, judged=True)
        self._averaging = averaging
        self._t = 0
        self._training = True

    def after(self) -> None:
        """An update was done."""
        self._t += 1
        share = self._averaging.share(self._t)
        if share is not None:
            self._average.enter(share)

    def eval(self) -> None:
        """Have the averaged weights in the model."""
        self._switch(training=False)

    def train(self) -> None:
        """Have the weights in the model that are trained."""
        self._switch(training=True)

    def _switch(self, *, training: bool) -> None:
        if training != self._training:
            self._mode(training)
            self._average.exchange()

    def _mode(self, training: bool) -> None:
        self._training = training
        optimizer = self._of()
        if optimizer is not None:
            optimizer.train_mode = training

    def state(self) -> dict[str, Any]:
        """All of it. After `eval` the average is in the model, and what is trained is here."""
        return {"t": self._t, "training": int(self._training), "weights": self._average.other()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave, in the mode that model and optimizer were saved in."""
        self._average.take(state["weights"])
        self._t = int(state["t"])
        self._mode(bool(state["training"]))


def _into_torch(optimizer: Any, kept: _Kept) -> None:
    def stepped(*_: object) -> None:
        kept.after()

    def save(_: Any, state: dict[str, Any]) -> dict[str, Any]:
        return {**state, KEY: kept.state()}

    def load(_: Any, state: dict[str, Any]) -> dict[str, Any]:
        if KEY in state:
            kept.load(state[KEY])
        return {key: x for key, x in state.items() if key != KEY}

    optimizer.register_step_post_hook(stepped)
    optimizer.register_state_dict_post_hook(save)
    optimizer.register_load_state_dict_pre_hook(load)


def _into_paddle(optimizer: Any, kept: _Kept) -> None:
    """Paddle has no hooks of this kind, and saves mappings from names to tensors and numbers alone."""
    step, save, load = optimizer.step, optimizer.state_dict, optimizer.set_state_dict
    weights = f"{KEY}.weights."

    def stepped(*args: Any, **kwargs: Any) -> Any:
        made = step(*args, **kwargs)
        kept.after()
        return made

    def saved() -> dict[str, Any]:
        own = kept.state()
        flat = {weights + name: x for name, x in own["weights"].items()}
        return {**save(), **flat, f"{KEY}.t": own["t"], f"{KEY}.training": own["training"]}

    def loaded(state: Mapping[str, Any]) -> None:
        if f"{KEY}.t" in state:
            flat = {key.removeprefix(weights): x for key, x in state.items() if key.startswith(weights)}
            kept.load({"t": state[f"{KEY}.t"], "training": state[f"{KEY}.training"], "weights": flat})
        load({key: x for key, x in state.items() if not key.startswith(f"{KEY}.")})

    optimizer.step, optimizer.state_dict, optimizer.set_state_dict = stepped, saved, loaded
