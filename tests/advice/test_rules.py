"""What is recommended: published recipes are met, every choice says why, and what is unknown is left open."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.advice.known_trainings import IMAGENET, OTHERS, PUBLISHED

import cadence as cd
from cadence._errors import AdviceError
from cadence.advice.advice import Advice
from cadence.advice.choice import CONFIDENCE
from cadence.advice.counts import Counts
from cadence.advice.known_models import KNOWN
from cadence.advice.practices.language import rate_for_size
from cadence.advice.profile import Profile
from cadence.advice.recommend import advise
from cadence.advice.rules.consult import FIELDS
from cadence.advice.task_kinds import TASKS

EVERY = [case for case, _ in PUBLISHED.values()] + list(OTHERS)


def value(advice: Advice, field: str) -> object:
    found = advice[field].value
    return found["name"] if field == "optimizer" else found


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_recipes_are_met(name: str) -> None:
    case, expected = PUBLISHED[name]
    advice = cd.recommend(**case)
    for field, wanted in expected.items():
        told = value(advice, field)
        if isinstance(wanted, float):
            assert told == pytest.approx(wanted, rel=2e-2), field
        else:
            assert told == wanted, field


@pytest.mark.parametrize("case", EVERY, ids=lambda case: f"{case['model']}-{case.get('data', case.get('task'))}")
def test_every_choice_has_a_reason_in_both_languages_a_source_and_a_confidence(case) -> None:
    advice = cd.recommend(**case)
    assert tuple(choice.field for choice in advice.choices) == FIELDS
    for choice in advice.choices:
        assert choice.confidence in CONFIDENCE
        for text in [choice.reason, *(other.decides for other in choice.alternatives)]:
            assert text.en.strip()
            assert text.zh.strip()
        assert choice.source.text.strip()
        if choice.source.kind == "paper":
            assert "arXiv:" in choice.source.text, choice.source
        if choice.confidence == "unknown":
            assert choice.value is None
            assert choice.pilot is not None


@pytest.mark.parametrize("case", EVERY, ids=lambda case: f"{case['model']}-{case.get('data', case.get('task'))}")
def test_every_schedule_can_be_placed_on_its_run_and_ends_below_its_peak(case) -> None:
    advice = cd.recommend(**case)
    if not advice["learning_rate"].known:
        advice = advice.having(learning_rate=1e-3)
    curve = advice.curve()
    rate = advice["learning_rate"].value
    assert curve.end == advice.profile.updates
    assert max(curve.at(t) for t in range(0, curve.end, max(1, curve.end // 500))) <= rate * (1 + 1e-12)
    assert curve.at(0) < 0.5 * rate
    assert str(advice)


def test_the_rate_of_sgd_follows_the_batch_in_proportion_up_to_8192_examples() -> None:
    rates = [cd.recommend(**IMAGENET, batch_size=n)["learning_rate"].value for n in (64, 256, 1024, 8192)]
    assert rates == [0.025, 0.1, 0.4, 3.2]


def test_beyond_8192_examples_the_reasons_speak_of_the_critical_batch() -> None:
    advice = cd.recommend(**IMAGENET, batch_size=32768)
    told = [str(other.source) for other in advice["optimizer"].alternatives]
    assert any("1812.06162" in text for text in told)


def test_where_the_articles_disagree_with_the_papers_both_are_shown_with_what_decides() -> None:
    others = cd.recommend(**IMAGENET, batch_size=2048)["optimizer"].alternatives
    article = next(other for other in others if other.source.kind == "article")
    assert "adamw" in str(article.value)
    assert "an eighth" in article.decides.en


def test_the_rate_of_a_language_model_falls_with_its_size_without_a_jump() -> None:
    sizes = [10.0 ** (6 + 0.01 * i) for i in range(500)]
    rates = [rate_for_size(n) for n in sizes]
    assert all(a >= b for a, b in pairwise(rates))
    assert max(a / b for a, b in pairwise(rates)) < 1.1
    assert rate_for_size(175e9) == 0.6e-4


def test_no_rate_is_recommended_where_nothing_is_known_and_the_pilot_that_would_tell_is_named() -> None:
    advice = cd.recommend(model="resnet50", task="other", batch_size=64, updates=20_000)
    choice = advice["learning_rate"]
    assert (choice.value, choice.confidence) == (None, "unknown")
    assert "find-lr" in choice.pilot.en
    assert choice in advice.open
    with pytest.raises(AdviceError, match="no learning rate is recommended"):
        advice.curve()
    assert "not known" in str(advice)


def test_noise_that_nobody_spoke_of_is_an_open_question_and_a_known_one_is_smoothed_over() -> None:
    silent = cd.recommend(model="bert-base", data="sst2", batch_size=32, epochs=3)
    assert silent["label_smoothing"].value == 0
    assert silent["label_smoothing"].pilot is not None
    told = cd.recommend(model="bert-base", data="sst2", batch_size=32, epochs=3, noise=0.1)
    assert told["label_smoothing"].value == 0.1
    assert told["label_smoothing"].pilot is None


@pytest.mark.parametrize(
    ("hardware", "precision"),
    [
        ("A100", "bf16"),
        ("8xA100", "bf16"),
        ("NVIDIA H100 80GB HBM3", "bf16"),
        ("GeForce RTX 4090", "bf16"),
        ("MI250X", "bf16"),
        ("4 x V100", "fp16"),
        ("Tesla T4", "fp16"),
        ("cpu", "fp32"),
        ("Intel Xeon", "fp32"),
    ],
)
def test_precision_follows_the_hardware(hardware: str, precision: str) -> None:
    choice = cd.recommend(**IMAGENET, batch_size=256, hardware=hardware)["precision"]
    assert (choice.value, choice.confidence) == (precision, "high")


def test_hardware_that_nobody_knows_leaves_the_precision_open() -> None:
    choice = cd.recommend(**IMAGENET, batch_size=256, hardware="Contraption 9")["precision"]
    assert (choice.value, choice.confidence) == ("fp32", "low")


def test_what_is_given_is_kept_with_what_the_rule_would_have_said() -> None:
    advice = cd.recommend(**IMAGENET, batch_size=256, given={"weight_decay": 0.0, "schedule": "cosine(to=0.1)"})
    assert advice["weight_decay"].value == 0.0
    assert advice["weight_decay"].source.kind == "given"
    assert advice["weight_decay"].alternatives[0].value == 1e-4
    assert advice.schedule == "cosine(to=0.1)"


def test_a_method_that_is_given_has_a_rate_of_its_own_kind() -> None:
    lion = cd.recommend(**IMAGENET, batch_size=256, given={"optimizer": "lion"})
    sgd = cd.recommend(**IMAGENET, batch_size=256)
    assert lion["learning_rate"].value < 0.02 * sgd["learning_rate"].value
    assert lion["learning_rate"].confidence == "low"
    prodigy = cd.recommend(**IMAGENET, batch_size=256, given={"optimizer": "prodigy"})
    assert prodigy["learning_rate"].value == 1.0
    none = cd.recommend(**IMAGENET, batch_size=256, given={"optimizer": "shampoo"})
    assert none["learning_rate"].confidence == "unknown"


def test_a_constant_schedule_is_stopped_by_a_rule_and_one_that_falls_is_not() -> None:
    falling = cd.recommend(**IMAGENET, batch_size=256)
    assert falling["stopping"].value is None
    assert "cool down" in falling["stopping"].reason.en
    constant = cd.recommend(**IMAGENET, batch_size=256, given={"schedule": "constant()"})
    assert constant["stopping"].value == "early_stop('val_loss', then='cooldown 20%')"
    assert constant["stopping"].alternatives[0].value == "early_stop('val_loss')"
    free = cd.recommend(**IMAGENET, batch_size=256, given={"optimizer": "schedule_free_sgd", "schedule": "constant()"})
    assert free["stopping"].value == "early_stop('val_loss')"


@pytest.mark.parametrize(("end", "falls"), [(0.0, True), (0.1, True), (0.45, True), (0.6, False)])
def test_a_schedule_that_ends_below_half_its_peak_falls(end: float, falls: bool) -> None:
    advice = cd.recommend(**IMAGENET, batch_size=256, given={"schedule": f"cosine(to={end})"})
    assert (advice["stopping"].value is None) == falls


def test_lion_decays_five_times_as_much_at_a_fifth_of_the_rate() -> None:
    said = {"model": "vit_b_16", "data": "imagenet", "batch_size": 1024, "epochs": 90}
    adamw, lion = cd.recommend(**said), cd.recommend(**said, given={"optimizer": "lion"})
    assert adamw["optimizer"].value["name"] == "adamw"
    assert lion["weight_decay"].value == pytest.approx(5 * adamw["weight_decay"].value)
    # At the batch that the rate is stated for; beyond it AdamW's follows in proportion here, Lion's as the root.
    assert adamw["batch_scaling"].value == {"rule": "linear", "reference_batch": 512, "factor": 2.0}
    assert lion["batch_scaling"].value["rule"] == "sqrt"
    expected = adamw["learning_rate"].value / 2 / 5 * 2**0.5
    assert lion["learning_rate"].value == pytest.approx(expected, rel=0.01)
    assert "0.2 times the rate of adamw for 512 examples, scaled to this batch" in lion["learning_rate"].reason.en


def test_without_a_decay_there_is_none_to_leave_out() -> None:
    advice = cd.recommend(**IMAGENET, batch_size=256, given={"weight_decay": 0})
    assert advice["groups"].value["no_decay"] is False
    assert cd.recommend(**IMAGENET, batch_size=256)["groups"].value["no_decay"] is True


def test_a_stop_waits_longer_than_the_plateau_that_it_stands_behind() -> None:
    schedule = "constant() * plateau('val_loss', patience=4, cooldown=2)"
    advice = cd.recommend(**IMAGENET, batch_size=256, given={"schedule": schedule})
    assert advice["stopping"].value == "early_stop('val_loss', patience=14)"
    epochs = schedule.replace("4", "'3 epochs'").replace("cooldown=2", "cooldown='1 epoch'")
    advice = cd.recommend(**IMAGENET, batch_size=256, given={"schedule": epochs})
    assert advice["stopping"].value == "early_stop('val_loss', patience='10 epochs')"


def test_what_an_early_stop_would_cost_is_said_in_numbers() -> None:
    reason = cd.recommend(**IMAGENET, batch_size=256)["stopping"].reason.en
    share = cd.place(cd.warmup("5 epochs") >> cd.cosine(), total="90 epochs", steps_per_epoch=5005, base=1.0).at(
        225_225
    )
    assert f"still {100 * share:.3g} % of its peak" in reason


def test_having_changes_a_field_and_remembers_what_was_recommended() -> None:
    advice = cd.recommend(**IMAGENET, batch_size=256).having(learning_rate=0.2)
    assert advice.setting.lr == 0.2
    assert advice["learning_rate"].alternatives[0].value == 0.1
    with pytest.raises(AdviceError, match="did you mean 'learning_rate'"):
        advice.having(learning_rat=0.2)


# ---- small trainings -------------------------------------------------------------------------------------------------

SMALL = Profile(
    task="classification",
    model=Counts("mlp", "torch", 20_000, 0, 0, 0, 200),
    updates=600,
    batch_size=32,
    dataset_size=20_000,
    reads="table",
)


def test_a_small_training_is_recognised_by_its_own_numbers() -> None:
    assert advise(SMALL).practice.name == "small"
    large = dataclasses.replace(SMALL, updates=10**6)
    assert advise(large).practice.name != "small"


@given(
    task=st.sampled_from([name for name in TASKS if name != "other"]),
    model=st.sampled_from(sorted(KNOWN)),
    updates=st.integers(2, 10**6),
    batch=st.integers(1, 10**5),
    rows=st.integers(1, 10**8),
    tuned=st.booleans(),
    shrink=st.sampled_from([1, 10, 1000]),
)
def test_every_profile_gets_a_whole_recipe_that_can_be_placed(task, model, updates, batch, rows, tuned, shrink) -> None:
    counts = KNOWN[model].counts
    small = dataclasses.replace(
        counts, **{key: getattr(counts, key) // shrink for key in ("matrices", "convolutions", "embeddings")}
    )
    reads = KNOWN[model].reads
    profile = Profile(task, small, updates, min(batch, rows), rows, 64, reads, tuned)  # pyright: ignore[reportArgumentType]
    advice = advise(profile)
    rate = advice["learning_rate"].value
    if rate is None:
        assert advice["learning_rate"].confidence == "unknown"
        return
    assert 0 < rate < 100
    assert math.isfinite(advice["weight_decay"].value)
    assert advice.curve().end == updates


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ({**IMAGENET, "batch_size": 256, "hardware": "H200"}, "channels_last"),
        ({**IMAGENET, "batch_size": 256, "hardware": "V100"}, "channels_last"),
        ({**IMAGENET, "batch_size": 256, "hardware": "cpu"}, None),
        ({**IMAGENET, "batch_size": 256, "precision": "fp32"}, None),
        ({"model": "vit_b_16", "data": "imagenet", "batch_size": 1024, "hardware": "A100"}, None),
        ({"model": "gpt2", "task": "lm", "batch_size": 8, "updates": 10_000, "hardware": "A100"}, None),
        ({"model": "wav2vec2-base", "batch_size": 8, "updates": 10_000, "hardware": "A100"}, None),
    ],
)
def test_convolutions_on_images_in_half_precision_want_their_channels_last(case, told: str | None) -> None:
    choice = cd.recommend(**case)["layout"]
    assert choice.value == told
    if told is not None:
        assert "2.0 times the speed" in choice.reason.en
        assert (choice.source.kind, choice.confidence) == ("measured", "high")
