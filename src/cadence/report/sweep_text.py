"""What a search has found, in sentences and in tables of texts: for the terminal and for the page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from cadence.report.numbers import gap_and_interval, plus_minus, short, significant
from cadence.report.rows import Table
from cadence.report.sweep_words import SweepPhrases
from cadence.search.importance import FEWEST, METHOD
from cadence.search.paths import value_at
from cadence.search.ranges import Choices, Floats, Wholes
from cadence.search.results import Confirmed, Results
from cadence.search.study import STEPS, Trial

NEAR = 0.03
"""Share of a range within which a value lies at its end."""

MOST_NUMBERS = 12
"""Numbers of trials in one sentence."""

ASCII = {"█": "#", "–": "-", "±": "+-", "×": "x", "−": "-"}


def shown(value: Any) -> str:
    """A value of a recipe as people read it.

    Example:
        >>> shown(0.0012345), shown("cosine()"), shown([0.9, 0.99]), shown(True), shown(64)
        ('0.00123', 'cosine()', '[0.9, 0.99]', 'true', '64')
    """
    if isinstance(value, float):
        return short(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def objective(results: Results, say: SweepPhrases) -> str:
    """What was searched for, in words."""
    wanted = results.settings.objective
    return say("final" if wanted.when == "final" else "best_of", metric=wanted.metric)


def lead(results: Results, say: SweepPhrases) -> str:
    """One line: what was done."""
    s = results.settings
    return say(
        "lead", n=len(results.trials), sampler=s.sampler, seeds=say("seeds", n=len(s.seeds)),
        objective=objective(results, say), better=say("higher" if results.higher else "lower"),
    )  # fmt: skip


def conclusion(results: Results, lang: str = "en") -> list[str]:
    """What came of it: the best trial, what new seeds say of it, and how sure that is.

    Args:
        results: of the search.
        lang: ``"en"`` or ``"zh"``.
    """
    say, best = SweepPhrases(lang), results.best
    if best is None or best.value is None:
        return [say("say_nothing", states=states(results, say))]
    values = results.settings.space.filled(best.params)
    params = say.list([say("is", name=name, value=shown(value)) for name, value in values.items()])
    told = {"number": best.number, "objective": objective(results, say), "value": significant(best.value, 4)}
    sentences = [say("say_best", n=len(results.trials), params=params, **told)]
    sentences += _confirmed(results, say)
    if results.ties is not None:
        sentences.append(_ties(results.ties, say))
    return sentences


def _confirmed(results: Results, say: SweepPhrases) -> list[str]:
    luck = say("say_optimistic") if len(results.trials) > 1 else ""
    one, given = results.confirmed, results.given
    if one is None:
        return [luck + say("say_unconfirmed")]
    if len(one.values) < one.of:
        sentences = [luck + say("say_broken", n=len(one.values), of=one.of)]
    else:
        assert one.estimate is not None
        sentences = [luck + say("say_confirmed", n=one.of, value=plus_minus(one.estimate))]
    if given is not None and given.estimate is not None:
        sentences.append(_gap(results, given, say))
    if results.kept:
        sentences.append(say("say_kept"))
    if given is None:
        sentences.append(say("say_same"))
    return sentences


def _gap(results: Results, given: Confirmed, say: SweepPhrases) -> str:
    assert given.estimate is not None
    if results.difference is None:
        return say("say_gap_one", value=plus_minus(given.estimate))
    gap = results.difference.difference
    near, low, high = gap_and_interval(gap)
    better = (gap.mean > 0) == results.higher
    sure = gap.low is not None and gap.high is not None and (gap.low > 0 or gap.high < 0)
    key = ("say_gap_better" if better else "say_gap_worse") if sure else "say_gap_none"
    return say(key, value=plus_minus(given.estimate), gap=near, low=low, high=high)


def _ties(ties: Sequence[int], say: SweepPhrases) -> str:
    if not ties:
        return say("say_no_ties")
    numbers = [str(number) for number in ties[:MOST_NUMBERS]] + ["…"] * (len(ties) > MOST_NUMBERS)
    return say("say_ties", n=len(ties), numbers=say.list(numbers))


def importance(results: Results, lang: str = "en") -> str:
    """What mattered, or why that cannot be said."""
    say = SweepPhrases(lang)
    if len(results.settings.space.ranges) < 2:
        return say("say_one_field")
    done = sum(results.counts.get(state, 0) for state in ("finished", "pruned", "diverged"))
    if not results.importance:
        return say("say_few", needs=FEWEST, n=done)
    shares = [say("say_share", name=name, share=f"{100 * x:.0f}") for name, x in results.importance.items()]
    return say("say_importance", method=METHOD, n=done, list=say.list(shares))


def minded(results: Results, lang: str = "en") -> list[str]:
    """What should make a reader careful; nothing where there is nothing."""
    say, found = SweepPhrases(lang), list[str]()
    best, ranges = results.best, results.settings.space.ranges
    for name, value in best.params.items() if best is not None else ():
        place = _place(ranges[name], value)
        # Below nothing there is nothing: weight decay, dropout, a final rate of 0.
        low = place is not None and place < NEAR and value != 0
        end = "low" if low else "high" if place is not None and place > 1 - NEAR else None
        if end is not None:
            found.append(say(f"mind_{end}", name=name, value=shown(value), range=ranges[name].text))
    failed = [trial for trial in results.trials if trial.state == "failed"]
    if failed:
        sentence = str(failed[0].notes.get("sentence") or "")
        found.append(say("mind_failed", n=len(failed), of=len(results.trials), sentence=sentence))
    reports = [trial.reports for trial in results.trials if trial.state == "finished"]
    if (
        results.settings.prune is not None
        and reports
        and all(max(r, default=STEPS) == min(r, default=STEPS) for r in reports)
    ):
        found.append(say("mind_blind"))
    pruned = results.counts.get("pruned", 0)
    if pruned and any(
        name in ("schedule", "stop") or name.startswith("schedule.") for name in results.settings.space.said
    ):
        found.append(say("mind_pruned", n=pruned))
    if len(results.settings.seeds) == 1 and best is not None:
        found.append(say("mind_seed"))
    return found


def _place(one: Any, value: Any) -> float | None:
    """Where a number lies in its range, from 0 to 1; None where it has no ends to lie at."""
    if isinstance(one, Choices):
        numbers = [v for v in one.values if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) < len(one.values) or len(numbers) < 3 or numbers != sorted(numbers):
            return None
        return one.values.index(value) / (len(numbers) - 1)
    assert isinstance(one, Floats | Wholes)
    if one.log:
        return math.log(value / one.low) / math.log(one.high / one.low)
    return (value - one.low) / (one.high - one.low)


def method(results: Results, lang: str = "en") -> list[str]:
    """How the numbers came about."""
    say, s = SweepPhrases(lang), results.settings
    sentences = [say("how_trials", seeds=say("seeds", n=len(s.seeds))), say(f"how_{s.sampler}")]
    if s.prune is None:
        sentences.append(say("how_no_prune"))
    else:
        share = f"{100 * s.prune.first:.3g}"
        sentences.append(say("how_prune", first=share, factor=s.prune.factor, spare=s.prune.spare))
    return [*sentences, say("how_diverged"), say("how_importance")]


def states(results: Results, say: SweepPhrases) -> str:
    """How many trials are in which state."""
    return say.list([say("n_state", n=n, state=say(state)) for state, n in results.counts.items()])


# ---- tables ----------------------------------------------------------------------------------------------------------


def trial_table(results: Results, lang: str = "en", most: int | None = None) -> Table:
    """One row per trial, the best first.

    Args:
        results: of the search.
        lang: ``"en"`` or ``"zh"``.
        most: rows; None: all.
    """
    say = SweepPhrases(lang)
    names = list(results.settings.space.ranges)
    head = (say("trial"), results.settings.objective.metric, *names, say("updates"), say("state"))
    rows = [_row(trial, names, say) for trial in results.order[:most]]
    numeric = [True, True, *(_numeric(results, name) for name in names), True, False]
    strong = frozenset({0} if results.best is not None else ())
    return Table(lead(results, say), head, tuple(rows), tuple(numeric), strong)


def _row(trial: Trial, names: Sequence[str], say: SweepPhrases) -> tuple[str, ...]:
    value = say("none") if trial.value is None else significant(trial.value, 4)
    cells = [shown(trial.params[name]) if name in trial.params else say("none") for name in names]
    return (str(trial.number), value, *cells, str(trial.updates), say(trial.state))


def _numeric(results: Results, name: str) -> bool:
    one = results.settings.space.ranges[name]
    return not isinstance(one, Choices) or all(isinstance(v, int | float) for v in one.values)


def best_table(results: Results, lang: str = "en") -> Table | None:
    """Field by field: what was searched, what is best, what the recipe had."""
    say, best = SweepPhrases(lang), results.best
    if best is None:
        return None
    content = results.settings.recipe.model_dump()
    rows: list[tuple[str, ...]] = []
    space = results.settings.space
    for name, value in space.filled(best.params).items():
        try:
            given = shown(value_at(content, space.paths[name]))
        except (KeyError, IndexError):
            given = say("none")
        one = space.ranges.get(name)
        if isinstance(one, Choices):
            searched = say.list([shown(v) for v in one.values])
        else:
            searched = space.texts[name] if one is None else one.text
        rows.append((name, shown(value), given, searched))
    head = (say("field"), say("best"), say("given"), say("range"))
    return Table(say("result"), head, tuple(rows), (False, False, False, False))


def confirmed_table(results: Results, lang: str = "en") -> Table | None:
    """The best recipe and the given one with new seeds, side by side."""
    say, best = SweepPhrases(lang), results.best
    pairs = [(say("best_recipe", number=best.number if best else "?"), results.confirmed)]
    pairs.append((say("given_recipe"), results.given))
    known = [(name, one) for name, one in pairs if one is not None]
    if not known:
        return None
    seeds = results.settings.confirm
    rows: list[tuple[str, ...]] = []
    for name, one in known:
        mean = say("none") if one.estimate is None else plus_minus(one.estimate)
        values = [significant(one.values[s], 4) if s in one.values else say("none") for s in seeds]
        rows.append((name, mean, *values))
    head = (say("recipe"), objective(results, say), *(say("seed_n", seed=seed) for seed in seeds))
    return Table(say("confirmed"), head, tuple(rows), (False, *(True for _ in head[1:])))


def bars(results: Results, width: int = 30) -> list[tuple[str, str, float]]:
    """Name, bar of characters, and share of each range, the most important first."""
    shares = results.importance or {}
    return [(name, "█" * max(1, round(width * share)), share) for name, share in shares.items()]


def plain(text: str) -> str:
    """The same with signs that any terminal has."""
    for sign, other in ASCII.items():
        text = text.replace(sign, other)
    return text
