"""What is settled before the first update: lengths in updates, which split judges, what must be reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from cadence._errors import RecipeError, neighbours
from cadence.curve.horizon import Horizon, horizon, round_half_up
from cadence.recipe.recipe import Recipe
from cadence.run.scaling import Scalings, climbing, scalings
from cadence.spec.nodes import EarlyStop, Plateau, Rule, walk
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
        accumulate: micro-batches per update.
        evaluate: updates between evaluations.
        checkpoint: updates between checkpoints; None: one with every evaluation.
        split: the held-out part that judges.
        plan: what governs the optimizer's values, the rule that ends the run included.
        overflow_ends: whether a gradient that is not finite ends the run.
        spacing: evaluations and checkpoints as they were asked for; None: a checkpoint with every evaluation.
        best: metric whose best checkpoint is kept, and whether ``"min"`` or ``"max"`` of it is best; None: none is.
        scalings: of base rates that are stated for another batch.
        effective_rates: updates between measurements of what the optimizer did; None: nothing is measured.
    """

    horizon: Horizon
    total: int
    batch_size: int
    accumulate: int
    evaluate: Fraction
    checkpoint: Fraction | None
    split: Split
    plan: Plan
    overflow_ends: bool
    spacing: tuple[Span, Span | None]
    best: tuple[str, str] | None
    scalings: Scalings
    effective_rates: int | None

    def distances(self, total: int) -> tuple[Fraction, Fraction | None]:
        """Updates between evaluations and between checkpoints, where the run has come to another length."""
        evaluate, save = self.spacing
        run = replace(self.horizon, total=total)
        return _distance(evaluate, run), None if save is None else _distance(save, run)


def settle(recipe: Recipe, task: Task, split: Split) -> Course:
    """The course of a recipe on its task.

    Raises:
        RecipeError: a batch larger than the data, a split that does not exist, or a metric that nobody reports.
        HorizonError: a length in a unit that the task does not have.
    """
    if split not in ("val", "tune"):
        raise RecipeError(f"there is no held-out part called {split!r}; write 'val' or 'tune'")
    data = task.data
    batch_size = recipe.batch_size if recipe.batch_size is not None else data.default_batch_size
    if batch_size > data.train_examples:
        raise RecipeError(
            f"batch_size is {batch_size}, and the task {task.name!r} has {data.train_examples} training examples; "
            f"write at most that"
        )
    steps_per_epoch = -(-data.batches_per_epoch(batch_size) // recipe.accumulate)
    samples = batch_size * recipe.accumulate
    tokens = None if data.tokens_per_example is None else samples * data.tokens_per_example
    run = horizon(recipe.total, steps_per_epoch, samples, tokens)
    assert run.total is not None
    found = scalings(recipe, samples)
    plan = climbing(governing(recipe), recipe, found)
    _check_metrics(recipe, plan, task)
    every = recipe.checkpoint.every
    return Course(
        horizon=run,
        total=run.total,
        batch_size=batch_size,
        accumulate=recipe.accumulate,
        evaluate=_distance(span(recipe.evaluate), run),
        checkpoint=None if every is None else _distance(span(every), run),
        split=split,
        plan=plan,
        overflow_ends=recipe.nonfinite == "error",
        spacing=(span(recipe.evaluate), None if every is None else span(every)),
        best=_best(recipe, task),
        scalings=found,
        effective_rates=recipe.effective_rates,
    )


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


def marks(every: Fraction, after: int) -> Iterator[int]:
    """Multiples of a distance, rounded half up, that lie beyond `after`.

    Args:
        every: at least 1.
        after: updates done.

    Example:
        >>> from itertools import islice
        >>> list(islice(marks(Fraction(5, 2), after=3), 4))
        [5, 8, 10, 13]
    """
    k = int(after / every)
    while True:
        k += 1
        mark = round_half_up(k * every)
        if mark > after:
            yield mark


def _distance(length: Span, run: Horizon) -> Fraction:
    # A length above zero is at least one update.
    return max(run.updates(length), Fraction(1))


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
