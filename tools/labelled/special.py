"""Faults that each task needs its own numbers for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from labelled import tasks
from labelled.plans import (
    CANCER,
    CONSTANT,
    CONV,
    DENOISE,
    GATED,
    GPT,
    MLP,
    MOONS,
    RNN,
    ROWS,
    TABLE,
    WAVES,
    Run,
    noisier,
)

WILD = ("oscillation", "rate_high", "stalled", "divergence")
"""What a constant rate that is too high looks like depends on the task."""


def special() -> Iterator[Run]:
    """All of them."""
    yield from wild()
    yield from sudden()
    yield from learnt_by_heart()
    yield from cut()
    yield from of_machine_and_groups()
    yield from jumps()


def wild() -> Iterator[Run]:
    """Constant rates that are too high."""
    high: dict[str, Any] = {"schedule": CONSTANT}
    adam: dict[str, Any] = {"optimizer": "adam", "arguments": {}}
    rmsprop: dict[str, Any] = {"optimizer": "rmsprop", "arguments": {}}
    sgd: dict[str, Any] = {"optimizer": "sgd", "arguments": {}}
    full: dict[str, Any] = {"batch": 1390, "arguments": {"momentum": 0.8}}
    yield Run("oscillation-mlp", replace(MLP, lr=0.35, **high), WILD)
    yield Run("oscillation-adam-mlp", replace(MLP, lr=0.04, **high, **adam), WILD)
    yield Run("oscillation-full-mlp", replace(MLP, lr=0.5, **high, **full), WILD, near=("resume_jump",))
    for name, plan, lr in (
        ("table", TABLE, 0.15), ("gpt", GPT, 0.3), ("denoise", DENOISE, 0.05), ("rnn", RNN, 0.3), ("rows", ROWS, 0.1),
        ("waves", WAVES, 0.15),
    ):  # fmt: skip
        yield Run(f"oscillation-{name}", replace(plan, lr=lr, **high), WILD, near=("under_warmup",))
    yield Run("oscillation-cancer", replace(CANCER, lr=0.6, **high), WILD, near=("over_fitting",))
    yield Run("oscillation-moons", replace(MOONS, lr=1.2, **high), WILD, near=("under_warmup",))
    yield Run("stalled-table", replace(TABLE, lr=0.1, batch=8, **sgd, **high), WILD)
    yield Run("stalled-gpt", replace(GPT, lr=0.1, **high), WILD)
    yield Run("stalled-mlp", replace(MLP, lr=8e-3, batch=16, **rmsprop, **high), WILD)
    yield Run("stalled-denoise", replace(DENOISE, lr=3e-2, batch=8, **high), WILD)
    yield Run("stalled-rnn", replace(RNN, lr=4e-2, batch=4, updates=500, **high), WILD)
    yield Run("stalled-gated", replace(GATED, lr=0.1, batch=6, updates=450, **high), WILD)
    yield Run("stalled-waves", replace(WAVES, lr=4e-2, batch=8, **high), WILD)


def sudden() -> Iterator[Run]:
    """High rates from the first update on, that are borne later."""
    short, near = ("under_warmup",), ("rate_high",)
    begin: dict[str, Any] = {"schedule": "cosine(to=0.01)"}
    adam: dict[str, Any] = {"optimizer": "adam", "arguments": {}}
    yield Run("under-warmup-mlp", replace(MLP, lr=0.1, **begin, **adam), short)
    yield Run("under-warmup-conv", replace(CONV, lr=0.2, **begin, **adam), short)
    yield Run("under-warmup-table", replace(TABLE, lr=0.08, **begin), short, near)
    yield Run("under-warmup-denoise", replace(DENOISE, lr=0.06, **begin, **adam), short)
    rmsprop: dict[str, Any] = {"optimizer": "rmsprop", "arguments": {}}
    yield Run("under-warmup-cancer", replace(CANCER, lr=0.1, **rmsprop, **begin), short)
    yield Run("under-warmup-rnn", replace(RNN, lr=0.5, **begin), short, near)
    yield Run("under-warmup-waves", replace(WAVES, lr=0.06, **begin), short, near)
    yield Run("under-warmup-rows", replace(ROWS, lr=0.06, **begin), short, near)


def learnt_by_heart() -> Iterator[Run]:
    """Few examples, and updates enough."""
    found = ("over_fitting",)
    learnt: dict[str, Any] = {"updates": 500, "batch": 32, "lr": 2e-3, "optimizer": "adam", "arguments": {}}
    yield Run("overfitting-mlp", replace(MLP, task=tasks.small_digits, **learnt), found)
    table = replace(TABLE, task=tasks.small_table, batch=30)
    yield Run("overfitting-table", replace(table, lr=1e-2), found)
    yield Run("overfitting-constant-table", replace(table, lr=4e-3, schedule=CONSTANT), found)
    yield Run("overfitting-cancer", replace(CANCER, optimizer="adam", lr=5e-3, arguments={}, updates=500), found)
    yield Run("overfitting-gpt", replace(GPT, task=lambda: tasks.gpt("ab*.py"), updates=900, lr=4e-3), found)
    few = replace(MOONS, task=lambda: tasks.moons(100), optimizer="adam", lr=2e-2, arguments={}, updates=600)
    yield Run("overfitting-moons", few, found)


def cut() -> Iterator[Run]:
    """Rules that cut the rate on noise, or wait far too long."""
    eager = 'constant() * plateau("val_loss", factor=0.3, patience=0)'
    found, near = ("plateau_eager", "wasted_tail"), ("noisy_validation",)
    yield Run("plateau-eager-mlp", replace(MLP, lr=0.02, evaluate=4, judged=60, schedule=eager), found, near)
    for name, plan in (("gpt", GPT), ("rnn", RNN), ("gated", GATED)):
        yield Run(f"plateau-eager-{name}", replace(plan, evaluate=5, judged=10, schedule=eager), found, near)
    yield Run("plateau-eager-waves", replace(WAVES, evaluate=5, judged=20, schedule=eager), found, near)
    waits = 'constant() * plateau("val_loss", factor=0.1, patience=40, threshold=0.1)'
    late: dict[str, Any] = {"evaluate": 8, "updates": 800, "schedule": waits}
    besides = ("stalled", "rate_high", "oscillation")
    sgd: dict[str, Any] = {"optimizer": "sgd", "arguments": {}}
    yield Run("plateau-late-table", replace(TABLE, lr=0.1, batch=8, **sgd, **late), ("plateau_late",), besides)
    yield Run("plateau-late-adam-table", replace(noisier(TABLE, 8), **late), ("plateau_late",), besides)
    yield Run("plateau-late-denoise", replace(noisier(DENOISE, 4), **late), ("plateau_late",), besides)
    yield Run("plateau-late-waves", replace(noisier(WAVES, 6), **late), ("plateau_late",), besides)


def of_machine_and_groups() -> Iterator[Run]:
    """Few examples to judge by, groups that stand, waiting for data, half precision, a rate that somebody writes."""
    for name, plan, factor in (("table", TABLE, 3), ("rows", ROWS, 1)):
        few = replace(plan, lr=plan.lr * factor, judged=-10)
        yield Run(f"few-judged-{name}", few, ("noisy_validation", "oscillation"), near=("over_fitting",))
    for name, plan, begins, factor in (
        ("mlp", MLP, "0.", 0.0), ("gpt", GPT, "head", 1e-4), ("conv", CONV, "1.", 1e-4), ("rnn", RNN, "cell", 0.0),
        ("denoise", DENOISE, "2.", 1e-4), ("rows", ROWS, "block", 1e-4), ("moons", MOONS, "2.", 0.0),
    ):  # fmt: skip
        yield Run(f"still-{name}", replace(plan, still=(begins, factor)), ("still_groups",))
    for name, plan, most in (("mlp", MLP, 3.0), ("gpt", GPT, 0.02), ("rnn", RNN, 0.02), ("gated", GATED, 0.02)):
        yield Run(f"input-bound-{name}", replace(plan, wait=0.03), ("input_bound",))
        yield Run(f"scale-collapse-{name}", replace(plan, half=most), ("loss_scale",))
    for name, plan, factor in (("mlp", MLP, 0.3), ("gpt", GPT, 0.3), ("cancer", CANCER, 0.3), ("rows", ROWS, 0.2)):
        written = replace(plan, spoiled=("rate", plan.updates // 3, plan.updates // 2, factor))
        yield Run(f"written-{name}", written, ("planned",), near=("resume_jump",))


def jumps() -> Iterator[Run]:
    """Metrics that jump: with an event of the rate, and without one."""
    for name, plan in (
        ("mlp", replace(MLP, lr=0.05)), ("table", replace(TABLE, lr=1e-2)), ("denoise", DENOISE), ("rows", ROWS),
    ):  # fmt: skip
        at = plan.updates * 3 // 5
        clean = replace(plan, schedule=CONSTANT, spoiled=("clean", at))
        yield Run(f"jump-clean-{name}", clean, near=("noisy_validation", "oscillation", "plateau_late"), jump=at)
    besides = ("rate_high", "oscillation", "plateau_late", "stalled", "under_warmup")
    for name, plan, factor in (("table", TABLE, 8), ("denoise", DENOISE, 5), ("waves", WAVES, 6), ("gpt", GPT, 20)):
        at = plan.updates // 2
        step = replace(noisier(plan, factor), schedule='steps(at=["50%"], gamma=0.1)', evaluate=10)
        yield Run(f"jump-step-{name}", step, near=besides, jump=at, cause=at)
