"""A task binds data, model, loss and metric, and is found by name or by import path."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cadence._errors import CadenceError, MissingExtraError, TaskError
from cadence.tasks import ArrayData, Task, embedded_tasks, resolve_task, task
from cadence.tasks.later import Later

X = np.arange(20.0).reshape(10, 2)


def mean_square(outputs: Any, targets: Any) -> Any:
    return ((outputs - targets) ** 2).mean()


def good(**changes: Any) -> Task:
    settings = {
        "name": "line",
        "data": ArrayData(X, X[:, 0], val=(X + 100, X[:, 0]), tune=(X + 200, X[:, 0])),
        "models": {"torch": dict},
        "losses": {"torch": mean_square},
        "metrics": {"torch": mean_square},
        "metric_name": "square_error",
        "metric_better": "min",
    }
    return Task(**{**settings, **changes})


def test_a_task_gives_what_each_engine_needs() -> None:
    made = good(models={"torch": dict, "paddle": list}, losses={"torch": max, "paddle": min, "jax": sum},
                metrics={"torch": mean_square, "paddle": mean_square})  # fmt: skip
    assert made.engines == ("paddle", "torch")
    assert made.model("paddle") is list
    assert made.loss("torch") is max
    assert made.metric("paddle") is mean_square


def test_an_engine_without_a_model_is_refused_with_those_that_have_one() -> None:
    for part in ("model", "loss", "metric"):
        with pytest.raises(TaskError, match=r"'line' has no model for the engine 'toch'; did you mean 'torch'"):
            getattr(good(), part)("toch")


def test_a_task_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        good().name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": " "}, "needs a name"),
        ({"name": None}, "needs a name, not None"),
        ({"data": X}, "data of the task 'line' are ndarray; wrap arrays"),
        ({"models": {}}, "has no model"),
        ({"models": dict}, "models of the task 'line' is type; write a mapping"),
        ({"models": {"torch": 3}}, r"models\['torch'\] of the task 'line' is int, which cannot be called"),
        ({"losses": {}}, "nothing for it among its losses"),
        ({"metrics": {"paddle": mean_square}}, "nothing for it among its metrics"),
        ({"metric_name": "square error"}, "cannot be a column"),
        ({"metric_name": None}, "cannot be a column"),
        ({"metric_better": "lower"}, "metric_better='lower' of the task 'line'; write 'max' if"),
    ],
)
def test_a_task_whose_parts_do_not_fit_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskError, match=words):
        good(**changes)


def test_the_embedded_tasks_have_their_names() -> None:
    assert embedded_tasks() == ["bytes", "digits"]


def test_an_embedded_task_is_found_by_its_name() -> None:
    pytest.importorskip("sklearn")
    assert task("digits").name == resolve_task("digits").name == "digits"


@pytest.mark.parametrize("find", [task, resolve_task])
def test_an_unknown_name_lists_its_neighbours(find: Any) -> None:
    with pytest.raises(TaskError, match="no task called 'digit'; did you mean 'digits'"):
        find("digit")
    with pytest.raises(TaskError, match="known are: bytes, digits"):
        find("imagenet")


def test_embedded_tasks_take_no_arguments() -> None:
    with pytest.raises(TaskError, match="'bytes' takes no arguments, and was given context"):
        resolve_task("bytes", context=32)


TASKS = """
import numpy as np
from cadence.tasks import ArrayData, Task
from cadence._errors import MissingExtraError

def line(rows=10, *, name="line"):
    x = np.arange(2.0 * rows).reshape(rows, 2)
    data = ArrayData(x, x[:, 0], val=(x + 500, x[:, 0]), tune=(x + 900, x[:, 0]))
    each = {"torch": lambda outputs, targets: ((outputs - targets) ** 2).mean()}
    return Task(name, data, models={"torch": dict}, losses=each, metrics=each, metric_name="error", metric_better="min")

