"""What a comparison says, in sentences: for the terminal, for the page, for people who do not look at pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from cadence.comparison.results import RecipeSummary, Summary, TaskSummary
from cadence.comparison.settings import said
from cadence.report.messages import Phrases
from cadence.report.numbers import equals, gap_and_interval, plus_minus, probability, short, significant
from cadence.report.of_runs import faults, time_line

WELL = frozenset({"finished", "stopped"})


def verdict(task: TaskSummary, recipe: RecipeSummary, lang: str = "en") -> str:
    """What the seeds say about one recipe, in a sentence.

    Args:
        task: its task.
        recipe: the recipe.
        lang: ``"en"`` or ``"zh"``.

    Returns:
        A sentence that follows the recipe's name and a colon.
    """
    say = Phrases(lang)
    trouble = statuses(recipe, lang)
    match recipe.verdict:
        case "baseline":
            if trouble or recipe.val_loss is None:
                return say("say_baseline_bad", status=trouble)
            return say("say_baseline", loss=plus_minus(recipe.val_loss))
        case "diverged" | "failed" | "unfinished":
            return say("say_all_incomplete" if recipe.val_loss is None else "say_incomplete", status=trouble)
        case "one_seed":
            gap = _only_gap(task, recipe)
            return say("say_one_seed_lower" if gap < 0 else "say_one_seed_higher", gap=significant(abs(gap)))
        case "identical" | "baseline_incomplete":
            return say(f"say_{recipe.verdict}")
        case _:
            return _tested(task, recipe, say)


def _tested(task: TaskSummary, recipe: RecipeSummary, say: Phrases) -> str:
    assert recipe.test is not None
    paired, corrected = recipe.test.paired, recipe.test.p_holm
    gap, low, high = gap_and_interval(paired.difference)
    smallest, n = significant(paired.smallest_gap, 2), paired.difference.n
    if recipe.verdict == "no_difference":
        return say("say_no_difference", n=n, gap=smallest)
    if recipe.verdict == "not_significant_after_correction":
        way = "lower" if paired.difference.mean < 0 else "higher"
        p = equals(paired.p)
        return say(
            f"say_{way}_uncorrected",
            gap=gap, p=p, corrected=probability(corrected), count=task.comparisons, n=n, smallest=smallest,
        )  # fmt: skip
    if paired.t is None:
        return say(f"say_{recipe.verdict}_exactly", gap=significant(abs(paired.difference.mean)))
    return say(f"say_{recipe.verdict}", gap=gap, low=low, high=high, p=equals(corrected))


def statuses(recipe: RecipeSummary, lang: str = "en") -> str:
    """How many runs diverged, failed, are unfinished; empty where none did.

    Args:
        recipe: the recipe.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    of = len(recipe.runs)
    return say.list(
        [
            say("status_of", n=n, of=of, status=say(status) if status in SHOWN else status)
            for status, n in recipe.statuses.items()
            if status not in WELL
        ]
    )


SHOWN = frozenset({"diverged", "failed", "unfinished", "missing", "finished", "stopped"})
"""Statuses that have a word."""


