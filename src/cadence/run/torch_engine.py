"""Training in torch, in one process or in several."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from cadence._errors import RecipeError, StateError
from cadence.optim.groups.groups import Groups
from cadence.optim.groups.torch_tree import torch_tree
from cadence.recipe.recipe import Recipe
from cadence.run.average import Average, average_of
from cadence.run.division import divided
from cadence.run.engine import Engine, Judged, Saved, Update
from cadence.run.imports import called
from cadence.run.initial import Weights, others_weights
from cadence.run.nested import put_together, take_apart
from cadence.run.ranks import Ranks
from cadence.run.smoothing import Compare, smoothed
from cadence.run.torch_arithmetic import Arithmetic, arithmetic
from cadence.run.torch_average import TorchLive
from cadence.run.torch_finite import Guard, finite, overflowed, within
from cadence.run.torch_optimizers import Together, torch_optimizers
from cadence.run.torch_parallel import Parallel, gathered, parallel, spread, spread_optimizer
from cadence.run.torch_pinned import pinned
from cadence.run.torch_state import (
    Parts,
    Shelf,
    file_of_tensors,
    lay_out,
    plain_state,
    random_state,
    read_tensors,
    set_random_state,
    tensor_state,
)
from cadence.run.torch_weights import put, taken
from cadence.tasks import Batch, Task


@contextlib.contextmanager
def open_engine(recipe: Recipe, task: Task, ranks: Ranks) -> Generator[Engine, None, None]:
    """The torch engine of one training; see `cadence.run.engine.OpenEngine`.

    Raises:
        RecipeError: a device, a precision, a model or a group of parameters that there is not.
        OptimizerError: see `cadence.optimizer`.
        TaskError: the task has no model for torch.
    """
    device = _device(recipe.device)
    means = arithmetic(recipe.precision, device)
    loss, metric = task.loss("torch"), task.metric("torch")
    if device.type == "cuda":
        task.data.lend(pinned)
    begin = others_weights(recipe, task)
    with _own_randomness(recipe.seed, recipe.threads, device):
        model = model_of(recipe, task)
        if begin is not None:
            put(model, begin, task.name)
        model.to(device).train()
        resting = any(group.frozen is not None for group in recipe.groups.values())
        how = parallel(model, recipe.parallel, ranks, resting=resting)
        groups = divided(torch_tree(model), recipe)
        optimizers = Together(torch_optimizers(recipe, groups))
        average = average_of(recipe, TorchLive(model), optimizers.members)
        trained = smoothed(loss, recipe.label_smoothing, torch.log_softmax)
        guard = finite if recipe.divergence.nonfinite is None else overflowed
        metrics = {task.metric_name: metric}
        if ranks.rank:
            # The same weights, and dropout of its own.
            _seed(int(np.random.SeedSequence([recipe.seed, ranks.rank]).generate_state(1)[0]))
        yield TorchEngine(
            model, how, ranks, optimizers, groups, trained, loss, metrics, means, device, recipe.clip_norm, guard,
            average,
        )  # fmt: skip


def initial_weights(recipe: Recipe, task: Task) -> Weights:
    """What the model of a recipe begins with in torch, drawn on the processor.

    Raises:
        RecipeError: see `open_engine`.
    """
    with _own_randomness(recipe.seed, recipe.threads, torch.device("cpu")):
        return taken(model_of(recipe, task))


@final
class TorchEngine(Engine):
    """One model and its optimizers on one device.

    Args:
        model: in training mode, on the device.
        how: the work on it is divided.
        ranks: that train it together.
        optimizers: over its parameters.
        groups: what its parameters were divided into.
        trained: what is minimised, a mean over the targets.
        loss: what is judged, a mean over the targets.
        metrics: name -> mean over the targets.
        means: how forward and backward are computed.
        device: where.
        clip_norm: largest global norm of the gradients; None: they are left as they are.
        guard: names the parameters of the model whose gradients must not reach the weights.
        average: of the weights.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        how: Parallel,
        ranks: Ranks,
        optimizers: Together,
        groups: Groups,
        trained: Compare,
        loss: Compare,
        metrics: dict[str, Compare],
        means: Arithmetic,
        device: torch.device,
        clip_norm: float | None,
        guard: Guard,
        average: Average,
    ) -> None:
        self._model = model
        self._how = how
        self._ranks = ranks
        self._optimizers = optimizers
        self._groups = groups
        self._trained = trained
        self._loss = loss
        self._metrics = metrics
        self._means = means
        self._device = device
        self._clip_norm = clip_norm
        self._guard = guard
        self._shelf = Shelf()
        self._average = average
        self._weights = [p for group in optimizers.param_groups for p in group["params"]]

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        return self._optimizers.members

    @property
    def groups(self) -> Groups:
        return self._groups

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        return self._means.scaler

    @property
    def device(self) -> dict[str, Any]:
        if self._device.type == "cuda":
            index = self._device.index
            return {
                "type": "cuda",
                "index": torch.cuda.current_device() if index is None else index,
                "name": torch.cuda.get_device_name(self._device),
                "threads": torch.get_num_threads(),
            }
        return {"type": self._device.type, "threads": torch.get_num_threads()}

    def update(self, batches: Sequence[Batch], ceiling: float | None) -> Update:
        means = self._means
        self._optimizers.zero_grad()
        loss, examples = self._how.gradients(batches, self._forward, means.backward)
        bad = self._guard(self._model)
        if bad:
            means.skip(self._optimizers)
        if bad or not within(loss, ceiling):
            return Update(float(loss), examples, None, bad, left_out=True)
        norm = None
        if self._clip_norm is not None:
            norm = self._how.whole(means.clip(self._optimizers, self._weights, self._clip_norm))
        means.step(self._optimizers)
        # Read last: on an accelerator this is where the processor waits for it.
        return Update(float(loss), examples, None if norm is None else norm.item())

    def _forward(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        inputs, targets = self._tensor(batch.inputs), self._tensor(batch.targets)
        with self._means.forward():
            return self._trained(model(inputs), targets)

    def _tensor(self, array: Any) -> torch.Tensor:
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
        return tensor if self._device.type == "cpu" else tensor.to(self._device, non_blocking=True)

    def evaluate(self, batches: Iterable[Batch]) -> Judged:
        sums, targets = dict.fromkeys(["loss", *self._metrics], 0.0), 0
        # Not inference_mode: what a model caches in it cannot be trained with afterwards.
        with self._judging(), torch.no_grad(), self._means.forward():
            # Of what is judged, which may be the average.
            self._how.settle()
            for batch in batches:
                right = self._tensor(batch.targets)
                outputs = self._how.judge(self._tensor(batch.inputs))
                sums["loss"] += float(self._loss(outputs, right)) * batch.tokens
                for name, metric in self._metrics.items():
                    sums[name] += float(metric(outputs, right)) * batch.tokens
                targets += batch.tokens
        return Judged(sums, targets)

    @contextlib.contextmanager
    def _judging(self) -> Generator[None, None, None]:
        """Model, and optimizers that average weights, in the mode they are judged in; random numbers as they were."""
        everyone: list[Any] = [self._model, *self._optimizers.members]
        modes = [one for one in everyone if callable(getattr(one, "eval", None))]
        before = random_state()
        for one in modes:
            one.eval()
        try:
            with self._average.in_place():
                yield
        finally:
            for one in modes:
                one.train()
            set_random_state(before)

    def save(self) -> Saved | None:
        scaler, parts = self._means.scaler, Parts(self._shelf)
        # Of an optimizer that averages, the model's file has the weights that it is judged by.
        with self._judging():
            random_now = random_state()
            state = {
                "model": gathered(self._model.state_dict(), self._how),
                "average": gathered(self._average.other(), self._how),
                "optimizers": [gathered(member.state_dict(), self._how) for member in self._optimizers.members],
                "scaler": {} if scaler is None else scaler.state_dict(),
                "random": random_now,
            }
            others = self._ranks.exchange(plain_state(random_now) if self._ranks.rank else None)[1:]
            if self._ranks.rank:
                return None
            rest = take_apart(state, "", parts)
        return Saved(file_of_tensors(parts.tensors), {**rest, "others": others} if others else rest)

    def load(self, tensors: Path, rest: dict[str, Any]) -> None:
        state = put_together(rest, read_tensors(tensors))
        try:
            self._model.load_state_dict(spread(state["model"], self._model.state_dict(), self._how))
            for optimizer, saved in zip(self._optimizers.members, state["optimizers"], strict=True):
                optimizer.load_state_dict(spread_optimizer(saved, optimizer, self._how))
                lay_out(optimizer)
            if self._means.scaler is not None:
                self._means.scaler.load_state_dict(state["scaler"])
            self._average.load(spread(state.get("average", {}), self._model.state_dict(), self._how))
        except (RuntimeError, ValueError, KeyError) as fault:
            raise StateError(
                f"the checkpoint {tensors} does not fit this recipe's model or optimizer "
                f"({str(fault).splitlines()[0]}); train anew into another folder, or with fresh=True"
            ) from fault
        for optimizer in self._optimizers.members:
            if callable(begin := getattr(optimizer, "train", None)):
                begin()
        # Processes that were not there have random numbers of their own, those that they began with.
        known = [state["random"], *(tensor_state(other) for other in rest.get("others", []))]
        if self._ranks.rank < len(known):
            set_random_state(known[self._ranks.rank])

    def average(self, share: float) -> None:
        self._average.enter(share)


def model_of(recipe: Recipe, task: Task) -> torch.nn.Module:
    """The model of a recipe, as torch's own random numbers make it.

    Raises:
        RecipeError: what is named is no model of torch.
        TaskError: the task has no model for torch.
    """
    model = task.model("torch")() if recipe.model is None else called(recipe.model, "model", recipe.model_args)
    if not isinstance(model, torch.nn.Module):
        where = f"model {recipe.model!r}" if recipe.model else f"the task {task.name!r}"
        raise RecipeError(f"{where} gives a {type(model).__name__}; it must return a torch.nn.Module")
    return model


def _device(name: str) -> torch.device:
    """The device of a recipe; `auto` is an accelerator where there is one."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        # Only an attempt tells: a device may be known to torch and yet not be in this machine.
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as fault:
        said = str(fault).splitlines()[0].rstrip(".")
        raise RecipeError(f"device {name!r} cannot be used here ({said}); write device: auto or cpu") from None
    if device.type == "meta":
        raise RecipeError("device 'meta' computes nothing; write device: auto or cpu")
    return device


@contextlib.contextmanager
def _own_randomness(seed: int, threads: int, device: torch.device) -> Generator[None, None, None]:
    """Seeds and threads of a run; the process gets its own back afterwards."""
    before, threads_before = random_state(), torch.get_num_threads()
    try:
        _seed(seed)
        torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(threads_before)
        set_random_state(before)


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
