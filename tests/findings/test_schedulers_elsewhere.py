"""Schedulers in other hands: Accelerate's, a loaded state's, a compiler's, AdamW's. Found, silent, and measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.findings.examples import ACCELERATE, OPTAX, RESUMED, script

import cadence as cd
from cadence.findings.finding import Finding


def found(text: str, code: str, **told: Any) -> list[Finding]:
    return [f for f in cd.lint(script(text), **told) if f.code == code]


def numbers(text: str) -> list[float]:
    return [float(x) for x in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w])", text)]


# ---- Accelerate ------------------------------------------------------------------------------------------------------


def test_accelerate_s_own_scheduler_steps_as_often_as_the_finding_says(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    accelerate = pytest.importorskip("accelerate")
    from accelerate.scheduler import AcceleratedScheduler

    accelerate.Accelerator(cpu=True)
    monkeypatch.setattr("accelerate.scheduler.AcceleratorState", lambda: type("State", (), {"num_processes": 4}))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    optimizer.step_was_skipped = False
    scheduler = AcceleratedScheduler(torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90), optimizer)
    rates = []
    for _ in range(90):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    (finding,) = found(ACCELERATE.format(90), "CD607")
    assert numbers(finding.consequence) == pytest.approx([4, 23, 90, rates[89], 3.05e-5], rel=5e-3)
    assert min(range(90), key=rates.__getitem__) in (22, 23)


LOADER = """
    import torch
    from accelerate import Accelerator
    from transformers import get_linear_schedule_with_warmup
    {before}
    accelerator = Accelerator({options})
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
    {early}
    model, optimizer, train_loader = accelerator.prepare(model, optimizer, train_loader)
    {late}
    for epoch in range(3):
        for batch in train_loader:
            accelerator.backward(model(**batch).loss)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        accelerator.print(validate(model), scheduler.get_last_lr())
"""
LINEAR = "scheduler = get_linear_schedule_with_warmup(optimizer, 0, {})"
PREPARED = "; scheduler = accelerator.prepare(scheduler)"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"late": LINEAR.format("3 * len(train_loader)") + PREPARED}, ["information"]),
        ({"late": "n = len(train_loader); m = 3 * n; " + LINEAR.format("m") + PREPARED}, ["information"]),
        ({"late": LINEAR.format("3 * len(train_loader)") + PREPARED + "; accelerator.wait_for_everyone()"}, ["warning"]),
        ({"late": LINEAR.format("3 * len(train_loader)")}, []),
        ({"late": LINEAR.format("3 * len(train_loader) * accelerator.num_processes") + PREPARED}, []),
        ({"early": LINEAR.format("3 * len(train_loader)") + PREPARED}, []),
        ({"early": "n = len(train_loader)", "late": LINEAR.format("3 * n") + PREPARED}, []),
        ({"late": LINEAR.format("3 * len(train_loader)") + PREPARED, "options": "split_batches=True"}, []),
        ({"late": LINEAR.format("3 * len(train_loader)") + PREPARED, "options": "split_batches=chosen"}, []),
        ({"late": LINEAR.format("3 * len(train_loader)") + PREPARED, "options": "step_scheduler_with_optimizer=False"}, []),
        ({"late": LINEAR.format("args.max_steps") + PREPARED}, []),
    ],
)  # fmt: skip
def test_a_length_in_batches_of_the_prepared_loader_is_found_and_others_are_not(
    case: dict[str, str], expected: list[str]
) -> None:
    text = LOADER.format(**{"before": "", "options": "", "early": "", "late": "", **case})
    assert [f.severity for f in found(text, "CD607")] == expected


def test_the_number_of_processes_is_the_launcher_s_and_a_length_beyond_the_run_is_left_alone() -> None:
    launched = ACCELERATE.format(90) + "    accelerate.notebook_launcher(main, num_processes=2)\n"
    (finding,) = found(launched, "CD607")
    assert finding.consequence.startswith("on 2 processes it has done them after 45 of 90 epochs")
    assert finding.severity == "warning"
    assert found(ACCELERATE.format(360), "CD607") == []


def test_a_prepared_plateau_rule_hears_each_metric_several_times() -> None:
    text = ACCELERATE.format(90).replace("CosineAnnealingLR(optimizer, T_max=90)", "ReduceLROnPlateau(optimizer)")
    (finding,) = found(text.replace("scheduler.step()", "scheduler.step(validate(model))"), "CD607")
    assert "4 processes one bad evaluation counts as 4" in finding.consequence


# ---- a state that brings the old length back -------------------------------------------------------------------------

TWICE = """
    import torch
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.{first}
    for epoch in range(100):
        train(model, optimizer)
        scheduler.step()
        print(epoch, validate(model), scheduler.get_last_lr())
    state = scheduler.state_dict()
    torch.save({{"scheduler": state}}, "run.pt")
    scheduler = torch.optim.lr_scheduler.{second}
    scheduler.load_state_dict({loaded})
    for epoch in range(100, 200):
        train(model, optimizer)
        scheduler.step()
        print(epoch, validate(model), scheduler.get_last_lr())
