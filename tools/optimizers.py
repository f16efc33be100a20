"""The page about optimizers: `python tools/optimizers.py` writes docs/optimizers.md from the rules."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cadence.optim.matrices.rule import MOMENTUM, MuonAdamWRule
from cadence.optim.rules.found import rules
from cadence.optim.rules.peers import PEERS, Peer
from cadence.optim.rules.rule import Rule, defaults

PAGE = Path(__file__).parents[1] / "docs" / "optimizers.md"

FRAMEWORKS = ("torch", "paddle")

INTRODUCTION = """# Optimizers

*Written by `python tools/optimizers.py` from the rules; do not edit it.*

Methods that frameworks lack, have with other numbers than the paper, or execute slowly. The formula of each stands in
one file of `src/cadence/optim/rules/`, and everything else follows from it: the kernel for processors, the form for
devices, the classes for frameworks, this page. (Only what muonadamw does with matrices is written for each framework:
it is no formula of single elements.) The default is the paper's rule, or where it says so its authors' code; every
departure of another library has a setting that is named after what it does.
"""

USE = """## Use

<!-- run: torch -->
```python
import torch

import cadence as cd
from cadence.optim.for_torch.lamb import Lamb

model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 1))
optimizer = Lamb(model.parameters(), lr=1e-3)
driver = cd.drive(optimizer, "warmup('5%') >> cosine(to=0.01)", total=1000)
```

They are optimizers of the framework: with parameter groups, state dicts that load under `weights_only=True`, closures,
hooks, gradient scalers. Every setting may stand in a group. A state says whose it is, and is refused by another method.

**Biases and normalisation** are usually kept out of weight decay, and with LAMB and LARS of the adaptation to the
size of a layer. That is a group of its own:

<!-- run: torch -->
```python
matrices = [p for p in model.parameters() if p.ndim > 1]
others = [p for p in model.parameters() if p.ndim < 2]  # biases, scales and shifts
optimizer = Lamb([{"params": matrices}, {"params": others, "adapt": False, "weight_decay": 0.0}], lr=1e-3)
```

**By name**: `cd.optimizer("lamb", model, lr=1e-3)`, and in a recipe `optimizer: {name: lamb, lr: 1e-3}`. `adagrad` and
`adamw` alone mean the framework's own classes; an argument that only those here have (`independent_decay=True`) or the
source (`"cadence:adamw"`) means these.

**Half precision**: computed in single precision and rounded once; the states are stored as the parameter is. In float16
the square of a gradient below 2e-4 is 0; keep parameters in float32 under autocast there.

## How a step is executed

- `compiled=None`: in float32 and float64 by a kernel that a compiler makes of the rule at the first step: on a
  processor the machine's C compiler, on a GPU of Nvidia's (torch) the one that comes with torch's CUDA builds, NVRTC;
  once per machine, kept in the user's cache. Without a compiler as with `False`; one line in the log says so.
- `compiled=False`: by the framework's own operations, in pieces that stay in the processor's cache; needs no compiler.
- `compiled=True`: as `None`, and an error where there is no compiler.

The C compiler is that of the variable `CC`, else `cc`, `gcc` or `clang`. A kernel is kept in
`$XDG_CACHE_HOME/cadence/kernels` (`~/.cache/...`) if nobody else may write there, else in a folder of the process.
All ways give the same numbers to rounding; a kernel gives the same bits with one thread as with many, and on one kind
of GPU every time.

A kernel moves every parameter, gradient and state through memory once; LAMB and LARS read large tensors twice,
because the size of a layer's step is known only when all of it has been seen. Where nothing else is done the speed of
memory is the speed of the step: [performance](performance.md) has the ratios to it and to the peers.

Half precision on a GPU, `capturable=True` and GPUs of other kinds use the framework's own operations, one after
another; `torch.compile(optimizer.step)` fuses them. A compiled step is one graph. A rate that is a tensor can change
without another compilation; one that is a number costs one more, at its first change. `capturable=True` keeps the
counters of updates on the parameters' device and reads nothing back, so that a step can be captured into a CUDA graph;
a rate that changes must be a tensor then, and `driver.step()` is called after each replay.
"""

PEERS_INTRODUCTION = (
    "In other libraries. With the settings of the third column the numbers are theirs, to 1e-12 over fifty updates in "
    "double precision (where a library keeps settings in single precision: for numbers that it can hold); the rows "
    "below a library are arguments that have another name or value here."
)


def members() -> list[type[Rule]]:
    """All rules, sorted by name, and the method that is more than a rule."""
    return [*rules().values(), MuonAdamWRule]


def page() -> str:
    """The text of docs/optimizers.md."""
    lines = [INTRODUCTION, *_overview(), "", USE]
    for rule in members():
        lines += _section(rule)
    return "\n".join(lines).rstrip() + "\n"


def _overview() -> Iterator[str]:
    yield _line("method", "what it is", "remembers", "for")
    yield _line(*["---"] * 4)
    for rule in members():
        made = [name for name in FRAMEWORKS if _has(name, rule.name)]
        states = ", ".join(f"`{state}`" for state in _remembered(rule))
        yield _line(f"[{rule.name}](#{rule.name})", _what(rule), states, ", ".join(made))


def _remembered(rule: type[Rule]) -> tuple[str, ...]:
    own = rule.of({**defaults(rule), "initial_lr": 1.0}).state
    return (MOMENTUM, *own) if rule is MuonAdamWRule else own


def _has(framework: str, name: str) -> bool:
    try:
        return importlib.util.find_spec(f"cadence.optim.for_{framework}.{name}") is not None
    except ModuleNotFoundError:
        return False


def _what(rule: type[Rule]) -> str:
    """The first sentence of the rule's file, without the name."""
    module = inspect.getdoc(inspect.getmodule(rule))
    assert module is not None
    return module.splitlines()[0].partition(": ")[2].rstrip(".")


def _section(rule: type[Rule]) -> Iterator[str]:
    text = inspect.getdoc(rule)
    assert text is not None
    formula, _, source = text.partition("\nSource:\n")
    yield from (f"## {rule.name}", "", formula.strip(), "")
    yield from (f"*Source*: {' '.join(source.split())}", "")
    yield from (_line("setting", "default", "range", "what it is"), _line(*["---"] * 4))
    for s in rule.settings:
        yield _line(f"`{s.name}`", f"`{s.default!r}`", s.range, s.meaning)
    peers = [peer for peer in PEERS if peer.method == rule.name]
    if peers:
        yield from ("", PEERS_INTRODUCTION, "")
        yield from (_line("library", "what it does", "settings here"), _line(*["---"] * 3))
        for peer in peers:
            yield from _rows(peer)
    yield ""


def _rows(peer: Peer) -> Iterator[str]:
    told = f"{peer.differs}. {peer.remains[:1].upper()}{peer.remains[1:]}".rstrip(". ")
    yield _line(f"`{peer.name}`", told, "none" if peer.settings is None else _call(peer.settings) or "the defaults")
    for argument, settings in peer.options.items():
        if f"`{argument}`" != _call(settings):
            yield _line("", f"`{argument}`", _call(settings))


def _call(settings: Mapping[str, Any]) -> str:
    return f"`{', '.join(f'{name}={value!r}' for name, value in settings.items())}`" if settings else ""


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
