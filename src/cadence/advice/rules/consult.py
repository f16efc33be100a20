"""All rules, asked in their order."""

from __future__ import annotations

from cadence._errors import AdviceError, neighbours
from cadence.advice.choice import Choice
from cadence.advice.practices.practice import Practice
from cadence.advice.profile import Profile
from cadence.advice.rules.arithmetic import clip_norm, precision
from cadence.advice.rules.batch import batch_scaling
from cadence.advice.rules.ending import averaging, label_smoothing
from cadence.advice.rules.given import as_asked
from cadence.advice.rules.layout import layout
from cadence.advice.rules.optimizer import optimizer
from cadence.advice.rules.rate import learning_rate
from cadence.advice.rules.rule import Rule, as_given
from cadence.advice.rules.schedule import schedule, warmup
from cadence.advice.rules.stopping import stopping
from cadence.advice.rules.weights import groups, weight_decay

ORDER: tuple[tuple[str, Rule], ...] = (
    ("optimizer", optimizer),
    ("batch_scaling", batch_scaling),
    ("learning_rate", learning_rate),
    ("warmup", warmup),
    ("schedule", schedule),
    ("weight_decay", weight_decay),
    ("groups", groups),
    ("precision", precision),
    ("layout", layout),
    ("clip_norm", clip_norm),
    ("label_smoothing", label_smoothing),
    ("averaging", averaging),
    ("stopping", stopping),
)
"""Field -> its rule; each sees what those before it chose."""

FIELDS = tuple(name for name, _ in ORDER)


def consult(profile: Profile, practice: Practice) -> tuple[Choice, ...]:
    """One choice for each field.

    Args:
        profile: of the training; what it says is given is not chosen.
        practice: of its kind.

    Raises:
        AdviceError: something is given that is no field, or no such value.
    """
    for field in profile.given:
        if field not in FIELDS:
            raise AdviceError(f"there is no field {field!r:.60} to choose; {neighbours(str(field), FIELDS)}")
    chosen: dict[str, Choice] = {}
    for field, rule in ORDER:
        choice = rule(profile, practice, chosen)
        if field in profile.given:
            choice = as_given(choice, as_asked(field, profile.given[field], choice.value, profile, practice))
        elif field == "precision" and profile.precision is not None:
            choice = as_given(choice, profile.precision)
        chosen[field] = choice
    return tuple(chosen.values())
