"""The keys that have keys of their own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cadence._errors import RecipeError
from cadence.recipe import checks
from cadence.recipe.checks import Text
from cadence.recipe.faults import Wanted, plain

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


class GroupRecipe(BaseModel):
    """A group of parameters with values of its own (`lr`, `weight_decay`, ...) beside the patterns."""

    model_config = OPEN

    parameters: Annotated[
        Text | list[Text],
        Field(description="patterns of parameter names, as a shell matches files: head.*"),
        Wanted("a pattern of parameter names, or a list of them", '["*.bias", "*norm*"]'),
    ]

    @property
    def patterns(self) -> list[str]:
        """The patterns as a list."""
        return [self.parameters] if isinstance(self.parameters, str) else list(self.parameters)

    @property
    def values(self) -> dict[str, Any]:
        """What the group has of its own."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _checked(self) -> GroupRecipe:
        plain(self.values, "a group")
        if not self.patterns:
            raise RecipeError("a group without patterns holds no parameters; write e.g. parameters: 'head.*'")
        return self


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
