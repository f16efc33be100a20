"""Comparison folders written by hand from docs/formats.md, with results that are chosen, not trained.

Nothing here goes through the code that is tested: the files are plain JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cadence.curve.place import place

ENVIRONMENT = {
    "python": "3.11.7",
    "platform": "Linux-6.1-x86_64",
    "processor": "x86_64",
    "cpu_count": 2,
    "packages": {"cadence": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"},
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
    "command": ["cadence", "compare"],
    "data": {"digits": "sha256:" + "ab" * 32},
    "started": "2026-01-02T03:04:05+00:00",
    "device": {"gpus": [{"name": "H200", "memory": 150}], "visible": None, "type": "cuda", "threads": 1},
}


def wave(seed: int, k: int) -> float:
    """A number in [-1, 1] that looks random and is the same everywhere."""
    return 2 * math.modf(abs(math.sin(12.9898 * (seed + 1) + 78.233 * (k + 1)) * 43758.5453))[0] - 1


def falling(start: float, end: float, total: int, power: float = 3.0) -> Callable[[int], float]:
    """A loss that falls from `start` to `end`, ever more slowly."""
    return lambda t: end + (start - end) * (1 - t / total) ** power


@dataclass
class Run:
    """A run to be written. `val_loss` maps the number of updates done to the loss of an evaluation there."""

    val_loss: Mapping[int, float]
    total: int = 300
    lr: float = 0.1
    status: str | None = "finished"
    schedule: str = "constant()"
    curve: Callable[[int], float] = lambda t: 1.0
    metric: Mapping[str, float] = field(default_factory=dict)
    train: Callable[[int], float] | None = None
    seconds: float = 4.0
    sentence: str = ""
    environment: Mapping[str, Any] = field(default_factory=lambda: ENVIRONMENT)
    split: str = "val"
    groups: Sequence[str] = ("0",)
    columns: Callable[[int], Mapping[str, Any]] = lambda t: {}
    about: Mapping[str, Any] = field(default_factory=dict)


def write_run(folder: Path, run: Run) -> None:
    """One run folder."""
    folder.mkdir(parents=True)
    done = max(run.val_loss, default=0) if run.status != "finished" else run.total
    _dump(
        folder / "run.json",
        {
            "version": 1,
            "name": folder.parent.name,
            "spec": run.schedule,
            "horizon": {"total": run.total, "steps_per_epoch": 25, "batch_size": 64, "tokens_per_step": None},
            "groups": list(run.groups),
            "values": ["lr"],
            "bases": {"lr": [run.lr] * len(run.groups)},
            **run.about,
        },
    )
    (folder / "recipe.yaml").write_text(f"name: run\noptimizer: {{name: sgd, lr: {run.lr!r}}}\n", encoding="utf-8")
    _dump(folder / "environment.json", run.environment)
    train = run.train or (lambda t: 1.0)
    rows = [
        {
            "t": t,
            "loss": train(t),
            "samples": 64,
            "lr": [run.lr * run.curve(t)] * len(run.groups),
            "seconds": 0.01 * (t + 1),
            **run.columns(t),
        }
        for t in range(done)
    ]
    _lines(folder / "updates.jsonl", rows)
    at = sorted(run.val_loss)
    rows = [
        {"t": t, "epoch": t / 25, "seconds": 0.01 * t, f"{run.split}_loss": run.val_loss[t], **run.metric} for t in at
    ]
    _lines(folder / "evaluations.jsonl", rows)
    _lines(folder / "journal.jsonl", [])
    if run.status is None:
        return
    final = {f"{run.split}_loss": run.val_loss[at[-1]], **run.metric} if at else {}
    best = min(at, key=lambda t: run.val_loss[t]) if at else None
    _dump(
        folder / "result.json",
        {
            "status": run.status,
            "updates": done,
            "seconds": run.seconds,
            "train_seconds": run.seconds * 0.9,
            "final": _plain(final),
            "best": {} if best is None else {f"{run.split}_loss": run.val_loss[best], "t": best},
            "sentence": run.sentence,
        },
    )


@dataclass
class Entry:
    """A recipe to be written: what its run with a seed is, and losses of the tuning runs by rate."""

    name: str
    run: Callable[[int], Run | None]
    label: Any = None
    folder: str | None = None
    tuning: Mapping[float, float] = field(default_factory=dict)


def write_comparison(
    root: Path,
    entries: Sequence[Entry],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    task: str = "digits",
    label: Any = None,
    baseline: str | None = None,
    metric: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """A comparison folder, or one more task in it."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / "comparison.json"
    data = (
        json.loads(path.read_text(encoding="utf-8"))
        if path.exists()
        else {"version": 1, "title": None, "command": ["cadence", "compare"], "tasks": [], "notes": []}
    )
    data |= settings
    tuned = any(entry.tuning for entry in entries)
    data["tasks"].append(
        {
            "name": task,
            "folder": task,
            "label": label or task,
            "seeds": list(seeds),
            "baseline": baseline or entries[0].name,
            "metric": None if metric is None else dict(metric),
            "tuning": {"seed": 1000} if tuned else None,
            "recipes": [
                {
                    "name": entry.name,
                    "folder": entry.folder or entry.name,
                    "label": entry.label or entry.name,
                    "rates": list(entry.tuning),
                }
                for entry in entries
            ],
        }
    )
    _dump(path, data)
    for entry in entries:
        folder = entry.folder or entry.name
        for seed in seeds:
            run = entry.run(seed)
            if run is not None:
                write_run(root / "runs" / task / folder / f"seed-{seed}", run)
        for rate, loss in entry.tuning.items():
            ended = Run({300: loss}, lr=rate, split="tune", status="finished" if math.isfinite(loss) else "diverged")
            write_run(root / "tuning" / task / folder / f"lr-{rate:.6g}", ended)
    return root


