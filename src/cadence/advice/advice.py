"""A recommendation: choices with their reasons, and what they make: an optimizer with its driver, a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

from cadence._errors import AdviceError, neighbours
from cadence.advice.choice import Choice
from cadence.advice.pilot import Piloted
from cadence.advice.practices.practice import Practice
from cadence.advice.profile import Profile
from cadence.advice.rules.consult import FIELDS
from cadence.advice.rules.given import as_asked
from cadence.advice.rules.rule import as_given
from cadence.advice.setting import Setting, setting_of
from cadence.curve.curve import Curve
from cadence.curve.horizon import horizon, round_half_up
from cadence.curve.place import place
from cadence.drivers.doors import drive
from cadence.drivers.driver import Driver
from cadence.findings.finding import Both
from cadence.run.averaging import Averaging
from cadence.spec.span import span


@final
@dataclass(frozen=True)
class Advice:
    """What to train with, why, and how sure. Made by `cadence.recommend`.

    Attributes:
        profile: of the training.
        practice: of its kind, after the pilot where there was one.
        choices: one for each field, in the order in which they were made.
        piloted: what the pilot has found; None: rules alone decided.
        notes: what a reader should know besides.
        origin: keys of the recipe that was filled in; None where there was none.
    """

    profile: Profile
    practice: Practice
    choices: tuple[Choice, ...]
    piloted: Piloted | None = None
    notes: tuple[Both, ...] = ()
    origin: Mapping[str, Any] | None = None

    def __getitem__(self, field: str) -> Choice:
        """The choice for a field: ``advice["learning_rate"].value``.

        Raises:
            AdviceError: there is no such field.
        """
        found = self._by_field.get(field)
        if found is None:
            raise AdviceError(f"there is no field {field!r:.60} in the advice; {neighbours(str(field), FIELDS)}")
        return found

    @property
    def level(self) -> str:
        """``"rules"`` or ``"pilot"``: what the choices stand on."""
        return "rules" if self.piloted is None else "pilot"

    @property
    def setting(self) -> Setting:
        """The numbers that make the optimizer.

        Raises:
            AdviceError: no rate is known.
        """
        return setting_of(self._by_field)

    @property
    def schedule(self) -> str:
        """The schedule as text, in multiples of the rate."""
        return str(self["schedule"].value)

    @property
    def open(self) -> tuple[Choice, ...]:
        """Choices about which nothing is known, or that a pilot would make surer."""
        return tuple(choice for choice in self.choices if choice.pilot is not None)

    def curve(self) -> Curve:
        """The learning rate over the run.

        Raises:
            AdviceError: no rate is known.
        """
        own = self.profile
        return place(
            self.schedule, total=own.updates, steps_per_epoch=own.steps_per_epoch, batch_size=own.batch_size,
            tokens_per_step=own.tokens_per_step, base=self.setting.lr,
        )  # fmt: skip

    def having(self, **values: Any) -> Advice:
        """The same advice with some fields decided by you.

        Args:
            values: field -> value, as in `choices`: ``learning_rate=0.01``.

        Raises:
            AdviceError: there is no such field, or it takes no such value.
        """
        for field in values:
            self[field]
        return replace(self, choices=tuple(self._decided(c, values) if c.field in values else c for c in self.choices))

    def build(self, model: Any) -> tuple[Any, Driver]:
        """The optimizer for a model, and the driver of its learning rate.

        Call `driver.step()` after each `optimizer.step()`. Where the weights are averaged, ``optimizer.eval()`` comes
        before evaluating and saving, and ``optimizer.train()`` before going on. Clipping is yours: see
        ``advice["clip_norm"]``.

        Args:
            model: a torch module or a paddle layer; it is trained as it is, with the weights that it has.

        Returns:
            The optimizer and what `cadence.drive` gives.

        Raises:
            AdviceError: no rate is known.
            OptimizerError: the method cannot train this model.
        """
        own = self.profile
        optimizer = self.setting.make(model)
        wanted = self["averaging"].value
        if wanted is not None:
            from cadence.advice.averaged import averaged

            optimizer = averaged(optimizer, model, self._averaging(wanted))
        driver = drive(
            optimizer, self.schedule, total=own.updates, steps_per_epoch=own.steps_per_epoch,
            batch_size=own.batch_size, tokens_per_step=own.tokens_per_step,
        )  # fmt: skip
        return optimizer, driver

    def recipe(self, *, task: str | None = None, model: str | None = None, comments: bool = True) -> str:
        """The recipe as YAML, for `cadence train`.

        Args:
            task: as a recipe names it: ``"digits"``, ``"bytes"``, ``"package.module:function"``; where it is left out,
                that of the recipe that was filled in.
            model: ``"package.module:function"``, where it is not the task's own.
            comments: whether the reasons stand beside the keys.

        Raises:
            AdviceError: no rate is known, or nobody has said which task.
        """
        from cadence.advice.recipes import recipe_text

        return recipe_text(self, task=task, model=model, comments=comments)

    def search(self, *, task: str | None = None, model: str | None = None) -> str:
        """The recipe with a search around it, for `cadence sweep`: each number as far as its confidence is uncertain.

        Args:
            task, model: as for `recipe`.

        Returns:
            YAML: the recipe, and a section ``search`` with the ranges of `search_space`.

        Raises:
            AdviceError: nobody has said which task.
        """
        from cadence.advice.searching import search_text

        return search_text(self, task=task, model=model)

    def search_space(self) -> dict[str, Any]:
        """What a search should try: field of the recipe -> range, or list of choices.

        Example:
            >>> from cadence.advice.recommend import recommend
            >>> advice = recommend(model="gpt2", task="lm", updates=10_000, batch_size=512, tokens_per_example=1024)
            >>> advice.search_space()["lr"]
            'log(0.0002, 0.0018)'
        """
        from cadence.advice.searching import search_space

        return search_space(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: profile, choices, pilot, notes; texts in English."""
        pilot = self.piloted
        return {
            "level": self.level,
            "kind": {"name": self.practice.name, "about": self.practice.about.en},
            "profile": self.profile.to_dict(),
            "choices": {choice.field: choice.to_dict() for choice in self.choices},
            "pilot": None if pilot is None else {
                "budget": pilot.budget, "used": pilot.used, "words": pilot.words.en,
                "trials": [
                    {"rate": x.rate, "updates": x.updates, "loss": x.loss, "probe": x.probe, "diverged": x.diverged}
                    for x in pilot.trials
                ],
            },
            "notes": [note.en for note in self.notes],
        }  # fmt: skip

    def __str__(self) -> str:
        from cadence.advice.shown import shown

        return shown(self)

    @cached_property
    def _by_field(self) -> dict[str, Choice]:
        return {choice.field: choice for choice in self.choices}

    def _decided(self, choice: Choice, values: Mapping[str, Any]) -> Choice:
        asked = as_asked(choice.field, values[choice.field], choice.value, self.profile, self.practice)
        return as_given(choice, asked)

    def _averaging(self, wanted: Mapping[str, Any]) -> Averaging:
        own = self.profile
        run = horizon(own.updates, own.steps_per_epoch, own.batch_size, own.tokens_per_step)
        start = wanted.get("start")
        begin = 0 if start is None else round_half_up(run.updates(span(start)))
        return Averaging(float(wanted.get("decay", 0.9999)), begin, int(wanted.get("every", 1)))
