"""Which trainings there are, and what is wrong with each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from labelled import tasks
from labelled.training import Plan

PLAIN = 'warmup("5%") >> cosine(to=0.01)'


@dataclass(frozen=True)
class Run:
    """A training with its label.

    Attributes:
        name: of the record.
        plan: what is trained.
        faults: what diagnosis has to find: one of these names; empty: the run is sound.
        near: what it may say besides, because the two are one fault seen from two sides.
        held: whether it is of a task that was not looked at while the rules were written.
        jump: where a metric jumps, or -1.
        cause: the event of the rate that made it jump; -1: there is none.
    """

    name: str
    plan: Plan
    faults: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    held: bool = False
    jump: int = -1
    cause: int = -1


MLP = Plan(tasks.digits_mlp, "sgd", 0.1, PLAIN, arguments={"momentum": 0.9})
CONV = Plan(tasks.digits_convnet, "sgd", 0.05, PLAIN, arguments={"momentum": 0.9}, updates=300)
GPT = Plan(tasks.gpt, "adamw", 3e-3, PLAIN, updates=300, batch=16)
TABLE = Plan(tasks.table, "adamw", 5e-3, PLAIN, updates=600)
DENOISE = Plan(tasks.denoising, "adamw", 3e-3, PLAIN, updates=400)
RNN = Plan(tasks.recurrent, "adam", 1e-2, PLAIN, updates=300, batch=32)
CANCER = Plan(tasks.patients, "sgd", 0.05, PLAIN, batch=32, arguments={"momentum": 0.9}, updates=300)

DEVELOPMENT = {"mlp": MLP, "conv": CONV, "gpt": GPT, "table": TABLE}
HELD = {"denoise": DENOISE, "rnn": RNN, "cancer": CANCER}
STEPS = 'steps(at=["50%", "75%"], gamma=0.1)'
PLATEAU = 'constant() * plateau("val_loss", factor=0.3, patience={patience})'


def runs() -> Iterator[Run]:
    """All of them, sound ones first."""
    yield from sound()
    for held, plans in ((False, DEVELOPMENT), (True, HELD)):
        for key, plan in plans.items():
            for run in faulty(plan):
                yield replace(run, name=f"{run.name}-{key}", held=held)
    yield from special()


def sound() -> Iterator[Run]:
    """Trainings with which nothing is wrong."""
    wsd = 'warmup("5%") >> constant() >> decay("20%", shape="1-sqrt")'
    yield Run("sound-mlp-cosine", MLP)
    yield Run("sound-mlp-constant-adamw", replace(MLP, optimizer="adamw", lr=1e-3, schedule="constant()", arguments={}))
    yield Run("sound-mlp-noisy", replace(MLP, batch=8, lr=0.02, updates=600, evaluate=50))
    yield Run("sound-mlp-steps", replace(MLP, lr=0.05, schedule=STEPS))
    yield Run("sound-conv-cosine", CONV)
    yield Run("sound-conv-wsd", replace(CONV, schedule=wsd))
    yield Run("sound-conv-constant", replace(CONV, lr=0.01, schedule="constant()"))
    yield Run("sound-gpt-cosine", GPT)
    yield Run("sound-gpt-wsd", replace(GPT, schedule=wsd, updates=500))
    yield Run("sound-gpt-small-batch", replace(GPT, batch=4, lr=2e-3, updates=500, evaluate=50))
    yield Run("sound-gpt-linear", replace(GPT, lr=1e-3, schedule='warmup("10%") >> linear(to=0)'))
    yield Run("sound-table-cosine", TABLE)
    yield Run("sound-table-noisy", replace(TABLE, batch=8, lr=2e-3, updates=600))
    yield Run("sound-table-exponential", replace(TABLE, optimizer="adam", schedule="exponential(to=0.1)"))
    yield Run("sound-table-restarts", replace(TABLE, schedule="cosine(200, to=0.05).repeat(3)"))
    yield Run("sound-table-plateau", replace(TABLE, lr=1e-2, schedule=PLATEAU.format(patience=4)))
    tuned = replace(MLP, start=replace(MLP, task=lambda: tasks.digits_mlp("small")), lr=0.01, updates=200)
    yield Run("sound-mlp-tuning", tuned)
    yield Run(
        "sound-conv-plateau", replace(CONV, schedule=PLATEAU.format(patience=2).replace("0.3", "0.5"), updates=400)
    )
    yield Run(
        "sound-gpt-steps", replace(GPT, schedule='warmup("5%") >> steps(at=["60%", "85%"], gamma=0.3)', updates=400)
    )
    yield Run("sound-table-sgd", replace(TABLE, optimizer="sgd", lr=0.05, arguments={"momentum": 0.9}, schedule=STEPS))
    other = replace(GPT, start=replace(GPT, task=lambda: tasks.gpt("[i-p]*.py")), lr=1e-3, updates=250)
    yield Run("sound-gpt-tuning", other)
    yield Run("sound-denoise-cosine", DENOISE, held=True)
    yield Run("sound-denoise-sgd", replace(DENOISE, optimizer="sgd", lr=0.5, arguments={"momentum": 0.9}), held=True)
    yield Run("sound-denoise-constant", replace(DENOISE, lr=1e-3, schedule='warmup("5%") >> constant()'), held=True)
    yield Run("sound-rnn-cosine", RNN, held=True)
    yield Run("sound-rnn-steps", replace(RNN, lr=5e-3, schedule='steps(at=["60%", "85%"], gamma=0.3)'), held=True)
    yield Run("sound-rnn-noisy", replace(RNN, batch=4, lr=3e-3, updates=500, evaluate=25), held=True)
    yield Run("sound-rnn-wsd", replace(RNN, lr=5e-3, schedule=wsd, updates=400), held=True)
    yield Run("sound-cancer-cosine", replace(CANCER, lr=0.02), held=True)
    yield Run("sound-cancer-adamw", replace(CANCER, optimizer="adamw", lr=1e-3, arguments={}), held=True)


def faulty(plan: Plan) -> Iterator[Run]:
    """What can go wrong with any task."""
    sgd = plan.optimizer == "sgd"
    yield Run("divergence", replace(plan, lr=plan.lr * (300 if sgd else 3000), schedule="constant()"), ("divergence",))
    climbs = 'warmup("60%", start=0.001) >> constant()'
    late = replace(plan, optimizer="sgd", lr=60.0 if sgd else 100.0, schedule=climbs, arguments={"momentum": 0.9})
    yield Run("divergence-late", late, ("divergence",), near=("oscillation",))
    # The table of patients is learnt in 20 updates at its own rate.
    easy = 0.2 if plan.task is tasks.patients else 1.0 if sgd else 0.5
    for severity, factor in (("", 0.01), ("-mild", 0.03)):
        yield Run(f"rate-low{severity}", replace(plan, lr=plan.lr * factor * easy), ("rate_low",))
    high = plan.lr * (16 if sgd else 600 if plan.task is tasks.gpt else 150)
    yield Run("rate-high", replace(plan, lr=high), ("rate_high", "divergence"), near=("oscillation", "over_fitting"))
    tail = 'warmup("5%") >> cosine("35%", to=0.0005) >> constant(start=0.0005)'
    yield Run("wasted-tail", replace(plan, schedule=tail), ("wasted_tail",), near=("stalled",))
    drops = 'steps(at=["15%", "25%"], gamma=0.01)'
    yield Run("dropped-early", replace(plan, schedule=drops), ("wasted_tail", "stalled"))
    noisy = replace(plan, judged=6 if plan.task is not tasks.gpt else 1)
    yield Run("noisy-validation", noisy, ("noisy_validation",))
    half = plan.updates // 2
    spoiled = replace(plan, spoiled=("schedule", half), schedule='warmup("2%") >> cosine(to=0.01)')
    yield Run("resume-schedule", spoiled, ("resume_jump",), near=("planned",), jump=half, cause=half)
    back = replace(plan, spoiled=("weights", half, half - 20), schedule=PLAIN)
    yield Run("resume-weights", back, ("resume_jump",), jump=half)


def special() -> Iterator[Run]:
    """What takes one kind of task to provoke."""
    swing = {"schedule": "constant()"}
    adam = {"optimizer": "adam", "arguments": {}}
    full = {"batch": 1390, "arguments": {"momentum": 0.8}}
    wild = ("oscillation", "rate_high", "stalled", "divergence")
    yield Run("oscillation-mlp", replace(MLP, lr=0.35, **swing), wild)
    yield Run("oscillation-mlp-adam", replace(MLP, lr=0.04, **swing, **adam), wild)
    yield Run("oscillation-mlp-full", replace(MLP, lr=0.5, **swing, **full), wild, near=("resume_jump",))
    yield Run("oscillation-table", replace(TABLE, lr=0.15, **swing), wild, near=("under_warmup",))
    yield Run("oscillation-gpt", replace(GPT, lr=0.3, **swing), wild, near=("under_warmup",))
    yield Run("oscillation-denoise", replace(DENOISE, lr=0.05, **swing), wild, near=("under_warmup",), held=True)
    yield Run("oscillation-cancer", replace(CANCER, lr=0.6, **swing), wild, near=("over_fitting",), held=True)
    yield Run("oscillation-rnn", replace(RNN, lr=0.3, **swing), wild, near=("under_warmup",), held=True)
    sudden = {"schedule": "cosine(to=0.01)"}
    short = ("under_warmup",)
    yield Run("under-warmup-mlp", replace(MLP, lr=0.1, **sudden, **adam), short)
    yield Run("under-warmup-conv", replace(CONV, lr=0.2, **sudden, **adam), short)
    yield Run("under-warmup-table", replace(TABLE, lr=0.12, **sudden), short)
    yield Run("under-warmup-denoise", replace(DENOISE, lr=0.06, **sudden, **adam), short, held=True)
    yield Run(
        "under-warmup-cancer", replace(CANCER, lr=0.1, optimizer="rmsprop", arguments={}, **sudden), short, held=True
    )
    yield Run("under-warmup-rnn", replace(RNN, lr=0.3, **sudden), short, near=("rate_high",), held=True)
    # A rate far beyond the noise floor: no progress while it holds, and all of it when it falls.
    yield Run(
        "stalled-table",
        replace(TABLE, optimizer="sgd", lr=0.1, batch=8, arguments={}, schedule="constant()"),
        ("stalled", "rate_high", "oscillation"),
    )
    yield Run("stalled-gpt", replace(GPT, lr=0.1, schedule="constant()"), ("stalled", "rate_high", "oscillation"))
    yield Run(
        "stalled-mlp",
        replace(MLP, optimizer="rmsprop", lr=8e-3, batch=16, arguments={}, schedule="constant()"),
        ("stalled", "rate_high", "oscillation"),
    )
    yield Run(
        "stalled-denoise",
        replace(DENOISE, lr=1.5e-2, batch=8, schedule="constant()"),
        ("stalled", "rate_high", "oscillation"),
        held=True,
    )
    yield Run(
        "stalled-rnn",
        replace(RNN, lr=4e-2, batch=4, updates=500, schedule="constant()"),
        ("stalled", "rate_high", "oscillation"),
        held=True,
    )
    learnt = {"updates": 500, "batch": 32, "lr": 2e-3, "optimizer": "adam", "arguments": {}}
    yield Run("overfitting-digits", replace(MLP, task=tasks.small_digits, **learnt), ("over_fitting",))
    yield Run("overfitting-table", replace(TABLE, task=tasks.small_table, batch=30, lr=1e-2), ("over_fitting",))
    yield Run(
        "overfitting-table-constant",
        replace(TABLE, task=tasks.small_table, batch=30, lr=4e-3, schedule="constant()"),
        ("over_fitting",),
    )
    yield Run(
        "overfitting-cancer",
        replace(CANCER, optimizer="adam", lr=5e-3, arguments={}, updates=500),
        ("over_fitting",),
        held=True,
    )
    yield Run(
        "overfitting-gpt",
        replace(GPT, task=lambda: tasks.gpt("ab*.py"), updates=900, lr=4e-3),
        ("over_fitting",),
        held=True,
    )
    eager, late = PLATEAU.format(patience=0), 'constant() * plateau("val_loss", factor=0.1, patience=40, threshold=0.1)'
    yield Run(
        "plateau-eager-mlp",
        replace(MLP, lr=0.02, evaluate=4, judged=60, schedule=eager),
        ("plateau_eager", "wasted_tail"),
        near=("noisy_validation",),
    )
    yield Run(
        "plateau-eager-gpt",
        replace(GPT, evaluate=5, judged=10, schedule=eager),
        ("plateau_eager", "wasted_tail"),
        near=("noisy_validation",),
    )
    yield Run(
        "plateau-eager-rnn",
        replace(RNN, evaluate=5, judged=10, schedule=eager),
        ("plateau_eager", "wasted_tail"),
        near=("noisy_validation",),
        held=True,
    )
    yield Run(
        "plateau-late-table",
        replace(TABLE, optimizer="sgd", lr=0.1, batch=8, arguments={}, evaluate=8, updates=800, schedule=late),
        ("plateau_late",),
        near=("stalled", "rate_high", "oscillation"),
    )
    yield Run(
        "plateau-late-adam",
        replace(TABLE, lr=4e-2, batch=8, evaluate=8, updates=800, schedule=late),
        ("plateau_late",),
        near=("stalled", "rate_high", "oscillation"),
    )
    yield Run(
        "plateau-late-denoise",
        replace(DENOISE, lr=1.2e-2, batch=8, evaluate=8, updates=800, schedule=late),
        ("plateau_late",),
        near=("stalled", "rate_high", "oscillation"),
        held=True,
    )
    for name, plan, held in (
        ("mlp", replace(MLP, lr=0.2), False),
        ("table", replace(TABLE, lr=1.5e-2), False),
        ("cancer", replace(CANCER, lr=0.1), True),
    ):
        few = replace(plan, judged=-10)
        yield Run(f"few-judged-{name}", few, ("noisy_validation", "oscillation"), near=("over_fitting",), held=held)
    for name, plan, begins, held in (
        ("mlp", MLP, "0.", False),
        ("gpt", GPT, "head", False),
        ("conv", CONV, "1.", False),
        ("rnn", RNN, "cell", True),
        ("denoise", DENOISE, "2.", True),
    ):
        yield Run(
            f"still-{name}",
            replace(plan, still=(begins, 0.0 if name in ("mlp", "rnn") else 1e-4)),
            ("still_groups",),
            held=held,
        )
    for name, plan, held in (("mlp", MLP, False), ("gpt", GPT, False), ("rnn", RNN, True)):
        yield Run(f"input-bound-{name}", replace(plan, wait=0.03), ("input_bound",), held=held)
        yield Run(
            f"scale-collapse-{name}", replace(plan, half=3.0 if name == "mlp" else 0.02), ("loss_scale",), held=held
        )
    for name, plan, held in (("mlp", MLP, False), ("gpt", GPT, False), ("cancer", CANCER, True)):
        n = plan.updates
        yield Run(
            f"written-{name}",
            replace(plan, spoiled=("rate", n // 3, n // 2, 0.3)),
            ("planned",),
            near=("resume_jump",),
            held=held,
        )
    for name, plan, held in (
        ("mlp", replace(MLP, lr=0.05), False),
        ("table", replace(TABLE, lr=1e-2), False),
        ("denoise", DENOISE, True),
    ):
        n = plan.updates
        yield Run(
            f"jump-clean-{name}",
            replace(plan, schedule="constant()", spoiled=("clean", n * 3 // 5)),
            near=("noisy_validation", "oscillation"),
            jump=n * 3 // 5,
            held=held,
        )
    step = 'steps(at=["50%"], gamma=0.1)'
    noisy_sgd = replace(TABLE, lr=4e-2, batch=8, evaluate=10)
    yield Run(
        "jump-step-table",
        replace(noisy_sgd, schedule=step),
        near=("rate_high", "plateau_late", "under_warmup", "oscillation"),
        jump=300,
        cause=300,
    )
    yield Run(
        "jump-step-denoise",
        replace(DENOISE, lr=1.5e-2, batch=8, schedule=step, evaluate=10),
        near=("rate_high", "plateau_late"),
        jump=200,
        cause=200,
        held=True,
    )
    yield Run(
        "jump-step-mlp",
        replace(MLP, optimizer="rmsprop", lr=1e-2, batch=16, arguments={}, evaluate=10, schedule=step),
        near=("rate_high", "oscillation", "plateau_late", "stalled"),
        jump=200,
        cause=200,
    )
