"""The pilot: what it may spend, what it makes of what runs return, and what it says when everything diverges."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import numpy as np
import pytest

import cadence as cd
from cadence._errors import AdviceError
from cadence.advice.outcome import Outcome, outcome_of

torch = pytest.importorskip("torch")


def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))


def asked(pilot=None, budget=None, updates: int = 600, optimizer: str | None = "adamw"):
    """Advice for AdamW, whose rate is raced for; without a method, for the one that was measured."""
    return cd.recommend(
        model=net(), task="classification", updates=updates, batch_size=32, dataset_size=1200, pilot=pilot,
        pilot_budget=budget, given=None if optimizer is None else {"optimizer": optimizer},
    )  # fmt: skip


class Valley:
    """A stand-in for trainings whose best rate is known: losses fall fastest there, and diverge far above."""

    def __init__(self, best: float, *, breaks: float = math.inf, form=lambda losses, probe: losses) -> None:
        self.best, self.breaks, self.form = best, breaks, form
        self.used, self.calls = 0, []

    def __call__(self, make_optimizer, updates, rate):
        optimizer = make_optimizer(copy.deepcopy(net()))
        peak = max(rate(t) for t in range(updates))
        self.used += updates
        self.calls.append((type(optimizer).__name__, updates, peak))
        if peak > self.breaks:
            return self.form([1.0, float("nan")], math.nan)
        speed = math.exp(-(math.log(peak / self.best) ** 2) / 4)
        losses = [2.3 * math.exp(-0.05 * speed * t) for t in range(updates)]
        return self.form(losses, losses[-1])


@pytest.mark.parametrize("best", [3e-4, 1e-3, 3e-3, 1e-2])
def test_the_race_finds_the_valley_within_a_factor_of_two(best: float) -> None:
    advice = asked(Valley(best), 60)
    assert abs(math.log(advice["learning_rate"].value / best)) < math.log(2)
    assert advice["learning_rate"].source.kind == "pilot"
    assert advice.level == "pilot"


@pytest.mark.parametrize("budget", [24, 31, 60, 97, 200])
def test_a_pilot_never_takes_more_updates_than_it_was_given(budget: int) -> None:
    run = Valley(3e-3)
    advice = asked(run, budget, updates=5000)
    assert run.used == advice.piloted.used <= budget
    assert run.used == sum(trial.updates for trial in advice.piloted.trials)
    assert run.used > 0.7 * budget


def test_a_tenth_of_the_run_is_taken_where_nobody_says_how_much() -> None:
    run = Valley(3e-3)
    assert asked(run).piloted.budget == 60 >= run.used


def test_every_rate_of_a_pilot_is_positive_and_its_last_update_is_lower_than_its_peak() -> None:
    seen = []

    def run(make_optimizer, updates, rate):
        seen.append([rate(t) for t in range(updates)])
        return [1.0] * updates

    asked(run, 120, updates=5000)
    assert all(min(rates) > 0 for rates in seen)
    assert all(rates[-1] < max(rates) for rates in seen if len(rates) > 2)


class Course:
    """A stand-in for trainings that end, after the losses of their first update, at a loss that the rate decides."""

    def __init__(self, end) -> None:
        self.end, self.peaks = end, []

    def __call__(self, make_optimizer, updates, rate):
        make_optimizer(copy.deepcopy(net()))
        assert rate(updates - 1) == rate  # a number, and the rate of every update
        self.peaks.append(float(rate))
        return [2.3, *[self.end(float(rate))] * (updates - 1)]


RULE = asked(optimizer=None)["learning_rate"].value


def test_a_measured_rate_is_left_alone_where_a_higher_one_only_fits_faster() -> None:
    run = Course(lambda rate: 0.2 * RULE / rate)
    advice = asked(run, 60, optimizer=None)
    assert run.peaks == pytest.approx([RULE, RULE / 3])
    assert advice["learning_rate"].value == RULE
    assert "nothing against the rate" in advice["learning_rate"].reason.en


@pytest.mark.parametrize(
    ("end", "factor", "said"),
    [
        (lambda rate: 1.0 if rate >= RULE else 0.5, 3**-0.5, "far ahead of it"),
        (lambda rate: 2.2 if rate <= RULE else 0.9, 3**0.5, "hardly moved"),
        (lambda rate: math.nan if rate >= RULE else 0.5, 1 / 3, "the best of 2 rates"),
        (lambda rate: math.nan, 1 / 9, "every rate from"),
        (lambda rate: math.nan if rate > RULE else 1.0, 1, "nothing against"),
        (lambda rate: 2.2 if rate <= RULE else 1.5, 1, "nothing against"),
        (lambda rate: 1.0 if rate >= RULE else 0.8, 1, "nothing against"),
    ],
)
def test_a_measured_rate_is_moved_only_where_this_training_is_an_exception(end, factor: float, said: str) -> None:
    advice = asked(Course(end), 60, optimizer=None)
    assert advice["learning_rate"].value == pytest.approx(RULE * factor, rel=0.01)
    assert said in advice["learning_rate"].reason.en


def large() -> torch.nn.Module:
    """A classifier that could learn a few hundred rows by heart, and reads no table."""
    return torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))


COURSES = {
    "noise: falls soon, and stays": (lambda t: 1.2 + 1.1 * 0.85**t, True),
    "clean: falls soon, and far": (lambda t: 0.1 + 2.2 * 0.85**t, False),
    "slow: has not begun to fall": (lambda t: 2.3 - 0.004 * t, False),
    "late: falls faster and faster": (lambda t: 2.3 - 0.0006 * t * t, False),
    "steady: falls as it did": (lambda t: 2.3 * 0.98**t, False),
}


@pytest.mark.parametrize("course", COURSES)
def test_a_loss_that_falls_soon_and_stays_is_noise_to_a_model_that_could_learn_it_by_heart(course: str) -> None:
    at, noisy = COURSES[course]
    said = {"task": "classification", "updates": 600, "batch_size": 32, "dataset_size": 400}

    def run(make_optimizer, updates, rate):
        return [at(t) for t in range(updates)]

    advice = cd.recommend(model=large(), pilot=run, pilot_budget=60, **said)
    rules = cd.recommend(model=large(), **said)
    assert advice.setting.name == ("adamw" if noisy else "muonadamw")
    assert ("mostly noise" in advice["learning_rate"].reason.en) is noisy
    if noisy:
        assert advice["weight_decay"].value > 3 * rules["weight_decay"].value
        assert "wrong labels" in advice["optimizer"].reason.en
        advice.build(large())
        told = cd.recommend(model=large(), pilot=run, pilot_budget=60, given={"weight_decay": 0.1}, **said)
        assert told.setting.name == "muonadamw"
    else:
        assert advice.setting == rules.setting


def test_a_model_too_small_to_learn_noise_by_heart_is_left_alone() -> None:
    at, _ = COURSES["noise: falls soon, and stays"]
    advice = cd.recommend(
        model=large(), task="classification", updates=2000, batch_size=32, dataset_size=4000,
        pilot=lambda make, updates, rate: [at(t) for t in range(updates)],
    )  # fmt: skip
    assert advice.setting.name == "muonadamw"


@pytest.mark.parametrize("end", [-5.0, 0.0])
def test_losses_below_0_are_compared_by_their_order_and_by_no_share(end: float) -> None:
    lower = Course(lambda rate: end if rate <= RULE else end - 0.1)
    assert asked(lower, 60, optimizer=None)["learning_rate"].value == RULE
    worse = Course(lambda rate: end + 1.0 if rate < RULE else end)
    advice = asked(worse, 60, optimizer=None)
    assert advice["learning_rate"].value == RULE
    assert "nothing against" in advice["learning_rate"].reason.en

    def race(make_optimizer, updates, rate):
        return [2.3, *[end + abs(math.log10(float(rate)) + 2) for _ in range(updates - 1)]]

    assert abs(math.log10(asked(race, 200)["learning_rate"].value) + 2) < 0.3


FORMS = {
    "losses": lambda losses, probe: losses,
    "an array": lambda losses, probe: np.array(losses),
    "tensors": lambda losses, probe: [torch.tensor(x) for x in losses],
    "a mapping": lambda losses, probe: {"losses": losses, "probe_loss": probe, "model": object()},
    "an object": lambda losses, probe: SimpleNamespace(losses=losses, held_out=probe),
    "a pair": lambda losses, probe: (losses, probe),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_run_may_return_its_losses_in_any_of_these_forms(form: str) -> None:
    advice = asked(Valley(3e-3, form=FORMS[form]), 60)
    assert abs(math.log(advice["learning_rate"].value / 3e-3)) < math.log(2)
    probed = {trial.probe is not None for trial in advice.piloted.trials}
    assert probed == {form in ("a mapping", "an object", "a pair")}


@pytest.mark.parametrize("form", FORMS)
def test_rates_that_diverge_are_not_chosen(form: str) -> None:
    advice = asked(Valley(1e-2, breaks=4e-3, form=FORMS[form]), 100, updates=1000)
    assert advice["learning_rate"].value <= 4e-3
    assert any(trial.diverged for trial in advice.piloted.trials)


def test_where_every_rate_diverges_that_is_said_and_a_rate_below_all_of_them_is_left() -> None:
    advice = asked(Valley(1e-3, breaks=0.0), 60)
    choice = advice["learning_rate"]
    assert "diverged in the pilot" in choice.reason.en
    assert choice.confidence == "low"
    tried = [trial.rate for trial in advice.piloted.trials]
    assert choice.value < min(tried)
    # Only of what was tried is anything said.
    assert f"from {min(tried):.2g} to {max(tried):.2g} diverged" in choice.reason.en
    assert "diverged" in str(advice)


def test_what_a_run_raises_at_first_passes_and_later_ends_the_pilot() -> None:
    class Exceeded(RuntimeError):
        pass

    def never(make_optimizer, updates, rate):
        raise Exceeded("no budget at all")

    with pytest.raises(Exceeded, match="no budget at all"):
        asked(never, 60)
    inner = Valley(3e-3)

    def soon(make_optimizer, updates, rate):
        if len(inner.calls) == 4:
            raise Exceeded("46 of 45 updates")
        return inner(make_optimizer, updates, rate)

    advice = asked(soon, 100, updates=1000)
    assert len(advice.piloted.trials) == 4
    assert "it ended early (Exceeded: 46 of 45 updates)" in advice["learning_rate"].reason.en
    assert "；试跑提前结束（Exceeded: 46 of 45 updates）" in advice["learning_rate"].reason.zh


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "the pilot returned NoneType where its losses should be"),
        (3.0, "returned float where"),
        ("losses", "returned str where"),
        ({"loss": [1.0]}, "a mapping without 'losses' \\(it has \\['loss'\\]\\)"),
        ([1.0, "x"], "the pilot returned 'x' as a loss"),
    ],
)
def test_what_is_no_losses_is_refused(returned, sentence: str) -> None:
    with pytest.raises(AdviceError, match=sentence):
        asked(lambda make, updates, rate: returned, 60)


def test_a_budget_needs_a_pilot_and_must_be_a_number_of_updates() -> None:
    with pytest.raises(AdviceError, match="pilot_budget is 60 and there is no pilot"):
        asked(None, 60)
    with pytest.raises(AdviceError, match=r"pilot_budget is 0\.1; write a whole number"):
        asked(Valley(1e-3), 0.1)
    with pytest.raises(AdviceError, match="pilot is a int; give a function"):
        asked(3, 60)


def test_more_than_a_tenth_of_the_run_is_allowed_and_said() -> None:
    advice = asked(Valley(1e-3), 120)
    assert "120 updates, 20 % of the run" in advice.notes[0].en
    assert "20 % of the run" in str(advice)


def test_a_budget_that_tells_nothing_leaves_it_to_the_rules_and_says_so() -> None:
    run = Valley(1e-3)
    advice = asked(run, 10)
    assert run.used == 0
    assert advice.piloted is None
    assert "a pilot of 10 updates tells nothing" in advice.notes[0].en


def test_a_method_that_is_given_is_the_one_that_races() -> None:
    run = Valley(0.1)
    said = {"task": "classification", "updates": 600, "batch_size": 32, "dataset_size": 1200, "pilot": run}
    advice = cd.recommend(model=net(), **said, given={"optimizer": "sgd"})
    assert {name for name, _, _ in run.calls} == {"SGD"}
    assert abs(math.log(advice["learning_rate"].value / 0.1)) < math.log(2)
    assert advice.setting.name == "sgd"
    assert advice.setting.arguments["momentum"] == 0.9


def test_a_rate_that_is_given_leaves_a_pilot_nothing_to_do() -> None:
    run = Valley(0.1)
    said = {"task": "classification", "updates": 600, "batch_size": 32, "dataset_size": 1200, "pilot": run}
    advice = cd.recommend(model=net(), **said, given={"learning_rate": 0.5})
    assert run.used == 0
    assert advice["learning_rate"].value == 0.5
    assert "nothing for a pilot to decide" in advice.notes[0].en


def test_early_losses_on_unused_data_are_not_trusted_with_batch_statistics() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2))
    valley = Valley(3e-3, form=lambda losses, probe: {"losses": losses, "probe_loss": 1.0})
    advice = cd.recommend(
        model=model, task="classification", updates=600, batch_size=32, dataset_size=1200, pilot=valley, pilot_budget=45
    )
    assert all(trial.probe is None for trial in advice.piloted.trials)


def test_an_outcome_judges_by_the_mean_of_its_last_third() -> None:
    assert outcome_of([9.0] * 6 + [1.0, 2.0, 3.0]).tail() == 2.0
    assert Outcome((1.0, math.inf), None).tail() == math.inf
