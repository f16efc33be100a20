"""The keys of a recipe: what each takes, what it means, what it is when it is left out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Discriminator, Field, Tag, ValidationError, model_validator

from cadence._errors import RecipeError
from cadence.recipe import checks
from cadence.recipe.checks import Text
from cadence.recipe.faults import ONE, SEVERAL, Wanted, plain, sentence
from cadence.recipe.parts import (
    STRICT,
    AverageRecipe,
    CheckpointRecipe,
    GroupRecipe,
    OptimizerRecipe,
    TuneRecipe,
    one_or_several,
)
from cadence.recipe.writing import to_yaml
from cadence.spec.groups import Division, division, group_name
from cadence.spec.nodes import EarlyStop, Schedule
from cadence.spec.parse import parse
from cadence.spec.plan import Plan

NOT_CONTENT = ("name", "tune", "loggers", "effective_rates", "tags", "notes")
"""Keys that change nothing about the training, and so are not part of its hash."""


class Recipe(BaseModel):
    """One training as data. Frozen; equal by content; every fault is one sentence.

    Args:
        keys: as in `docs/formats.md`; `task`, `optimizer`, `schedule` where it is not constant, and `total`.

    Raises:
        RecipeError: an unknown key, a missing one, or a value that it cannot take.

    Example:
        >>> recipe = Recipe(task="digits", optimizer={"name": "adamw", "lr": 0.003}, total="20 epochs")
        >>> recipe.schedule, recipe.accumulate, recipe.folder_name
        ('constant()', 1, 'recipe-b7866e42')
        >>> Recipe(task="digits", optimizer={"name": "adamw", "lr": 0.003}, totl="20 epochs")
        Traceback (most recent call last):
        cadence._errors.RecipeError: there is no key 'totl' in a recipe; did you mean 'total'?
    """

    model_config = STRICT

    name: Annotated[
        Text, Field(description="how tables and folders call it; default: the file's name"), Wanted("text", "baseline")
    ] = "recipe"
    task: Annotated[
        str,
        Field(description="digits, bytes, or package.module:function that returns a cadence.tasks.Task"),
        AfterValidator(checks.task),
        Wanted("the name of a task, or package.module:function", "digits"),
    ]
    task_args: Annotated[
        dict[str, Any], Field(description="keyword arguments of that function"), Wanted("a mapping", "{folder: data}")
    ] = {}
    model: Annotated[
        str | None,
        Field(description="package.module:function that returns a model; null: the task's own"),
        AfterValidator(checks.importable),
        Wanted("package.module:function, or null", "torchvision.models:resnet18"),
    ] = None
    model_args: Annotated[
        dict[str, Any], Field(description="keyword arguments of that function"), Wanted("a mapping", "{width: 64}")
    ] = {}
    engine: Annotated[
        Text, Field(description="the framework that trains: torch, paddle"), Wanted("the name of an engine", "torch")
    ] = "torch"
    initial_weights: Annotated[
        Text | None,
        Field(description="engine that draws the weights that the model begins with; null: the one that trains"),
        Wanted("the name of an engine, or null", "torch"),
    ] = None
    device: Annotated[
        Text,
        Field(
            description="where to compute: cpu, cuda (paddle also says gpu), cuda:1, mps; auto: an accelerator, if any"
        ),
        Wanted("the name of a device, or auto", "cpu"),
    ] = "auto"
    optimizer: Annotated[
        Annotated[OptimizerRecipe, Tag(ONE)] | Annotated[dict[Text, OptimizerRecipe], Tag(SEVERAL)],
        Discriminator(one_or_several),
        Field(description="name, lr (the base rate), and the method's own arguments; or several of these by names"),
        Wanted("a mapping with name and lr", "{name: adamw, lr: 0.001, weight_decay: 0.01}"),
    ]
    groups: Annotated[
        dict[Text, GroupRecipe],
        Field(description="parameter groups by name: patterns and values; what none claims belongs to 'rest'"),
        Wanted("a mapping from name to patterns and values", "{head: {parameters: 'head.*', lr: x10}}"),
    ] = {}
    no_decay: Annotated[
        bool,
        Field(description="no weight decay for biases, normalisation and gains"),
        Wanted("true or false", "true"),
    ] = False
    layer_decay: Annotated[
        float | None,
        Field(description="factor of the rate from one depth of the model to the one before; null: none", gt=0, le=1),
        Wanted("a number above 0 and at most 1, or null", "0.75"),
    ] = None
    schedule: Annotated[
        str | dict[str, str | int | float],
        Field(description="a schedule as text, or one for each of several values: {lr: ..., weight_decay: ...}"),
        AfterValidator(checks.schedule),
        Wanted("a schedule as text, or a mapping from value to schedule", "warmup('5%') >> cosine(to=0.01)"),
    ] = "constant()"
    total: Annotated[
        int | str,
        Field(description="length of the run: updates, or text such as '20 epochs', '2e6 tokens'"),
        AfterValidator(checks.total),
        Wanted("a number of updates, or text with a unit", "20 epochs"),
    ]
    batch_size: Annotated[
        int | None,
        Field(description="examples of one micro-batch; null: the task's own", ge=1, le=10**9),
        Wanted("a whole number of at least 1, or null", "64"),
    ] = None
    accumulate: Annotated[
        int,
        Field(
            description="micro-batches per update; a partial last group of an epoch is an update too", ge=1, le=10**6
        ),
        Wanted("a whole number from 1 to a million", "4"),
    ] = 1
    drop_last: Annotated[
        bool,
        Field(description="whether rows that do not fill an update are left out at the end of an epoch"),
        Wanted("true or false", "true"),
    ] = False
    clip_norm: Annotated[
        float | None,
        Field(description="largest global gradient norm; null: not clipped", gt=0),
        Wanted("a number above 0, or null", "1.0"),
    ] = None
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"],
        Field(description="arithmetic of forward and backward: fp32, bf16, fp16"),
        Wanted("fp32, bf16 or fp16", "bf16"),
    ] = "fp32"
    nonfinite: Annotated[
        Literal["skip", "error"] | None,
        Field(
            description="what becomes of an update with a gradient that is not finite: skip: it is skipped, and the "
            "schedule waits; error: the run ends before a weight is changed; null: it is done"
        ),
        Wanted("skip, error or null", "skip"),
    ] = None
    label_smoothing: Annotated[
        float,
        Field(description="share of the target that is spread over all classes, in training only", ge=0, lt=1),
        Wanted("a number of at least 0 and below 1", "0.1"),
    ] = 0.0
    average: Annotated[
        AverageRecipe | None,
        Field(description="a running average of the weights: decay, start, every, judged; null: none"),
        Wanted("a mapping with decay, start, every and judged, or null", "{decay: 0.9999}"),
    ] = None
    seed: Annotated[
        int,
        Field(description="of initial weights, data order, augmentation, dropout", ge=0, lt=2**32),
        Wanted("a whole number from 0 to 4294967295", "0"),
    ] = 0
    evaluate: Annotated[
        int | str,
        Field(description="distance between evaluations; one more always follows the last update"),
        AfterValidator(checks.length),
        Wanted("a number of updates, or a length such as '1 epoch'", "1 epoch"),
    ] = "1 epoch"
    stop: Annotated[
        str | None,
        Field(description="a rule that ends the run early, or null"),
        AfterValidator(checks.stop),
        Wanted("a rule as text, or null", "early_stop('val_loss', patience='5 epochs')"),
    ] = None
    checkpoint: Annotated[
        CheckpointRecipe,
        Field(description="distance, number of the newest to keep, metric whose best is kept"),
        Wanted("a mapping with every, keep and best", "{every: '1 epoch', keep: 2, best: val_loss}"),
    ] = CheckpointRecipe()
    tune: Annotated[
        TuneRecipe | None,
        Field(description="rates that `cadence compare` tries first: factors of optimizer.lr, or lr itself"),
        Wanted("a mapping with factors or lr, or null", "{factors: [0.333, 1, 3]}"),
    ] = None
    effective_rates: Annotated[
        int | None,
        Field(description="updates between measurements of what the optimizer really did to each group", ge=1),
        Wanted("a whole number of at least 1, or null", "20"),
    ] = 20
    threads: Annotated[
        int,
        Field(description="threads of one worker process", ge=1, le=4096),
        Wanted("a whole number of at least 1", "1"),
    ] = 1
    loggers: Annotated[
        list[Literal["tensorboard", "visualdl", "mlflow"]],
        Field(description="programs whose format the record is also written in: tensorboard, visualdl, mlflow"),
        Wanted("a list of tensorboard, visualdl and mlflow", "[tensorboard]"),
    ] = []
    tags: Annotated[
        list[Text], Field(description="words to find the run by"), Wanted("a list of text", "[baseline]")
    ] = []
    notes: Annotated[Text, Field(description="free text"), Wanted("text", '"after the fix"')] = ""

    def __init__(self, **keys: Any) -> None:
        try:
            super().__init__(**keys)
        except ValidationError as fault:
            raise RecipeError(sentence(fault, Recipe)) from None

    @model_validator(mode="after")
    def _together(self) -> Recipe:
        plain(self.task_args, "task_args")
        plain(self.model_args, "model_args")
        if self.model_args and self.model is None:
            raise RecipeError("model_args is given without model; write model: package.module:function too, or neither")
        for name in self.groups:
            group_name(name)
        for name in self.optimizers:
            if not name.strip():
                raise RecipeError("one of the optimizers has an empty name; call it by a word")
        if self.nonfinite == "error" and self.precision == "fp16":
            raise RecipeError(
                "precision fp16 overflows now and then as a matter of course, and its loss scaler skips such updates; "
                "write nonfinite: skip, or leave it out"
            )
        if not self.name.strip():
            raise RecipeError("name is empty; write a name, or leave the key out")
        return self

    @property
    def optimizers(self) -> dict[str, OptimizerRecipe]:
        """The optimizers by name, in the order written; one that is alone is called ``"optimizer"``."""
        return {"optimizer": self.optimizer} if isinstance(self.optimizer, OptimizerRecipe) else dict(self.optimizer)

    @property
    def main(self) -> OptimizerRecipe:
        """The optimizer whose rate is the recipe's: the only one, or the first."""
        return next(iter(self.optimizers.values()))

    @property
    def division(self) -> Division:
        """How the model's parameters are to be divided."""
        groups = {name: group.keys for name, group in self.groups.items()}
        return division(groups, no_decay=self.no_decay, layer_decay=self.layer_decay)

    @property
    def spec(self) -> Schedule | Plan:
        """The schedule or plan, parsed."""
        return parse(self.schedule)

    @property
    def stop_rule(self) -> EarlyStop | None:
        """The rule of `stop`, parsed."""
        found = None if self.stop is None else parse(self.stop)
        assert found is None or isinstance(found, EarlyStop)
        return found

    @property
    def rates(self) -> list[float]:
        """The base rates that tuning tries, in the order written; empty where nothing is tuned."""
        if self.tune is None:
            return []
        if self.tune.lr is not None:
            return list(self.tune.lr)
        return [self.main.lr * factor for factor in self.tune.factors or []]

    @property
    def content_hash(self) -> str:
        """64 hexadecimal digits over everything that shapes the training, which the keys of `NOT_CONTENT` do not."""
        # Without defaults, so that a key that a later version adds changes no hash, and runs are found again.
        content = self.model_dump(exclude=set(NOT_CONTENT), exclude_defaults=True)
        # What depends on the order that it is written in: of a plan the last key counts, of optimizers the first.
        mappings = (self.groups, self.optimizers, self.schedule)
        orders = [list(x) for x in mappings if isinstance(x, dict) and len(x) > 1]
        if orders:
            content["order"] = orders
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """Name of the run's folder: the recipe's name in letters that every file system takes, and its hash."""
        return f"{folder_safe(self.name)}-{self.content_hash[:8]}"

    def changed(self, **keys: Any) -> Recipe:
        """The same recipe with other values for some keys, checked anew.

        Args:
            keys: as in a recipe; a mapping replaces the whole of its key.

        Raises:
            RecipeError: see `Recipe`.
        """
        return Recipe(**{**self.model_dump(), **keys})

    def at_rate(self, lr: float) -> Recipe:
        """The same recipe with another base rate; further optimizers keep their ratio to the first."""
        factor = lr / self.main.lr
        first, *others = self.optimizers
        rates = {first: lr, **{name: self.optimizers[name].lr * factor for name in others}}
        changed = {name: {**one.model_dump(), "lr": rates[name]} for name, one in self.optimizers.items()}
        return self.changed(optimizer=changed[first] if isinstance(self.optimizer, OptimizerRecipe) else changed)

    def to_yaml(self) -> str:
        """The recipe as YAML, all defaults written out. Reading it gives an equal recipe."""
        return to_yaml(self.model_dump())


def folder_safe(name: str) -> str:
    """A name in letters, digits, `.`, `_` and `-`, at most 60 of them.

    Example:
        >>> folder_safe("AdamW + cosine (3e-3)"), folder_safe("学习率")
        ('AdamW-cosine-3e-3', 'recipe')
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "recipe"


def make_recipe(keys: Mapping[str, Any]) -> Recipe:
    """A recipe from a mapping that came from outside.

    Raises:
        RecipeError: a key that is not text, or see `Recipe`.
    """
    for key in keys:
        if not isinstance(key, str):
            raise RecipeError(f"{key!r:.60} is no key of a recipe; keys are words such as task, optimizer, total")
    return Recipe(**keys)
