"""What articles claim of schedules, as a seeded A/B: cosine over steps, warmup, flatness; and stopping with a cooldown.

Every arm gets the same tuning: four rates, two seeds each, judged on the tuning part; then the best of them trains
once per seed, and is judged on the part that is reported. Arms of one seed see the same batches and the same first
weights, so that what is shown is the mean of paired differences with its interval.

    python benchmarks/ab.py --runs ab.jsonl --write docs/articles-measured.md

Trainings that stand in ``ab.jsonl`` already are not done again.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import platform
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cadence as cd
from cadence.comparison.statistics import estimate
from cadence.tasks import Batch, TokenData, task
from cadence.tasks.base import Data, Split
from cadence.tasks.bytes_torch import small_gpt
from cadence.tasks.embedded.bytes import CONTEXT, as_ascii

SEEDS = range(8)
TUNING_SEEDS = (100, 101)

SCHEDULES = {
    "steps": "steps(at=['30%', '60%', '90%'], gamma=0.1)",
    "cosine": "cosine()",
    "warmup, steps": "warmup('10%') >> steps(at=['30%', '60%', '90%'], gamma=0.1)",
    "warmup, cosine": "warmup('10%') >> cosine()",
    "late steps": "steps(at=['50%', '75%'], gamma=0.1)",
}
"""Arms. Three drops by ten are StepLR(30, 0.1) over 100 epochs, as the articles write it; He et al. 2016
(arXiv:1512.03385, section 4.2) drop at 50 and 75 %."""

CLAIMS = (
    ("cosine instead of steps", "cosine", "steps"),
    ("cosine instead of steps, both after a warmup", "warmup, cosine", "warmup, steps"),
    ("cosine instead of late steps", "cosine", "late steps"),
    ("late steps instead of steps", "late steps", "steps"),
    ("a warmup before the cosine", "warmup, cosine", "cosine"),
    ("a warmup before the steps", "warmup, steps", "steps"),
)

RADIUS, DIRECTIONS = 0.1, 6
"""Of the perturbation: its norm in each filter as a share of the filter's own; and how many are tried."""

STOP = "early_stop('val_loss', patience=4, then='cooldown 20%')"
EVERY, LONGEST = 14, 700
"""Updates between two looks (one epoch of the digits), and the updates that the run was planned for."""

PARTS = ("stopping", "digits", "fine-tuning")

Make = Callable[[Any, float], Any]


@dataclass(frozen=True)
class Subject:
    """Something that is trained.

    Attributes:
        name: in the table.
        about: one sentence.
        data: rows.
        model: gives the first weights for a seed.
        optimizer: of parameters and a rate.
        rates: that are tried.
        updates: length of a run.
        batch: rows per update.
    """

    name: str
    about: str
    data: Data
    model: Callable[[int], torch.nn.Module]
    optimizer: Make
    rates: tuple[float, ...]
    updates: int
    batch: int


