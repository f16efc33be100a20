"""The tables of a report as plain text cells, the same for the terminal and the page."""

from __future__ import annotations

from dataclasses import dataclass

from cadence.comparison.results import RecipeSummary, RunRow, TaskSummary
from cadence.comparison.settings import Metric, said
from cadence.comparison.statistics import Estimate, RestrictedMean
from cadence.report.messages import Phrases
from cadence.report.numbers import decimals_of, fixed, plus_minus, probability, short, significant
from cadence.report.text import SHOWN, statuses


@dataclass(frozen=True)
class Table:
    """A table of texts. The first column names the row.

    Attributes:
        caption: what it shows.
        head: names of the columns.
        rows: one tuple of cells per row; a line break in a cell sets a remark apart.
        numeric: for each column, whether its cells are numbers.
        strong: indices of rows to be set off.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    strong: frozenset[int] = frozenset()


def results(task: TaskSummary, lang: str = "en") -> Table:
    """One row per recipe: what it ends at, how soon, at what rate, and how it stands against the baseline.

    Args:
        task: the task.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    tuned = any(recipe.tuning for recipe in task.recipes)
    metric = task.metric
    head = [say("recipe"), say("val_loss"), say("time_to_target"), say("seconds")]
    head += [say("tuned_rate" if tuned else "learning_rate"), say("against_baseline")]
    if metric is not None:
        head.insert(1, _metric_name(metric, say))
    rows: list[tuple[str, ...]] = []
    for recipe in task.recipes:
        row = [
            said(recipe.label, lang),
            _estimate_cell(recipe, recipe.val_loss, say),
            time_cell(recipe.time_to_target, len(recipe.runs), say),
            say("none") if recipe.seconds is None else significant(recipe.seconds.mean, 3),
            _rate_cell(recipe, say),
            say(recipe.verdict),
        ]
        if metric is not None:
            row.insert(1, _estimate_cell(recipe, recipe.metric, say, 100.0 if metric.share else 1.0))
        rows.append(tuple(row))
    caption = _results_caption(task, say)
    baseline = frozenset(i for i, recipe in enumerate(task.recipes) if recipe.name == task.baseline)
    return Table(caption, tuple(head), tuple(rows), (False, *[True] * (len(head) - 2), False), baseline)


def paired_tests(task: TaskSummary, lang: str = "en") -> Table | None:
    """One row per recipe but the baseline: difference, interval, p values; None where nothing was tested.

    Args:
        task: the task.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    if all(recipe.test is None for recipe in task.recipes):
        return None
    head = tuple(say(key) for key in ("recipe", "difference", "interval", "p", "p_holm", "smallest_gap", "verdict"))
    rows: list[tuple[str, ...]] = []
    for recipe in task.recipes:
        if recipe.name == task.baseline:
            continue
        cells = [say("none")] * 5
        if recipe.test is not None:
            paired, difference = recipe.test.paired, recipe.test.paired.difference
            decimals = decimals_of(difference.half or 0.0)
            low, high = fixed(difference.low or 0.0, decimals), fixed(difference.high or 0.0, decimals)
            cells = [
                fixed(difference.mean, decimals),
                say("range", low=low, high=high),
                probability(paired.p),
                probability(recipe.test.p_holm),
                significant(paired.smallest_gap, 2),
            ]
        rows.append((said(recipe.label, lang), *cells, say(recipe.verdict)))
    caption = say("caption_tests", task=said(task.label, lang), baseline=said(task.baseline_recipe.label, lang))
    return Table(caption, head, tuple(rows), (False, *[True] * 5, False))


def tuning(task: TaskSummary, lang: str = "en") -> Table | None:
    """One row per recipe, a column per place in its grid of rates; None where nothing was tuned.

    Args:
        task: the task.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    width = max(len(recipe.tuning) for recipe in task.recipes)
    if not width:
        return None
    head = (say("recipe"), *(say("rate_n", i=i + 1) for i in range(width)))
    rows: list[tuple[str, ...]] = []
    for recipe in task.tuned:
        cells = [_tried_cell(recipe, i, say) for i in range(len(recipe.tuning))]
        rows.append((said(recipe.label, lang), *cells, *[say("none")] * (width - len(cells))))
    return Table(say("caption_tuning", task=said(task.label, lang)), head, tuple(rows), (False, *[True] * width))


