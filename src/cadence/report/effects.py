"""What updates really did to each parameter group: a table and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cadence.comparison.results import RecipeSummary, TaskSummary
from cadence.comparison.settings import said
from cadence.record.effective import GroupEffect, Spread
from cadence.report.messages import Phrases
from cadence.report.numbers import significant
from cadence.report.rows import Table

MOST_SENTENCES = 6
"""Groups of one run that are spoken of; the table has all."""

WITHOUT_RATE = frozenset({"gradient", "adapted"})
"""Kinds of weight decay that have no rate, and a word that says why."""


def effects_table(task: TaskSummary, lang: str = "en") -> Table | None:
    """One row per recipe and group; None where nothing was measured.

    Args:
        task: the task.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    rows = [(recipe, effect) for recipe in task.recipes for effect in recipe.effects]
    if not rows:
        return None
    several = any(len(recipe.effects) > 1 for recipe in task.recipes)
    trusting = any(has_trust(effect) for _, effect in rows)
    head = [say("recipe"), *([say("group")] if several else []), say("update_ratio"), say("weight_norm")]
    head += [*([say("trust_ratio")] if trusting else []), say("decay_sum"), say("half_life")]
    cells = [_cells(recipe, effect, say, several=several, trusting=trusting) for recipe, effect in rows]
    numeric = (False, *([False] if several else []), *[True] * (4 + trusting))
    return Table(say("caption_effects", task=said(task.label, lang)), tuple(head), tuple(cells), numeric)


def effects_of_recipe(recipe: RecipeSummary, lang: str = "en") -> list[str]:
    """A sentence for each group of a recipe, each with the recipe's name in front; of very many the first.

    Args:
        recipe: the recipe.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    label = said(recipe.label, lang)
    return [say("labelled", label=label, text=text) for text in effect_sentences(recipe.effects, lang)]


def effect_sentences(effects: Sequence[GroupEffect], lang: str = "en") -> list[str]:
    """A sentence for each group, named where there are several; of very many the first.

    Args:
        effects: of one run, or of the runs of one recipe.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    told: list[str] = []
    for effect in effects[:MOST_SENTENCES]:
        text = say("sentence_end", text=say("clause_join").join(_clauses(effect, say)))
        told.append(say("group_says", name=effect.group, text=text) if len(effects) > 1 else text)
    if len(effects) > MOST_SENTENCES:
        told.append(say("more_groups", n=len(effects) - MOST_SENTENCES))
    return told


def has_trust(effect: GroupEffect) -> bool:
    """Whether trust ratios did anything: a method without them has 1 everywhere."""
    return effect.trust is not None and effect.trust != (1.0, 1.0, 1.0)


def _clauses(effect: GroupEffect, say: Phrases) -> Iterator[str]:
    if effect.update_ratio is not None:
        yield say("moved", median=_short(effect.update_ratio.median), range=_range(effect.update_ratio, say))
    if effect.trust is not None and has_trust(effect):
        yield say("trusted", median=_short(effect.trust.median), range=_range(effect.trust, say))
    if effect.decay_sum:
        sum_, left = _short(effect.decay_sum), _percent(effect.decay_left)
        yield say("decayed", sum=sum_, left=left, half_life=say("list_join").join(_half_life(effect, say)))
    elif effect.decay_sum == 0:
        yield say("decay_none")
    elif effect.decay in WITHOUT_RATE:
        yield say(f"decay_{effect.decay}")


def _cells(
    recipe: RecipeSummary, effect: GroupEffect, say: Phrases, *, several: bool, trusting: bool
) -> tuple[str, ...]:
    cells = [said(recipe.label, say.lang)]
    if several:
        cells.append(effect.group)
    cells.append(_spread(effect.update_ratio, say))
    norms = effect.weight_norm
    cells.append(say("none") if norms is None else say("range", low=_short(norms[0], 3), high=_short(norms[1], 3)))
    if trusting:
        cells.append(_spread(effect.trust, say))
    if effect.decay_sum is None:
        cells.append(f"{say('none')}\n{say(f'cell_{effect.decay}')}" if effect.decay in WITHOUT_RATE else say("none"))
    else:
        cells.append("\n".join([_short(effect.decay_sum, 3), say("leaves", share=_percent(effect.decay_left))]))
    cells.append("\n".join(_half_life(effect, say)) or say("none"))
    return tuple(cells)


def _half_life(effect: GroupEffect, say: Phrases) -> list[str]:
    """In updates, and in epochs where a run has them."""
    if effect.half_life is None:
        return []
    told = [say("n_updates", number=_short(effect.half_life, 3))]
    if effect.half_life_epochs is not None:
        told.append(say("n_epochs", number=_short(effect.half_life_epochs, 3)))
    return told


def _spread(spread: Spread | None, say: Phrases) -> str:
    return say("none") if spread is None else f"{_short(spread.median)}\n{_range(spread, say)}"


def _range(spread: Spread, say: Phrases) -> str:
    return say("range", low=_short(spread.low), high=_short(spread.high))


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{_short(100 * share, 3)} %"


def _short(x: float, digits: int = 2) -> str:
    return significant(x, digits)
