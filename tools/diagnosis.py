"""The page about diagnosis: `python tools/diagnosis.py` measures the rules and writes docs/diagnosis.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.diagnosis import labelled  # noqa: E402

from cadence.diagnosis.diagnose import Diagnosis, diagnosed  # noqa: E402
from cadence.diagnosis.rule import rules  # noqa: E402

PAGE = ROOT / "docs" / "diagnosis.md"

KINDS: tuple[tuple[str, dict[str, object]], ...] = (
    ("every update, all columns", {}),
    ("every update; loss, rate and validation loss only", {"bare": True}),
    ("every 10th update; the same few columns", {"every": 10, "bare": True}),
    ("mean of every 10 updates, all columns", {"every": 10, "mean": True}),
    ("every 25th update; the same few columns", {"every": 25, "bare": True}),
)
"""How a log may have been kept."""

NEEDS = frozenset({"input_bound", "loss_scale"})
"""Faults that loss and rate say nothing of."""

HEAD = """# Diagnosis, measured

*Written by `python tools/diagnosis.py`; do not edit it.*

`cadence diagnose` looks at the log of a training and says what went wrong, with evidence and one change to try.
This page says how often it is right.

It is measured on {count} real small trainings ({sound} sound ones, {faulty} with a fault that was put into them on
purpose, {rest} whose metric jumps): digits by a perceptron, a convolutional network and a transformer, bytes by a
transformer, a GRU and an LSTM, regression and classification on tables, denoising, forecasting; SGD with momentum,
Adam, AdamW, RMSprop; 200 to 900 updates. `python tools/labelled_runs.py` trains them again. The rules were written
while looking at seven of the tasks; of the other four ({held}) no
fault was looked at before it was counted. Sound trainings of all eleven were looked at when something was found in
one, and rules were made stricter; the last column is what is left of that.

A log of few columns has no gradient norms, no update/weight ratios, no times and no loss scale; faults that only
these show are left out of its count. A fault counts as found if it is named; where one fault has two names (a
constant rate that is too high may make a loss oscillate, stand, or climb) either counts.
"""

LIMITS = """## What it cannot see

- A rise of the first few updates is over before a log that keeps every tenth update has seen it.
- A rate that is ten times too low looks like a harder task: the loss falls fast, then slowly. From about thirty
  times on the fall stays in proportion to the rates added up, and that is seen.
- A loss that stands at a constant rate may stand because of the rate, or because everything is learnt. The finding
  says so; letting the rate come down tells.
- Evaluations that differ by less than single batches do, at a high rate, are put down to the weights (oscillation);
  if they differ by more, to a validation set that is too small. With a set of about the size of a batch this may be
  wrong.
- A model that was trained before may go on learning in proportion to the rate; where the log cannot tell it from a
  rate that is too low, it says so and does not judge.
"""


def _found(name: str, how: dict[str, object]) -> Diagnosis:
    return diagnosed(labelled.log(name, **how))  # type: ignore[arg-type]


def measured() -> Iterator[str]:
    """Recall and false findings, by how the log was kept."""
    yield "| log | faults found, tasks looked at | faults found, held-out tasks | sound trainings with a finding |"
    yield "|---|---|---|---|"
    for words, how in KINDS:
        hits = {False: [0, 0], True: [0, 0]}
        false = [0, 0]
        for name, label in labelled.labels().items():
            if how.get("bare") and NEEDS & set(label["faults"]):
                continue
            named = {d.fault for d in _found(name, how).findings}
            if label["faults"]:
                hits[label["held"]][0] += bool(named & set(label["faults"]))
                hits[label["held"]][1] += 1
            elif name.startswith("sound"):
                false[0] += bool(named)
                false[1] += 1
        shares = " | ".join(f"{a} of {b} ({a / b:.0%})" for a, b in (hits[False], hits[True]))
        yield f"| {words} | {shares} | {false[0]} of {false[1]} |"


def by_fault() -> Iterator[str]:
    """What became of each kind of fault, in logs of every update."""
    groups: dict[str, list[str]] = {}
    for name, label in labelled.labels().items():
        if label["faults"]:
            groups.setdefault(name.rpartition("-")[0], []).append(name)
    yield "| provoked | trainings | found | missed, and what was said |"
    yield "|---|---|---|---|"
    for kind, names in groups.items():
        missed: list[str] = []
        for name in names:
            named = [d.fault for d in _found(name, {}).findings]
            if not set(named) & set(labelled.labels()[name]["faults"]):
                missed.append(f"{name.rpartition('-')[2]}: {', '.join(named) or 'nothing'}")
        yield f"| {kind} | {len(names)} | {len(names) - len(missed)} | {'; '.join(missed)} |"


def attributed() -> Iterator[str]:
    """Jumps of the validation loss, and the events that they were put down to."""
    yield "| training | jumps at | because of the rate's event at | found at | put down to |"
    yield "|---|---|---|---|---|"
    for name, label in labelled.labels().items():
        if label["jump"] < 0 or not name.startswith(("jump", "resume-weights")):
            continue
        near = [j for j in _found(name, {}).jumps if abs(j.t - label["jump"]) <= 50 and j.metric == "val_loss"]
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
    held = sorted({name.rpartition("-")[2] for name, label in labels.items() if label["held"]})
    head = HEAD.format(
        count=len(labels), sound=sound, faulty=faulty, rest=len(labels) - sound - faulty, held=", ".join(held)
    )
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
