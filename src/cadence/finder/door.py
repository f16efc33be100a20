"""The way in: `find_lr` takes an optimizer, or a recipe."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, overload

from cadence._errors import DriverError
from cadence.curve.horizon import horizon, round_half_up
from cadence.drivers.doors import group_exchange, writer_of
from cadence.finder.found import Found
from cadence.finder.loop import Finder
from cadence.finder.of_recipe import Tell, find_in_recipe
from cadence.finder.rates import rates_of
from cadence.finder.subject import Subject, listed
from cadence.finder.sweeps import Asked, check
from cadence.recipe.recipe import Recipe
from cadence.spec.span import SpanLike, span

UPDATES = 100
"""Of a test of which nothing is said."""


@overload
def find_lr(
    optimizer: str | os.PathLike[str] | Recipe | Mapping[str, Any],
    *,
    updates: SpanLike = UPDATES,
    start: float | None = None,
    end: float | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    progress: Tell | None = None,
) -> Found: ...


@overload
def find_lr(
    optimizer: Any,
    *,
    model: Any,
    updates: SpanLike = UPDATES,
    start: float | None = None,
    end: float | None = None,
    repeats: int | None = None,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    scaler: Any = None,
    also: Sequence[Any] = (),
) -> Finder: ...


def find_lr(
    optimizer: Any,
    *,
    model: Any = None,
    updates: SpanLike = UPDATES,
    start: float | None = None,
    end: float | None = None,
    repeats: int | None = None,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    scaler: Any = None,
    also: Sequence[Any] = (),
    seed: int | None = None,
    progress: Tell | None = None,
) -> Finder | Found:
    """Find a learning rate by a range test: from small to large on a few updates, repeated from the same state.

    A scout goes through the whole range first; then every repeat goes, on other batches, through the part where
    something happens. What the losses say is computed from all repeats together, and how far they differ says how sure
    it is. Afterwards everything is as it was before, to the bit.

    Args:
        optimizer: a torch or paddle optimizer (or a list of them, which step together), for a loop of your own: then
            what comes back is gone through, ``for lr in finder: ...``. Or a recipe: a file, a `Recipe`, or a mapping
            with its keys: then the test is made at once.
        model: what the updates change, a torch module or paddle layer (or a list of them); only with an optimizer,
            where it must be given.
        updates: budget of the whole test, scout and repeats together: a number, or text with a unit, ``"5%"`` of the
            run. At least 24; 50 give a hint, 100 are good.
        start, end: the range, as rates of the first parameter group; where one is left out, it is looked for between
            1e-6 and 10 (wider where the optimizer's own rate lies near an end). The rates of other groups keep
            their ratio to the first.
        repeats: how often the range is gone through; by default as often as the budget gives each some 13 updates, 4
            times at most.
        total: length of the run, for a budget in percent; only with an optimizer, as the next three.
        steps_per_epoch: updates in one epoch, for a budget in epochs.
        scaler: the loss scaler of the loop, which is put back too. Updates that it skips do not count.
        also: other things with a state that the loop moves, to be put back at the end: a sampler, a loader with
            ``state_dict``, an average of weights, a generator.
        seed: instead of the recipe's; only with a recipe, as the next.
        progress: called after every update with a `cadence.finder.of_recipe.Progress`.

    Returns:
        For an optimizer, a `Finder`; its `result` is a `Found`. For a recipe, the `Found`.

    Raises:
        SpecError: a range upside down, or too few updates.
        DriverError: something that is no optimizer or no model.
        OptimizerError: nothing that could be trained.
        HorizonError: a budget in a unit that is not known.
        CadenceError: for a recipe, whatever `cadence.train` would refuse before the first update.

    Source:
        Smith 2017, arXiv:1506.01186, section 3.3 (the range test).

    Example:
        >>> import torch
        >>> weight = torch.nn.Linear(1, 1)
        >>> optimizer = torch.optim.SGD(weight.parameters(), lr=0.1)
        >>> finder = find_lr(optimizer, model=weight, updates=60)
        >>> for lr in finder:
        ...     loss = (weight(torch.ones(8, 1)) - 5.0).square().mean()
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     optimizer.step()
        ...     finder.observe(loss)
        >>> finder.result.suggestions.reason, optimizer.param_groups[0]["lr"]
        ('clear', 0.1)
    """
    if isinstance(optimizer, (str, os.PathLike, Recipe, Mapping)):
        _refuse(model=model, total=total, steps_per_epoch=steps_per_epoch, scaler=scaler, also=also or None)
        recipe = cast("Any", optimizer)
        return find_in_recipe(
            recipe, updates=updates, low=start, high=end, repeats=repeats, seed=seed, progress=progress
        )
    if seed is not None or progress is not None:
        raise DriverError("seed= and progress= belong to the test of a recipe; a loop of your own has its own")
    if model is None:
        raise DriverError("find_lr needs the model too, to put it back afterwards; write find_lr(optimizer, model=...)")
    writer = writer_of(optimizer, ["lr"])
    subject = _subject(optimizer, listed(model), [*([] if scaler is None else [scaler]), *also])
    rates = rates_of(writer)
    budget = round_half_up(horizon(total, steps_per_epoch, None, None).updates(span(updates)))
    asked = Asked(budget, start, end, repeats, rates.own[rates.reference])
    check(asked)
    return Finder(subject, rates, asked, group_exchange())


def _subject(optimizer: Any, models: list[Any], also: Sequence[Any]) -> Subject:
    optimizers = listed(optimizer)
    make: Callable[[list[Any], list[Any], Sequence[Any]], Subject]
    if any(cls.__module__.partition(".")[0] == "torch" for cls in type(optimizers[0]).__mro__):
        from cadence.finder.torch_subject import TorchSubject as make
    else:
        from cadence.finder.paddle_subject import PaddleSubject as make
    return make(models, optimizers, also)


def _refuse(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise DriverError(f"{name}= belongs to the test of an optimizer in a loop of your own; a recipe says it")
