"""The page about diagnosis: `python tools/diagnosis.py` measures the rules and writes docs/diagnosis.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.diagnosis import labelled  # noqa: E402
from tests.diagnosis.labelled import Kept  # noqa: E402

from cadence.diagnosis.diagnose import Diagnosis, diagnosed  # noqa: E402
from cadence.diagnosis.rule import rules  # noqa: E402

PAGE = ROOT / "docs" / "diagnosis.md"

KINDS: tuple[tuple[str, Kept], ...] = (
    ("every update, all columns", Kept()),
    ("every update; loss, rate and validation loss only", Kept(bare=True)),
    ("every 10th update; the same few columns", Kept(10, bare=True)),
    ("mean of every 10 updates, all columns", Kept(10, mean=True)),
    ("mean of every 10 updates; the same few columns", Kept(10, mean=True, bare=True)),
    ("every 25th update; the same few columns", Kept(25, bare=True)),
    ("a row an epoch, 15 to 30 of them; the same few columns", Kept(bare=True, epochs=True)),
    ("every 10th update; loss and rate only", Kept(10, bare=True, judged=False)),
    ("every 50th update, 6 to 16 rows; the few columns", Kept(50, bare=True)),
)
"""How a log may have been kept."""

HEAD = """# Diagnosis, measured

*Written by `python tools/diagnosis.py`; do not edit it.*

`cadence diagnose` looks at the log of a training and says what went wrong, with evidence and one change to try.
This page says how often it is right.

It is measured on {count} real small trainings ({sound} sound ones, {faulty} with a fault that was put into them on
purpose, {rest} whose metric jumps) of 18 tasks: digits by perceptrons, convolutions and a transformer, bytes and prose
by transformers, a GRU and an LSTM, regression, classes and several labels on tables, with embeddings too, denoising,
forecasting, painting what is missing of photographs, pairs of views, a bottleneck; SGD with momentum, Adam, AdamW,
RMSprop; 150 to 1,350 updates. `python tools/labelled_runs.py` trains them again. Where a fault is a rate (low, high,
sudden), it is a tenth to a hundredth, or three to a hundred times the best one of a sweep on that task; the sound
trainings of such a sweep are at that rate, or down to a third of it.

What was looked at: the rules were first written with seven of the tasks (cancer, conv, denoise, gpt, mlp, rnn, table).
Four others (gated, moons, rows, waves) were counted before any fault of theirs was looked at, and looked at then. Seven
new ones were counted in the same way, when the rules had been written again: 144 of 201 faults were found in logs of
every update with all columns (72 %; 129 of 187 with few columns, 119 of 187 with a row an epoch), and 4 of 70 sound
trainings had a finding. After that the sound trainings of all, and the faults of four of them (categories, depthwise,
labels, painting) were looked at, and rules changed. Of the other three ({held}) no faulty
log was ever looked at; but how many of their rates too low are found was counted while one limit was set.

A log of few columns has no gradient norms, no update/weight ratios, no times and no loss scale; faults that only
these show are left out of its count, and over-fitting and noise of the validation loss where it is not logged. A fault
counts as found if it is named; where one fault has two names (a constant rate that is too high may make a loss
oscillate, stand, or climb) either counts. In brackets: without the rates that did no harm, because the training ended
less than 3 % of its gain above the best one ({harmless} of {faulty}).
"""

LIMITS = """## What it cannot see

- A rise of the first few updates is over before a log that keeps every tenth update has seen it. Then a missing warmup
  leaves no trace.
- A rate of ten times the best one often brings the loss down to a plateau within a few updates, calmly, where it stays:
  letters by their frequencies, the mean of all images. Without another training such a plateau looks like the end of
  what can be learnt, on an easy task, at the right rate. It is seen where the loss rises first, where it falls only as
  the rate does, where the evaluations differ, or where guessing costs just as much.
- A rate of a tenth of the best one is seen where the validation loss is on the same examples each time: it falls at
  every evaluation, on a curve as smooth as a drawn one. With noise in it, with a loss that stands on a plateau in
  between, or without a validation loss it looks like a harder task.
- A resume without the optimizer's state shows nothing in the loss of most trainings, at a rate they can bear.
- A loss that stands at a constant rate may stand because of the rate, or because everything is learnt. If the
  evaluations differ hardly at all, the second is assumed, and nothing said; else the finding says both.
- Evaluations that differ while the rate is up are put down to the weights, unless they go on differing when it has
  come down. Where the rate never comes down, they must differ twice as much as single batches do.
- A cut of the rate counts as too late only after nearly half the run has passed without progress; milestones at half
  the run are usual.
