"""An average of the weights kept beside a paddle optimizer, and switched by it."""

from __future__ import annotations

import weakref
from typing import Any

import paddle

from cadence.run.averaging import Averaging

_PREFIX = "average."


class _Kept:
    """The average of one model's weights, its statistics of batch normalisation included."""

    def __init__(self, optimizer: Any, model: Any, averaging: Averaging) -> None:
        self._of = weakref.ref(optimizer)
        self._live = {name: x for name, x in model.state_dict().items() if x.is_floating_point()}
        self._averaging = averaging
        self._kept: dict[str, Any] = {}
        self._t = 0
        self._training = True
        self._step, self._save, self._load = optimizer.step, optimizer.state_dict, optimizer.set_state_dict

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """An update, and then the average of what it made."""
        made = self._step(*args, **kwargs)
        self._t += 1
        share = self._averaging.share(self._t)
        if share is not None:
            with paddle.no_grad():
                self._enter(share)
        return made

    def _enter(self, share: float) -> None:
        for name, x in self._live.items():
            if name not in self._kept:
                self._kept[name] = x.detach().clone()
            else:
                kept = self._kept[name]
                paddle.assign(kept + share * (x.detach() - kept), output=kept)

    def eval(self) -> None:
        """Have the averaged weights in the model."""
        self._switch(training=False)

    def train(self) -> None:
        """Have the weights in the model that are trained."""
        self._switch(training=True)

    def _switch(self, *, training: bool) -> None:
        if training == self._training:
            return
        self._training = training
        optimizer = self._of()
        if optimizer is not None:
            optimizer.train_mode = training
        with paddle.no_grad():
            for name, kept in self._kept.items():
                live = self._live[name]
                before = live.detach().clone()
                paddle.assign(kept, output=live)
                paddle.assign(before, output=kept)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state with the average in it."""
        kept = {_PREFIX + name: x for name, x in self._kept.items()}
        # After `eval` the average is in the model, and what is trained is here.
        return {**self._save(), **kept, _PREFIX + "t": self._t, _PREFIX + "training": int(self._training)}

    def set_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave, in the mode that model and optimizer were saved in."""
        own = {key.removeprefix(_PREFIX): x for key, x in state.items() if key.startswith(_PREFIX)}
        if own:
            self._t = int(own.pop("t"))
            self._training = bool(own.pop("training", 1))
            optimizer = self._of()
            if optimizer is not None:
                optimizer.train_mode = self._training
            self._kept = {
                name: (x if paddle.is_tensor(x) else paddle.to_tensor(x)).detach().clone() for name, x in own.items()
            }
        self._load({key: x for key, x in state.items() if not key.startswith(_PREFIX)})


def averaged(optimizer: Any, model: Any, averaging: Averaging) -> Any:
    """Have an optimizer keep an average of a model's weights.

    Args:
        optimizer: over the model's parameters. It gets `train` and `eval`, and its state has the average.
        model: whose weights are averaged, and replaced by the average after ``optimizer.eval()``.
        averaging: which updates enter, with what share.

    Returns:
        The optimizer.
    """
    kept = _Kept(optimizer, model, averaging)
    optimizer.train, optimizer.eval, optimizer.train_mode = kept.train, kept.eval, True
    optimizer.step, optimizer.state_dict, optimizer.set_state_dict = kept.step, kept.state_dict, kept.set_state_dict
    return optimizer
