"""docs/advice.md and docs/advice.zh.md, from what is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.advice.regret import Compared, Oracle, Summary, compare, oracles, summary
from benchmarks.advice.results import Kept, Row, read_kept
from benchmarks.advice.words import CLAIMED, LEVELS, WORDS, Words

from cadence.advice.practices import small

DOCS = Path(__file__).parents[2] / "docs"

LOOKS = 25
"""Evaluations of a run."""

FAR = 0.02
"""Regret from which on the page names a task."""

OF_ORACLE = 14
"""Trainings that the oracle is the best of."""

REGIMES = {
    "fitting": small.FITTING,
    "small": small.SMALL_CLASSIFIER,
    "large": small.LARGE_CLASSIFIER,
    "huge": small.HUGE_CLASSIFIER,
    "noisy": small.NOISY,
    "table": small.TABLE,
    "few targets": small.FEW_TARGETS,
    "targets": small.TARGETS,
}


class Measured:
    """What is kept, task by task beside its oracle.

    Only tasks and seeds count that every level and all of the oracle's trainings were run on, so that levels are
    compared on the same.
    """

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        rows = {row.key: row for row in kept.rows}
        self.oracles = {
            (task, seed): oracle
            for (task, seed), oracle in oracles(kept.rows).items()
            if oracle.others == OF_ORACLE and all((task, level, seed) in rows for level in LEVELS)
        }
        self.compared: dict[str, dict[str, list[Compared]]] = {level: {} for level in LEVELS}
        for (task, seed), oracle in sorted(self.oracles.items()):
            facts = kept.tasks[task]
            for level in LEVELS:
                made = compare(
                    rows[task, level, seed], oracle, updates=facts.updates, blind=facts.blind, looks=LOOKS
                )  # fmt: skip
                self.compared[level].setdefault(task, []).append(made)

    def tasks(self, *, chosen_on: bool) -> list[str]:
        """Those with at least one seed that the rules were chosen on, or not."""
        there = {task for task, _ in self.oracles}
        return [task for task, facts in self.kept.tasks.items() if task in there and facts.chosen_on is chosen_on]

    def of(self, level: str, tasks: Iterable[str]) -> Summary:
        """A level over tasks."""
        return summary({task: self.compared[level][task] for task in tasks})

    def regret(self, level: str, task: str) -> float:
        """Of a task, the geometric mean over its seeds, minus 1."""
        runs = self.compared[level][task]
        return math.expm1(math.fsum(run.regret for run in runs) / len(runs))

    def both(self, level: str, other: str, task: str) -> list[tuple[Row, Row]]:
        """The runs of two levels, seed by seed."""
        rows = {row.key: row for row in self.kept.rows}
        seeds = sorted(seed for name, seed in self.oracles if name == task)
        return [(rows[task, level, seed], rows[task, other, seed]) for seed in seeds]

    def oracle(self, task: str) -> Oracle:
        """Of the task's first seed."""
        return self.oracles[min(key for key in self.oracles if key[0] == task)]


def page(language: str) -> str:
    """The whole page."""
    measured, words = Measured(read_kept()), WORDS[language]
    kept = measured.kept
    fresh, chosen = (measured.tasks(chosen_on=x) for x in (False, True))
    template = Path(__file__).with_name(f"page.{language}.template").read_text(encoding="utf-8")
    return template.format(
        tasks=len(fresh) + len(chosen), fresh=len(fresh), chosen=len(chosen), pairs=len(measured.oracles),
        runs=sum((row.task, row.seed) in measured.oracles for row in kept.rows),
        table_fresh=_levels(measured, fresh, words),
        table_chosen=_levels(measured, chosen, words),
        table_tasks=_tasks(measured, [*fresh, *chosen], words),
        list_tasks="\n".join(f"- `{task}`: {kept.tasks[task].about}" for task in [*fresh, *chosen]),
        table_regimes=_regimes(language, words),
        machines="\n".join(f"- {line}" for line in sorted({row.machine for row in kept.rows})),
        **_goals(measured, fresh, [*fresh, *chosen]),
        **_surprises(measured, [*fresh, *chosen]),
        **_claims(kept.rows, words),
    )  # fmt: skip


def _levels(measured: Measured, tasks: Sequence[str], words: Words) -> str:
    lines: list[Sequence[str]] = []
    for level in LEVELS:
        s = measured.of(level, tasks)
        lines.append(
            (
                words.levels[level][0],
                f"{_percent(s.mean)} ({_percent(s.low)} .. {_percent(s.high)})",
                f"{_percent(s.worst)}, `{s.worst_task}`",
                f"{s.reached:.0%}",
                "-" if math.isinf(s.time) else f"{s.time:.2f}",
                f"{s.diverged} / {s.runs}",
            )
        )
    return _table(words.of_levels, lines)


def _tasks(measured: Measured, tasks: Sequence[str], words: Words) -> str:
    lines: list[Sequence[str]] = []
    for task in tasks:
        facts, oracle = measured.kept.tasks[task], measured.oracle(task)
        passes = facts.updates * facts.batch_size / facts.rows
        mark = "" if facts.chosen_on else " \\*"
        regrets = [_percent(measured.regret(level, task)) for level in LEVELS]
        told = f"{facts.rows}, {passes:.2g}", f"{oracle.level}: {oracle.loss:.4g}"
        lines.append((f"`{task}`{mark}", *told, *regrets))
    return _table((*words.of_tasks, *(words.levels[level][1] for level in LEVELS)), lines)


