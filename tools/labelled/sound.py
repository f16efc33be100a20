"""Trainings with which nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from labelled import tasks
from labelled.plans import (
    CANCER,
    CONSTANT,
    CONV,
    DENOISE,
    GATED,
    GPT,
    HEAVY,
    MLP,
    MOONS,
    RNN,
    ROWS,
    TABLE,
    WAVES,
    WSD,
    Run,
)

STEPS = 'steps(at=["50%", "75%"], gamma=0.1)'
LATE_STEPS = 'steps(at=["60%", "85%"], gamma=0.3)'


def sound() -> Iterator[Run]:
    """Cosine, WSD, steps, constant, restarts, plateau; SGD and Adam; small batches; fine-tuning."""
    yield Run("sound-cosine-mlp", MLP)
    yield Run("sound-constant-mlp", replace(MLP, optimizer="adamw", lr=1e-3, schedule=CONSTANT, arguments={}))
    yield Run("sound-noisy-mlp", replace(MLP, batch=8, lr=0.02, updates=600, evaluate=50, wait=-1))
    yield Run("sound-steps-mlp", replace(MLP, lr=0.05, schedule=STEPS))
    yield Run("sound-cosine-conv", CONV)
    yield Run("sound-wsd-conv", replace(CONV, schedule=WSD))
    yield Run("sound-constant-conv", replace(CONV, lr=0.01, schedule=CONSTANT))
    halves = 'constant() * plateau("val_loss", factor=0.5, patience=2)'
    yield Run("sound-plateau-conv", replace(CONV, schedule=halves, updates=400))
    yield Run("sound-cosine-gpt", GPT)
    yield Run("sound-wsd-gpt", replace(GPT, schedule=WSD, updates=500))
    yield Run("sound-noisy-gpt", replace(GPT, batch=4, lr=2e-3, updates=500, evaluate=50))
    yield Run("sound-linear-gpt", replace(GPT, lr=5e-3, schedule='warmup("10%") >> linear(to=0)'))
    yield Run("sound-steps-gpt", replace(GPT, schedule=f'warmup("5%") >> {LATE_STEPS}', updates=400))
    yield Run("sound-cosine-table", TABLE)
    yield Run("sound-noisy-table", replace(TABLE, batch=8, lr=2e-3))
    yield Run("sound-exponential-table", replace(TABLE, optimizer="adam", schedule="exponential(to=0.1)"))
    yield Run("sound-restarts-table", replace(TABLE, schedule="cosine(200, to=0.05).repeat(3)"))
    rule = 'constant() * plateau("val_loss", factor=0.3, patience=4)'
    yield Run("sound-plateau-table", replace(TABLE, lr=1e-2, schedule=rule))
    yield Run("sound-steps-table", replace(TABLE, optimizer="sgd", lr=0.05, arguments=HEAVY, schedule=STEPS))
    few = replace(MLP, task=lambda: tasks.digits_mlp("small"))
    yield Run("sound-tuning-mlp", replace(MLP, start=few, lr=0.01, updates=200))
    other = replace(GPT, task=lambda: tasks.gpt("[i-p]*.py"))
    yield Run("sound-tuning-gpt", replace(GPT, start=other, lr=1e-3, updates=250))
    yield Run("sound-cosine-denoise", DENOISE)
    yield Run("sound-sgd-denoise", replace(DENOISE, optimizer="sgd", lr=0.5, arguments=HEAVY))
    yield Run("sound-constant-denoise", replace(DENOISE, lr=1e-3, schedule='warmup("5%") >> constant()'))
    yield Run("sound-cosine-rnn", RNN)
    yield Run("sound-steps-rnn", replace(RNN, lr=5e-3, schedule=LATE_STEPS))
    yield Run("sound-noisy-rnn", replace(RNN, batch=4, lr=3e-3, updates=500, evaluate=25))
    yield Run("sound-wsd-rnn", replace(RNN, lr=5e-3, schedule=WSD, updates=400))
    yield Run("sound-cosine-cancer", replace(CANCER, lr=0.02))
    yield Run("sound-adam-cancer", replace(CANCER, optimizer="adamw", lr=1e-3, arguments={}))
    yield from of_held_tasks()


def of_held_tasks() -> Iterator[Run]:
    """The same kinds on tasks that were not looked at."""
    yield Run("sound-cosine-rows", ROWS)
    yield Run("sound-constant-rows", replace(ROWS, lr=1e-3, schedule=CONSTANT, updates=600))
    yield Run("sound-wsd-rows", replace(ROWS, schedule=WSD, batch=32))
    yield Run("sound-tuning-rows", replace(ROWS, start=replace(ROWS, updates=120), lr=2e-3, updates=250))
    yield Run("sound-cosine-gated", GATED)
    yield Run("sound-linear-gated", replace(GATED, schedule='warmup("10%") >> linear(to=0)', updates=400))
    yield Run("sound-noisy-gated", replace(GATED, batch=6, lr=5e-3, updates=450, evaluate=30))
    yield Run("sound-cosine-moons", MOONS)
    yield Run("sound-steps-moons", replace(MOONS, schedule=STEPS))
    yield Run("sound-cosine-waves", WAVES)
    yield Run("sound-exponential-waves", replace(WAVES, schedule="exponential(to=0.05)"))
    yield Run(
        "sound-plateau-waves", replace(WAVES, schedule='constant() * plateau("val_loss", factor=0.5, patience=3)')
    )