def ending_at(*losses: float, **more: Any) -> Callable[[int], Run]:
    """Runs of 300 updates, evaluated every 50, that fall in a straight line to the seed's own final loss."""

    def run(seed: int) -> Run:
        end = losses[seed]
        return Run({t: end + (2.0 - end) * (1 - t / 300) for t in range(50, 301, 50)}, **more)

    return run


ACCURACY = {"key": "val_accuracy", "name": "accuracy", "share": True, "higher_is_better": True}
BITS = {"key": "val_bits_per_byte", "name": "bits_per_byte", "share": False, "higher_is_better": False}


def write_showcase(root: Path) -> Path:
    """Two tasks, four recipes each, with the spread and the order that small real trainings have."""
    step, cosine = "warmup('5%') >> steps(every='33%', gamma=0.1)", "warmup('5%') >> cosine(to=0.01)"
    recipes = (
        # name, label, schedule, loss on digits and bytes, chosen rate on each
        ("sgd_step", "SGD + StepLR", step, 0.056, 2.62, (0.05, 0.15)),
        ("adamw_constant", "AdamW", "constant()", 0.058, 2.36, (0.003, 0.003)),
        ("adamw_cosine", "AdamW + warmup + cosine", cosine, 0.049, 2.31, (0.003, 0.003)),
        ("lamb_cosine", "LAMB + warmup + cosine", cosine, 0.055, 2.45, (0.01, 0.03)),
    )
    for task, seeds, total, every, start, metric in (
        ("digits", (0, 1, 2), 460, 23, 2.3, ACCURACY),
        ("bytes", (0, 1, 2, 3, 4), 300, 25, 5.4, BITS),
    ):
        entries: list[Entry] = []
        for k, (name, label, schedule, on_digits, on_bytes, rates) in enumerate(recipes):
            end, rate = (on_digits, rates[0]) if task == "digits" else (on_bytes, rates[1])
            spread = 0.10 * end if task == "digits" else 0.012 * end

            def run(
                seed: int, *, end: float = end, rate: float = rate, spread: float = spread, k: int = k,
                schedule: str = schedule, total: int = total,
                every: int = every, start: float = start, task: str = task,
            ) -> Run:  # fmt: skip
                final = end + spread * (0.7 * wave(seed, 0) + 0.5 * wave(seed, k + 3))
                smooth = falling(start, final, total, 6.0 - k % 2)
                losses = {
                    t: smooth(t) * (1 + 0.04 * (1 - t / total) * wave(seed * 31 + k, t)) if t < total else final
                    for t in sorted({*range(every, total, every), total})
                }
                metric = {"val_accuracy": 1 - final / 3.1} if task == "digits" else {"val_bits_per_byte": final / 0.693}
                return Run(
                    losses,
                    total=total,
                    lr=rate,
                    schedule=schedule,
                    curve=place(schedule, total=total, steps_per_epoch=25).at,
                    metric=metric,
                    train=lambda t: smooth(t) * (0.9 + 0.15 * wave(seed * 17 + k, t)),
                    seconds=(6.1 if task == "digits" else 8.3) * (1 + 0.06 * k + 0.02 * wave(seed, k)),
                )

            tried = {rate / 3: end * 1.4, rate: end * 1.02, rate * 3: end * 1.2}
            if name == "lamb_cosine" and task == "bytes":
                tried = {rate / 9: end * 1.9, rate / 3: end * 1.3, rate: end * 1.01}
            entries.append(Entry(name, run, label=label, tuning=tried))
        write_comparison(
            root,
            entries,
            task=task,
            seeds=seeds,
            metric=metric,
            label={
                "digits": {
                    "en": "digits: handwritten digits, small residual network",
                    "zh": "digits：手写数字，小型残差网络",
                },
                "bytes": {"en": "bytes: Python source, small GPT", "zh": "bytes：Python 源代码，小型 GPT"},
            }[task],
            title={"en": "Four recipes from the article", "zh": "文章中的四种配方"},
            command=["cadence", "compare"],
            notes=[
                {
                    "en": "The source article's AdamW row names no schedule; a constant rate is our reading.",
                    "zh": "原文的 AdamW 一行没有写明调度，这里按恒定学习率理解。",
                }
            ],
        )
    return root


