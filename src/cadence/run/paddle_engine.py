"""Training in paddle, in one process or in several."""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import paddle
from paddle.base import core
from paddle.device import get_device, is_compiled_with_cuda, set_device
from paddle.optimizer import Optimizer

from cadence._errors import RecipeError, StateError
from cadence.optim.groups.groups import Groups
from cadence.optim.groups.paddle_tree import paddle_tree
from cadence.recipe.recipe import Recipe
from cadence.run.average import Average, average_of
from cadence.run.division import divided
from cadence.run.engine import Engine, Judged, Saved, Update
from cadence.run.imports import called
from cadence.run.initial import Weights, others_weights
from cadence.run.nested import put_together, take_apart
from cadence.run.paddle_arithmetic import Arithmetic, arithmetic
from cadence.run.paddle_average import PaddleLive
from cadence.run.paddle_finite import Guard, finite, overflowed, within
from cadence.run.paddle_optimizers import Together, paddle_optimizers
from cadence.run.paddle_parallel import Parallel, parallel
from cadence.run.paddle_state import (
    Parts,
    Seeds,
    file_of_tensors,
    json_of,
    plain_random_state,
    read_tensors,
    set_plain_random_state,
)
from cadence.run.paddle_weights import put, taken
from cadence.run.ranks import Ranks
from cadence.run.smoothing import Compare, smoothed
from cadence.tasks import Batch, Task

THREADS = "FLAGS_paddle_num_threads"


@contextlib.contextmanager
def open_engine(recipe: Recipe, task: Task, ranks: Ranks) -> Generator[Engine, None, None]:
    """The paddle engine of one training; see `cadence.run.engine.OpenEngine`.

    Raises:
        RecipeError: a device, a precision, a model or a group of parameters that there is not.
        OptimizerError: see `cadence.optimizer`.
        TaskError: the task has no model for paddle.
    """
    loss, metric = task.loss("paddle"), task.metric("paddle")
    begin = others_weights(recipe, task)
    with _own_process(recipe.seed, recipe.threads, recipe.device):
        means = arithmetic(recipe.precision)
        model = model_of(recipe, task)
        if begin is not None:
            put(model, begin, task.name)
        model.train()
        resting = any(group.frozen is not None for group in recipe.groups.values())
        how = parallel(model, recipe.parallel, ranks, resting=resting)
        groups = divided(paddle_tree(model), recipe)
        optimizers = Together(paddle_optimizers(recipe, groups))
        average = average_of(recipe, PaddleLive(model), optimizers.members)
        trained = smoothed(loss, recipe.label_smoothing, paddle.nn.functional.log_softmax)
        guard = finite if recipe.divergence.nonfinite is None else overflowed
        metrics = {task.metric_name: metric}
        if ranks.rank:
            # The same weights, and random numbers of its own.
            _seed(_of_rank(recipe.seed, ranks.rank))
        seeds = Seeds(recipe.seed)
        yield PaddleEngine(
            model,
            how,
            ranks,
            optimizers,
            groups,
            trained,
            loss,
            metrics,
            means,
            seeds,
            recipe.clip_norm,
            guard,
            average,
        )


def initial_weights(recipe: Recipe, task: Task) -> Weights:
    """What the model of a recipe begins with in paddle, drawn on the processor.

    Raises:
        RecipeError: see `open_engine`.
    """
    with _own_process(recipe.seed, recipe.threads, "cpu"):
        return taken(model_of(recipe, task))