def conclusion(task: TaskSummary, lang: str = "en") -> str:
    """What the comparison on one task comes to, in one to four sentences.

    Args:
        task: the task.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    baseline = task.baseline_recipe
    name = said(baseline.label, lang)
    if not task.comparisons:
        return say("end_alone")
    if not all(run.complete for run in baseline.runs):
        return say("end_baseline_bad", baseline=name, status=statuses(baseline, lang))
    others = [recipe for recipe in task.recipes if recipe is not baseline]
    tested = [recipe for recipe in others if recipe.test is not None]
    untested = [recipe for recipe in others if recipe.test is None]
    if len(task.seeds) < 2:
        return say("end_one_seed")
    parts = [*_found(task, tested, name, say)]
    if untested:
        items = [
            say("end_untested_item", name=said(r.label, lang), why=statuses(r, lang) or say(r.verdict))
            for r in untested
        ]
        parts.append(say("end_untested", list=say("clause_join").join(items)))
    fastest = _fastest(task, others)
    if fastest is not None and fastest.time_to_target is not None:
        time = f"{fastest.time_to_target.updates.mean:.0f}"
        label = said(fastest.label, lang)
        parts.append(say("end_fastest", name=label, time=time, total=fastest.planned_updates))
    return say("sentence_join").join(parts)


def side_by_side(task: TaskSummary, lang: str = "en") -> list[str]:
    """How alike each recipe is in two frameworks, in a sentence each.

    Args:
        task: the task.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    labels = {recipe.name: said(recipe.label, lang) for recipe in task.recipes}
    told: list[str] = []
    for twin in task.twins:
        items = [say("twin_loss", n=n, gap=significant(100 * gap, 2)) for n, gap in twin.losses]
        parts = [
            say(
                "twin_rates_equal" if twin.rates_equal else "twin_rates_differ", updates=twin.updates, n=len(twin.seeds)
            ),
            say("twin_losses", list=say("list_join").join(items)),
        ]
        if twin.final is not None:
            parts.append(say("twin_final", gap=significant(100 * twin.final, 2)))
        heading = say("twin", first=labels[twin.first], second=labels[twin.second])
        told.append(say("labelled", label=heading, text=say("sentence_join").join(parts)))
    return told


def _found(task: TaskSummary, tested: Sequence[RecipeSummary], baseline: str, say: Phrases) -> list[str]:
    """Sentences on the recipes that were tested."""
    by = {kind: [r for r in tested if r.verdict == kind] for kind in ("better", "worse")}
    rest = [r for r in tested if r.verdict not in by]
    gaps = [r.test.paired.smallest_gap for r in rest if r.test is not None]
    if rest and len(rest) == len(tested):
        seeds, gap = len(task.seeds), _gaps(gaps, say)
        if len(rest) == 1:
            return [say("end_none_one", seeds=seeds, baseline=baseline, gap=gap, name=said(rest[0].label, say.lang))]
        return [say("end_none", n=seeds, count=len(rest), baseline=baseline, gap=gap)]
    parts: list[str] = []
    for kind, recipes in by.items():
        # Largest gap first.
        recipes.sort(key=lambda r: -abs(r.test.paired.difference.mean if r.test else 0.0))
        items = [say("end_by", name=said(r.label, say.lang), gap=_gap(r)) for r in recipes]
        if items:
            listed = say("clause_join").join(items)
            parts.append(say(f"end_{kind}", n=len(items), count=task.comparisons, baseline=baseline, list=listed))
    if rest:
        listed = say("clause_join").join(said(r.label, say.lang) for r in rest)
        parts.append(say("end_rest", list=listed, gap=_gaps(gaps, say)))
    return parts


def _gaps(gaps: Sequence[float], say: Phrases) -> str:
    """The smallest gaps of several recipes: one number where they are about the same."""
    low, high = min(gaps), max(gaps)
    if high <= 1.5 * low:
        return say("gap_one", gap=significant(high, 2))
    return say("gap_range", low=significant(low, 2), high=significant(high, 2))


def _gap(recipe: RecipeSummary) -> str:
    assert recipe.test is not None
    paired = recipe.test.paired
    return significant(abs(paired.difference.mean)) if paired.t is None else gap_and_interval(paired.difference)[0]


def _fastest(task: TaskSummary, recipes: Sequence[RecipeSummary]) -> RecipeSummary | None:
    """The recipe that is soonest on average, of those whose every seed reached the target; if it beats the baseline."""
    own = task.baseline_recipe.time_to_target
    timed = [r for r in recipes if r.time_to_target is not None and r.time_to_target.reached == len(task.seeds)]
    best = min(timed, key=lambda r: r.time_to_target.updates.mean if r.time_to_target else 0.0, default=None)
    if best is None or own is None or best.time_to_target is None:
        return None
    return best if best.time_to_target.updates.mean < own.updates.mean else None