NASTY = r"""<script>alert(1)</script> & "q" 'x' $\frac$ [bold]{0}"""
"""A name that breaks whoever takes a name for markup, a formula or a format."""


def write_worst(root: Path) -> Path:
    """Everything that can go wrong in a comparison, on five tasks."""

    def diverging(seed: int) -> Run:
        if seed != 1:
            return ending_at(0.50, 0.50, 0.52, metric={"val_accuracy": 0.84})(seed)
        losses = {50: 2.0, 100: 9.0, 150: 1e9, 200: math.nan}
        return Run(losses, status="diverged", sentence="the loss is nan at update 200", train=lambda t: math.exp(t / 8))

    def failing(seed: int) -> Run:
        return Run({}, status="failed", sentence="out of memory: <b>20</b> GiB")

    def going(seed: int) -> Run | None:
        return ending_at(0.5, status=None)(seed) if seed == 0 else None

    good = {"metric": {"val_accuracy": 0.85}}
    write_comparison(
        root,
        [
            Entry("base", ending_at(0.50, 0.54, 0.51, **good), tuning={0.01: 0.6, 0.03: 0.55, 0.1: 0.5}),
            Entry("div", diverging, label="Diverging", tuning={0.01: 0.6, 0.03: 0.55, 0.1: math.nan}),
            Entry("fail", failing, label="Failing"),
            Entry("going", going, label="Still going"),
            Entry("same", ending_at(0.50, 0.54, 0.51, **good), label="Same"),
            Entry("weak", ending_at(0.48, 0.525, 0.485, **good), label="Weak"),
            Entry("nasty", ending_at(0.60, 0.64, 0.615, **good), label=NASTY),
            Entry("exact", ending_at(0.25, 0.29, 0.26, **good), label="Exactly"),
        ],
        task="worst",
        label=NASTY,
        metric=ACCURACY,
        notes=[NASTY],
    )
    write_comparison(root, [Entry("a", ending_at(0.5)), Entry("b", ending_at(0.4))], seeds=[0], task="one-seed")

    def half(seed: int) -> Run:
        return failing(seed) if seed == 1 else ending_at(0.5, 0.5, 0.5)(seed)

    write_comparison(root, [Entry("a", half), Entry("b", ending_at(0.4, 0.41, 0.42))], task="bad-baseline")
    write_comparison(root, [Entry("a", ending_at(0.5, 0.51, 0.52))], task="alone")
    write_comparison(root, [Entry("a", failing), Entry("b", failing)], task="nothing")
    return root


def _dump(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def _lines(path: Path, rows: Sequence[Any]) -> None:
    path.write_text("".join(json.dumps(_plain(row)) + "\n" for row in rows), encoding="utf-8")


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """With the spelling of what JSON has no number for."""
    spelled = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return {k: spelled.get(repr(v), v) if isinstance(v, float) else v for k, v in row.items()}
