"""The same recipes in several frameworks: the same learning rates, first weights and batches, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cadence._errors import RecipeError, neighbours
from cadence.comparison.settings import Words
from cadence.recipe.recipe import Recipe
from cadence.run.engine import engine_names

NOTE: Words = {
    "en": "Each recipe was trained in {all}. Rates were tuned in {first} alone, and the others train at the rates that "
    "were chosen there; their models begin with the very weights that {first} draws for the seed, and see the same "
    "batches in the same order.",
    "zh": "每个配方都在 {all} 中训练。学习率只在 {first} 中调参，其余框架使用在那里选出的学习率；"
    "它们的模型从 {first} 按该种子抽取的同一组初始权重开始，以相同的顺序看到相同的批次。",
}


def chosen_engines(engines: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of engines, checked; empty where each recipe trains in its own.

    Raises:
        RecipeError: there is no such engine, or one is named twice.

    Example:
        >>> chosen_engines("torch,paddle"), chosen_engines(None)
        (('torch', 'paddle'), ())
    """
    if engines is None:
        return ()
    listed: Sequence[Any] = engines.split(",") if isinstance(engines, str) else engines
    names = [name.strip() if isinstance(name, str) else name for name in listed]
    for name in names:
        if name not in engine_names():
            raise RecipeError(f"there is no engine called {name!r}; {neighbours(str(name), engine_names())}")
    if not names or len(set(names)) < len(names):
        raise RecipeError(f"engines are {names}: none, or one twice; write e.g. torch,paddle")
    return tuple(names)


def in_engine(recipe: Recipe, engine: str, engines: Sequence[str]) -> Recipe:
    """A recipe as it is trained in one of several frameworks; in one alone it keeps its name.

    Args:
        recipe: as it was written.
        engine: that trains.
        engines: all that train it; the first draws the weights for all.
    """
    if len(engines) == 1:
        return recipe.changed(engine=engine)
    source = recipe.initial_weights or engines[0]
    weights = {"initial_weights": None if source == engine else source}
    return recipe.changed(engine=engine, name=f"{recipe.name} ({engine})", **weights)


def label_in(label: Words, engine: str) -> Words:
    """What the report calls a recipe in one of several frameworks.

    Example:
        >>> label_in({"en": "SGD", "zh": "SGD"}, "paddle")
        {'en': 'SGD (paddle)', 'zh': 'SGD（paddle）'}
    """
    if isinstance(label, str):
        return f"{label} ({engine})"
    return {lang: f"{text}（{engine}）" if lang == "zh" else f"{text} ({engine})" for lang, text in label.items()}


def note(engines: Sequence[str]) -> tuple[Words, ...]:
    """What the report says of several frameworks; nothing where there is one."""
    if len(engines) < 2:
        return ()
    joined = {"en": " and ".join(engines), "zh": "、".join(engines)}
    assert not isinstance(NOTE, str)
    return ({lang: text.format(all=joined[lang], first=engines[0]) for lang, text in NOTE.items()},)
