"""Which kind of training a profile is."""

from __future__ import annotations

from cadence.advice.practices import convnets, denoising, dense, language, others, sequences, speech, tuned, vision
from cadence.advice.practices.practice import Practice
from cadence.advice.practices.small import is_small, small
from cadence.advice.profile import Profile

FEW_IMAGES = 200_000
"""Rows below which images are trained on as CIFAR is, above which as ImageNet."""


def practice_of(profile: Profile) -> Practice:
    """The numbers for trainings like this one."""
    if is_small(profile):
        return small(profile)
    by_task = {
        "detection": dense.detection,
        "segmentation": dense.segmentation,
        "denoising": denoising.denoising,
        "contrastive": others.contrastive,
        "speech": speech.speech,
        "other": others.unknown,
    }
    if profile.task in by_task:
        return by_task[profile.task](profile)
    if profile.reads == "image":
        return _image(profile)
    if profile.fine_tuning:
        return _text(profile) if profile.reads == "text" else others.unknown(profile)
    if profile.model.recurrent and not profile.model.attention:
        return others.recurrent(profile)
    if profile.task == "lm":
        return language.language_model(profile)
    if profile.task == "masked_lm":
        return sequences.masked_language_model(profile)
    if profile.task == "translation":
        return sequences.translation(profile)
    return others.tables(profile) if profile.reads == "table" else others.unknown(profile)


def _text(profile: Profile) -> Practice:
    """Text models that go on from published weights."""
    if tuned.has_adapters(profile):
        return tuned.adapters(profile)
    if profile.task == "translation":
        return tuned.sequence_to_sequence(profile)
    return tuned.instructions(profile) if profile.task == "lm" else sequences.fine_tuning_text(profile)


def _image(profile: Profile) -> Practice:
    if profile.fine_tuning:
        return vision.fine_tuning_images(profile)
    if not profile.model.batch_statistics:
        return vision.vision_transformer(profile)
    few = profile.dataset_size is not None and profile.dataset_size < FEW_IMAGES
    return convnets.small_images(profile) if few else convnets.convnet(profile)
