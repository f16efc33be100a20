"""`cadence runs`: runs that are found, sorted and exported; what `cadence train` says of a run before and after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cadence.record.writer import RunWriter

HORIZON = {"total": 10, "steps_per_epoch": None, "batch_size": None, "tokens_per_step": None}
RUN = {"spec": "cosine()", "horizon": HORIZON, "groups": ["all"], "values": ["lr"], "bases": {"lr": [0.1]}}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def some_runs() -> None:
    """Three runs on two tasks, of different days, one of them still open, and a folder that cannot be read."""
    results: dict[str, Any] = {
        "alpha": {"status": "finished", "updates": 10, "seconds": 4.0, "final": {"val_loss": 0.25}},
        "beta": {"status": "finished", "updates": 8, "seconds": 9.0, "final": {"val_loss": 0.125, "val_accuracy": 0.5}},
        "gamma": None,
    }
    recipes = {
        "alpha": "{task: digits, tags: [best, small], notes: after the fix}",
        "beta": "{task: bytes, tags: [small]}",
        "gamma": "{task: digits, notes: 学习率 halved}",
    }
    days = {"alpha": "2026-11-20", "beta": "2026-11-22", "gamma": "2026-11-24"}
    for name, result in results.items():
        with RunWriter(Path("runs", name)) as writer:
            writer.start(
                {**RUN, "name": name}, recipe=recipes[name], environment={"started": f"{days[name]}T10:00:00Z"}
            )
            writer.update({"t": 0, "loss": 1.0, "lr": [0.1]})
            writer.close(result)
    Path("runs/torn").mkdir()
    Path("runs/torn/run.json").write_text("{")


@pytest.fixture
def names(some_runs: None, command: Any) -> Any:
    def found(*arguments: str) -> list[str]:
        return [Path(row["folder"]).name for row in json.loads(command("runs", "--json", *arguments).out)]

    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["alpha", "beta", "gamma", "torn"]),
        (["--task", "digits"], ["alpha", "gamma"]),
        (["--since", "2026-11-22"], ["beta", "gamma"]),
        (["--until", "2026-11-22"], ["alpha", "beta"]),
        (["--since", "2026-11-21", "--until", "2026-11-23"], ["beta"]),
        (["--text", "THE FIX"], ["alpha"]),
        (["--text", "学习率"], ["gamma"]),
        (["--text", "cosine"], ["alpha", "beta", "gamma"]),
        (["--tag", "small", "--task", "bytes"], ["beta"]),
        (["--status", "finished", "--sort", "val_loss"], ["beta", "alpha"]),
        (["--sort", "val_loss", "--reverse"], ["alpha", "beta", "gamma", "torn"]),
        (["--sort", "started", "--reverse"], ["gamma", "beta", "alpha", "torn"]),
        (["--sort", "seconds"], ["alpha", "beta", "gamma", "torn"]),
        (["--reverse"], ["torn", "gamma", "beta", "alpha"]),
    ],
)
def test_runs_are_found_and_sorted(arguments: list[str], expected: list[str], names: Any) -> None:
    assert names(*arguments) == expected


@pytest.mark.usefixtures("some_runs")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sort", "val_los"], "no run can be sorted by 'val_los'; did you mean 'val_loss'?"),
        (["--since", "yesterday"], "--since is 'yesterday', which is no day; write e.g. 2026-11-26"),
        (["--export", "csw"], "a record cannot be exported to 'csw'; did you mean 'csv'?"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: list[str], said: str, command: Any) -> None:
    done = command("runs", *arguments)
    assert (done.status, done.err.strip()) == (2, said)


@pytest.mark.usefixtures("some_runs")
def test_runs_are_exported_beside_them_or_into_a_folder(command: Any) -> None:
    done = command("runs", "--task", "digits", "--export", "csv")
    assert done.status == 0
    for name in ("alpha", "gamma"):
        assert Path(f"runs/{name}/exports/updates.csv").read_text() == "t,loss,lr\n0,1.0,0.1\n"
        assert f"runs/{name}/exports/journal.csv" in done.out
    assert not Path("runs/beta/exports").exists()
    rows = json.loads(command("runs", "--export", "csv", "--out", "all", "--json").out)
    assert rows[1]["exports"] == [f"all/beta/{name}.csv" for name in ("updates", "evaluations", "journal")]
    assert all(Path(file).is_file() for row in rows for file in row["exports"])


def test_nothing_found_says_so(some_runs: None, command: Any) -> None:
    assert command("runs", "--text", "nowhere").out == "no runs that are asked for in runs\n"


# ---- train -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def recipe() -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    path = Path("mine.yaml")
    path.write_text(
        "{task: bytes, optimizer: {name: sgd, lr: 0.1}, schedule: linear(), total: 3, batch_size: 2, accumulate: 3, "
        "device: cpu}"
    )
    return path


def test_train_shows_the_run_in_numbers_before_it(recipe: Path, command: Any) -> None:
    done = command("train", recipe, "--out", "run")
    first = done.err.splitlines()[0]
    assert first.startswith("3 updates, ")
    assert "an update takes 6 (batches of 2 x 3 accumulated)" in first
    assert command("train", recipe, "--out", "zh", "--lang", "zh").err.startswith("共 3 次更新")


def test_train_reports_what_was_not_planned_and_ends_with_findings(recipe: Path, command: Any) -> None:
    assert command("train", recipe, "--out", "run").status == 0
    rows = Path("run/updates.jsonl")
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    lines[1]["lr"] = [0.5]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = command("train", recipe, "--out", "run")
    assert done.status == 1
    assert "error CR001 lr was not what the schedule says: lr was 0.5 at update 1" in done.out
    data = json.loads(command("train", recipe, "--out", "run", "--json").out)
    assert [finding["code"] for finding in data["findings"]] == ["CR001"]
