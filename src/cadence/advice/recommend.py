"""The way in: from a description of a training to advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cadence._errors import AdviceError
from cadence.advice.advice import Advice
from cadence.advice.describe import describe
from cadence.advice.outcome import UserRun
from cadence.advice.pilot import LEAST, SHARE, Piloted, race
from cadence.advice.practices.find import practice_of
from cadence.advice.practices.practice import Practice
from cadence.advice.profile import Profile
from cadence.advice.rules.consult import consult
from cadence.findings.finding import Both


def recommend(
    *,
    model: Any,
    task: str | None = None,
    updates: int | None = None,
    batch_size: int | None = None,
    dataset_size: int | None = None,
    epochs: float | None = None,
    tokens: float | None = None,
    data: str | int | None = None,
    tokens_per_example: int | None = None,
    from_scratch: bool | None = None,
    fine_tuning: bool | None = None,
    noise: float | None = None,
    augmentation: str | None = None,
    ranks: int | None = None,
    gpus: int | None = None,
    precision: str | None = None,
    hardware: str | None = None,
    clip_norm: float | None = None,
    given: Mapping[str, Any] | None = None,
    pilot: UserRun | None = None,
    pilot_budget: int | None = None,
) -> Advice:
    """Recommend a whole recipe: optimizer, rate, warmup, schedule, decay, groups, precision, clipping, stopping.

    Every choice says why, on whose word and how surely, and what other sources say; where nothing is known, no value is
    given. With `pilot` a few short trainings of the very model decide what rules alone cannot.

    Args:
        model: a torch module or a paddle layer, on any device, ``meta`` included; or ``"package.module:function"`` that
            returns one; or the name of a known one, ``"resnet50"``. Its parameters are counted.
        task: what kind it is: ``"classification"``, ``"regression"``, ``"lm"``, ``"masked_lm"``, ``"translation"``,
            ``"denoising"``, ``"segmentation"``, ``"detection"``, ``"contrastive"``, ``"other"``.
        updates: optimizer updates in the whole run. One of this, `epochs` and `tokens`; several must agree.
        batch_size: examples in one update, of all ranks and micro-batches together.
        dataset_size: rows to train on.
        epochs: length in passes over the data.
        tokens: length in tokens, of sequences.
        data: a known data set, ``"imagenet"``, or the number of its rows.
        tokens_per_example: length of a sequence.
        from_scratch: whether the weights are drawn at random.
        fine_tuning: whether they were trained before; what `from_scratch` is not.
        noise: share of the labels that are wrong, in [0, 1).
        augmentation: how much rows are changed each time: ``"none"``, ``"light"``, ``"strong"``.
        ranks: processes that train together.
        gpus: the same, counted in accelerators.
        precision: ``"fp32"``, ``"bf16"``, ``"fp16"``, where it is not to be chosen.
        hardware: what computes: ``"cpu"``, ``"A100"``.
        clip_norm: largest gradient norm that the training clips at already.
        given: fields that are not to be chosen: ``{"optimizer": "sgd", "weight_decay": 0}``.
        pilot: ``run(make_optimizer, updates, rate)``: trains a copy of the initial model for so many updates on
            training batches, with the optimizer that ``make_optimizer(model)`` gives, at the absolute rate ``rate(t)``
            of update t (None: the optimizer's own), and returns its losses; or a mapping or an object with ``losses``
            and, where it can, ``probe_loss``, the loss on training data that it has not used. A run that diverges
            returns losses that are no finite numbers.
        pilot_budget: updates that all its runs together may take: a tenth of the run. More is not refused, but said.

    Returns:
        The advice: ``print(advice)``, ``optimizer, driver = advice.build(model)``, ``advice.recipe(task="digits")``.

    Raises:
        AdviceError: the description contradicts itself or lacks something, or the model has nothing to train.
        RecipeError: an import path that leads to no model.

    Source:
        Each choice names its own.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
        >>> advice = recommend(model=model, task="classification", updates=600, batch_size=32, dataset_size=1200)
        >>> advice["optimizer"].value["name"], advice.profile.passes
        ('muonadamw', 16.0)
        >>> optimizer, driver = advice.build(model)
    """
    profile = describe(
        model=model, task=task, updates=updates, epochs=epochs, tokens=tokens, batch_size=batch_size,
        dataset_size=dataset_size, data=data, tokens_per_example=tokens_per_example, from_scratch=from_scratch,
        fine_tuning=fine_tuning, noise=noise, augmentation=augmentation, ranks=ranks, gpus=gpus, precision=precision,
        hardware=hardware, clip_norm=clip_norm, given=given,
    )  # fmt: skip
    return advise(profile, pilot=pilot, pilot_budget=pilot_budget)


def advise(
    profile: Profile,
    *,
    pilot: UserRun | None = None,
    pilot_budget: int | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Advice:
    """Advice for a profile.

    Args:
        profile: of the training.
        pilot: as for `recommend`.
        pilot_budget: as for `recommend`.
        origin: keys of the recipe that is filled in.

    Raises:
        AdviceError: a budget without a pilot, or none that is a number of updates.
    """
    practice = practice_of(profile)
    notes: list[Both] = []
    piloted: Piloted | None = None
    if pilot is None:
        if pilot_budget is not None:
            raise AdviceError(
                f"pilot_budget is {pilot_budget!r:.60} and there is no pilot; give pilot=run, or leave both out"
            )
    else:
        piloted, practice = _piloted(profile, practice, pilot, pilot_budget, notes)
    return Advice(profile, practice, consult(profile, practice), piloted, tuple(notes), origin)


def _piloted(
    profile: Profile, practice: Practice, pilot: UserRun, budget: int | None, notes: list[Both]
) -> tuple[Piloted | None, Practice]:
    if not callable(pilot):
        raise AdviceError(f"pilot is a {type(pilot).__name__}; give a function run(make_optimizer, updates, rate)")
    if "learning_rate" in profile.given:
        notes.append(
            Both(
                "the learning rate is given, so there is nothing for a pilot to decide",
                "学习率已给定，试跑没有可决定的内容",
            )
        )
        return None, practice
    spent = _budget(profile, budget, notes)
    if spent < LEAST:
        notes.append(
            Both(
                f"a pilot of {spent} updates tells nothing, so rules alone decide; it needs at least {LEAST}",
                f"{spent} 次更新的试跑说明不了什么，因此仅凭规则决定；至少需要 {LEAST} 次",
            )
        )
        return None, practice
    found = race(pilot, spent, profile, _as_chosen(profile, practice))
    return found, found.practice


def _as_chosen(profile: Profile, practice: Practice) -> Practice:
    """The practice with what was asked for in the place of its own, so that a pilot trains with that."""
    if not profile.given:
        return practice
    chosen = {choice.field: choice for choice in consult(profile, practice)}
    method = dict(chosen["optimizer"].value)
    divided = chosen["groups"].value
    return replace(
        practice,
        optimizer=str(method.pop("name")),
        arguments=method,
        lr=chosen["learning_rate"].value,
        reference_batch=None,
        scaling=None,
        weight_decay=chosen["weight_decay"].value or 0.0,
        no_decay=bool(divided["no_decay"]),
        layer_decay=divided["layer_decay"],
        groups=divided.get("groups") or {},
        noisy=None,
    )


def _budget(profile: Profile, budget: int | None, notes: list[Both]) -> int:
    if budget is None:
        return max(1, int(SHARE * profile.updates))
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
        raise AdviceError(
            f"pilot_budget is {budget!r:.60}; write a whole number of updates, e.g. {profile.updates // 10}"
        )
    if budget > SHARE * profile.updates:
        share = 100 * budget / profile.updates
        notes.append(
            Both(
                f"the pilot may take {budget} updates, {share:.3g} % of the run: beyond a tenth, what it costs is "
                f"seldom won back",
                f"试跑可用 {budget} 次更新，占全程的 {share:.3g}%：超过十分之一后，所花的代价很少能赚回",
            )
        )
    return budget
