"""What is settled before the first update: lengths in updates, which split judges, what must be reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any, cast

from cadence._errors import HorizonError, RecipeError, neighbours
from cadence.curve.horizon import UNITS, Horizon, as_much_data, epochs_done, horizon, round_half_up, units_of
from cadence.recipe.parts import DivergenceRecipe
from cadence.recipe.recipe import Recipe
from cadence.run.averaging import Averaging, averaging
from cadence.run.scaling import Scalings, climbing, scalings
from cadence.run.units import Epoch, epoch_of
from cadence.spec.nodes import EarlyStop, Plateau, Rule, Schedule, walk
from cadence.spec.plan import Plan
from cadence.spec.span import Span, span
from cadence.tasks import Split, Task


@dataclass(frozen=True)
class Course:
    """The run in numbers.

    Attributes:
        horizon: total, updates per epoch, samples and tokens per update.
        total: updates of the whole run.
        batch_size: rows of one micro-batch.
        accumulate: micro-batches per update, of each process.
        evaluate: updates between evaluations.
        checkpoint: updates between checkpoints; None: one with every evaluation.
        split: the held-out part that judges.
        plan: what governs the optimizer's values, the rule that ends the run included.
        divergence: what becomes of an update that diverges.
        rewarm: updates of the warmup after a rollback.
        spacing: evaluations and checkpoints as they were asked for; None: a checkpoint with every evaluation.
        averaging: of the weights; None: there is none.
        best: metric whose best checkpoint is kept, and whether ``"min"`` or ``"max"`` of it is best; None: none is.
        scalings: of base rates that are stated for another batch.
        effective_rates: updates between measurements of what the optimizer did; None: nothing is measured.
        epoch: what an epoch is, in updates and rows.
        evaluate_from, checkpoint_from: update from which their distances are counted; another than 0 where updates
            had another size before.
        resized: what became of the rest of the run because updates had another size before; None where they had not.
    """

    horizon: Horizon
    total: int
    batch_size: int
    accumulate: int
    evaluate: Fraction
    checkpoint: Fraction | None
    split: Split
    plan: Plan
    divergence: DivergenceRecipe
    rewarm: int
    spacing: tuple[Span, Span | None]
    averaging: Averaging | None
    best: tuple[str, str] | None
    scalings: Scalings
    effective_rates: int | None
    epoch: Epoch
    evaluate_from: Fraction = Fraction(0)
    checkpoint_from: Fraction = Fraction(0)
    resized: str | None = None

    @property
    def world(self) -> int:
        """Processes that train together."""
        return self.epoch.world

    def distances(self, total: int) -> tuple[Fraction, Fraction | None]:
        """Updates between evaluations and between checkpoints, where the run has come to another length."""
        evaluate, save = self.spacing
        run = replace(self.horizon, total=total)
        return _distance(evaluate, run), None if save is None else _distance(save, run)


def settle(recipe: Recipe, task: Task, split: Split, world: int = 1) -> Course:
    """The course of a recipe on its task.

    Args:
        recipe: of the training.
        task: that it names.
        split: the held-out part that judges.
        world: processes that train together; each takes `accumulate` micro-batches of an update.

    Raises:
        RecipeError: a batch larger than the data, processes without one or that do not divide the update, a split that
            does not exist, or a metric that nobody reports.
        HorizonError: a length in a unit that the task does not have.
    """
    if split not in ("val", "tune"):
        raise RecipeError(f"there is no held-out part called {split!r}; write 'val' or 'tune'")
    data = task.data
    data.held_out(split)  # says at once where there is no such part
    batch_size = recipe.batch_size if recipe.batch_size is not None else data.default_batch_size
    accumulate = _accumulate(recipe, batch_size, world)
    epoch = epoch_of(data, batch_size, accumulate, world, drop_last=recipe.drop_last)
    found = scalings(recipe, epoch.samples)
    plan = climbing(governing(recipe), recipe, found)
    _check_units(recipe, plan, task)
    tokens = None if data.tokens_per_example is None else epoch.samples * data.tokens_per_example
    run = horizon(recipe.total, epoch.updates, epoch.samples, tokens)
    assert run.total is not None
    _check_metrics(recipe, plan, task)
    every = recipe.checkpoint.every
    return Course(
        horizon=run,
        total=run.total,
        batch_size=batch_size,
        accumulate=accumulate,
        evaluate=_distance(span(recipe.evaluate), run),
        checkpoint=None if every is None else _distance(span(every), run),
        split=split,
        plan=plan,
        divergence=recipe.divergence,
        rewarm=_rewarm(recipe.divergence.rewarm, run),
        spacing=(span(recipe.evaluate), None if every is None else span(every)),
        averaging=averaging(recipe, run),
        best=_best(recipe, task),
        scalings=found,
        # Of weights that are spread over processes nobody has the norm.
        effective_rates=None if recipe.parallel == "fsdp" and world > 1 else recipe.effective_rates,
        epoch=epoch,
    )


def _accumulate(recipe: Recipe, batch_size: int, world: int) -> int:
    """Micro-batches per update of each process: as written, or as many as make up the recipe's `update_size`."""
    if recipe.update_size is None:
        return recipe.accumulate
    if recipe.update_size % (batch_size * world):
        fits = ", ".join(str(n) for n in range(1, 65) if recipe.update_size % (batch_size * n) == 0)
        told = f"start {fits} processes" if fits else f"write a batch_size that divides {recipe.update_size}"
        raise RecipeError(
            f"update_size is {recipe.update_size}, and batches of {batch_size} in {world} process{'es' * (world > 1)} "
            f"do not divide it; {told}, or choose another batch_size"
        )
    return recipe.update_size // (batch_size * world)


