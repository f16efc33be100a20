"""`comparison.json`: what a comparison folder holds and where, before any of it is trained."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from cadence._errors import CadenceError, RecordError, UnknownNameError, neighbours
from cadence.record.files import read_json

VERSION = 1

FILE = "comparison.json"

Words: TypeAlias = str | Mapping[str, str]
"""Something for people: one text, or one text per language (``"en"``, ``"zh"``)."""

_FOLDER = re.compile(r"(?!\.+$)[\w.-]+")


@dataclass(frozen=True)
class Metric:
    """What is reported beside the validation loss.

    Attributes:
        key: its name in `evaluations.jsonl`, e.g. ``"val_accuracy"``.
        name: what to call it; ``"accuracy"`` and ``"bits_per_byte"`` are translated in reports.
        share: a share of 1, shown in percent.
        higher_is_better: which way is up.
    """

    key: str
    name: str
    share: bool
    higher_is_better: bool


@dataclass(frozen=True)
class Contender:
    """One recipe of one task.

    Attributes:
        name: as the recipe calls itself.
        folder: as its folders are called.
        label: what the report calls it.
        rates: base rates that tuning tries; empty: not tuned.
        twin: name of the recipe that is the same training in another framework; None: there is none.
    """

    name: str
    folder: str
    label: Words
    rates: tuple[float, ...] = ()
    twin: str | None = None


@dataclass(frozen=True)
class Contest:
    """One task and the recipes that are compared on it.

    Attributes:
        name: as the recipes call the task.
        folder: as its folders are called.
        label: what the report calls it.
        seeds: of the reported runs.
        baseline: name of the recipe that the others are compared with.
        recipes: in the order of the report.
        metric: reported beside the validation loss; None: nothing is.
        tuning_seed: seed of the tuning runs; None: nothing was tuned.

    Raises:
        RecordError: no recipes, no seeds, a seed, name or folder twice, a folder that leads elsewhere.
        UnknownNameError: a baseline that is not among the recipes.
    """

    name: str
    folder: str
    label: Words
    seeds: tuple[int, ...]
    baseline: str
    recipes: tuple[Contender, ...]
    metric: Metric | None = None
    tuning_seed: int | None = None

    def __post_init__(self) -> None:
        names = [recipe.name for recipe in self.recipes]
        _unique(names, f"recipes of {self.name!r}")
        _unique([recipe.folder for recipe in self.recipes], f"recipe folders of {self.name!r}")
        _unique(self.seeds, f"seeds of {self.name!r}")
        for folder in (self.folder, *(recipe.folder for recipe in self.recipes)):
            if not _FOLDER.fullmatch(folder):
                raise RecordError(f"{folder!r} is no folder name; use letters, digits, '.', '_' and '-'")
        if self.baseline not in names:
            raise UnknownNameError(
                f"the baseline {self.baseline!r} is not among the recipes of {self.name!r}; "
                f"{neighbours(self.baseline, names)}"
            )


@dataclass(frozen=True)
class Settings:
    """Everything that `comparison.json` says.

    Attributes:
        tasks: in the order of the report.
        title: heading of the report; None: a plain one.
        command: what was typed.
        notes: what the report must say that cannot be read from the runs.
    """

    tasks: tuple[Contest, ...]
    title: Words | None = None
    command: tuple[str, ...] = ()
    notes: tuple[Words, ...] = ()

    def __post_init__(self) -> None:
        _unique([task.name for task in self.tasks], "tasks")
        _unique([task.folder for task in self.tasks], "task folders")

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `docs/formats.md` fixes it."""
        return {
            "version": VERSION,
            "title": self.title,
            "command": list(self.command),
            "tasks": [_task_json(task) for task in self.tasks],
            "notes": list(self.notes),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Settings:
        """Read what `to_json` wrote; unknown keys are passed over.

        Args:
            data: the object in `comparison.json`.

        Raises:
            RecordError: another version, a missing key, or a value of another kind; the sentence names it.
        """
        if data.get("version") != VERSION:
            raise RecordError(
                f"{FILE} has version {data.get('version')!r}, and this cadence reads version {VERSION}; "
                "read it with the cadence that wrote it"
            )
        try:
            title = data.get("title")
            return Settings(
                tuple(_task(task) for task in data["tasks"]),
                None if title is None else _words(title),
                tuple(str(part) for part in data.get("command", ())),
                tuple(_words(note) for note in data.get("notes", ())),
            )
        except CadenceError:
            raise
        except KeyError as missing:
            raise RecordError(f"{FILE} lacks {missing.args[0]!r}; compare again, or write the key by hand") from None
        except (TypeError, ValueError, AttributeError) as wrong:
            raise RecordError(f"{FILE} holds a value of the wrong kind: {wrong}; compare again") from None


def read_settings(folder: Path) -> Settings:
    """The settings of a comparison folder.

    Args:
        folder: the comparison folder.

    Raises:
        RecordError: there are none, or they cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        raise RecordError(f"{folder} is no comparison folder: it has no {FILE}; name the folder given as --out")
    data = read_json(path)
    if not isinstance(data, dict):
        raise RecordError(f"{path} holds {type(data).__name__}, not an object; compare again into another folder")
    return Settings.from_json(cast("dict[str, Any]", data))


def run_folder(task: Contest, recipe: Contender, seed: int) -> Path:
    """Where a reported run lies, relative to the comparison folder.

    Args:
        task: its task.
        recipe: its recipe.
        seed: its seed.

    Example:
        >>> sgd = Contender("SGD", "sgd", "SGD")
        >>> run_folder(Contest("digits", "digits", "digits", (0, 1), "SGD", (sgd,)), sgd, 1).as_posix()
        'runs/digits/sgd/seed-1'
    """
    return Path("runs", task.folder, recipe.folder, f"seed-{seed}")


def tuning_folder(task: Contest, recipe: Contender, rate: float) -> Path:
    """Where a tuning run lies, relative to the comparison folder.

    Args:
        task: its task.
        recipe: its recipe.
        rate: its base learning rate; six significant digits of it name the folder.

    Example:
        >>> sgd = Contender("SGD", "sgd", "SGD")
        >>> tuning_folder(Contest("digits", "digits", "digits", (0,), "SGD", (sgd,)), sgd, 0.1 / 3).as_posix()
        'tuning/digits/sgd/lr-0.0333333'
    """
    return Path("tuning", task.folder, recipe.folder, f"lr-{rate:.6g}")


def folder_name(name: str, taken: Sequence[str] = ()) -> str:
    """A folder name made of any name, different from those that are taken.

    Args:
        name: any text.
        taken: folder names in use in the same place.

    Returns:
        Letters, digits, ``.``, ``_`` and ``-`` only.

    Example:
        >>> folder_name("SGD + StepLR"), folder_name("a/b", taken=["a-b"]), folder_name("../..")
        ('SGD-StepLR', 'a-b-2', 'unnamed')
    """
    text = unicodedata.normalize("NFKC", name)
    stem = re.sub(r"[^\w.-]+", "-", text).strip("-.")[:60] or "unnamed"
    # Folders that differ in case alone are one folder on some machines.
    used = {other.casefold() for other in taken}
    chosen, count = stem, 1
    while chosen.casefold() in used:
        count += 1
        chosen = f"{stem}-{count}"
    return chosen


def said(words: Words, lang: str) -> str:
    """Words in one language, in English where that language is missing.

    Args:
        words: a text, or texts by language.
        lang: ``"en"`` or ``"zh"``.

    Example:
        >>> said({"en": "digits", "zh": "数字"}, "zh"), said("digits", "zh")
        ('数字', 'digits')
    """
    if isinstance(words, str):
        return words
    return words.get(lang) or words.get("en") or next(iter(words.values()), "")


def _task_json(task: Contest) -> dict[str, Any]:
    metric = task.metric
    return {
        "name": task.name,
        "folder": task.folder,
        "label": task.label,
        "seeds": list(task.seeds),
        "baseline": task.baseline,
        "metric": None if metric is None else dict(vars(metric)),
        "tuning": None if task.tuning_seed is None else {"seed": task.tuning_seed},
        "recipes": [
            {
                "name": recipe.name,
                "folder": recipe.folder,
                "label": recipe.label,
                "rates": list(recipe.rates),
                **({} if recipe.twin is None else {"twin": recipe.twin}),
            }
            for recipe in task.recipes
        ],
    }


def _task(data: Mapping[str, Any]) -> Contest:
    metric, tuning = data.get("metric"), data.get("tuning")
    return Contest(
        str(data["name"]),
        str(data["folder"]),
        _words(data.get("label", data["name"])),
        tuple(int(seed) for seed in data["seeds"]),
        str(data["baseline"]),
        tuple(_recipe(recipe) for recipe in data["recipes"]),
        None if metric is None else _metric(metric),
        None if tuning is None else int(tuning["seed"]),
    )


def _recipe(data: Mapping[str, Any]) -> Contender:
    rates = tuple(float(rate) for rate in data.get("rates", ()))
    twin = data.get("twin")
    name, label = str(data["name"]), _words(data.get("label", data["name"]))
    return Contender(name, str(data["folder"]), label, rates, None if twin is None else str(twin))


def _metric(data: Mapping[str, Any]) -> Metric:
    return Metric(str(data["key"]), str(data["name"]), bool(data["share"]), bool(data["higher_is_better"]))


def _words(data: Any) -> Words:
    if isinstance(data, str):
        return data
    return {str(lang): str(text) for lang, text in data.items()}


def _unique(names: Sequence[object], what: str) -> None:
    if not names:
        raise RecordError(f"there are no {what}; a comparison needs at least one")
    for name in names:
        if names.count(name) > 1:
            raise RecordError(f"the {what} have {name!r} twice; give each its own")
