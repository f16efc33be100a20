"""From what a user says to a profile: lengths that agree, contradictions refused in one sentence."""

from __future__ import annotations

import math

import pytest

import cadence as cd
from cadence._errors import AdviceError
from cadence.advice.describe import describe

BASE = {"model": "resnet50", "data": "imagenet", "batch_size": 256, "epochs": 90}


def test_the_length_is_the_same_however_it_is_said() -> None:
    by_epochs = describe(**BASE)
    assert by_epochs.updates == 90 * math.ceil(1_281_167 / 256)
    assert by_epochs.epochs == 90
    again = describe(**{**BASE, "updates": by_epochs.updates})
    assert again.updates == by_epochs.updates


def test_half_an_update_is_a_whole_one_as_in_every_schedule() -> None:
    # 5 rows in batches of 2 are 3 updates of an epoch: half of them is 1.5, 2.5 epochs are 7.5.
    for epochs, updates in ((0.5, 2), (2.5, 8), (1.5, 5)):
        assert describe(model="resnet50", data=5, task="classification", batch_size=2, epochs=epochs).updates == updates
    assert describe(model="gpt2", task="lm", batch_size=2, tokens_per_example=1, tokens=5).updates == 3


def test_every_field_can_be_given_what_its_rule_would_have_said() -> None:
    advice = cd.recommend(model="resnet50", data="imagenet", batch_size=256, epochs=90)
    chosen = {choice.field: choice.value for choice in advice.choices}
    same = cd.recommend(model="resnet50", data="imagenet", batch_size=256, epochs=90, given=chosen)
    assert {choice.field: choice.value for choice in same.choices} == chosen
    assert all(choice.source.kind == "given" for choice in same.choices)
    assert {choice.field: choice.value for choice in advice.having(**chosen).choices} == chosen


def test_what_is_given_in_part_is_completed_by_the_rule() -> None:
    advice = cd.recommend(model="resnet50", data="imagenet", batch_size=256, epochs=90, given={
        "groups": {"no_decay": False}, "batch_scaling": {"rule": "sqrt"}, "optimizer": "sgd",
    })  # fmt: skip
    assert advice["groups"].value == {"no_decay": False, "layer_decay": None}
    assert advice["batch_scaling"].value == {"rule": "sqrt", "reference_batch": 256, "factor": 1.0}
    assert advice["optimizer"].value == {"name": "sgd", "momentum": 0.9}
    assert advice.having(optimizer="adamw")["optimizer"].value["name"] == "adamw"
    with pytest.raises(AdviceError, match="learning_rate is 0"):
        advice.having(learning_rate=0)


def test_tokens_become_updates_by_batch_and_sequence() -> None:
    profile = describe(
        model="gpt2", task="lm", batch_size=480, tokens_per_example=1024, tokens=1e10, dataset_size=10**7
    )
    assert profile.updates == round(1e10 / (480 * 1024))
    assert profile.tokens == profile.updates * 480 * 1024
    assert profile.tokens_per_parameter == pytest.approx(1e10 / profile.parameters, rel=1e-3)


def test_passes_and_parameters_per_sample_follow_by_arithmetic() -> None:
    profile = describe(model="resnet18", data=1200, task="classification", batch_size=32, updates=600)
    assert profile.passes == 600 * 32 / 1200
    assert profile.steps_per_epoch == 38
    assert profile.parameters_per_sample == 11_689_512 / 1200


