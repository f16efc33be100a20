"""An average of the weights kept beside a torch optimizer, and switched by it."""

from __future__ import annotations

import weakref
from typing import Any

import torch

from cadence.run.averaging import Averaging


class _Kept:
    """The average of one model's weights.

    What is averaged are parameters and the statistics of batch normalisation, which belong to the weights that they
    were gathered with.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, model: torch.nn.Module, averaging: Averaging) -> None:
        self._of = weakref.ref(optimizer)
        named = [*model.named_parameters(), *model.named_buffers()]
        saved = model.state_dict().keys()
        self._live = {name: x for name, x in named if name in saved and x.is_floating_point()}
        self._averaging = averaging
        self._kept: list[torch.Tensor] = []
        self._t = 0
        self._training = True

    @torch.no_grad()
    def after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """An update was done."""
        del optimizer, args, kwargs
        self._t += 1
        share = self._averaging.share(self._t)
        if share is None:
            return
        live = [x.detach() for x in self._live.values()]
        if not self._kept:
            self._kept = [x.clone() for x in live]
            return
        for kept, x in zip(self._kept, live, strict=True):
            kept.lerp_(x, share)

    def eval(self) -> None:
        """Have the averaged weights in the model."""
        self._switch(training=False)

    def train(self) -> None:
        """Have the weights in the model that are trained."""
        self._switch(training=True)

    @torch.no_grad()
    def _switch(self, *, training: bool) -> None:
        if training == self._training:
            return
        self._training = training
        optimizer: Any = self._of()
        if optimizer is not None:
            optimizer.train_mode = training
        # Values, not memory: the optimizer holds on to the tensors themselves.
        for x, kept in zip(self._live.values(), self._kept, strict=False):
            before = x.detach().clone()
            x.copy_(kept)
            kept.copy_(before)

    def save(self, optimizer: Any, state: dict[str, Any]) -> dict[str, Any]:
        """Put the average into the optimizer's state."""
        del optimizer
        weights = dict(zip(self._live, self._kept, strict=False))
        # After `eval` the average is in the model, and what is trained is here.
        return {**state, "average": {"t": self._t, "training": self._training, "weights": weights}}

    def load(self, optimizer: Any, state: dict[str, Any]) -> dict[str, Any]:
        """Take the average out of a state, and the mode that model and optimizer were saved in."""
        if "average" not in state:
            return state
        own = state["average"]
        self._t = int(own["t"])
        self._training = optimizer.train_mode = bool(own.get("training", True))
        weights = own["weights"]
        self._kept = [weights[name].to(x, copy=True) for name, x in self._live.items()] if weights else []
        return {key: x for key, x in state.items() if key != "average"}


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
    optimizer.register_step_post_hook(kept.after)
    optimizer.register_state_dict_post_hook(kept.save)
    optimizer.register_load_state_dict_pre_hook(kept.load)
    return optimizer
