"""Scripts that train with an engine of Ignite's: the rate that is told is the one that Ignite runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cadence._errors import ScriptError
from cadence.script.rates import Rate, rates
from cadence.script.read import read_script
from script.corpus import BATCHES, PREAMBLE
from script.test_rates import really

IMPORTS = """
from ignite.engine import Engine, Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import *
from ignite.metrics import Loss
"""
OPTIMIZER = "optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n"
SUPERVISED = OPTIMIZER + "trainer = create_supervised_trainer(model, optimizer, criterion)\n"
OWN = (
    OPTIMIZER
    + """
def train_step(engine, batch):
    model.train()
    x, y = batch
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()

trainer = Engine(train_step)
"""
)
RUN = "trainer.run(train_loader, max_epochs=4)\n"
LINEAR = 'LinearCyclicalScheduler(optimizer, "lr", 0.1, 0.01, 7)'
COSINE = 'CosineAnnealingScheduler(optimizer, "lr", 0.1, 0.01, 5)'

SCRIPTS = {
    "no schedule": SUPERVISED + RUN,
    "a scheduler of Ignite's at every iteration": SUPERVISED
    + f"scheduler = {LINEAR}\ntrainer.add_event_handler(Events.ITERATION_STARTED, scheduler)\n"
    + RUN,
    "one iteration late": OWN + f"trainer.add_event_handler(Events.ITERATION_COMPLETED, {COSINE})\n" + RUN,
    "attached by itself": OWN + f"scheduler = {LINEAR}\nscheduler.attach(trainer, Events.ITERATION_STARTED)\n" + RUN,
    "attached by itself, the usual event": OWN + f"{COSINE}.attach(trainer)\n" + RUN,
    "per epoch": OWN + f"trainer.add_event_handler(Events.EPOCH_STARTED, {COSINE})\n" + RUN,
    "every second": OWN + f"trainer.add_event_handler(Events.ITERATION_STARTED(every=2), {LINEAR})\n" + RUN,
    "once": OWN + f"trainer.add_event_handler(Events.ITERATION_STARTED(once=[2, 5]), {LINEAR})\n" + RUN,
    "after and before": OWN
    + f"trainer.add_event_handler(Events.ITERATION_STARTED(after=2, before=9, every=3), {LINEAR})\n"
    + RUN,
    "filtered by a function": OWN
    + f"trainer.add_event_handler(Events.ITERATION_STARTED(event_filter=lambda e, k: k in (1, 4, 6)), {LINEAR})\n"
    + RUN,
    "one event or another": OWN
    + f"trainer.add_event_handler(Events.EPOCH_STARTED | Events.ITERATION_COMPLETED(every=3), {LINEAR})\n"
    + RUN,
    "an event in a variable": OWN
    + f"event = Events.ITERATION_STARTED(every=3)\ntrainer.add_event_handler(event, {LINEAR})\n"
    + RUN,
    "one of torch's, wrapped": OWN + "scheduler = LRScheduler(lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5))\n"
    "trainer.add_event_handler(Events.ITERATION_STARTED, scheduler)\n" + RUN,
    "one of torch's, stepped under a decorator": OWN
    + """
scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.9)

@trainer.on(Events.EPOCH_COMPLETED)
def step_lr(engine):
    scheduler.step()
    print(engine.state.epoch, scheduler.get_last_lr())
"""
    + RUN,
    "one of torch's, stepped by a function without an engine": OWN
    + """
scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, epochs=4, steps_per_epoch=len(train_loader))

@trainer.on(Events.ITERATION_COMPLETED)
def step_lr():
    scheduler.step()
"""
    + RUN,
    "one of torch's, stepped by a lambda": OWN + "scheduler = lr_scheduler.MultiStepLR(optimizer, [1, 3], gamma=0.1)\n"
    "trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: scheduler.step())\n" + RUN,
    "handed on": OWN
    + """
def step_lr(engine, which, times):
    for _ in range(times):
        which.step()
trainer.add_event_handler(Events.EPOCH_COMPLETED, step_lr, lr_scheduler.ExponentialLR(optimizer, 0.9), 2)
"""
    + RUN,
    "the epoch says which": OWN
    + """
scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
@trainer.on(Events.ITERATION_COMPLETED)
def step_lr(engine):
    if engine.state.epoch > 1 and engine.state.iteration % 2 == 0:
        scheduler.step()
"""
    + RUN,
    "warmup by ignite, then its own": SUPERVISED
    + f"scheduler = create_lr_scheduler_with_warmup({COSINE}, warmup_start_value=0.0, warmup_end_value=0.1, "
    "warmup_duration=4)\ntrainer.add_event_handler(Events.ITERATION_STARTED, scheduler)\n" + RUN,
    "warmup by ignite, then torch's": SUPERVISED
    + "torch_scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.9)\n"
    "scheduler = create_lr_scheduler_with_warmup(torch_scheduler, warmup_start_value=0.0, warmup_duration=4)\n"
    "trainer.add_event_handler(Events.ITERATION_STARTED, scheduler)\n" + RUN,
    "one after the other": OWN + f"scheduler = ConcatScheduler([{LINEAR}, {COSINE}], [4])\n"
    "trainer.add_event_handler(Events.ITERATION_STARTED, scheduler)\n" + RUN,
    "points": OWN + 'scheduler = PiecewiseLinear(optimizer, "lr", [(0, 0.0), (3, 0.2), (9, 0.02)])\n'
    "trainer.add_event_handler(Events.ITERATION_STARTED, scheduler)\n" + RUN,
    "points from the length of the run": OWN
    + """
config = {"lr": 0.2, "epochs": 4}
config["iterations"] = len(train_loader)
points = [(0, 0.0), (config["iterations"], config["lr"]), (config["iterations"] * config["epochs"], 0.0)]
trainer.add_event_handler(Events.ITERATION_STARTED, PiecewiseLinear(optimizer, "lr", milestones_values=points))
"""
    + RUN,
    "a scheduler for each group": OWN.replace(
        "model.parameters()", '[{"params": model[0].parameters()}, {"params": model[1].parameters(), "lr": 0.3}]'
    )
    + """
first = LinearCyclicalScheduler(optimizer, "lr", 0.1, 0.01, 6, param_group_index=0)
second = CosineAnnealingScheduler(optimizer, "lr", 0.3, 0.03, 6, param_group_index=1)
trainer.add_event_handler(Events.ITERATION_STARTED, ParamGroupScheduler([first, second]))
"""
    + RUN,
    "one group of two": OWN.replace(
        "model.parameters()", '[{"params": model[0].parameters()}, {"params": model[1].parameters(), "lr": 0.3}]'
    )
    + 'scheduler = LinearCyclicalScheduler(optimizer, "lr", 0.1, 0.01, 6, param_group_index=1)\n'
    "trainer.add_event_handler(Events.ITERATION_STARTED, scheduler)\n" + RUN,
    "the momentum alone": OWN + 'scheduler = LinearCyclicalScheduler(optimizer, "momentum", 0.9, 0.5, 6)\n'
    "trainer.add_event_handler(Events.ITERATION_STARTED, scheduler)\n" + RUN,
    "accumulation": OPTIMIZER
    + "trainer = create_supervised_trainer(model, optimizer, criterion, gradient_accumulation_steps=2)\n"
    f"trainer.add_event_handler(Events.ITERATION_STARTED, {LINEAR})\n" + RUN,
    "accumulation by hand": OPTIMIZER
    + f"""
def train_step(engine, batch):
    x, y = batch
    criterion(model(x), y).backward()
    if engine.state.iteration % 2 == 0:
        optimizer.step()
        optimizer.zero_grad()
