"""Schedules that people write about, in cadence's notation, with the numbers they should have seen.

The numbers were measured on torch 2.13 and paddle 3.3 by stepping an optimizer; where an article said otherwise, the
comment says so. Epochs count from 0, and one update is one epoch unless `steps_per_epoch` says more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cadence as cd

Case = tuple[str, float, dict[str, Any], dict[int, float]]

EPOCHS = {"total": 100, "steps_per_epoch": 1}

PUBLISHED: dict[str, Case] = {
    # torch StepLR(30, 0.1) at 0.1: epochs 0-29, 30-59, 60 on.
    "StepLR, every 30": ("steps(every=30)", 0.1, EPOCHS, {0: 0.1, 29: 0.1, 30: 0.01, 59: 0.01, 60: 0.001, 89: 0.001, 90: 1e-4}),
    # In epochs of any length it is the same: "the unit is the epoch" is true of the schedule, not of the calls.
    "StepLR in epochs, 391 updates each": (
        "steps(every='30 epochs')", 0.1, {"total": "90 epochs", "steps_per_epoch": 391},
        {0: 0.1, 30 * 391 - 1: 0.1, 30 * 391: 0.01, 60 * 391 - 1: 0.01, 60 * 391: 0.001, 90 * 391 - 1: 0.001},
    ),
    # torch MultiStepLR([10, 30, 80], 0.5) at 0.1; labels that count rounds from 1 are off by one.
    "MultiStepLR 10, 30, 80": (
        "steps(at=[10, 30, 80], gamma=0.5)", 0.1, EPOCHS,
        {0: 0.1, 9: 0.1, 10: 0.05, 29: 0.05, 30: 0.025, 79: 0.025, 80: 0.0125, 99: 0.0125},
    ),
    "MultiStepLR for CIFAR-10": ("steps(at=[50, 100])", 0.1, {"total": 150}, {49: 0.1, 50: 0.01, 99: 0.01, 100: 0.001}),
    # torch ExponentialLR(0.99) at 0.1 after 100 epochs: 0.0366, where an article says 0.0037.
    "ExponentialLR 0.99": ("exponential(gamma=0.99)", 0.1, EPOCHS, {0: 0.1, 1: 0.099, 100: 0.03660323412732295}),
    # The same gamma 0.95 and 0.9 end two hundred times apart: x 5.9e-3 and x 2.7e-5 after 100 epochs.
    "ExponentialLR 0.95": ("exponential(gamma=0.95)", 1.0, EPOCHS, {100: 0.005920529220333994}),
    "ExponentialLR 0.9": ("exponential(gamma=0.9)", 1.0, EPOCHS, {50: 0.005153775207320113, 100: 2.656139888758757e-05}),
    # torch CosineAnnealingLR(T_max=100) at 0.1: 0 at epoch 100, and then it rises again as in a mirror; it does not restart.
    "CosineAnnealingLR past its T_max": (
        "cosine(100).past_end('mirror')", 0.1, {"total": 200},
        {0: 0.1, 50: 0.05, 100: 0.0, 101: 2.4671981713422044e-05, 150: 0.05, 200: 0.1},
    ),
    "CosineAnnealingLR, held at its end": ("cosine(100)", 0.1, {"total": 200}, {99: 2.4671981713422044e-05, 100: 0.0, 150: 0.0}),
    "CosineAnnealingWarmRestarts": ("cosine(100).repeat()", 0.1, {"total": 300}, {99: 2.4671981713422044e-05, 100: 0.1, 150: 0.05, 200: 0.1}),
    # Wanted: 0.1 for 50 epochs, linear to 0.01 at 100, then 0.01. A lambda with the slope 0.001875 gives .0953 at 75, .0906 at
    # 100, and arrives at 530; the right slope is 0.018.
    "LambdaLR with the published slope": (
        "formula('1 if epoch < 50 else max(0.1, 1 - (epoch - 50) * 0.001875)')", 0.1, {"total": 600, "steps_per_epoch": 1},
        {49: 0.1, 75: 0.0953125, 100: 0.090625, 529: 0.0101875, 530: 0.01, 599: 0.01},
    ),
    "LambdaLR with the right slope": (
        "formula('1 if epoch < 50 else max(0.1, 1 - (epoch - 50) * 0.018)')", 0.1, {"total": 600, "steps_per_epoch": 1},
        {0: 0.1, 50: 0.1, 75: 0.055, 100: 0.01, 599: 0.01},
    ),
    "the same plan without a formula": (
        "constant('50 epochs') >> linear('50 epochs', to=0.1) >> constant(start=0.1)", 0.1,
        {"total": "600 epochs", "steps_per_epoch": 4}, {0: 0.1, 200: 0.1, 300: 0.055, 400: 0.01, 2399: 0.01},
    ),
    # paddle StepDecay, MultiStepDecay([80, 120], 0.1) at 0.05, ExponentialDecay(0.99) and (0.9) at 0.001, CosineAnnealingDecay.
    "StepDecay": ("steps(every=30)", 0.1, EPOCHS, {29: 0.1, 30: 0.01, 60: 0.001}),
    "MultiStepDecay 80, 120": (
        "steps(at=[80, 120])", 0.05, {"total": 160}, {0: 0.05, 79: 0.05, 80: 0.005, 119: 0.005, 120: 0.0005, 159: 0.0005},
    ),
    "ExponentialDecay 0.99": ("exponential(gamma=0.99)", 0.001, EPOCHS, {50: 0.0006050060671375367, 100: 0.0003660323412732295}),
    "ExponentialDecay 0.9": ("exponential(gamma=0.9)", 0.001, EPOCHS, {50: 5.153775207320113e-06}),
    "CosineAnnealingDecay past its T_max": ("cosine(100).past_end('mirror')", 0.001, {"total": 200}, {100: 0.0, 150: 0.0005, 200: 0.001}),
    # LinearWarmup(10) around CosineAnnealingDecay(100): the cosine's clock starts after the warmup, so its bottom is at 110 and a
    # run of 100 epochs ends at 2.96e-5, 3 % of the peak.
    "LinearWarmup around a cosine that is too long": (
        "warmup(10, start=0.1) >> cosine(100)", 0.001, {"total": 100},
        {0: 1e-4, 5: 5.5e-4, 9: 9.1e-4, 10: 0.001, 60: 0.0005, 99: 2.95596155e-05},
    ),
    "LinearWarmup and the cosine that fits": (
        "warmup(10, start=0.1) >> cosine()", 0.001, {"total": 100}, {0: 1e-4, 9: 9.1e-4, 10: 0.001, 55: 0.0005, 100: 0.0},
    ),
    # Faster R-CNN: milestones at epochs 12 and 16, warmup over 500 updates. In one unit (steps) the rate falls at 512 and 516, in
    # the other (epochs) the warmup never ends; with a unit on each length it is what was meant.
    "Faster R-CNN": (
        "warmup('500 steps', start=0.01) >> steps(at=['12 epochs', '16 epochs'])", 0.01, {"total": "24 epochs", "steps_per_epoch": 7330},
        {0: 1e-4, 250: 0.00505, 499: 0.0099802, 500: 0.01, 516: 0.01, 12 * 7330 - 1: 0.01, 12 * 7330: 0.001, 16 * 7330: 1e-4, 24 * 7330 - 1: 1e-4},
    ),
    "Faster R-CNN, all in steps": (
        "warmup(500, start=0.01) >> steps(at=[12, 16], local=True)", 0.01, {"total": 1000}, {500: 0.01, 511: 0.01, 512: 0.001, 516: 1e-4, 999: 1e-4},
    ),
    # LinearLR(0.1, 10 epochs) then CosineAnnealingLR(T_max = total - 10), as SequentialLR joins them.
    "LinearLR and CosineAnnealingLR": (
        "warmup(10, start=0.1) >> cosine()", 0.1, {"total": 100}, {0: 0.01, 1: 0.019, 9: 0.091, 10: 0.1, 55: 0.05, 100: 0.0},
    ),
    # The contract's own example.
    "warmup and cosine over 1,000 updates": (
        "warmup('5%') >> cosine(to=0.01)", 1.0, {"total": 1000}, {0: 0.01, 49: 0.9802, 50: 1.0, 999: 0.0100027, 1000: 0.01},
    ),
    # Vaswani et al. 2017, eq. 3: d_model ** -0.5 * min(step ** -0.5, step * warmup ** -1.5) with step = t + 1.
    "the transformer's rate after its warmup": (
        "warmup(4000) >> inverse(timescale=4000)", 1.0, {"total": 100_000}, {4000: 1.0, 16_000: 0.5, 36_000: 1 / 3, 64_000: 0.25},
    ),
    # timm tanh with bounds (-7, 3), as Hsueh et al. 2019 have it.
    "tanh decay": ("tanh(100)", 1.0, {"total": 100}, {0: 1.0, 50: 0.981970025, 70: 0.49876104, 90: 0.0155520541, 100: 0.0}),
    "REX": ("rex(100)", 1.0, {"total": 100}, {0: 1.0, 50: 2 / 3, 75: 0.4, 90: 0.1818181818, 100: 0.0}),
    "warmup, stable, decay": (
        "wsd()", 1.0, {"total": 1000}, {0: 0.01, 20: 1.0, 799: 1.0, 800: 1.0, 850: 0.5, 950: 0.13397459621556, 1000: 0.0},
    ),
    "poly of semantic segmentation": ("power(100, exponent=0.9)", 0.01, {"total": 100}, {0: 0.01, 50: 0.005358867312681, 100: 0.0}),
    "one cycle in two phases": (
        "one_cycle()", 1.0, {"total": 100}, {0: 0.04, 15: 0.52, 30: 1.0, 65: 0.500002, 100: 4e-6},
    ),
    "one cycle in three phases": (
        "one_cycle(up='40%', phases=3, shape='linear', to=0.001)", 1.0, {"total": 100},
        {0: 0.04, 20: 0.52, 40: 1.0, 60: 0.52, 80: 0.04, 90: 0.0205, 100: 0.001},
    ),
    "triangular2": ("triangular(up=10, low=0.1, decay=0.5)", 1.0, {"total": 80}, {0: 0.1, 10: 1.0, 20: 0.1, 30: 0.55, 40: 0.1, 50: 0.325}),
    "restarts that grow, with falling peaks": (
        "restarts(10, grow=2, decay=0.5, to=0.1)", 1.0, {"total": 70}, {0: 1.0, 5: 0.55, 10: 0.5, 20: 0.3, 30: 0.25, 50: 0.175, 69: 0.1 + 0.15 * 0.001541},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_schedule_has_its_measured_values(name: str) -> None:
    text, base, run, values = PUBLISHED[name]
    curve = cd.place(text, **run, base=base)
    for t, value in values.items():
        assert curve.at(t) == pytest.approx(value, rel=1e-5, abs=1e-18), (name, t)


@pytest.mark.parametrize("name", PUBLISHED)
def test_decimal_values_are_the_decimal_numbers(name: str) -> None:
    """A value that a person writes with four digits or fewer is that number, but for the last bits."""
    text, base, run, values = PUBLISHED[name]
    curve = cd.place(text, **run, base=base)
    for t, value in values.items():
        if float(f"{value:.4g}") == value:
            assert curve.at(t) == pytest.approx(value, rel=1e-14, abs=0), (name, t)


def test_the_cosine_that_mirrors_is_no_restart() -> None:
    mirror, restart = (
        cd.place(f"cosine(100).{how}", total=200, base=0.1) for how in ("past_end('mirror')", "repeat()")
    )
    assert np.abs(np.diff(mirror.values())).max() < 0.1 * np.pi / 200 + 1e-12, "it has no jump"
    assert restart.at(100) - restart.at(99) > 0.0999


def test_noam_is_a_warmup_and_an_inverse_square_root() -> None:
    warm, peak = 4000, (512 * 4000) ** -0.5
    curve = cd.place(cd.warmup(warm, start=1 / warm) >> cd.inverse(timescale=warm), base=peak)
    steps = np.array([4000, 5000, 10_000, 100_000])
    np.testing.assert_allclose(curve.at(steps), 512**-0.5 * steps**-0.5, rtol=1e-14)