def _regimes(language: str, words: Words) -> str:
    return _table(
        words.of_regimes,
        [
            (
                words.regimes[name],
                f"{regime.lr:g}",
                f"{regime.decay:g}",
                f"`{regime.schedule}`",
                getattr(regime.about, language),
            )
            for name, regime in REGIMES.items()
        ],
    )


def _goals(measured: Measured, fresh: Sequence[str], tasks: Sequence[str]) -> Mapping[str, str]:
    """What is promised, as measured; and the rules' regret on each task."""
    made: dict[str, str] = {}
    for level in ("rules", "pilot"):
        s = measured.of(level, fresh)
        made[f"{level}_mean"], made[f"{level}_worst"] = _percent(s.mean), _percent(s.worst)
        made[f"{level}_reached"] = f"{s.reached:.0%}"
    for level in ("rules", "pilot"):
        behind = {task: _behind(measured, level, task) for task in tasks}
        worst = max(behind, key=lambda task: behind[task])
        made[f"{level}_behind"], made[f"{level}_behind_task"] = _percent(behind[worst]), worst
    regrets = {task: measured.regret("rules", task) for task in tasks}
    run, of = max((run.regret, task) for task in tasks for run in measured.compared["rules"][task])
    far = sorted((task for task in tasks if regrets[task] > FAR), key=lambda task: -regrets[task])
    return {
        **made,
        **{f"rules_{task}": _percent(regret) for task, regret in regrets.items()},
        **{f"pilot_{task}": _percent(measured.regret("pilot", task)) for task in tasks},
        **{f"usual_{task}": _percent(measured.regret("adamw 1e-3 cosine", task)) for task in tasks},
        **{f"oracle_{task}": measured.oracle(task).level for task in tasks},
        "far": ", ".join(f"`{task}` ({_percent(regrets[task])})" for task in far) or "-",
        "worst_run": _percent(math.expm1(run)),
        "worst_run_task": of,
    }


def _surprises(measured: Measured, tasks: Sequence[str]) -> Mapping[str, object]:
    regrets = [measured.regret("rules", task) for task in tasks]
    rates = [measured.oracle(task).level for task in tasks]
    by_rate = sorted(rates, key=lambda level: float(level.split()[1]))
    return {
        "beaten": sum(regret < 0 for regret in regrets),
        "beaten_far": sum(regret < -0.2 for regret in regrets),
        "levels": len(LEVELS),
        "largest": max(measured.kept.tasks[task].parameters for task in tasks),
        "machines_differ": f"{100 * _between_machines(measured.kept.rows):.2g} %",
        "constant_lower": sum(
            measured.regret("adamw 1e-3", task) < measured.regret("adamw 1e-3 cosine", task) for task in tasks
        ),
        "pilot_same": sum(
            row.losses == rules.losses for task in tasks for row, rules in measured.both("pilot", "rules", task)
        ),
        "lowest": by_rate[0],
        "highest": by_rate[-1],
    }


def _between_machines(rows: Sequence[Row]) -> float:
    """How far the same training, as a level and as one of the oracle's, ended apart on two machines at most."""
    found = {row.key: row for row in rows}
    apart: list[float] = []
    for row in rows:
        other = found.get((row.task, "oracle adamw 0.001", row.seed))
        if row.level == "adamw 1e-3 cosine" and other is not None and other.machine != row.machine:
            apart.append(abs(row.losses[-1] / other.losses[-1] - 1))
    return max(apart, default=0.0)


def _behind(measured: Measured, level: str, task: str) -> float:
    """Of a level, against AdamW 1e-3 with warmup and cosine."""
    return (1 + measured.regret(level, task)) / (1 + measured.regret("adamw 1e-3 cosine", task)) - 1


def _claims(rows: Sequence[Row], words: Words) -> Mapping[str, object]:
    """Steps, a cosine, and a cosine with warmup, where all three were run."""
    found = {row.key: row for row in rows if row.level in CLAIMED and row.losses}
    keys = sorted({(task, seed) for task, _, seed in found})
    trios = [(task, [found[task, level, seed] for level in CLAIMED]) for task, seed in keys]
    cosine = [row[1].losses[-1] / row[0].losses[-1] for _, row in trios]
    warmup = [row[2].losses[-1] / row[1].losses[-1] for _, row in trios]
    lines = [
        (
            f"`{task}`",
            f"{trio[0].losses[-1]:.4g}",
            _percent(gained - 1, 1),
            _percent(warmed - 1, 1),
            " / ".join(f"{row.rise:.3g}" for row in trio),
        )
        for (task, trio), gained, warmed in zip(trios, cosine, warmup, strict=True)
    ]
    return {
        "claims": len(trios),
        "table_claims": _table(words.of_claims, lines),
        "cosine_mean": _percent(_geometric(cosine) - 1, 1),
        "cosine_lower": sum(ratio < 1 for ratio in cosine),
        "warmup_mean": _percent(_geometric(warmup) - 1, 1),
        "warmup_lower": sum(ratio < 1 for ratio in warmup),
        "flatter": sum((trio[1].rise or 0.0) < (trio[0].rise or 0.0) for _, trio in trios),
    }


def _geometric(ratios: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios))


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    first, *rest = (f"| {' | '.join(row)} |" for row in (head, *lines))
    return "\n".join([first, "|---" * len(head) + "|", *rest])


def _percent(share: float, digits: int = 0) -> str:
    # Plus zero, or -0.4 would be told as -0.
    return f"{round(100 * share, digits) + 0.0:+.{digits}f} %"


PAGES: dict[Path, Callable[[], str]] = {
    DOCS / "advice.md": lambda: page("en"),
    DOCS / "advice.zh.md": lambda: page("zh"),
}
"""File -> what stands in it."""
