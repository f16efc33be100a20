"""Recipes x seeds, trained side by side: tuning first, then the runs that are reported."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

from cadence import _errors
from cadence._errors import CadenceError, MissingExtraError, RecipeError
from cadence._lazy import EXTRAS
from cadence.comparison.board import Board, Training
from cadence.comparison.entries import Group, Intent, RecipeLike, intent
from cadence.comparison.folder import claim, write_settings
from cadence.comparison.places import open_pool
from cadence.comparison.pool import Happening, Job, Pool
from cadence.comparison.settings import Contender, Contest, Metric, Settings
from cadence.record.files import make_folder
from cadence.record.names import VERSION
from cadence.record.writer import RunWriter
from cadence.run.engine import engine_names
from cadence.run.ranks import refuse_many

RUNS = Path("runs")
"""Where comparisons go that are not told where to go."""

LIBRARIES = ("safetensors", "scipy", "matplotlib")
"""What a comparison and its report need beside frameworks: looked for before, not missed after, minutes of training."""


@dataclass(frozen=True)
class Standing:
    """How far a comparison is.

    Attributes:
        trainings: all of them, with their state.
        changed: the one that something is to be said of.
        what: ``"begins"``, ``"goes on"``, ``"ends"`` (see its state), or ``"again"`` (its process has died).
        sentence: what is to be said.
        seconds_left: an estimate; None as long as there is none.
    """

    trainings: Sequence[Training]
    changed: Training
    what: str
    sentence: str
    seconds_left: float | None


Tell: TypeAlias = Callable[[Standing], object]


def run_comparison(
    recipes: Sequence[RecipeLike] | None = None,
    *,
    seeds: int | Sequence[int] | None = None,
    out: str | os.PathLike[str] | None = None,
    tasks: Sequence[str] | None = None,
    updates: int | None = None,
    workers: int | None = None,
    on: str | None = None,
    fresh: bool = False,
    tune: bool = True,
    engines: str | Sequence[str] | None = None,
    progress: Tell | None = None,
) -> Path:
    """Train everything that a comparison consists of, as far as it is not done already.

    Args:
        recipes, seeds, out, tasks, updates, workers, on, fresh, tune, engines, progress: see `cadence.compare`.

    Returns:
        The folder. Whether runs diverged or failed stands in their records.

    Raises:
        CadenceError: something cannot be used; nothing has been trained then.
    """
    if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
        raise RecipeError(f"workers={workers!r} trains nothing; write how many processes may work, at least 1")
    refuse_many("compare")
    wanted = intent(recipes, seeds=seeds, tasks=tasks, updates=updates, tune=tune, engines=engines)
    _check_libraries(wanted)
    folder = Path(out) if out is not None else RUNS / wanted.folder_name
    lock = claim(folder, wanted.fingerprint, fresh=fresh)
    try:
        _Work(wanted, folder, on, progress).do(workers)
    finally:
        lock.release()
    return folder


@final
class _Work:
    """One start of a comparison.

    Args:
        wanted: what is compared.
        folder: of the comparison, claimed.
        on: where; see `cadence.comparison.places.open_pool`.
        tell: is called with the standing, or None.
    """

    def __init__(self, wanted: Intent, folder: Path, on: str | None, tell: Tell | None) -> None:
        self._wanted = wanted
        self._folder = folder
        self._on = on
        self._tell = tell

    def do(self, workers: int | None) -> None:
        """Train what is not done, with so many workers; None: as many as there is room for."""
        if finished(self._wanted, self._folder):
            return
        wanted = self._wanted
        with open_pool(self._on, workers, threads=wanted.threads, devices=wanted.devices) as pool:
            facts = self._look(pool)
            pool.mind({str(found["device"]) for found in facts.values()})
            contests = tuple(_contest(g, group, facts) for g, group in enumerate(self._wanted.groups))
            settings = Settings(contests, self._wanted.title, _command(), self._wanted.notes)
            write_settings(self._folder, settings, self._wanted.fingerprint)
            planned = {key: int(found["total"]) for key, found in facts.items()}
            self._train(pool, Board(self._wanted, contests, self._folder, planned), facts)

    def _look(self, pool: Pool) -> dict[tuple[int, int], Mapping[str, Any]]:
        """What is known of every recipe before it is trained; the first thing that is wrong ends the comparison."""
        keys = [(g, e) for g, group in enumerate(self._wanted.groups) for e in range(len(group.entries))]
        waiting, facts = list(enumerate(keys)), dict[tuple[int, int], Mapping[str, Any]]()
        while len(facts) < len(keys):
            while waiting and pool.free:
                number, (g, e) = waiting.pop(0)
                entry = self._wanted.groups[g].entries[e]
                splits = ["tune", "val"] if entry.rates else ["val"]
                pool.give(Job(number, "look", {"recipe": entry.recipe.model_dump(), "splits": splits}))
            told = pool.wait()
            if told is None or told.kind in ("news", "again"):
                continue
            g, e = keys[told.job]
            if told.kind == "failed":
                raise _refusal(told, self._wanted.groups[g].entries[e].recipe.name)
            facts[g, e] = told.content
        return facts

    def _train(self, pool: Pool, board: Board, facts: Mapping[tuple[int, int], Mapping[str, Any]]) -> None:
        first = len(facts)  # numbers below belong to the looks
        while board.open:
            while pool.free and (training := board.next()) is not None:
                training.state = "running"
                split = "tune" if training.phase == "tuning" else "val"
                arguments = {"recipe": training.recipe.model_dump(), "split": split}
                pool.give(Job(first + training.number, "train", arguments, str(training.folder)))
                self._say(board, pool, training, "begins")
            told = pool.wait()
            if told is None:
                continue
            training = board.trainings[told.job - first]
            if told.kind == "news":
                training.done = int(told.content["t"])
                self._say(board, pool, training, "goes on")
            elif told.kind == "again":
                self._say(board, pool, training, "again", told.sentence)
            else:
                self._end(board, training, told, facts)
                self._say(board, pool, training, "ends", str(training.result.get("sentence", "")))

    def _end(
        self,
        board: Board,
        training: Training,
        told: Happening,
        facts: Mapping[tuple[int, int], Mapping[str, Any]],
    ) -> None:
        if told.kind == "done":
            board.ended(training, str(told.content["status"]), told.content)
            return
        g = self._wanted.groups.index(training.group)
        known = facts[g, training.group.entries.index(training.entry)]
        board.ended(training, "failed", note_failure(training, told.sentence, known))

    def _say(self, board: Board, pool: Pool, training: Training, what: str, sentence: str = "") -> None:
        if self._tell is not None:
            self._tell(Standing(board.trainings, training, what, sentence, board.seconds_left(pool.size)))


def finished(wanted: Intent, folder: Path) -> bool:
    """Whether every training of a comparison has come to its end, read from its folder alone.

    Args:
        wanted: what is compared.
        folder: of the comparison.
    """
    from cadence.comparison.settings import FILE, read_settings

    if not (folder / FILE).exists():
        return False
    contests = read_settings(folder).tasks
    anything = {(g, e): 1 for g, group in enumerate(wanted.groups) for e in range(len(group.entries))}
    return not Board(wanted, contests, folder, anything).open


def note_failure(training: Training, sentence: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Write into a training's folder that it failed, where its own process could not.

    Args:
        training: that failed.
        sentence: why.
        known: what was known of its run before.

    Returns:
        The content of its `result.json`.
    """
    result: dict[str, Any] = {
        "status": "failed",
        "updates": training.done,
        "seconds": None,
        "train_seconds": None,
        "final": {},
        "best": {},
        "sentence": f"Failed after {training.done} updates: {sentence}.",
    }
    folder = training.folder
    try:
        make_folder(folder)
        with RunWriter(folder) as writer:
            if not (folder / "run.json").exists():
                recipe = training.recipe
                about = {"name": recipe.name, "split": "tune" if training.phase == "tuning" else "val"}
                about |= {"spec": known["spec"], "horizon": known["horizon"], "groups": [], "values": [], "bases": {}}
                writer.start({"version": VERSION, **about}, recipe=recipe.to_yaml())
            writer.close(result)
    except CadenceError as error:
        # The disk that made the run fail will often refuse this too; the comparison goes on without.
        result["sentence"] += f" {error}"
    return result


