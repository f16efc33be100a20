"""One small measurement for each claim of docs/articles.md that a schedule's command line does not show by itself.

python docs/articles/show.py                 the names
python docs/articles/show.py step-unit       one of them
"""

from __future__ import annotations

import inspect
import math
import sys
import warnings
from collections.abc import Callable
from typing import Any

import cadence as cd

SHOWN: dict[str, Callable[[], None]] = {}


def shown(function: Callable[[], None]) -> Callable[[], None]:
    SHOWN[function.__name__.replace("_", "-")] = function
    return function


def torch_rates(make: Callable[[Any], Any], steps: int, *, base: float = 0.1, step: Any = None) -> list[float]:
    """The rates of torch's own schedulers, stepped once for each update."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        rates: list[float] = []
        for k in range(steps):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            (step or (lambda s, k: s.step()))(scheduler, k)
    return rates


def losses(line: str) -> list[float]:
    return [float(x) for x in line.split()]


def cuts(rule: str, metrics: list[float], base: float = 0.01) -> str:
    seen = cd.replay(f"constant() * {rule}", metrics, base=base)
    return ", ".join(f"after evaluation {d.t}" for d in seen.cuts) or "never"


# ---- PyTorch schedulers and GPU training ---------------------------------------------------------------------------


@shown
def rate_too_large() -> None:
    for rate in (0.05, 0.19, 0.21):
        x = 1.0
        for _ in range(100):
            x -= rate * 10 * x  # the gradient of 5 x ** 2
        print(f"rate {rate}: x = {x:.3g} after 100 steps")


@shown
def cut_cosine() -> None:
    curve = cd.place("cosine(100)", total=60, base=0.1)
    print(f"cosine over 100 epochs, stopped after 60: {curve.at(60):.4f}, {curve.at(60) / 0.1:.0%} of the base")


@shown
def verbose() -> None:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    try:
        torch.optim.lr_scheduler.StepLR(optimizer, 30, verbose=True)  # pyright: ignore[reportCallIssue]
    except TypeError as refused:
        print(refused)
    else:
        print("this torch still takes it; newer ones do not")


@shown
def plateau_is_late() -> None:
    print("flat from the first evaluation, patience 5: cut", cuts("plateau('loss', patience=5)", [1.0] * 12))


@shown
def warmup_then_plateau() -> None:
    import torch

    lrs = torch.optim.lr_scheduler
    try:
        torch_rates(lambda o: lrs.SequentialLR(o, [lrs.LinearLR(o), lrs.ReduceLROnPlateau(o)], milestones=[10]), 1)
    except ValueError as refused:
        print("SequentialLR:", str(refused).splitlines()[0])
    both: list[float] = []
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    warm = lrs.LinearLR(optimizer, 0.1, total_iters=10)
    plateau = lrs.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    for _ in range(21):
        both.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        warm.step()
        plateau.step(1.0)
    print(f"both stepped together, flat loss: peak {max(both):.3f}, epoch 20 at {both[20]:.5f}")
    seen = cd.replay("warmup(10) >> constant() * plateau('loss', factor=0.5, patience=1)", [1.0] * 20, base=0.1)
    print(f"one schedule: peak {max(seen.values):.3f}, first cut after evaluation {seen.cuts[0].t}")


@shown
def versions() -> None:
    import torch

    print(f"here: torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}, Python {sys.version.split()[0]}")


@shown
def launch() -> None:
    import torch.distributed.launch as old

    print("deprecated" if "torchrun" in (inspect.getdoc(old) or "") else "not deprecated here", "- use torchrun")


@shown
def order_trap() -> None:
    import torch

    lrs = torch.optim.lr_scheduler

    def by_hand(after: Callable[[Any], Any]) -> list[float]:
        def make(optimizer: Any) -> Any:
            return lrs.LinearLR(optimizer, 0.1, total_iters=10), after(optimizer)

        return torch_rates(make, 12, step=lambda pair, k: pair[k >= 10].step())

    cosine = by_hand(lambda o: lrs.CosineAnnealingLR(o, 90))
    function = by_hand(lambda o: lrs.LambdaLR(o, lambda e: 0.95**e))
    print(f"LinearLR, then CosineAnnealingLR, by hand: update 10 at {cosine[10]:.4g}")
    print(f"LinearLR, then LambdaLR, by hand: update 10 at {function[10]:.4g}, ten times the base")
    print(f"warmup >> cosine: update 10 at {cd.place('warmup(10, start=0.1) >> cosine(90)', base=0.1).at(10):.4g}")


@shown
def improves() -> None:
    # Halves when the loss does not improve; the cut comes with observation patience + 1.
    print("flat loss, patience 3: cut", cuts("plateau('loss', factor=0.5, patience=3)", [1.0] * 6))
    print(
        "falling loss, patience 3: cut", cuts("plateau('loss', factor=0.5, patience=3)", [1 / k for k in range(1, 9)])
    )


@shown
def noise() -> None:
    noisy = losses("1 .97 .99 .94 .96 .91 .93 .88 .9 .85 .87 .82")
    print("patience 0 on a falling, noisy loss: cut", cuts("plateau('loss', patience=0)", noisy))
    print("with a test for a trend: cut", cuts("plateau('loss', patience=4, significance=0.05)", noisy))


@shown
def ranks() -> None:
    first, second = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    rule = "constant() * plateau('loss', factor=0.5, patience=1)"
    ends = [cd.replay(rule, metrics, base=0.1).values[-1] for metrics in (first, second)]
    mean = cd.replay(rule, [(a + b) / 2 for a, b in zip(first, second, strict=True)], base=0.1).values[-1]
    print(f"two ranks, each with its own loss: {ends[0]} and {ends[1]}; with the mean of both: {mean} on each")


@shown
def groups() -> None:
    import torch

    layers = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)]
    optimizer = torch.optim.SGD(
        [{"params": layers[0].parameters(), "lr": 0.01}, {"params": layers[1].parameters(), "lr": 0.1}]
    )
    print("of every group:", cd.drive(optimizer, "cosine(100)").values["lr"])


@shown
def no_lamb() -> None:
    import torch

    print("in torch.optim:", {n: hasattr(torch.optim, n) for n in ("RAdam", "LAMB", "Lamb", "LARS", "AdaBound")})


@shown
def coupled_decay() -> None:
    for text in ("constant()", "cosine()", "warmup('5%') >> cosine()"):
        rates = cd.place(text, total=1000, base=1e-3).values()
        print(f"{text}: weights decay to {math.prod(1 - rates * 0.1):.3f} of their size by decay alone")


@shown
def step_takes_an_epoch() -> None:
    import torch

    lrs = torch.optim.lr_scheduler
    cosine = torch_rates(lambda o: lrs.CosineAnnealingLR(o, 100), 41, step=lambda s, k: s.step(0.37))
    print(f"CosineAnnealingLR.step(0.37) forty times: {cosine[40]:.6f}, as in epoch 0.37")
    stairs = torch_rates(lambda o: lrs.StepLR(o, 10), 41, step=lambda s, k: s.step(0.37))
    print(f"StepLR(10).step(0.37) forty times: {stairs[40]:.6g}, never a step")


@shown
def plateau_and_nan() -> None:
    import torch

    lrs = torch.optim.lr_scheduler
    rates = torch_rates(
        lambda o: lrs.ReduceLROnPlateau(o, patience=1), 8, step=lambda s, k: s.step(math.nan if k else 1.0)
    )
    print(f"torch, fed NaN: {rates[0]} becomes {rates[-1]:.3g}")
    try:
        cd.replay("constant() * plateau('loss', patience=1)", [1.0, math.nan], base=0.1)
    except cd._errors.FeedbackError as refused:
        print("cadence:", refused)


# ---- PyTorch strategies from slides --------------------------------------------------------------------------------


@shown
def gradient_descent() -> None:
    x = 1.0
    for _ in range(3):
        x -= 0.1 * 2 * x  # theta - eta times the gradient of x ** 2
    print(f"three steps on x ** 2 with rate 0.1: x = {x:.3f}")


@shown
def by_hand() -> None:
    import torch

    optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=0.1)
    driver = cd.drive(optimizer, "cosine(100)")
    driver.set(lr=0.02)
    print(driver.journal[-1]["sentence"])


@shown
def step_unit() -> None:
    import torch

    lrs = torch.optim.lr_scheduler
    rates = torch_rates(lambda o: lrs.StepLR(o, 30), 70)
    falls = [k for k in range(1, 70) if rates[k] != rates[k - 1]]
    print(f"StepLR(30), stepped at every batch, falls at batches {falls}: its unit is the call of step()")


@shown
def counted_from_one() -> None:
    curve = cd.place("steps(at=[30, 60])", total=90, base=0.1)
    rounds = [t + 1 for t in range(1, 90) if curve.at(t) != curve.at(t - 1)]
    print(f"counted from 1, the rate falls in rounds {rounds}: 1 to 30, 31 to 60, 61 on")


@shown
def powers() -> None:
    print(f"0.1 x 0.99 ** 100 = {0.1 * 0.99**100:.4f}")


@shown
def never_cut() -> None:
    told = losses(".5 .45 .4 .35 .3 .29 .29 .29 .29 .29")
    for patience in (5, 4):
        rule, more = f"plateau('loss', factor=0.5, patience={patience})", [*told, 0.29, 0.29]
        print(f"patience {patience}, the losses as told: {cuts(rule, told)}; two flat rounds more: {cuts(rule, more)}")


@shown
def slope() -> None:
    wrong = cd.place("formula('max(0.1, 1 - (t - 50) * 0.001875) if t >= 50 else 1')", total=600, base=0.1)
    right = cd.place("formula('1 if t < 50 else max(0.1, 1 - (t - 50) * 0.018)')", total=600, base=0.1)
    print(f"slope 0.001875: epoch 75 at {wrong.at(75):.4f}, epoch 100 at {wrong.at(100):.4f}")
    print(f"it reaches 0.01 in epoch {next(t for t in range(600) if wrong.at(t) <= 0.01 + 1e-12)}")
    print(f"slope 0.018: epoch 75 at {right.at(75):.4f}, epoch 100 at {right.at(100):.4f}")


@shown
def lambdas_are_not_saved() -> None:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: 0.95**e)
    print("LambdaLR saves", scheduler.state_dict()["lr_lambdas"], "of its function; cadence saves the formula:")
    print(cd.torch_scheduler(optimizer, "formula('0.95 ** t')").state_dict()["spec"])


@shown
def did_the_drop_help() -> None:
    curve = cd.place("steps(at=[30, 60])", total=90, base=0.1)
    print("what to compare the loss with:", [e.t for e in curve.events if e.kind == "milestone"])


@shown
def gamma_and_early_noise() -> None:
    for gamma in (0.9, 0.95):
        curve = cd.place(f"exponential(gamma={gamma})", total=100, base=0.1)
        print(f"gamma {gamma}: {curve.at(1):.3f} in epoch 1, {curve.at(50):.2g} in epoch 50")


@shown
def factor() -> None:
    for size in (0.5, 0.1):
        seen = cd.replay(f"constant() * plateau('loss', factor={size}, patience=1)", [1.0] * 8, base=0.1)
        print(f"factor {size}: {seen.values[-1]:.3g} after eight flat evaluations")


# ---- PaddlePaddle schedulers ---------------------------------------------------------------------------------------


@shown
def paddle_names() -> None:
    for name in ("StepDecayLR", "CosineAnnealingLR", "LinearWarmupLR", "ReduceLROnPlateau"):
        try:
            cd.from_native("paddle", name, {})
        except cd._errors.CadenceError as unknown:
            print(unknown)


@shown
def collapse() -> None:
    for gamma in (0.9, 0.99, 0.999):
        print(f"gamma {gamma}: {0.001 * gamma**50:.3g} in epoch 50")


@shown
def inner_clock() -> None:
    curve = cd.place("warmup(10, start=0.1) >> cosine(100).past_end('mirror')", base=0.001)
    print(f"T_max=100 after a warmup of 10: the bottom is at epoch 110; epoch 99 at {curve.at(99):.3g}")
    print(f"T_max=90: epoch 100 at {cd.place('warmup(10, start=0.1) >> cosine(90)', base=0.001).at(100):.3g}")


@shown
def void_update() -> None:
    import torch

    try:
        torch_rates(lambda o: torch.optim.lr_scheduler.LinearLR(o, start_factor=0.0), 1)
    except ValueError as refused:
        print("torch's LinearLR:", refused)
    print("cadence's warmup begins at", cd.place("warmup(10) >> constant()", total=20).at(0), "of the base")


@shown
def units() -> None:
    told = cd.place("warmup(500) >> steps(at=[512, 516])", total=600, base=0.01)
    print(f"milestones 12 and 16 stepped per iteration: {told.at(511):.3g}, {told.at(512):.3g}, {told.at(516):.3g}")
    right = cd.place(
        "warmup('500 steps') >> steps(at=['12 epochs', '16 epochs'])",
        total="24 epochs",
        steps_per_epoch=7330,
        base=0.01,
    )
    print("in epochs:", [e.t for e in right.events if e.kind == "milestone"])


@shown
def step_costs_nothing() -> None:
    import timeit

    curve = cd.place("warmup('5%') >> cosine()", total=10_000, base=0.1)
    values = curve.values().tolist()
    group = {"lr": 0.0}
    seconds = timeit.timeit(lambda: group.update(lr=values[7]), number=100_000) / 100_000
    print("one write of a rate costs less than ten microseconds:", seconds < 1e-5)


# ---- Adaptive optimizers, ResNet-50 --------------------------------------------------------------------------------


@shown
def linear_scaling() -> None:
    print(f"0.1 for a batch of 256 is {0.1 * 2048 / 256:g} for 8 x 256; the baseline's 0.1 is an eighth of that")


@shown
def wasted_epoch() -> None:
    import torch

    rates = torch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 90), 100, base=1e-3)
    print(f"T_max=90 in 100 epochs: epoch 90 at {rates[90]:.3g}, epoch 99 at {rates[99]:.2g}")


@shown
def flattened_groups() -> None:
    import torch

    layers = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)]
    optimizer = torch.optim.AdamW(
        [{"params": layers[0].parameters(), "lr": 5e-4}, {"params": layers[1].parameters(), "lr": 1e-3}]
    )
    for epoch in range(5):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (epoch + 1) / 5
    print("written into every group:", [group["lr"] for group in optimizer.param_groups])
    optimizer.param_groups[0]["lr"] = 5e-4
    curve = cd.drive(optimizer, "warmup(5) >> cosine()", total=100).curve
    print("driven:", [curve.at(5, group=g) for g in (0, 1)], "at the peak")


@shown
def accumulated() -> None:
    batches, every = 10, 4
    print(f"{batches} batches, accumulated by {every}: {batches // every} updates, {batches % every} batches left over")


@shown
def skipped_updates() -> None:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    driver = cd.drive(optimizer, "warmup(10) >> constant()", total=100)
    weight = optimizer.param_groups[0]["params"][0]
    weight.grad = torch.ones(1)
    for k in range(10):
        if k >= 3:  # the first three overflow, and a scaler leaves them out
            optimizer.step()
        driver.step()
    print(f"ten loops, three skipped updates: the driver stands at {driver.t}")


@shown
def unequal_micro_batches() -> None:
    tokens, sums = (100, 300), (250.0, 600.0)
    equal = sum(s / n for s, n in zip(sums, tokens, strict=True)) / 2
    print(f"mean of means {equal:.3f}, mean over tokens {sum(sums) / sum(tokens):.3f}")


def main(names: list[str]) -> None:
    for name in names or SHOWN:
        if not names:
            print(name)
        elif name in SHOWN:
            SHOWN[name]()
        else:
            sys.exit(f"there is no {name!r}; {cd._errors.neighbours(name, SHOWN)}")


if __name__ == "__main__":
    main(sys.argv[1:])