def _only_gap(task: TaskSummary, recipe: RecipeSummary) -> float:
    ours, theirs = recipe.val_loss, task.baseline_recipe.val_loss
    return 0.0 if ours is None or theirs is None else ours.mean - theirs.mean


# ---- how to read it --------------------------------------------------------------------------------------------------


def method(summary: Summary, lang: str = "en") -> list[str]:
    """What the numbers mean: seeds, intervals, tests, time to target, tuning budget; the comparison's own notes last.

    Args:
        summary: of a comparison.
        lang: ``"en"`` or ``"zh"``.

    Returns:
        Paragraphs.
    """
    say = Phrases(lang)
    seeds = {task.name: say.list([str(seed) for seed in task.seeds]) for task in summary.tasks}
    baselines = {task.name: said(task.baseline_recipe.label, lang) for task in summary.tasks if task.comparisons}
    paragraphs = [say("how_seeds", seeds=_shared(seeds, "how_seeds_task", say, "clause_join"))]
    if baselines:
        paragraphs.append(say("how_baseline", list=_shared(baselines, "how_baseline_task", say, "clause_join")))
    tested = [task for task in summary.tasks if any(recipe.test is not None for recipe in task.recipes)]
    if tested:
        counts = sorted({task.comparisons for task in tested})
        count = say("comparisons", n=counts[0]) if len(counts) == 1 else say("comparisons", n=_range(counts))
        paragraphs += [say("how_test", count=count), say("how_gap")]
    every = [say("how_target_task", n=t.evaluated_every, task=t.name) for t in summary.tasks if t.evaluated_every]
    paragraphs += [
        say("how_target", every=say.list(every) or say("none")),
        *_tuning(summary, say),
        *_scaled(summary, say),
        say("how_incomplete"),
        *(said(note, lang) for note in summary.notes),
    ]
    return paragraphs


def _range(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}–{numbers[-1]}"


