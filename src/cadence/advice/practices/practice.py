"""The numbers of one kind of training, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from cadence.advice.choice import Alternative, Confidence, Source
from cadence.findings.finding import Both

Scaling: TypeAlias = Literal["linear", "sqrt"]
"""How a rate follows the batch: in proportion, or as its square root."""


@dataclass(frozen=True)
class Why:
    """What a number stands on; see `cadence.advice.choice.Choice`."""

    reason: Both
    source: Source
    confidence: Confidence
    alternatives: tuple[Alternative, ...] = ()
    pilot: Both | None = None


@dataclass(frozen=True)
class Practice:
    """Numbers for one profile.

    Attributes:
        name: of the kind of training: ``"imagenet"``, ``"lm"``, ``"small"``, ...
        about: the kind in a few words.
        optimizer: as `cadence.optimizer` takes it.
        lr: base rate for updates of `reference_batch` examples; None: nothing is known.
        why: field -> what it stands on; at least ``"optimizer"``, ``"learning_rate"``, ``"schedule"``.
        reference_batch: examples in one update that `lr` is stated for; None: those of the run.
        scaling: how the rate follows the batch; None: it does not.
        arguments: of the optimizer: ``{"betas": (0.9, 0.95)}``.
        warmup: length: updates or text with a unit; None: none.
        decay: the schedule after the warmup, as text, in multiples of the base.
        weight_decay: of everything that decays.
        no_decay: whether biases, normalisation and gains are left out of it.
        layer_decay: factor of the rate from one depth to the one before; None: none.
        groups: groups of parameters with values of their own, as in a recipe: ``{"plain": {"parameters":
            ["role:embedding"], "orthogonal": False}}``. A pattern that matches nothing in the model is an error when
            the optimizer is made, so a practice names only what the profile has.
        clip_norm: largest gradient norm; None: not clipped.
        label_smoothing: share of the target spread over all classes.
        settled: whether `lr` was measured on trainings of this kind, so that a pilot only looks for exceptions.
        noisy: what to train with instead where a pilot sees that what is left to learn is mostly noise; None: the same.
        average: of the weights, ``{"decay": 0.999, "start": "50%"}`` as in a recipe; None: none.
    """

    name: str
    about: Both
    optimizer: str
    lr: float | None
    why: Mapping[str, Why]
    reference_batch: int | None = None
    scaling: Scaling | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    warmup: int | str | None = "5%"
    decay: str = "cosine()"
    weight_decay: float = 0.0
    no_decay: bool = True
    layer_decay: float | None = None
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    settled: bool = False
    average: Mapping[str, Any] | None = None
    noisy: Practice | None = None