@final
class PaddleEngine(Engine):
    """One model and its optimizers on the device that is set.

    Args:
        model: in training mode.
        how: the work on it is divided.
        ranks: that train it together.
        optimizers: over its parameters.
        groups: what its parameters were divided into.
        trained: what is minimised, a mean over the targets.
        loss: what is judged, a mean over the targets.
        metrics: name -> mean over the targets.
        means: how forward and backward are computed.
        seeds: one for the random numbers of each update.
        clip_norm: largest global norm of the gradients; None: they are left as they are.
        guard: names the parameters of the model whose gradients must not reach the weights.
        average: of the weights.
    """

    def __init__(
        self,
        model: paddle.nn.Layer,
        how: Parallel,
        ranks: Ranks,
        optimizers: Together,
        groups: Groups,
        trained: Compare,
        loss: Compare,
        metrics: dict[str, Compare],
        means: Arithmetic,
        seeds: Seeds,
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
        self._seeds = seeds
        self._seed = _seeding()
        self._clip_norm = clip_norm
        self._guard = guard
        self._average = average

    @property
    def optimizers(self) -> list[Optimizer]:
        return self._optimizers.members

    @property
    def groups(self) -> Groups:
        return self._groups

    @property
    def scaler(self) -> Any:
        return self._means.scaler

    @property
    def device(self) -> dict[str, Any]:
        kind = get_device().partition(":")[0]
        threads = int(paddle.get_flags(THREADS)[THREADS])
        if kind == "gpu":
            # Called as torch calls it, so that records of both can be told apart from those of a processor.
            return {"type": "cuda", "name": paddle.device.cuda.get_device_name(), "threads": threads}
        return {"type": kind, "threads": threads}

    def update(self, batches: Sequence[Batch], ceiling: float | None) -> Update:
        means = self._means
        # The same weights in every process, and dropout of its own.
        self._seed(_of_rank(self._seeds.next(), self._ranks.rank))
        self._optimizers.zero_grad()
        loss, examples = self._how.gradients(batches, self._forward, means.backward)
        bad = self._guard(self._model)
        if bad:
            means.skip(self._optimizers)
        if bad or not within(loss, ceiling):
            return Update(_number(loss), examples, None, bad, left_out=True)
        norm = None
        if self._clip_norm is not None:
            norm = means.clip(self._optimizers, self._optimizers.parameters, self._clip_norm)
        means.step(self._optimizers)
        # Read last: on an accelerator this is where the processor waits for it.
        return Update(_number(loss), examples, None if norm is None else _number(norm))

    def _forward(self, model: Any, batch: Batch) -> paddle.Tensor:
        inputs, targets = paddle.to_tensor(batch.inputs), paddle.to_tensor(batch.targets)
        with self._means.forward():
            return self._trained(model(inputs), targets)

    def evaluate(self, batches: Iterable[Batch]) -> Judged:
        sums, targets = dict.fromkeys(["loss", *self._metrics], 0.0), 0
        with self._judging(), paddle.no_grad(), self._means.forward():
            # Of what is judged, which may be the average.
            self._how.settle()
            for batch in batches:
                right = paddle.to_tensor(batch.targets)
                outputs = self._model(paddle.to_tensor(batch.inputs))
                sums["loss"] += _number(self._loss(outputs, right)) * batch.tokens
                for name, metric in self._metrics.items():
                    sums[name] += _number(metric(outputs, right)) * batch.tokens
                targets += batch.tokens
        return Judged(sums, targets)

    @contextlib.contextmanager
    def _judging(self) -> Generator[None, None, None]:
        """The model in the mode it is judged in; random numbers as they were."""
        plain, own = plain_random_state(), paddle.get_rng_state()
        self._model.eval()
        try:
            with self._average.in_place():
                yield
        finally:
            self._model.train()
            set_plain_random_state(plain)
            paddle.set_rng_state(own)

    def save(self) -> Saved | None:
        others = self._ranks.exchange(json_of(plain_random_state()) if self._ranks.rank else None)[1:]
        # Every process has all else.
        if self._ranks.rank:
            return None
        scaler, parts = self._means.scaler, Parts()
        # The model's file has the weights that it is judged by.
        with self._average.in_place():
            state = {
                "model": dict(self._model.state_dict()),
                "average": self._average.other(),
                "optimizers": [optimizer.state_dict() for optimizer in self._optimizers.members],
                "scaler": {} if scaler is None else scaler.state_dict(),
                "random": {**plain_random_state(), "seeds": self._seeds.state()},
            }
            rest = take_apart(state, "", parts)
            return Saved([file_of_tensors(parts.tensors)], {**rest, "others": others} if others else rest)

    def load(self, tensors: Path, rest: dict[str, Any]) -> None:
        state = put_together(rest, read_tensors(tensors))
        try:
            self._load_model(state["model"])
            for optimizer, saved in zip(self._optimizers.members, state["optimizers"], strict=True):
                optimizer.set_state_dict(saved)
            if self._means.scaler is not None:
                scaler: Any = {k: x.numpy() if isinstance(x, paddle.Tensor) else x for k, x in state["scaler"].items()}
                self._means.scaler.load_state_dict(scaler)
            self._average.load(state.get("average", {}))
        except (StateError, RuntimeError, ValueError, KeyError, AssertionError) as fault:
            raise StateError(
                f"the checkpoint {tensors} does not fit this recipe's model or optimizer "
                f"({str(fault).splitlines()[0]}); train anew into another folder, or with fresh=True"
            ) from fault
        # Processes that were not there have random numbers of their own, those that they began with.
        known = [state["random"], *rest.get("others", [])]
        if self._ranks.rank < len(known):
            set_plain_random_state(known[self._ranks.rank])
        self._seeds.set_state(state["random"]["seeds"])

    def _load_model(self, saved: dict[str, paddle.Tensor]) -> None:
        own = self._model.state_dict()
        # Paddle passes over what does not fit, with a warning.
        for name in [*own, *saved]:
            if name not in own or name not in saved:
                raise KeyError(f"{name!r} is only in {'the checkpoint' if name in saved else 'the model'}")
            if list(own[name].shape) != list(saved[name].shape):
                raise ValueError(f"{name!r} has shape {list(saved[name].shape)} there and {list(own[name].shape)} here")
        self._model.set_state_dict(saved)

    def average(self, share: float) -> None:
        self._average.enter(share)


def model_of(recipe: Recipe, task: Task) -> paddle.nn.Layer:
    """The model of a recipe, as paddle's own random numbers make it.

    Raises:
        RecipeError: what is named is no model of paddle.
        TaskError: the task has no model for paddle.
    """
    model = task.model("paddle")() if recipe.model is None else called(recipe.model, "model", recipe.model_args)
    if not isinstance(model, paddle.nn.Layer):
        where = f"model {recipe.model!r}" if recipe.model else f"the task {task.name!r}"
        torch = any(cls.__module__.partition(".")[0] == "torch" for cls in type(model).__mro__)
        other = ", or write engine: torch" if torch else ""
        raise RecipeError(
            f"{where} gives a {type(model).__name__}; with engine: paddle it must return a paddle.nn.Layer{other}"
        )
    return model


def _number(x: Any) -> float:
    # Not float(x): of a tensor of shape [1], as some losses give, numpy makes no number.
    item: Any = getattr(x, "item", None)
    return float(x if item is None else item())


# ---- what belongs to the process -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _own_process(seed: int, threads: int, device: str) -> Generator[None, None, None]:
    """Device, seeds, threads and names of a run; the process gets its own back afterwards."""
    plain, own = plain_random_state(), paddle.get_rng_state()
    threads_before, device_before = int(paddle.get_flags(THREADS)[THREADS]), get_device()
    try:
        _set_device(device)
        _seed(seed)
        paddle.seed(seed)
        core.set_num_threads(threads)
        paddle.set_flags({THREADS: threads})
        # Optimizers know parameters by names that are counted up in a process; here each run counts from the beginning.
        with paddle.utils.unique_name.guard(), warnings.catch_warnings():
            # Said of batch normalisation at every call, as if one had asked for something else.
            warnings.filterwarnings("ignore", "When training, we now always track global mean and variance")
            yield
    finally:
        core.set_num_threads(threads_before)
        paddle.set_flags({THREADS: threads_before})
        set_device(device_before)
        set_plain_random_state(plain)
        paddle.set_rng_state(own)


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)