trainer = Engine(train_step)
trainer.add_event_handler(Events.ITERATION_STARTED, {LINEAR})
"""
    + RUN,
    "a length of the epoch": OWN
    + f"{COSINE}.attach(trainer)\n"
    + "trainer.run(train_loader, max_epochs=3, epoch_length=2)\n",
    "iterations instead of epochs": OWN + f"{COSINE}.attach(trainer)\n" + "trainer.run(train_loader, max_iters=8)\n",
    "no data": OWN.replace("x, y = batch", "x, y = torch.zeros(1, 1), torch.zeros(1, 1)")
    + f"{COSINE}.attach(trainer)\n"
    + "trainer.run(max_epochs=2, epoch_length=5)\n",
    "a list of batches": OWN
    + f"{COSINE}.attach(trainer)\n"
    + "trainer.run([(torch.zeros(1, 1), torch.zeros(1, 1)), (torch.ones(1, 1), torch.zeros(1, 1))], max_epochs=3)\n",
    "run on": OWN + f"{COSINE}.attach(trainer)\n" + RUN + "trainer.run(train_loader, max_epochs=6)\n",
    "run again": OWN + f"trainer.add_event_handler(Events.EPOCH_STARTED(once=2), {LINEAR})\n" + RUN + RUN,
    "run anew": OWN
    + f"{COSINE}.attach(trainer)\n{RUN}trainer.state.max_epochs = None\n"
    + "trainer.run(train_loader, max_epochs=2)\n",
    "two optimizers": """
first = optim.SGD(model[0].parameters(), lr=0.1)
second = optim.SGD(model[1].parameters(), lr=0.2)
def train_step(engine, batch):
    x, y = batch
    criterion(model(x), y).backward()
    first.step()
    second.step()
trainer = Engine(train_step)
trainer.add_event_handler(Events.ITERATION_STARTED, PiecewiseLinear(first, "lr", [(0, 0.1), (9, 0.0)]))
scheduler = lr_scheduler.StepLR(second, 2)
trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: scheduler.step())
"""
    + RUN,
    "all in functions": """
def create_trainer(model, optimizer, criterion, scheduler):
    def train_step(engine, batch):
        x, y = batch
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()

    engine = Engine(train_step)
    engine.add_event_handler(Events.ITERATION_STARTED, scheduler)

    @engine.on(Events.EPOCH_COMPLETED(every=2))
    def show(engine):
        print(engine.state.epoch)

    return engine

def run(config):
    optimizer = optim.SGD(model.parameters(), lr=config["lr"])
    scheduler = CosineAnnealingScheduler(optimizer, "lr", config["lr"], 0.01, len(train_loader) * config["epochs"])
    trainer = create_trainer(model, optimizer, criterion, scheduler)
    evaluator = create_supervised_evaluator(model, {"loss": Loss(criterion)})

    @trainer.on(Events.EPOCH_COMPLETED)
    def validate(engine):
        evaluator.run(val_loader)

    trainer.run(train_loader, max_epochs=config["epochs"])

if __name__ == "__main__":
    run({"lr": 0.2, "epochs": 4})
""",
    "in a class": f"""
class Trainer:
    def __init__(self, lr):
        self.optimizer = optim.SGD(model.parameters(), lr=lr)
        self.scheduler = lr_scheduler.LambdaLR(self.optimizer, lambda k: 1 / (1 + k))
        self.engine = Engine(self.train_step)
        self.engine.add_event_handler(Events.ITERATION_COMPLETED, self.follow)

    def train_step(self, engine, batch):
        x, y = batch
        criterion(model(x), y).backward()
        self.optimizer.step()

    def follow(self, engine):
        self.scheduler.step()

    def fit(self, loader, epochs):
        self.engine.run(loader, max_epochs=epochs)