- A schedule that begins anew while its rate is held leaves no trace in a log whose rows miss the second warmup.
- A model that was trained before may go on learning in proportion to the rate; where the log cannot tell it from a
  rate that is too low, it says so and does not judge.
"""


def _found(name: str, kept: Kept) -> Diagnosis:
    return diagnosed(labelled.log(name, kept))


def measured() -> Iterator[str]:
    """Recall and false findings, by how the log was kept."""
    yield (
        "| log | faults found, tasks looked at first | tasks looked at later | tasks never looked at "
        "| sound trainings with a finding |"
    )
    yield "|---|---|---|---|---|"
    for words, kept in KINDS:
        hits = {group: [0, 0, 0, 0] for group in ("first", "later", "never")}
        false = [0, 0]
        for name, label in labelled.labels().items():
            if not labelled.tells(label, kept):
                continue
            named = {d.fault for d in _found(name, kept).findings}
            if name.startswith("sound"):
                false[0] += bool(named)
                false[1] += 1
            elif label["faults"]:
                right, counts = bool(named & set(label["faults"])), not label["harmless"]
                row = hits[label["seen"]]
                row[:] = [row[0] + right, row[1] + 1, row[2] + (right and counts), row[3] + counts]
        shares = " | ".join(f"{a} of {b}: {a / b:.0%} ({c / d:.0%})" for a, b, c, d in hits.values())
        yield f"| {words} | {shares} | {false[0]} of {false[1]} |"


def by_fault() -> Iterator[str]:
    """What became of each kind of fault, in logs of every update."""
    groups: dict[str, list[str]] = {}
    for name, label in labelled.labels().items():
        if label["faults"]:
            kind = name.rpartition("-")[0].removesuffix("-at")
            groups.setdefault(kind, []).append(name)
    yield "| provoked | trainings | found | missed, and what was said |"
    yield "|---|---|---|---|"
    for kind, names in groups.items():
        missed: list[str] = []
        for name in names:
            named = [d.fault for d in _found(name, Kept()).findings]
            if not set(named) & set(labelled.labels()[name]["faults"]):
                missed.append(f"{name.rpartition('-')[2]}: {', '.join(named) or 'nothing'}")
        yield f"| {kind} | {len(names)} | {len(names) - len(missed)} | {'; '.join(missed)} |"


def attributed() -> Iterator[str]:
    """Jumps of the validation loss, and the events that they were put down to."""
    yield "| training | jumps at | because of the rate's event at | found at | put down to |"
    yield "|---|---|---|---|---|"
    for name, label in labelled.labels().items():
        if label["jump"] < 0 or not name.startswith(("jump", "resume-weights", "older-weights")):
            continue
        near = [j for j in _found(name, Kept()).jumps if abs(j.t - label["jump"]) <= 50 and j.metric == "val_loss"]
        told = min(near, key=lambda j: abs(j.t - label["jump"]), default=None)
        cause = "none" if label["cause"] < 0 else str(label["cause"])
        if told is None:
            yield f"| {name} | {label['jump']} | {cause} | not found | |"
        else:
            blamed = "none" if told.event is None else told.event.t
            yield f"| {name} | {label['jump']} | {cause} | {told.t} | {blamed} |"


def listed() -> Iterator[str]:
    """The rules."""
    yield "| code | name | finds | by | silent after |"
    yield "|---|---|---|---|---|"
    for rule in sorted(rules(), key=lambda r: r.code):
        how = (rule.look.__doc__ or "").strip().split("\n")[0]
        yield f"| {rule.code} | `{rule.fault}` | {rule.title.en} | {how} | {', '.join(rule.after)} |"


def page() -> str:
    """The whole page."""
    labels = labelled.labels()
    sound = sum(name.startswith("sound") for name in labels)
    faulty = sum(bool(label["faults"]) for label in labels.values())
    held = sorted({name.rpartition("-")[2] for name, label in labels.items() if label["seen"] == "never"})
    harmless = sum(label["harmless"] for label in labels.values())
    head = HEAD.format(
        count=len(labels), sound=sound, faulty=faulty, rest=len(labels) - sound - faulty, held=", ".join(held),
        harmless=harmless,
    )  # fmt: skip
    parts = [
        head, "## How often it is right\n", "\n".join(measured()), "\n## By fault\n",
        "In logs of every update with all columns.\n", "\n".join(by_fault()), "\n## Jumps and events\n",
        "A jump is put down to an event of the rate if it comes within one evaluation of it.\n",
        "\n".join(attributed()), "\n## The rules\n",
        "A rule is silent after another where that one's finding explains what it would see.\n", "\n".join(listed()),
        "", LIMITS,
    ]  # fmt: skip
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