def _set_device(name: str) -> None:
    """Set the device of a recipe; `auto` is a GPU where there is one. Torch's `cuda` is understood."""
    wanted = f"gpu{name.removeprefix('cuda')}" if name.partition(":")[0] == "cuda" else name
    if name == "auto":
        wanted = "gpu" if is_compiled_with_cuda() and paddle.device.cuda.device_count() else "cpu"
    try:
        set_device(wanted)
        # Only an attempt tells: a device may be known to paddle and yet not be in this machine.
        paddle.zeros([1])
    except (ValueError, RuntimeError, OSError, AssertionError) as fault:
        said = _first_line(str(fault))
        raise RecipeError(f"device {name!r} cannot be used here ({said}); write device: auto or cpu") from None


def _first_line(text: str) -> str:
    """The first line with something to say."""
    lines = [line.strip() for line in text.splitlines() if line.strip(" -")]
    return lines[0].rstrip(".") if lines else "no reason is given"


def _seeding() -> Callable[[int], object]:
    """What gives a new seed to the generators; on a processor without the search for others, which takes its time."""
    return paddle.seed if is_compiled_with_cuda() else core.default_cpu_generator().manual_seed


def _of_rank(seed: int, rank: int) -> int:
    return seed if rank == 0 else int(np.random.SeedSequence([seed, rank]).generate_state(1)[0])
