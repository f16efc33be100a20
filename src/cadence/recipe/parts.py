"""The keys that have keys of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cadence._errors import RecipeError
from cadence.recipe import checks
from cadence.recipe.checks import Text
from cadence.recipe.faults import ONE, SEVERAL, Wanted, plain
from cadence.spec.groups import wanted

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
OPEN = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)
"""For keys that pass on arguments of somebody else's functions."""


class ScaleRecipe(BaseModel):
    """What a base rate was stated for, and how it becomes that of the run's batch."""

    model_config = STRICT

    rule: Annotated[
        Literal["linear", "sqrt"],
        Field(description="linear: in proportion to the batch; sqrt: to its square root"),
        Wanted("linear or sqrt", "linear"),
    ]
    reference_batch: Annotated[
        int,
        Field(description="examples in one update that lr is stated for", ge=1),
        Wanted("a whole number of at least 1", "256"),
    ]
    warmup: Annotated[
        int | str | None,
        Field(description="length of a climb from the rate of the reference batch to the scaled one, or null"),
        AfterValidator(lambda x: x if x is None else checks.length(x)),
        Wanted("a number of updates, a length such as '5 epochs', or null", "5 epochs"),
    ] = None


class OptimizerRecipe(BaseModel):
    """Method, rate, and the method's own arguments (`weight_decay`, `betas`, ...) beside them."""

    model_config = OPEN

    name: Annotated[
        str,
        Field(description="sgd, adamw, lamb, lion, ...; pytorch_optimizer:lamb; or package.module:Class"),
        AfterValidator(checks.named),
        Wanted("the name of a method, or package.module:Class", "adamw"),
    ]
    lr: Annotated[
        float,
        Field(description="base learning rate, which the schedule multiplies", gt=0),
        Wanted("a number above 0", "0.001"),
    ]
    scale_lr: Annotated[
        ScaleRecipe | None,
        Field(description="lr is stated for a reference batch, and scaled to the run's; null: it is as it is"),
        Wanted("a mapping with rule and reference_batch, or null", "{rule: linear, reference_batch: 256}"),
    ] = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The method's own arguments, as they are written."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _plain(self) -> OptimizerRecipe:
        plain(self.arguments, "optimizer")
        return self


def one_or_several(x: object) -> str:
    """Whether the value of `optimizer` is one, or a mapping from names to several."""
    if not isinstance(x, Mapping):
        return ONE
    values = list(cast("Mapping[object, object]", x).values())
    return SEVERAL if values and all(isinstance(v, (Mapping, OptimizerRecipe)) for v in values) else ONE


class GroupRecipe(BaseModel):
    """A group of parameters with values of its own (`lr`, `weight_decay`, ...) beside the patterns."""

    model_config = OPEN

    parameters: Annotated[
        Text | list[Text],
        Field(description="patterns: head.*, re:..., type:LayerNorm, role:bias, depth:0-3"),
        Wanted("a pattern of parameters, or a list of them", '["head.*", "role:embedding"]'),
    ]
    without: Annotated[
        Text | list[Text] | None,
        Field(description="patterns of parameters that are left out"),
        Wanted("a pattern of parameters, a list of them, or null", '"head.bias"'),
    ] = None
    optimizer: Annotated[
        Text | None,
        Field(description="which of several optimizers trains it; null: the first"),
        Wanted("the name of one of the optimizers, or null", "matrices"),
    ] = None
    frozen: Annotated[
        bool | int | str | None,
        Field(description="for how long it is not trained; true: always"),
        AfterValidator(checks.frozen),
        Wanted("a number of updates, a length such as '3 epochs', true, or null", "3 epochs"),
    ] = None
    layer_decay: Annotated[
        float | None,
        Field(description="instead of the recipe's", gt=0, le=1),
        Wanted("a number above 0 and at most 1, or null", "0.75"),
    ] = None
    no_decay: Annotated[
        bool | None, Field(description="instead of the recipe's"), Wanted("true, false or null", "true")
    ] = None

    @property
    def keys(self) -> dict[str, Any]:
        """The group's keys, its own values among them, as `cadence.spec.groups.wanted` reads them."""
        return self.model_dump()

    @model_validator(mode="after")
    def _checked(self) -> GroupRecipe:
        plain(dict(self.model_extra or {}), "a group")
        wanted(self.keys)
        return self


class AverageRecipe(BaseModel):
    """A running average of the weights."""

    model_config = STRICT

    decay: Annotated[
        float,
        Field(description="of an older average with each newer one; 1: the memory grows for ever", gt=0, le=1),
        Wanted("a number above 0 and at most 1", "0.9999"),
    ] = 0.9999
    start: Annotated[
        int | str | None,
        Field(description="how much of the run passes before it begins; null: none of it"),
        AfterValidator(lambda x: x if x is None else checks.length(x)),
        Wanted("a number of updates, a length such as '5 epochs', or null", "5 epochs"),
    ] = None
    every: Annotated[
        int,
        Field(description="updates from one set of weights that enters to the next", ge=1),
        Wanted("a whole number of at least 1", "1"),
    ] = 1
    judged: Annotated[
        bool,
        Field(description="whether evaluations and the model in checkpoints are of the average"),
        Wanted("true or false", "true"),
    ] = True


class CheckpointRecipe(BaseModel):
    """When to write checkpoints, and which to keep."""

    model_config = STRICT

    every: Annotated[
        int | str | None,
        Field(description="distance between checkpoints; null: with every evaluation"),
        AfterValidator(lambda x: x if x is None else checks.length(x)),
        Wanted("a number of updates, a length such as '1 epoch', or null", "500"),
    ] = None
    keep: Annotated[
        int, Field(description="how many of the newest to keep", ge=1), Wanted("a whole number of at least 1", "2")
    ] = 2
    best: Annotated[
        Text | None,
        Field(description="metric whose best checkpoint is kept as well, e.g. val_loss"),
        Wanted("the name of a metric, or null", "val_loss"),
    ] = None


class TuneRecipe(BaseModel):
    """Rates that a comparison tries first: multiples of `optimizer.lr`, or the rates themselves."""

    model_config = STRICT

    factors: Annotated[
        list[Annotated[float, Field(gt=0)]] | None,
        Field(description="multiples of optimizer.lr"),
        Wanted("a list of numbers above 0", "[0.333, 1, 3]"),
    ] = None
    lr: Annotated[
        list[Annotated[float, Field(gt=0)]] | None,
        Field(description="the rates themselves"),
        Wanted("a list of numbers above 0", "[0.03, 0.1, 0.3]"),
    ] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> TuneRecipe:
        if bool(self.factors) == bool(self.lr):
            raise RecipeError("tune needs rates to try: write either factors: [0.333, 1, 3] or lr: [0.03, 0.1, 0.3]")
        return self