def main(arguments: list[str] | None = None) -> None:
    """Train what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("ab.jsonl"), help="finished trainings, one a line")
    parser.add_argument("--write", type=Path, help="the page")
    parser.add_argument("--train", nargs="*", default=PARTS, choices=PARTS, help="which of them; none: only the page")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    ledger = Ledger(chosen.runs)
    if "stopping" in chosen.train:
        for seed in SEEDS:
            ledger.once(f"end/{seed}", lambda seed=seed: stopping(seed))
    for subject in (digits(), prose()):
        if subject.name in chosen.train:
            compare(subject, ledger)
    text = page(ledger)
    if chosen.write is None:
        print(text)
    else:
        chosen.write.write_text(text, encoding="utf-8")


class Ledger:
    """Results by name, in a file that grows by one line per training."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.results: dict[str, dict[str, Any]] = dict(json.loads(line) for line in lines)

    def once(self, name: str, train: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of that name; trained if it is not there."""
        if name not in self.results:
            self.results[name] = train()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, self.results[name]]) + "\n")
            print(name, self.results[name], file=sys.stderr, flush=True)
        return self.results[name]


# ---- what is trained -------------------------------------------------------------------------------------------------


def digits() -> Subject:
    """Digits from scratch."""

    def model(seed: int) -> torch.nn.Module:
        torch.manual_seed(seed)
        return task("digits").models["torch"]()

    def sgd(parameters: Any, rate: float) -> Any:
        return torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=5e-4)

    return Subject(
        "digits",
        "8x8 digits from scratch: a residual network, SGD with momentum, 140 updates of 64 images (10 epochs)",
        task("digits").data, model, sgd, (0.03, 0.1, 0.3, 1.0), 140, 64,
    )  # fmt: skip


def prose() -> Subject:
    """A byte model that knows source code, gone on with prose."""
    begun: list[torch.nn.Module] = []

    def model(seed: int) -> torch.nn.Module:
        del seed
        if not begun:
            begun.append(of_code())
        return copy.deepcopy(begun[0])

    def adamw(parameters: Any, rate: float) -> Any:
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)

    return Subject(
        "fine-tuning",
        "a byte model trained for 500 updates on Python's library, gone on with for 120 updates of 16 windows on the "
        "language reference that comes with it (`pydoc_data.topics`): English prose, AdamW. The "
        "beginning is the same for all seeds, which differ in their batches",
        reference(), model, adamw, (3e-4, 1e-3, 3e-3, 1e-2), 120, 16,
    )  # fmt: skip


def of_code() -> torch.nn.Module:
    """The model that fine-tuning begins with."""
    torch.manual_seed(0)
    model = small_gpt()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
    fit(model, optimizer, "warmup('10%') >> cosine()", 500, feed(task("bytes").data, 0, 16))
    return model


def reference() -> TokenData:
    """Python's language reference as bytes, split by topic."""
    from pydoc_data.topics import topics

    parts: dict[str, list[bytes]] = {"train": [], "tune": [], "val": []}
    for name in sorted(topics):
        part = {0: "val", 1: "tune"}.get(zlib.crc32(name.encode()) % 8, "train")
        parts[part].append(as_ascii(topics[name]))
    train, tune, val = (np.frombuffer(b"".join(parts[part]), dtype=np.uint8) for part in ("train", "tune", "val"))
    return TokenData(train, tune=tune, val=val, context=CONTEXT)


# ---- how it is trained and judged ------------------------------------------------------------------------------------


def compare(subject: Subject, ledger: Ledger) -> None:
    """Tune every arm alike, then train all of them with every seed."""
    for arm, schedule in SCHEDULES.items():
        for rate in subject.rates:
            for seed in TUNING_SEEDS:
                ledger.once(
                    f"{subject.name}/{arm}/tune/{rate}/{seed}",
                    lambda schedule=schedule, rate=rate, seed=seed: outcome(subject, schedule, rate, seed, "tune"),
                )
    best = {arm: tuned_rate(subject, arm, ledger) for arm in SCHEDULES}
    for seed in SEEDS:
        for arm, schedule in SCHEDULES.items():
            ledger.once(
                f"{subject.name}/{arm}/val/{best[arm]:g}/{seed}",
                lambda schedule=schedule, rate=best[arm], seed=seed: outcome(subject, schedule, rate, seed, "val"),
            )


def tuned_rate(subject: Subject, arm: str, ledger: Ledger) -> float:
    """The rate with the least mean loss on the tuning part."""
    sums = {
        rate: sum(ledger.results[f"{subject.name}/{arm}/tune/{rate}/{seed}"]["loss"] for seed in TUNING_SEEDS)
        for rate in subject.rates
    }
    return min(sums, key=lambda rate: sums[rate])


def outcome(subject: Subject, schedule: str, rate: float, seed: int, split: Split) -> dict[str, Any]:
    """One training."""
    model = subject.model(seed)
    optimizer = subject.optimizer(model.parameters(), rate)
    fit(model, optimizer, schedule, subject.updates, feed(subject.data, seed, subject.batch))
    loss, accuracy = judged(model, subject.data.held_out(split))
    found = {"rate": rate, "loss": loss, "accuracy": accuracy}
    return found if split == "tune" else {**found, "rise": rise(model, subject, seed)}


def feed(data: Data, seed: int, batch: int, epoch: int = 0) -> Iterator[Batch]:
    """Batches without end, from an epoch on."""
    while True:
        yield from data.batches(seed, epoch, batch)
        epoch += 1


def fit(model: torch.nn.Module, optimizer: Any, schedule: str, updates: int, batches: Iterator[Batch]) -> None:
    """Train for so many updates."""
    driver = cd.drive(optimizer, schedule, total=updates)
    for _ in range(updates):
        update(model, optimizer, next(batches))
        driver.step()


def update(model: torch.nn.Module, optimizer: Any, batch: Batch) -> None:
    """One of them."""
    model.train()
    optimizer.zero_grad()
    loss_of(model, batch).backward()
    optimizer.step()


def loss_of(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy."""
    answers = model(torch.as_tensor(batch.inputs))
    return torch.nn.functional.cross_entropy(answers.flatten(0, -2), torch.as_tensor(batch.targets).flatten())


@torch.no_grad()
def judged(model: torch.nn.Module, batches: Iterator[Batch]) -> tuple[float, float]:
    """Loss and share of right answers."""
    model.eval()
    loss, right, n = 0.0, 0, 0
    for batch in batches:
        loss += float(loss_of(model, batch)) * batch.tokens
        answers = model(torch.as_tensor(batch.inputs)).argmax(-1)
        right += int((answers == torch.as_tensor(batch.targets)).sum())
        n += batch.tokens
    return loss / n, right / n


@torch.no_grad()
def rise(model: torch.nn.Module, subject: Subject, seed: int) -> float:
    """By how much the training loss rises in the mean over random directions, normalised filter by filter.

    Source: Li et al. 2018, arXiv:1712.09913, section 4. Vectors (biases, normalisation) are left alone, as there.
    """
    batches = [batch for batch, _ in zip(feed(subject.data, 10_000, 64), range(6), strict=False)]
    before = judged(model, iter(batches))[0]
    weights = [p for p in model.parameters() if p.ndim > 1]
    kept = [p.clone() for p in weights]
    rises = list[float]()
    for k in range(DIRECTIONS):
        noise = torch.Generator().manual_seed(1000 * seed + k)
        for p, there in zip(weights, kept, strict=True):
            direction = torch.randn(p.shape, generator=noise).flatten(1)
            scale = there.flatten(1).norm(dim=1, keepdim=True) / direction.norm(dim=1, keepdim=True)
            p.copy_(there + RADIUS * (direction * scale).view_as(p))
        rises.append(judged(model, iter(batches))[0] - before)
    for p, there in zip(weights, kept, strict=True):
        p.copy_(there)
    return float(np.mean(rises))


def stopping(seed: int) -> dict[str, Any]:
    """One run that a rule stops: what it had then, and at its best, and after a cooldown or as many updates without."""
    subject = digits()
    model = subject.model(seed)
    optimizer = subject.optimizer(model.parameters(), 0.1)
    driver = cd.drive(optimizer, f"warmup('5%') >> constant() * {STOP}", total=LONGEST)
    batches, found = feed(subject.data, seed, subject.batch), dict[str, Any]()
    least = math.inf
    while driver.t < LONGEST and not driver.should_stop:
        update(model, optimizer, next(batches))
        driver.step()
        if driver.t % EVERY:
            continue
        loss = judged(model, subject.data.held_out("tune"))[0]
        if loss < least and "stopped" not in found:
            least, found["best"] = loss, _end(driver.t, model, subject)
        if any(d.kind == "cooldown" for d in driver.observe({"val_loss": loss})):
            found["stopped"] = _end(driver.t, model, subject)
            twin = subject.model(seed)
            twin.load_state_dict(model.state_dict())
            same = subject.optimizer(twin.parameters(), 0.1)
            same.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            total = driver.curve.total or LONGEST
            ahead = feed(subject.data, seed, subject.batch, driver.t // EVERY)
            for _ in range(total - driver.t):
                update(twin, same, next(ahead))
            found["kept"] = _end(total, twin, subject)
    return {**found, "cooled": _end(driver.t, model, subject)}


def _end(updates: int, model: torch.nn.Module, subject: Subject) -> dict[str, float]:
    loss, accuracy = judged(model, subject.data.held_out("val"))
    return {"updates": updates, "loss": loss, "accuracy": accuracy}


# ---- the page --------------------------------------------------------------------------------------------------------


def page(ledger: Ledger) -> str:
    """The results as Markdown."""
    parts = [
        "# What the articles claim, measured\n",
        "Written by `python benchmarks/ab.py --write docs/articles-measured.md`. "
        f"{len(SEEDS)} seeds; differences are paired by seed (same first weights, same batches); the interval is that "
        "of Student's t, 95 %, not corrected for their number. Every arm was given the same tuning: four rates, two "
        "seeds each, judged on rows that are not reported. Steps are three drops by ten (30 %, 60 %, 90 %), as "
        "`StepLR(30, 0.1)` over 100 epochs; late steps two (50 %, 75 %); the cosine falls to 0; a warmup is a tenth of "
        "the run. "
        f"*Rise*: by how much the training loss rises when every filter of the weights is perturbed by {RADIUS:g} of "
        f"its own norm, the mean over {DIRECTIONS} random directions (filter-normalised: Li et al. 2018, "
        "arXiv:1712.09913); less is flatter. It is no judge of "
        "schedules by itself: weights that have come less far from their beginning lie "
        "flatter, too. Small models: what holds for them need not hold for BERT. "
        f"Python {platform.python_version()}, torch {torch.__version__.partition('+')[0]}, one thread.\n",
    ]
    trained = {name.partition("/")[0] for name in ledger.results if "/val/" in name}
    parts += [_section(subject, ledger) for subject in (digits(), prose()) if subject.name in trained]
    parts.append(_stopping(ledger))
    return "\n".join(parts)


def _section(subject: Subject, ledger: Ledger) -> str:
    best = {arm: tuned_rate(subject, arm, ledger) for arm in SCHEDULES}
    runs = {
        arm: [r for seed in SEEDS if (r := ledger.results.get(f"{subject.name}/{arm}/val/{rate:g}/{seed}"))]
        for arm, rate in best.items()
    }
    lines = [
        f"## {subject.name.capitalize()}\n",
        f"{subject.about[0].upper()}{subject.about[1:]}.\n",
        "| schedule | best rate | loss | accuracy, % | rise |",
        "|---|---|---|---|---|",
    ]
    for arm, of_arm in runs.items():
        if of_arm:
            numbers = [_mean([r[key] * unit for r in of_arm]) for key, unit in _MEASURES]
            lines.append(f"| {arm} | {of_arm[0]['rate']:g} | {' | '.join(numbers)} |")
    lines += ["", "| change | loss | accuracy, points | rise | seeds |", "|---|---|---|---|---|"]
    for told, arm, other in CLAIMS:
        n = min(len(runs[arm]), len(runs[other]))
        if n > 1:
            numbers = [
                _difference([(a[key] - b[key]) * unit for a, b in zip(runs[arm], runs[other], strict=False)])
                for key, unit in _MEASURES
            ]
            lines.append(f"| {told} | {' | '.join(numbers)} | {n} |")
    return "\n".join([*lines, ""])


def _stopping(ledger: Ledger) -> str:
    runs = [r for seed in SEEDS if (r := ledger.results.get(f"end/{seed}")) and "stopped" in r]
    lines = [
        "## Stop at once, or after a cooldown\n",
        f"Digits at a constant rate after a warmup, SGD 0.1, planned for {LONGEST} updates, looked at every {EVERY} "
        f"(an epoch) on the tuning part, with `{STOP}`: the same run where the rule decides, at its best by "
        "then on the tuning part, at the end of the "
        "cooldown that follows, and after as many updates at the rate as it was; all judged on the reported part.\n",
        "| end | updates | loss | accuracy, % |",
        "|---|---|---|---|",
    ]
    if not runs:
        return "\n".join([*lines, ""])
    ends = (
        ("at once", "stopped"),
        ("at once, the best checkpoint", "best"),
        ("after the cooldown", "cooled"),
        ("without, as many updates", "kept"),
    )
    for told, key in ends:
        cells = [_mean([r[key][of] * unit for r in runs]) for of, unit in _ENDS]
        lines.append(f"| {told} | {' | '.join(cells)} |")
    for told, other in (
        ("cooldown, against at once", "stopped"),
        ("cooldown, against the best checkpoint", "best"),
        ("cooldown, against as many without", "kept"),
    ):
        cells = [_difference([(r["cooled"][of] - r[other][of]) * unit for r in runs]) for of, unit in _ENDS]
        lines.append(f"| {told} | {' | '.join(cells)} |")
    idle = len(SEEDS) - len(runs)
    lines.append(f"\n{len(runs)} seeds{f'; in {idle} more the rule never decided' if idle else ''}.\n")
    return "\n".join(lines)


_MEASURES = (("loss", 1), ("accuracy", 100), ("rise", 1))
_ENDS = (("updates", 1), ("loss", 1), ("accuracy", 100))


def _mean(values: list[float]) -> str:
    return f"{estimate(values).mean:.4g}"


def _difference(values: list[float]) -> str:
    """A mean with its interval; bold where the interval leaves 0 out."""
    found = estimate(values)
    if found.low is None or found.high is None:
        return f"{found.mean:+.3g}"
    text = f"{found.mean:+.3g} ({found.low:+.3g} to {found.high:+.3g})"
    return f"**{text}**" if found.low * found.high > 0 else text


if __name__ == "__main__":
    main()