"""
COSINE = "CosineAnnealingLR(optimizer, T_max={})"


def test_a_longer_cosine_that_gets_the_old_state_does_what_the_finding_says() -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR
    first, rates = cosine(optimizer, T_max=100), []
    for epoch in range(200):
        if epoch == 100:
            state, first = first.state_dict(), cosine(optimizer, T_max=200)
            first.load_state_dict(state)
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        first.step()
    (finding,) = found(TWICE.format(first=COSINE.format(100), second=COSINE.format(200), loaded="state"), "CD703")
    assert numbers(finding.consequence)[:3] == pytest.approx([100, max(rates[100:]), rates[199]], rel=5e-3)
    assert rates.index(min(rates)) == 100


@pytest.mark.parametrize(
    ("first", "second", "loaded", "expected"),
    [
        (COSINE.format(100), COSINE.format(200), "state", ["warning"]),
        (COSINE.format(100), COSINE.format(200), 'torch.load("run.pt")["scheduler"]', ["warning"]),
        # Nobody knows what is in that: only what it would mean is told.
        (COSINE.format(100), COSINE.format(200), 'torch.load("other.pt")', ["information"]),
        (COSINE.format(200), COSINE.format(200), "state", []),
        ("StepLR(optimizer, 30)", "StepLR(optimizer, 60)", "state", ["warning"]),
        ("StepLR(optimizer, 30)", "StepLR(optimizer, 30)", "state", []),
        # A function is in no state: what the new one says counts.
        ("LambdaLR(optimizer, lambda e: 1 - e / 100)", "LambdaLR(optimizer, lambda e: 1 - e / 200)", "state", []),
    ],
)
def test_two_lengths_in_one_script_are_compared(first: str, second: str, loaded: str, expected: list[str]) -> None:
    text = TWICE.format(first=first, second=second, loaded=loaded)
    assert [f.severity for f in found(text, "CD703")] == expected


@pytest.mark.parametrize(
    ("length", "end", "expected"),
    [
        ("saved['epoch'] + 50", "saved['epoch'] + 50", ["warning"]),
        ("50 + saved['epoch']", "90", ["warning"]),
        ("90", "90", []),
        # What is loaded is what is meant.
        ("saved['epochs']", "saved['epochs']", []),
        ("90 - saved['epoch']", "90", []),
        ("saved['epoch'] + 1", "90", []),
    ],
)
def test_a_length_that_is_added_to_a_loaded_one_is_found(length: str, end: str, expected: list[str]) -> None:
    assert [f.severity for f in found(RESUMED.format(length, end), "CD703")] == expected


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        ("CosineAnnealingLR(optimizer, T_max=150)", "from epoch 100 on the rate rises again, up to 0.0484"),
        ("OneCycleLR(optimizer, 0.1, total_steps=150)", "ValueError: Tried to step 101 times"),
        ("PolynomialLR(optimizer, total_iters=150)", "the rate ends at 0 instead of 0.000667"),
    ],
)
def test_a_script_that_only_goes_on_is_told_what_a_shorter_first_run_would_mean(cls: str, expected: str) -> None:
    text = RESUMED.replace('saved["epoch"] + 1', "100").format(0, 150).replace(COSINE.format(0), cls)
    (finding,) = [f for f in cd.lint(script(text)) if f.severity != "error"]
    assert (finding.code, finding.severity) == ("CD703", "information")
    assert expected in finding.consequence
    whole = text.replace("100, 150", "0, 150").replace("scheduler.load", "if resume: scheduler.load")
    assert found(whole, "CD703") == []


# ---- schedules of optax ----------------------------------------------------------------------------------------------

DECIDED = [
    "0.1 if count < 5 else 0.01", "0.1 * min(count, 5)", "max(0.01, 0.1 - count / 500)", "0.1 if not count else 0.01",
    "(0.1 if 1 < count < 5 else 0.01)", "0.1 if count > 1 and count < 5 else 0.01", "[0.1, 0.01][count]",
    "float(count) / 10", "math.cos(count)", "numpy.minimum(count, 5) * 0.1", "sum(0.1 for _ in range(count))",
]  # fmt: skip
LEFT = [
    "0.1 * jnp.minimum(count, 5)", "jnp.where(count < 5, 0.1, 0.01)", "0.9 ** (count // 5)", "round(count) * 0.1",
    "0.1 if count is None else 0.2", "0.1 if count.ndim else 0.2", "jnp.cos(math.pi * count)", "abs(count) * 0.1",
    "sum([count, 1]) * 0.1", "0.1 if N > 5 else 0.2", "rates(count)", "math.sqrt(N) * 0.1 / (count + 1)",
]  # fmt: skip


@pytest.mark.parametrize("body", [*DECIDED, *LEFT])
def test_what_jax_refuses_in_a_schedule_is_found_with_its_own_words(body: str) -> None:
    told = found(
        "import math, numpy\n    N = 9\n".replace("    ", "") + script(OPTAX.format("return " + body)), "CD608"
    )
    assert len(told) == (body in DECIDED)
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    import math

    import jax.numpy as jnp
    import numpy

    names = {"math": math, "numpy": numpy, "jnp": jnp, "N": 9, "rates": lambda count: 0.1 * count}
    schedule = eval(f"lambda count: {body}", names)  # noqa: S307
    optimizer = optax.sgd(schedule)
    state = optimizer.init({"w": 1.0})
    try:
        jax.jit(optimizer.update)({"w": 1.0}, state, {"w": 1.0})
        raised = ""
    except Exception as error:
        raised = f"{type(error).__name__}: {error}"
    assert bool(raised) == bool(told)
    if told:
        assert raised.startswith(told[0].consequence.partition("Abstract")[0][:40])


def test_an_update_that_nobody_compiles_may_decide_in_python() -> None:
    text = OPTAX.format("return 0.1 if count < 5 else 0.01").replace("@jax.jit", "")
    assert found(text, "CD608") == []


def test_names_that_come_from_the_count_are_followed() -> None:
    body = "done = (count + 1) / 500\n        if done < 1:\n            return 1e-3 * done\n        return 1e-3"
    (finding,) = found(OPTAX.format(body), "CD608")
    assert finding.message == "done < 1 needs the value of count, which compiled code does not know"


@pytest.mark.parametrize(
    "use",
    [
        "optax.join_schedules([optax.linear_schedule(0.0, 0.1, 5), schedule], [5])",
        "optax.scale_by_schedule(schedule)",
        "optax.adamw(1e-3, weight_decay=schedule)",
        "optax.chain(optax.sgd(learning_rate=schedule))",
    ],
)
def test_a_schedule_is_found_wherever_optax_is_given_it(use: str) -> None:
    text = OPTAX.format("return 0.1 if count < 5 else 0.01").replace("optax.adamw(schedule, weight_decay=0.1)", use)
    assert len(found(text, "CD608")) == 1


# ---- AdamW -----------------------------------------------------------------------------------------------------------


def test_the_decay_that_is_left_is_what_torch_makes_of_a_weight() -> None:
    torch = pytest.importorskip("torch")
    article = Path(__file__).parent / "articles" / "adamw_stacked.py.txt"
    (finding,) = [f for f in cd.lint(article) if f.code == "CD808"]
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    optimizer = torch.optim.AdamW([weight], lr=1e-3, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.1)
    left, whole = [], 1.0
    for _ in range(100):
        before = weight.item()
        optimizer.step()
        scheduler.step()
        whole *= (weight.item() / before) ** 500
        left.append(1 - whole)
    total, shrunk, _, first, epochs, full = numbers(finding.consequence.replace("%", ""))
    assert shrunk == pytest.approx(100 * left[-1], abs=0.01)
    assert left[int(first) - 2] < 0.9 * left[-1] <= left[int(first) - 1] * 1.02
    assert (total, epochs, full) == pytest.approx(
        (0.05 * 1e-3 * 500 * (10 / 0.9), 100, 0.05 * 1e-3 * 500 * 100), rel=2e-3
    )


STACKED = """
    import torch
    optimizer = torch.optim.{}
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.955)
    for epoch in range(100):
        train(model, optimizer)
        scheduler.step()
        print(epoch, validate(model), scheduler.get_last_lr())
"""


@pytest.mark.parametrize(
    ("made", "count"),
    [
        ("AdamW(model.parameters(), lr=1e-3)", 1),
        ("AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)", 1),
        ("RAdam(model.parameters(), lr=1e-3, weight_decay=0.1, decoupled_weight_decay=True)", 1),
        ("AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)", 0),
        ("AdamW(model.parameters(), lr=1e-3, weight_decay=chosen)", 0),
        ("Adam(model.parameters(), lr=1e-3, weight_decay=0.1)", 0),
        ("SGD(model.parameters(), lr=1e-3, weight_decay=0.1)", 0),
    ],
)
def test_only_a_decay_that_is_multiplied_by_the_rate_goes_with_the_schedule(made: str, count: int) -> None:
    assert len(found(STACKED.format(made), "CD808")) == count


def test_a_sum_over_epochs_of_unknown_length_is_told_as_such() -> None:
    (finding,) = found(STACKED.format("AdamW(model.parameters(), lr=1e-3)"), "CD808")
    assert "for each update of an epoch" in finding.consequence
    (finding,) = found(STACKED.format("AdamW(model.parameters(), lr=1e-3)"), "CD808", steps_per_epoch=500)
    assert "so that it shrinks weights by" in finding.consequence