def _shared(texts: Mapping[str, str], key: str, say: Phrases, join: str) -> str:
    """What is said of each task: once where it is the same of all, else task by task."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return say(join).join(say(key, task=task, text=text) for task, text in texts.items())


def _scaled(summary: Summary, say: Phrases) -> list[str]:
    """One sentence for all recipes whose rate is scaled alike."""
    alike: dict[tuple[str, int, int, str], list[str]] = {}
    for task in summary.tasks:
        for recipe in task.recipes:
            if recipe.scaled is not None:
                one = recipe.scaled
                key = str(one["rule"]), int(one["reference_batch"]), int(one["batch"]), short(float(one["factor"]))
                alike.setdefault(key, []).append(said(recipe.label, say.lang))
    return [
        say(
            "how_scaled", list=say.list(list(dict.fromkeys(names))), reference=reference, batch=batch,
            rule=say(f"rule_{rule}"), factor=factor,
        )
        for (rule, reference, batch, factor), names in alike.items()
    ]  # fmt: skip


def _tuning(summary: Summary, say: Phrases) -> list[str]:
    """One sentence where all tasks were tuned alike, else one for each."""
    sentences = {task.name: _tuning_of(task, say) for task in summary.tasks}
    if len(set(sentences.values())) == 1:
        return [next(iter(sentences.values()))]
    return [say("how_on", task=name, text=text) for name, text in sentences.items()]


def _tuning_of(task: TaskSummary, say: Phrases) -> str:
    counts = [len(recipe.tuning) for recipe in task.tuned]
    if not any(counts):
        return say("how_untuned")
    if len(set(counts)) > 1:
        items = [say("how_rates", name=said(r.label, say.lang), n=len(r.tuning)) for r in task.tuned]
        return say("how_unequal", list=say("clause_join").join(items))
    factor = _factor(task)
    if factor is None:
        return say("how_tuning_plain", n=counts[0], seed=task.tuning_seed)
    return say("how_tuning", n=counts[0], factor=short(factor), seed=task.tuning_seed)


def _factor(task: TaskSummary) -> float | None:
    """The ratio of neighbouring rates, if it is the same for all recipes (0.333 is taken for a third)."""
    ratios: list[float] = []
    for recipe in task.recipes:
        rates = sorted(tried.rate for tried in recipe.tuning)
        ratios += [b / a for a, b in pairwise(rates) if a > 0]
    if not ratios or max(ratios) > 1.02 * min(ratios):
        return None
    middle = sum(ratios) / len(ratios)
    return float(round(middle)) if abs(middle - round(middle)) < 0.01 * middle else middle


def warnings(summary: Summary, lang: str = "en") -> list[str]:
    """What should make a reader careful: rates at the edge of the grid, unequal budgets, runs that are missing.

    Args:
        summary: of a comparison.
        lang: ``"en"`` or ``"zh"``.

    Returns:
        Sentences; none where there is nothing to mind.
    """
    say = Phrases(lang)
    found: list[str] = []
    for task in summary.tasks:
        name = task.name
        for recipe in task.recipes:
            trouble, label = statuses(recipe, lang), said(recipe.label, lang)
            if trouble:
                found.append(say("mind_runs", task=name, recipe=label, status=trouble))
            if recipe.at_edge is not None and recipe.lr is not None:
                found.append(say(f"mind_edge_{recipe.at_edge}", task=name, recipe=label, rate=short(recipe.lr) + "*"))
        if len({len(recipe.tuning) for recipe in task.tuned}) > 1:
            found.append(say("mind_budget", task=name))
        lengths = sorted({r.planned_updates for r in task.recipes if r.planned_updates is not None})
        if len(lengths) > 1:
            found.append(say("mind_lengths", task=name, low=lengths[0], high=lengths[-1]))
    found += faults(summary, lang)
    if summary.differences:
        found.append(say("mind_environment", list=say.list(list(summary.differences))))
    return found


def environment(summary: Summary, lang: str = "en") -> list[tuple[str, str]]:
    """Names and values of what the runs were made with.

    Args:
        summary: of a comparison.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    env: Mapping[str, Any] = summary.environment
    lines: list[tuple[str, str]] = [("env_command", " ".join(summary.command))]
    machine = [str(env[key]) for key in ("platform", "processor") if env.get(key)]
    device = cast("Mapping[str, Any]", env.get("device") or {})
    if env.get("cpu_count"):
        machine.append(say("cpus", n=env["cpu_count"]))
    machine += [_named(gpu) for gpu in cast("Sequence[Any]", device.get("gpus") or ())]
    if device.get("type"):
        machine.append(say("device", name=device["type"]))
    if device.get("threads"):
        machine.append(say("threads", n=device["threads"]))
    packages = cast("Mapping[str, Any]", env.get("packages") or {})
    git = cast("Mapping[str, Any]", env.get("git") or {})
    commit = str(git.get("commit") or "")[:12]
    data = cast("Mapping[str, Any]", env.get("data") or {})
    lines += [
        ("env_folder", summary.folder.name),
        ("env_started", str(env.get("started") or "")),
        ("env_machine", say.list(machine)),
        ("env_time", time_line(summary, lang)),
        ("env_python", str(env.get("python") or "")),
        ("env_packages", say.list([f"{name} {version}" for name, version in packages.items()])),
        ("env_git", say("env_dirty", commit=commit) if git.get("dirty") and commit else commit),
        ("env_data", say.list([f"{name} {digest}" for name, digest in data.items()])),
    ]
    return [(say(key), value) for key, value in lines if value]


def _named(gpu: Any) -> str:
    """The name of an accelerator, whether it is all there is or one entry among others."""
    return str(cast("Mapping[str, Any]", gpu).get("name", gpu)) if isinstance(gpu, Mapping) else str(gpu)