Trainer(0.1).fit(train_loader, {BATCHES})
""",
}


def told(text: str, **options: object) -> list[Rate]:
    return rates(read_script(text, steps_per_epoch=BATCHES), **options)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_rate_of_a_script_is_the_one_that_ignite_runs(name: str, tmp_path: Path) -> None:
    text = PREAMBLE + IMPORTS + SCRIPTS[name]
    found = told(text)
    pytest.importorskip("ignite")
    ran = really(text, tmp_path)
    assert len(found) == len(ran)
    for rate, values in zip(found, ran, strict=True):
        assert rate.total == len(values)
        for g in range(len(values[0])):
            expected = np.array([row[g] for row in values])
            np.testing.assert_allclose(
                rate.curve().values(group=g, value="lr"), expected, rtol=1e-9, atol=1e-12 * expected.max()
            )


def one(text: str, steps: int | None = None) -> Rate:
    (rate,) = rates(read_script("import torch\nfrom torch.optim import lr_scheduler\nfrom torch import optim\n"
                                + IMPORTS + text, steps_per_epoch=steps))  # fmt: skip
    return rate


def test_a_scheduler_of_ignite_s_is_told_in_words() -> None:
    rate = one(SUPERVISED + f"trainer.add_event_handler(Events.ITERATION_STARTED, {COSINE})\n" + RUN, 100)
    assert repr(rate.schedule) == "cosine(5, to=0.1).repeat()"
    assert (rate.total, rate.steps_per_epoch, rate.per) == (400, 100, "update")


def test_where_only_epochs_move_the_rate_the_length_of_one_does_not_matter() -> None:
    step = "scheduler = lr_scheduler.StepLR(optimizer, 2)\ntrainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: "
    rate = one(OWN + step + "scheduler.step())\n" + RUN)
    assert (rate.per, rate.total) == ("epoch", 4)
    np.testing.assert_allclose(rate.curve().values(value="lr"), [0.1, 0.1, 0.01, 0.01])


def test_a_launcher_calls_its_function_in_one_process() -> None:
    text = f"""
import ignite.distributed as idist
def training(local_rank, lr):
    optimizer = idist.auto_optim(optim.SGD(model.parameters(), lr=lr))
    trainer = create_supervised_trainer(idist.auto_model(model), optimizer, criterion)
    trainer.add_event_handler(Events.ITERATION_STARTED, {COSINE})
    trainer.run(train_loader, max_epochs=4)
with idist.Parallel(backend="gloo") as parallel:
    parallel.run(training, lr=0.1)
"""
    rate = one(text, 5)
    assert (rate.total, repr(rate.schedule)) == (20, "cosine(5, to=0.1).repeat()")
    assert "there is one process" in rate.assumed


def test_the_handlers_that_ignite_sets_up_step_the_scheduler() -> None:
    text = SUPERVISED + (
        "from ignite.contrib.engines import common\nscheduler = lr_scheduler.StepLR(optimizer, 6, gamma=0.5)\n"
        "common.setup_common_training_handlers(trainer, lr_scheduler=scheduler)\n"
    )
    rate = one(text + RUN, 3)
    np.testing.assert_allclose(rate.curve().values(value="lr"), [0.1] * 6 + [0.05] * 6)


def test_long_epochs_are_not_followed_iteration_by_iteration() -> None:
    rate = one(OWN + f"trainer.add_event_handler(Events.ITERATION_STARTED, {COSINE})\n" + RUN, 30_000)
    assert rate.total == 120_000
    assert repr(rate.schedule) == "cosine(5, to=0.1).repeat()"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OWN + f"{COSINE}.attach(trainer)\n" + RUN, "what happens at ITERATION_STARTED of the run in line"),
        (
            OWN.replace("    optimizer.step()", "    optimizer.step()\n    scheduler.step()")
            + "scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)\n"
            + RUN,
            "the rate moves in every iteration of the run in line",
        ),
        (
            OWN.replace("    optimizer.step()", "    if engine.state.iteration % 2:\n        optimizer.step()") + RUN,
            "the rate depends on the number of an iteration in the run in line",
        ),
        (OWN + RUN + "trainer.run(train_loader, max_epochs=2)\n", "trainer.state.max_epochs = None before it"),
        (OWN + "trainer.run(train_loader, max_epochs=args.epochs)\n", "max_epochs of the run in line"),
        (OWN + "trainer.run(train_loader, epoch_length=len(train_loader) // 2)\n", "--steps-per-epoch 500"),
        (
            OWN + f"trainer.add_event_handler(Backward.DONE, {COSINE})\n" + RUN,
            "the event Backward.DONE of line 20 is none of Ignite's own",
        ),
        (
            OWN + f"trainer.add_event_handler(Events.ITERATION_STARTED(every=n), {COSINE})\n" + RUN,
            "which times of ITERATION_STARTED are meant in line",
        ),
    ],
)
def test_what_cannot_be_told_is_said(text: str, said: str) -> None:
    with pytest.raises(ScriptError, match=r"(?s).*") as caught:
        one(text)
    assert said in str(caught.value)