def _check_libraries(wanted: Intent) -> None:
    recipes = [entry.recipe for group in wanted.groups for entry in group.entries]
    frameworks = dict.fromkeys(name for recipe in recipes for name in (recipe.engine, recipe.initial_weights))
    # A name that is no engine's is refused where the recipe is looked at.
    for library in (*(name for name in frameworks if name in engine_names()), *LIBRARIES):
        if importlib.util.find_spec(library) is None:
            raise MissingExtraError(
                f"this needs {library}, which is not installed; run: pip install 'cadence[{EXTRAS[library]}]'"
            )


def _contest(g: int, group: Group, facts: Mapping[tuple[int, int], Mapping[str, Any]]) -> Contest:
    first = facts[g, 0]
    name = str(first["metric"])
    share = name == "accuracy" or name.endswith("_accuracy")
    return Contest(
        group.name,
        group.folder,
        group.label,
        group.seeds,
        group.entries[0].recipe.name,
        tuple(
            Contender(
                e.recipe.name,
                e.folder,
                e.label,
                e.rates,
                None if e.twin is None else group.entries[e.twin].recipe.name,
            )
            for e in group.entries
        ),
        Metric(f"val_{name}", name, share, bool(first["higher_is_better"])),
        group.tuning_seed,
    )


def _refusal(told: Happening, name: str) -> CadenceError:
    """What a worker found wrong with a recipe, as the error it was there."""
    found = getattr(_errors, told.error or "", None)
    if isinstance(found, type) and issubclass(found, CadenceError):
        return found(f"{name}: {told.sentence}")
    return RecipeError(f"{name}: it cannot be begun: {told.sentence}; correct it there")


def _command() -> tuple[str, ...]:
    """What was typed, without the folder that the program lies in."""
    if not sys.argv or not sys.argv[0]:
        return ()
    program = Path(sys.argv[0])
    first = ("python", "-m", program.parent.name) if program.name == "__main__.py" else (program.name,)
    return (*first, *sys.argv[1:])