def needs(folder): return line()
def anything(**settings): return line(name=",".join(sorted(settings)))
def number(): return 7
def nothing(): pass
def reads(folder="no/such/folder"): return open(folder + "/x.npy")
def breaks(): return {}["key"]
def too_few(): return line(rows=0)
def lacks(): raise MissingExtraError("run: pip install 'cadence[torch]'")
ready = line()
count = 3
class Made:
    def __new__(cls): return line(name="made")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with tasks in it, which the import path does not have, as under a console script."""
    (tmp_path / "tasks_of_mine.py").write_text(TASKS, encoding="utf-8")
    (tmp_path / "broken_syntax.py").write_text("def line(:\n", encoding="utf-8")
    (tmp_path / "broken_import.py").write_text("import nowhere_to_be_found\n", encoding="utf-8")
    (tmp_path / "broken_body.py").write_text("\n\n1 / 0\n", encoding="utf-8")
    (tmp_path / "empty_of_all.py").write_text("", encoding="utf-8")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "inner" / "deep.py").write_text("from tasks_of_mine import line\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def test_a_function_is_found_in_the_current_folder_and_called(folder: Path) -> None:
    assert resolve_task("tasks_of_mine:line").data.train_examples == 10
    assert resolve_task("inner.deep:line", rows=6, name="short").data.train_examples == 6
    assert resolve_task("tasks_of_mine:anything", a=1, b=2).name == "a,b"
    assert resolve_task("tasks_of_mine:Made").name == "made"


@pytest.mark.parametrize(
    ("path", "arguments", "words"),
    [
        ("no_such_module:line", {}, "there is no module called 'no_such_module' for the task 'no_such_module:line'"),
        ("inner.no_such:line", {}, "there is no module called 'inner.no_such'"),
        ("broken_import:line", {}, "needs 'nowhere_to_be_found', which is not installed"),
        ("broken_syntax:line", {}, "failed: SyntaxError"),
        ("broken_syntax:line", {}, "(broken_syntax.py, line 1)"),
        ("broken_body:line", {}, "ZeroDivisionError: division by zero (broken_body.py, line 3)"),
        ("tasks_of_mine:lyne", {}, "has no function called 'lyne'; did you mean 'line'"),
        ("empty_of_all:line", {}, "it has no functions"),
        ("tasks_of_mine:count", {}, "'tasks_of_mine:count' is an int, which cannot be called"),
        ("tasks_of_mine:ready", {}, "is a Task, which cannot be called; write a function"),
        ("tasks_of_mine:number", {}, "returned an int; it must return a cadence.tasks.Task"),
        ("tasks_of_mine:nothing", {}, "returned None"),
        ("tasks_of_mine:line", {"row": 3}, "has no argument 'row'; did you mean 'rows'"),
        ("tasks_of_mine:number", {"row": 3}, "has no argument 'row'; it takes none"),
        ("tasks_of_mine:needs", {}, "missing a required argument: 'folder'"),
        ("tasks_of_mine:reads", {}, "misses a file or folder: no/such/folder/x.npy (tasks_of_mine.py, line "),
        ("tasks_of_mine:breaks", {}, "failed: KeyError: 'key' (tasks_of_mine.py, line "),
        ("tasks_of_mine:too_few", {}, "have no rows"),
        ("tasks_of_mine:", {}, "does not name a function; write 'package.module:function'"),
        (":line", {}, "does not name a function"),
        ("..tasks:line", {}, "does not name a function"),
        ("tasks_of_mine:line:x", {}, "does not name a function"),
        ("tasks_of_mine:line()", {}, "does not name a function"),
        ("tasks_of_mine.line", {}, "a function is named with a colon: 'tasks_of_mine:line'"),
        (7, {}, "named by text, not 7"),
    ],
)
def test_what_leads_to_no_task_is_one_sentence(folder: Path, path: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskError) as caught:
        resolve_task(path, **arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_of_our_own_comes_through_as_it_is(folder: Path) -> None:
    with pytest.raises(MissingExtraError, match="pip install"):
        resolve_task("tasks_of_mine:lacks")


def test_nothing_is_imported_to_refuse_a_name(folder: Path) -> None:
    (folder / "loud.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    with pytest.raises(CadenceError):
        resolve_task("loud")


def test_what_comes_later_is_loaded_by_its_first_call() -> None:
    later = Later("math", "math", "floor")
    assert later(2.5) == 2
    with pytest.raises(MissingExtraError, match=r"pip install 'cadence\[paddles\]'"):
        Later("paddles", "cadence.tasks.later", "Later")()


def test_tasks_are_described_without_loading_a_framework() -> None:
    code = (
        "import sys, cadence.tasks as t\n"
        "assert 'numpy' not in sys.modules\n"
        "t.embedded_tasks(); t.task('bytes').data.fingerprint(); t.ArrayData, t.TokenData\n"
        "assert not {'torch', 'sklearn', 'paddle'} & set(sys.modules), 'a framework was loaded'\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