def going_on(course: Course, recipe: Recipe, state: Mapping[str, Any]) -> Course:
    """The course from a checkpoint on: as long as the run is by then, and counted in the updates it has by now.

    Args:
        course: of the recipe from the beginning.
        recipe: of the training.
        state: of the driver, in the checkpoint.
    """
    t, begun, journal = int(state["t"]), Horizon(**state["horizon"]), state["journal"]
    was = units_of(begun, journal)
    assert was.total is not None
    total, told, now = was.total, None, course.horizon
    if resizes(was, now) and total > t:
        total = as_much_data(t, total, was, now)
        told = f"{was.batch_size} -> {now.batch_size} examples, {was.total} -> {total} updates"
    done, per_epoch = epochs_done(t, begun, journal), now.steps_per_epoch
    assert done is not None
    assert per_epoch is not None
    # Where updates always had one size this is 0.
    origin = t - done * per_epoch
    every = recipe.checkpoint.every
    return replace(
        course,
        total=total,
        resized=told,
        evaluate_from=origin if _in_data(recipe.evaluate) else Fraction(0),
        checkpoint_from=origin if every is not None and _in_data(every) else Fraction(0),
    )


def resizes(was: Horizon, now: Horizon) -> bool:
    """Whether an update is another amount of data."""
    return any(getattr(was, unit) != getattr(now, unit) for unit in UNITS)


def _in_data(length: int | str) -> bool:
    return span(length).unit in ("epochs", "samples", "tokens")


def _check_units(recipe: Recipe, plan: Plan, task: Task) -> None:
    """Refuse lengths in tokens where the task counts none."""
    if task.data.tokens_per_example is not None:
        return
    every = recipe.checkpoint.every
    lengths = {"total": [span(recipe.total)], "evaluate": [span(recipe.evaluate)]}
    lengths["checkpoint.every"] = [] if every is None else [span(every)]
    lengths["schedule"] = [x for _, schedule in plan.entries for node in walk(schedule) for x in _spans(node)]
    for key, spans in lengths.items():
        found = next((str(x) for x in spans if x.unit == "tokens"), None)
        if found is not None:
            raise HorizonError(
                f"{key} has '{found}', and the task {task.name!r} counts no tokens; write it in updates, epochs or "
                f"samples"
            )


def _spans(node: Schedule) -> Iterator[Span]:
    """The lengths and positions of one part of a schedule."""
    for field in fields(cast("Any", node)):
        value = getattr(node, field.name)
        for x in value if isinstance(value, tuple) else (value,):
            if isinstance(x, Span):
                yield x


def reported(task: Task) -> dict[str, str]:
    """Metrics of an evaluation by the names that rules and records use, with the better end of each.

    The names are those of the reported split on the tuning split too, so that one recipe can be judged on either;
    ``run.json`` says which it was.
    """
    return {"val_loss": "min", f"val_{task.metric_name}": task.metric_better}


def governing(recipe: Recipe) -> Plan:
    """The recipe's plan with its `stop` in it: a rule ends the run from within a product."""
    spec, rule = recipe.spec, recipe.stop_rule
    plan = spec if isinstance(spec, Plan) else Plan((("lr", spec),))
    if rule is None:
        return plan
    (key, schedule), *others = plan.entries
    return Plan(((key, schedule * rule), *others))


def marks(every: Fraction, after: int, origin: Fraction = Fraction(0)) -> Iterator[int]:
    """Multiples of a distance, rounded half up, that lie beyond `after`.

    Args:
        every: at least 1.
        after: updates done.
        origin: where they are counted from, at most `after`.

    Example:
        >>> from itertools import islice
        >>> list(islice(marks(Fraction(5, 2), after=3), 4))
        [5, 8, 10, 13]
    """
    k = int((after - origin) / every)
    while True:
        k += 1
        mark = round_half_up(origin + k * every)
        if mark > after:
            yield mark


def _distance(length: Span, run: Horizon) -> Fraction:
    # A length above zero is at least one update.
    return max(run.updates(length), Fraction(1))


def _rewarm(length: int | str | None, run: Horizon) -> int:
    return 0 if length is None else round_half_up(_distance(span(length), run))


def rules_of(plan: Plan) -> Iterator[Rule]:
    """The rules in a plan."""
    for _, schedule in plan.entries:
        yield from (node for node in walk(schedule) if isinstance(node, (Plateau, EarlyStop)))


def _check_metrics(recipe: Recipe, plan: Plan, task: Task) -> None:
    known = reported(task)
    for rule in rules_of(plan):
        if rule.metric not in known:
            raise RecipeError(
                f"{rule} watches {rule.metric!r}, which the task {task.name!r} does not report; "
                f"{neighbours(rule.metric, known)}"
            )
    best = recipe.checkpoint.best
    if best is not None and best not in known:
        raise RecipeError(
            f"checkpoint.best is {best!r}, which the task {task.name!r} does not report; {neighbours(best, known)}"
        )


def _best(recipe: Recipe, task: Task) -> tuple[str, str] | None:
    metric = recipe.checkpoint.best
    return None if metric is None else (metric, reported(task)[metric])