def runs(task: TaskSummary, lang: str = "en") -> Table:
    """One row per run, as in `results.csv`.

    Args:
        task: the task.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    keys = ("recipe", "seed", "status", "updates", "train_loss", "val_loss", "time_to_target", "seconds", "folder")
    head = [say(key) for key in keys]
    if task.metric is not None:
        head.insert(6, _metric_name(task.metric, say))
    rows = [_run_cells(recipe, run, task.metric, say) for recipe in task.recipes for run in recipe.runs]
    numeric = [index not in {0, 2, len(head) - 1} for index in range(len(head))]
    return Table(say("caption_runs", task=said(task.label, lang)), tuple(head), tuple(rows), tuple(numeric))


def time_cell(time: RestrictedMean | None, runs: int, say: Phrases) -> str:
    """Updates to the target: a mean, or a bound with how many seeds got there.

    Args:
        time: restricted mean over the seeds; None: nothing is known.
        runs: how many there were; of one that failed nothing is known.
        say: the language.

    Example:
        >>> from cadence.comparison.statistics import restricted_mean
        >>> say = Phrases("en")
        >>> time_cell(restricted_mean([300, 300], [True, True]), 2, say)
        '> 300\\n0/2 reached'
        >>> time_cell(restricted_mean([200, 200], [False, False]), 3, say)
        '200 ± 0\\n2 of 3 runs'
    """
    if time is None:
        return say("none")
    remarks = [say("reached", n=time.reached, of=time.of)] if time.reached < time.of else []
    if time.of < runs:
        remarks.append(say("runs_of", n=time.of, of=runs))
    mean = f"{time.updates.mean:.0f}"
    text = mean if time.updates.half is None else f"{mean} ± {time.updates.half:.0f}"
    if time.reached < time.of:
        text = f"≥ {text}" if time.reached else f"> {time.horizon}"
    return "\n".join([text, *remarks])


def _metric_name(metric: Metric, say: Phrases) -> str:
    name = say.metric(metric.name)
    return say("remark", text=name, remark="%") if metric.share else name


def _rate_cell(recipe: RecipeSummary, say: Phrases) -> str:
    """The base rate, and what the run's batch made of it where it is stated for another one."""
    if recipe.lr is None:
        return say("none")
    rate = short(recipe.lr) + ("*" if recipe.at_edge else "")
    if recipe.scaled is None:
        return rate
    factor = float(recipe.scaled["factor"])
    return f"{rate}\n{say('rate_scaled', factor=short(factor), rate=short(recipe.lr * factor))}"


def _estimate_cell(recipe: RecipeSummary, value: Estimate | None, say: Phrases, scale: float = 1.0) -> str:
    """Mean and interval, with a remark where not every run is in it."""
    if value is None:
        return f"{say('none')}\n{statuses(recipe, say.lang)}".rstrip()
    text = plus_minus(value, scale)
    of = len(recipe.runs)
    return text if value.n == of else f"{text}\n{say('runs_of', n=value.n, of=of)}"


def _tried_cell(recipe: RecipeSummary, index: int, say: Phrases) -> str:
    tried = recipe.tuning[index]
    loss = say(tried.status) if tried.loss is None and tried.status in SHOWN else tried.status
    text = f"{short(tried.rate)}: {loss if tried.loss is None else significant(tried.loss, 4)}"
    chosen = recipe.lr is not None and abs(tried.rate - recipe.lr) <= 1e-5 * abs(recipe.lr)
    return f"{text}\n{say('chosen')}" if chosen else text


def _run_cells(recipe: RecipeSummary, run: RunRow, metric: Metric | None, say: Phrases) -> tuple[str, ...]:
    none = say("none")

    def number(value: float | None, digits: int = 4) -> str:
        return none if value is None else significant(value, digits)

    time = none if run.time_to_target is None else f"{'> ' if run.censored else ''}{run.time_to_target}"
    cells = [
        said(recipe.label, say.lang),
        str(run.seed),
        _status_cell(run, say),
        none if run.updates is None else str(run.updates),
        number(run.train_loss),
        number(run.val_loss),
        time,
        number(run.seconds, 3),
        run.folder,
    ]
    if metric is not None:
        cells.insert(6, number(None if run.metric is None else run.metric * (100 if metric.share else 1)))
    return tuple(cells)


def _status_cell(run: RunRow, say: Phrases) -> str:
    """How the run ended, and why where it ended badly."""
    word = say(run.status) if run.status in SHOWN else run.status
    return word if run.complete or not run.sentence else f"{word}\n{run.sentence}"


def _results_caption(task: TaskSummary, say: Phrases) -> str:
    label = said(task.label, say.lang)
    if len(task.seeds) == 1:
        return say("caption_one", task=label)
    return say("caption_results", task=label, seeds=say("seeds", n=len(task.seeds)))