def test_what_nobody_said_and_was_assumed_is_named() -> None:
    profile = describe(model="bert-base-uncased", data="sst2", batch_size=32)
    told = " ".join(text.en for text in profile.assumed)
    assert profile.fine_tuning
    assert "published weights" in told
    assert "3 epochs" in told
    assert "classification" in told


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"updates": 1000}, "updates and epochs disagree: they are 1000 and 450450 updates"),
        ({"batch_size": 2_000_000}, "batch_size is 2000000 and the data have 1281167 rows"),
        ({"batch_size": None}, "batch_size \\(--batch\\) is not said"),
        ({"batch_size": 0}, "batch_size is 0; write a whole number"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"tokens": 1e9}, "tokens is 1e\\+09 and the task classification, which has none"),
        ({"epochs": float("nan")}, "epochs is nan; write a finite number above 0"),
        ({"epochs": -1}, "epochs is -1"),
        ({"gpus": 7}, "256 examples does not divide among 7 ranks"),
        ({"gpus": 8, "ranks": 4}, "ranks is 4 and gpus 8"),
        ({"from_scratch": True, "fine_tuning": True}, "are both true"),
        ({"from_scratch": False, "fine_tuning": False}, "are neither true"),
        ({"data": "imagenette"}, "no data set is known by the name 'imagenette'; did you mean 'imagenet'"),
        ({"dataset_size": 5, "data": 6}, "data is 6 and dataset_size 5"),
        ({"task": "clasification"}, "did you mean 'classification'"),
        ({"model": "resnet5"}, "no model is known by the name 'resnet5'; did you mean 'resnet50'"),
        ({"model": 3}, "model is 3; give the model"),
        ({"noise": 1.5}, "noise is 1.5; it is the share of labels"),
        ({"augmentation": "some"}, "augmentation is 'some'"),
        ({"precision": "fp8"}, "precision is 'fp8'"),
        ({"data": "wikitext103", "task": "lm"}, "resnet50 reads images and wikitext103 are texts"),
        ({"given": {"lr": 0.1}}, "there is no field 'lr' to choose"),
        ({"given": {"schedule": "cosin()"}}, "did you mean 'cosine'"),
        ({"given": ["sgd"]}, "given is \\['sgd'\\]; write a mapping"),
        ({"given": {"learning_rate": "fast"}}, "learning_rate is 'fast'"),
        ({"given": {"learning_rate": -0.1}}, "learning_rate is -0.1; write a finite number above 0"),
        ({"given": {"layout": "nhwc"}}, "layout is 'nhwc'; write None, or 'channels_last'"),
        ({"given": {"weight_decay": True}}, "weight_decay is True"),
        ({"given": {"warmup": "a while"}}, "warmup: a length cannot be read"),
        ({"given": {"optimizer": 5}}, "optimizer is 5; write its name"),
        ({"given": {"optimizer": {"betas": (0.9, 0.99)}}}, "with a name"),
        ({"given": {"optimizer": "adamv"}}, "there is no optimizer called 'adamv'; did you mean 'adam'"),
        ({"given": {"optimizer": "schedulefree"}}, "write 'schedule_free_adamw'"),
        ({"given": {"groups": [1]}}, "groups is \\[1\\]; write a mapping"),
        ({"given": {"groups": {"nodecay": True}}}, "did you mean 'no_decay'"),
        ({"given": {"groups": {"layer_decay": 3}}}, "layer_decay is 3"),
        ({"given": {"averaging": 3}}, "average is 3; it must be a mapping"),
        ({"given": {"clip_norm": 0}}, "clip_norm is 0"),
        ({"given": {"stopping": "early_stop("}}, "stop: .* was never closed"),
        ({"given": {"label_smoothing": 2}}, "label_smoothing is 2"),
        ({"given": {"batch_scaling": "linear"}}, "batch_scaling is 'linear'"),
        ({"data": "0"}, "data is 0; write a whole number"),
        ({"hardware": 100}, "hardware is 100; write text"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused_in_one_sentence(change, sentence) -> None:
    with pytest.raises(AdviceError, match=sentence) as refused:
        cd.recommend(**{**BASE, **change})
    assert "\n" not in str(refused.value)


def test_a_length_that_nobody_said_is_asked_for() -> None:
    with pytest.raises(AdviceError, match="nobody said how long the run is"):
        cd.recommend(model="resnet50", task="classification", data=50_000, batch_size=32)
    with pytest.raises(AdviceError, match="write dataset_size"):
        cd.recommend(model="resnet50", task="classification", batch_size=32, epochs=3)
    with pytest.raises(AdviceError, match="tokens_per_example"):
        cd.recommend(model="gpt2", task="lm", batch_size=32, tokens=1e9)


def test_rows_of_text_are_as_many_as_its_tokens_fill() -> None:
    profile = describe(model="gpt2", data="openwebtext", batch_size=480, tokens_per_example=1024, updates=1000)
    assert profile.dataset_size == 9_035_582_198 // 1024
