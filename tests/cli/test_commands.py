"""What each command prints and writes, for people and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import cadence
from cadence.cli.lengths import length
from cadence.cli.logs import columns_of, read_log
from cadence.cli.words import WORDS
from cadence.record.writer import RunWriter

SCHEDULE = "warmup('5%') >> cosine(to=0.01)"
BYTES_RECIPE = "{name: x, task: bytes, optimizer: {name: sgd, lr: 0.1}, schedule: cosine(), total: 40, batch_size: 2}"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# ---- plot ------------------------------------------------------------------------------------------------------------

RUN = ("--total", "90 epochs", "--steps-per-epoch", "5005", "--base", "0.1")


def test_plot_draws_in_the_terminal_and_says_it_in_words(command) -> None:
    done = command("plot", SCHEDULE, *RUN)
    assert done.status == 0
    curve = cadence.place(SCHEDULE, total="90 epochs", steps_per_epoch=5005, base=0.1)
    assert done.out.endswith(curve.describe() + "\n")
    assert "0.10 ┤" in done.out


def test_plot_gives_values_and_events_as_json(command) -> None:
    data = json.loads(command("plot", SCHEDULE, "--total", "100", "--base", "0.5", "--json").out)
    curve = cadence.place(SCHEDULE, total=100, base=0.5)
    (found,) = data["curves"]
    assert found["spec"] == SCHEDULE
    assert found["t"] == list(range(100))
    assert found["values"]["0/lr"] == curve.values().tolist()
    assert [event["t"] for event in found["events"]] == [event.t for event in curve.events]
    assert data["file"] is None


def test_plot_of_a_long_run_gives_an_even_selection_with_both_ends(command) -> None:
    found = json.loads(command("plot", SCHEDULE, *RUN, "--json").out)["curves"][0]
    assert len(found["t"]) == 2000
    assert (found["t"][0], found["t"][-1]) == (0, 450449)
    curve = cadence.place(SCHEDULE, total="90 epochs", steps_per_epoch=5005, base=0.1)
    assert found["values"]["0/lr"][1234] == curve.at(found["t"][1234])


def test_plot_overlays_several_and_a_plan_has_a_picture_for_each_value(command) -> None:
    both = command("plot", "cosine()", "linear()", "--total", "100").out
    assert "a  cosine()" in both
    assert "b  linear()" in both
    plan = command("plot", "plan({'lr': cosine(), 'momentum': linear(to=0.5)})", "--total", "100", "--base", "0.9").out
    assert "lr, update" in plan
    assert "momentum, update" in plan


@pytest.mark.parametrize(("name", "first"), [("x.svg", b"<svg"), ("x.html", b"<!doctype html"), ("x.png", b"\x89PNG")])
def test_plot_writes_a_picture_of_the_kind_that_its_name_says(name: str, first: bytes, command) -> None:
    if name.endswith("png"):
        pytest.importorskip("matplotlib")
    done = command("plot", SCHEDULE, "--total", "100", "--out", name)
    assert (done.status, done.out) == (0, f"{name}\n")
    assert Path(name).read_bytes().lower().startswith(first.lower())


def test_plot_speaks_chinese_in_the_terminal_and_in_pictures(command) -> None:
    assert "lr, 更新" in command("plot", SCHEDULE, "--total", "100", "--lang", "zh").out
    command("plot", SCHEDULE, "--total", "100", "--lang", "zh", "--out", "x.svg")
    assert "更新" in Path("x.svg").read_text(encoding="utf-8")


def test_plot_knows_the_length_of_an_embedded_task(command) -> None:
    Path("r.yaml").write_text(BYTES_RECIPE.replace("total: 40", "total: 1 epoch"))
    found = json.loads(command("plot", "r.yaml", "--json").out)["curves"][0]
    # Windows of 64 bytes, two in a batch.
    from cadence.tasks import task

    assert found["total"] == task("bytes").data.batches_per_epoch(2) > 1000
    assert found["values"]["rest/lr"][0] == 0.1
    assert json.loads(command("plot", "r.yaml", "--total", "7", "--base", "2", "--json").out)["curves"][0]["total"] == 7


def test_plot_of_a_recipe_with_a_task_of_ones_own_imports_nothing(command) -> None:
    Path("mine.py").write_text("raise SystemExit('imported')")
    Path("r.yaml").write_text(BYTES_RECIPE.replace("task: bytes", "task: 'mine:task'").replace("40", "2 epochs"))
    done = command("plot", "r.yaml")
    assert done.status == 2
    assert "epoch" in done.err
    assert command("plot", "r.yaml", "--steps-per-epoch", "10").status == 0


def test_plot_of_a_recipe_shows_each_group_at_its_own_base(command) -> None:
    Path("r.yaml").write_text(
        "{name: x, task: digits, total: 10, schedule: {lr: cosine(), weight_decay: linear()},\n"
        " optimizer: {name: adamw, lr: 0.1, weight_decay: 0.02}, groups: {head: {parameters: 'head.*', lr: 0.3}}}"
    )
    data = json.loads(command("plot", "r.yaml", "--total", "10", "--steps-per-epoch", "5", "--json").out)
    values = {key: numbers[0] for key, numbers in data["curves"][0]["values"].items()}
    assert values == {"head/lr": 0.3, "head/weight_decay": 0.02, "rest/lr": 0.1, "rest/weight_decay": 0.02}
    Path("r.yaml").write_text(
        "{name: x, task: digits, total: 10, schedule: {momentum: cosine()}, optimizer: {name: sgd, lr: 0.1}}"
    )
    done = command("plot", "r.yaml", "--steps-per-epoch", "5")
    assert (done.status, "write momentum: under optimizer" in done.err) == (2, True)


def test_plot_of_an_endless_schedule_asks_how_much(command) -> None:
    assert "--until" in command("plot", "constant()", "--json").err
    assert len(json.loads(command("plot", "constant()", "--until", "5", "--json").out)["curves"][0]["t"]) == 5


# ---- replay ----------------------------------------------------------------------------------------------------------

RULE = "constant() * plateau('val_loss', factor=0.5, patience=4)"
LOSSES = [0.5, 0.45, 0.4, 0.35, 0.3] + [0.3] * 5


def test_replay_tells_each_decision_with_its_reason(command) -> None:
    Path("log.csv").write_text("epoch,val_loss\n" + "".join(f"{i},{x}\n" for i, x in enumerate(LOSSES)))
    done = command("replay", RULE, "--log", "log.csv", "--base", "0.01")
    assert done.status == 0
    words = re.sub(r"\s+", " ", done.out)
    assert words.count("CUT") == 1
    assert "with a patience of 4: cut, times 0.5. lr 0.01 -> 0.005." in words
    assert words.endswith("10 evaluations, 1 cut: 0.01 at the beginning, 0.005 after the last. ")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_replay_as_json_is_what_the_library_says(suffix: str, command) -> None:
    path = Path(f"log.{suffix}")
    if suffix == "csv":
        path.write_text("val_loss\n" + "\n".join(map(str, LOSSES)))
    else:
        path.write_text("".join(json.dumps({"val_loss": x}) + "\n" for x in LOSSES))
    data = json.loads(command("replay", RULE, "--log", path, "--base", "0.01", "--every", "7", "--json").out)
    seen = cadence.replay(RULE, LOSSES, base=0.01, every=7)
    assert data["values"] == seen.values.tolist()
    assert data["decisions"] == [decision.to_json() for decision in seen.decisions]
    assert data["cuts"] == 1


def test_replay_reads_a_column_of_another_name_and_passes_over_rows_without_it(command) -> None:
    rows = "".join(f"{i},0.9,\n{i},,{x}\n" for i, x in enumerate(LOSSES))
    Path("log.csv").write_text("step,train,valid/loss\n" + rows)
    for metric in ("valid/loss", "val_loss=valid/loss"):
        data = json.loads(command("replay", RULE, "--log", "log.csv", "--metric", metric, "--json").out)
        assert (len(data["values"]), data["cuts"]) == (11, 1)


def test_replay_says_where_a_run_would_have_stopped(command) -> None:
    Path("log.csv").write_text("val_loss\n" + "\n".join(map(str, LOSSES)))
    done = command("replay", "constant() * early_stop('val_loss', patience=2)", "--log", "log.csv")
    assert "the run would have stopped after evaluation 8" in re.sub(r"\s+", " ", done.out)


def test_replay_says_where_a_cooldown_ends_the_run(command) -> None:
    Path("log.csv").write_text("val_loss\n" + "\n".join(map(str, LOSSES)))
    rule = "constant() * early_stop('val_loss', patience=2, then='cooldown {} steps')"
    done = command("replay", rule.format(2), "--log", "log.csv", "--json")
    assert json.loads(done.out)["stopped"] == 10
    done = command("replay", rule.format(7), "--log", "log.csv", "--total", "100")
    assert "the run would be cooling down, and end at update 15" in re.sub(r"\s+", " ", done.out)


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("val_los\n0.5\n", [], "did you mean 'val_los'?"),
        ("val_loss\n0.5\nmuch\n", [], "'much' under 'val_loss' in row 2"),
        ("val_loss\n", [], "no rows"),
        ("a\n1\n", ["--metric", "other=a"], "no rule watches 'other'"),
        ("\x00\xff", [], "log.csv"),
    ],
)
def test_a_log_that_rules_cannot_use_is_named(content: str, arguments: list[str], said: str, command) -> None:
    Path("log.csv").write_text(content, encoding="latin-1")
    done = command("replay", RULE, "--log", "log.csv", *arguments)
    assert (done.status, said in done.err) == (2, True), done.err


def test_a_log_of_several_metrics_needs_to_know_which_is_which() -> None:
    assert columns_of(["a", "b", "a"], ["a=x", "b"]) == {"a": "x", "b": "b"}
    assert columns_of(["a"], ["x"]) == {"a": "x"}
    with pytest.raises(cadence._errors.RecordError, match="a, b; write --metric METRIC=x"):
        columns_of(["a", "b"], ["x"])


def test_a_json_log_may_end_in_the_middle_of_a_line() -> None:
    Path("log.jsonl").write_text('{"t": 1, "val_loss": 0.5}\n{"t": 2, "val_lo')
    assert read_log(Path("log.jsonl")) == [{"t": 1, "val_loss": 0.5}]


# ---- runs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def some_runs() -> None:
    horizon = {"total": 10, "steps_per_epoch": None, "batch_size": None, "tokens_per_step": None}
    about = {"name": "n", "spec": "constant()", "horizon": horizon, "groups": ["all"], "values": ["lr"]}
    results: dict[str, Any] = {
        "good": {"status": "finished", "updates": 10, "final": {"val_loss": 0.25}},
        "bad": {"status": "diverged", "updates": 3, "final": {}, "sentence": "The loss is nan."},
        "open": None,
    }
    for name, result in results.items():
        with RunWriter(Path("runs", name)) as writer:
            tags = "[best, small]" if name == "good" else "[small]"
            recipe = f"{{task: digits, tags: {tags}, seed: 4}}"
            writer.start({**about, "bases": {"lr": [0.1]}}, recipe=recipe, environment={})
            writer.update({"t": 0, "loss": 1.0, "lr": [0.1]})
            writer.close(result)
    broken = Path("runs/broken")
    broken.mkdir()
    (broken / "run.json").write_text("{")


@pytest.mark.usefixtures("some_runs")
def test_runs_lists_every_run_with_how_it_ended(command) -> None:
    done = command("runs")
    assert done.status == 0
    rows = {line.split()[0]: line for line in done.out.splitlines()}
    assert rows["good"].split()[1:] == ["finished", "10", "val_loss", "0.25"]
    assert rows["bad"].split()[1:5] == ["diverged", "3", "of", "10"]
    assert rows["open"].split()[1:] == ["unfinished", "1", "of", "10"]
    assert rows["broken"].split()[1] == "unreadable"
    assert done.out.splitlines()[-1] == "4 runs in runs: 1 finished, 1 diverged, 1 unfinished, 1 unreadable"


@pytest.mark.usefixtures("some_runs")
def test_runs_are_chosen_by_tag_and_status(command) -> None:
    def names(*arguments: str) -> list[str]:
        return [Path(row["folder"]).name for row in json.loads(command("runs", "--json", *arguments).out)]

    assert names() == ["bad", "broken", "good", "open"]
    assert names("--tag", "small") == ["bad", "good", "open"]
    assert names("--tag", "small", "--tag", "best") == ["good"]
    assert names("--status", "unfinished") == ["open"]
    assert names("--tag", "none") == []
    assert command("runs", "--tag", "none").out == "no runs with these tags in runs\n"
    row = json.loads(command("runs", "--json", "--tag", "best").out)[0]
    assert (row["task"], row["seed"], row["final"], row["total"]) == ("digits", 4, {"val_loss": 0.25}, 10)


# ---- init, env -------------------------------------------------------------------------------------------------------


def test_init_writes_a_recipe_that_can_be_read_and_does_not_write_over_another(command) -> None:
    from cadence.recipe.load import load_recipe

    done = command("init", "new/mine.yaml", "--task", "bytes")
    assert (done.status, done.out) == (0, "wrote new/mine.yaml; train it with: cadence train new/mine.yaml\n")
    assert load_recipe("new/mine.yaml").task == "bytes"
    Path("new/mine.yaml").write_text("precious")
    done = command("init", "new/mine.yaml")
    assert (done.status, "--force" in done.err) == (2, True)
    assert Path("new/mine.yaml").read_text() == "precious"
    assert json.loads(command("init", "new/mine.yaml", "--force", "--json").out)["path"] == "new/mine.yaml"
    assert load_recipe("new/mine.yaml").task == "digits"


def test_init_prints_the_schema_of_recipes(command) -> None:
    schema = json.loads(command("init", "--schema").out)
    assert {"task", "optimizer", "schedule", "total", "search"} <= set(schema["properties"])
    assert not Path("recipe.yaml").exists()


def test_env_shows_versions(command) -> None:
    import numpy

    data = json.loads(command("env", "--json").out)
    assert data["packages"]["cadence"] == cadence.__version__
    words = command("env").out
    assert f"numpy {numpy.__version__}" in words
    assert data["python"] in words


# ---- train, compare --------------------------------------------------------------------------------------------------

TINY = """
import numpy as np
import torch
from cadence.tasks import ArrayData, Task

def task(n=16):
    x = np.random.default_rng(0).normal(size=(4 * n, 2)).astype(np.float32)
    y = x.sum(axis=1)
    data = ArrayData(x[:2*n], y[:2*n], val=(x[2*n:3*n], y[2*n:3*n]), tune=(x[3*n:], y[3*n:]), default_batch_size=8)
    far = lambda a, b: ((a.squeeze(-1) - b) ** 2).mean()
    return Task("tiny", data, {"torch": lambda: torch.nn.Linear(2, 1)}, {"torch": far}, {"torch": far}, "far", "min")

class Broken(torch.nn.Linear):
    def forward(self, x):
        raise IndexError("row 7 of 7")

def broken():
    return Broken(2, 1)
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("torch")
    module = f"tiny_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{module}.py").write_text(TINY)
    monkeypatch.syspath_prepend(str(tmp_path))
    keys = f"task: '{module}:task'\ndevice: cpu\noptimizer: {{name: sgd, lr: 0.1}}\ntotal: 2 epochs\n"
    (tmp_path / "good.yaml").write_text(keys)
    (tmp_path / "mad.yaml").write_text(keys.replace("0.1", "1e12"))
    (tmp_path / "broken.yaml").write_text(keys + f"model: '{module}:broken'\n")
    return tmp_path


def test_train_shows_progress_result_and_folder(tiny: Path, command) -> None:
    done = command("train", "good.yaml")
    assert done.status == 0
    assert [line.partition(":")[0] for line in done.err.splitlines()] == [
        "8 updates, 4 in an epoch of 32 examples; an update takes 8", "update 4 of 8", "update 8 of 8",
    ]  # fmt: skip
    first, effect, last = done.out.splitlines()
    assert first.startswith("finished after 8 updates in ")
    assert "val_loss" in first
    assert effect.startswith("an update moved the weights by ")
    folder = Path(last.removeprefix("Record: "))
    assert folder.parent == Path("runs")
    again = command("train", "good.yaml")
    assert (again.status, again.err) == (0, "")
    assert "(this run was finished before)" in again.out
    data = json.loads(command("train", "good.yaml", "--json").out)
    effects = [each.to_json() for each in cadence.load_record(folder).effective_rates]
    result = json.loads((folder / "result.json").read_text())
    expected = {"folder": str(folder), "result": result, "effective_rates": effects, "findings": []}
    assert data == json.loads(json.dumps(expected))


def test_train_speaks_chinese(tiny: Path, command) -> None:
    done = command("train", "good.yaml", "--lang", "zh", "--updates", "4", "--seed", "3", "--out", "zh")
    assert done.out.startswith("完成：4 次更新")
    assert done.err.startswith("共 4 次更新，每轮 32 个样本为 4 次；每次更新 8 个样本\n第 4 次更新，共 4 次：")


def test_train_says_what_the_batch_makes_of_the_rate_before_it_begins(tiny: Path, command) -> None:
    recipe = Path("good.yaml").read_text(encoding="utf-8")
    scale = ", scale_lr: {rule: sqrt, reference_batch: 2}}"
    text = re.sub(r"(optimizer: {[^}]*)}", rf"\1{scale}", recipe) + "\nbatch_size: 8\n"
    Path("scaled.yaml").write_text(text, encoding="utf-8")
    done = command("train", "scaled.yaml")
    assert done.status == 0
    rate = cadence.load_record(Path(done.out.splitlines()[-1].removeprefix("Record: "))).run["bases"]["lr"][0]
    assert done.err.splitlines()[1] == (
        f"Learning rate {rate:g}: {rate / 2:g} is stated for 2 examples per update, and this run has 8 (square root: x 2)"
    )
    second = command("train", "scaled.yaml", "--fresh", "--lang", "zh").err.splitlines()[1]
    assert second.startswith(f"学习率 {rate:g}：{rate / 2:g} 对应")


def test_plot_of_a_recipe_shows_the_rate_that_its_batch_makes(command) -> None:
    scale = "scale_lr: {rule: linear, reference_batch: 4, warmup: 10}"
    Path("x.yaml").write_text(
        BYTES_RECIPE.replace("lr: 0.1", f"lr: 0.1, {scale}").replace("2}", "32}"), encoding="utf-8"
    )
    (found,) = json.loads(command("plot", "x.yaml", "--json").out)["curves"]
    values = found["values"]["rest/lr"]
    assert (values[0], values[10]) == (
        pytest.approx(0.1),
        pytest.approx(cadence.place("cosine()", total=40).at(10) * 0.8),
    )
    Path("y.yaml").write_text(f"{{task: a:b, optimizer: {{name: sgd, lr: 0.1, {scale}}}, total: 40}}", encoding="utf-8")
    done = command("plot", "y.yaml")
    assert done.status == 2
    assert "scale_lr needs the batch of the run" in done.err
    assert command("plot", "y.yaml", "--batch-size", "8").status == 0


def test_a_training_that_diverges_or_fails_has_status_3(tiny: Path, command) -> None:
    done = command("train", "mad.yaml")
    assert (done.status, done.out.startswith("diverged after ")) == (3, True)
    done = command("train", "broken.yaml")
    assert done.status == 3
    assert re.search(r"\nfailed after 0 updates: IndexError: row 7 of 7 \(.*tiny_\d+\.py, line \d+\)\n", done.err)


def test_compare_prints_tables_and_says_where_everything_is(tiny: Path, command) -> None:
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    done = command("compare", "good.yaml", "mad.yaml", "--seeds", "2", "--workers", "1", "--out", "c")
    assert done.status == 3
    assert re.search(r"^\[4/4\] ", done.err, flags=re.MULTILINE)
    assert done.err.count("diverged. ") == 2
    assert "2 of 4 runs diverged or failed" in done.out
    assert done.out.splitlines()[-4:] == [
        "Report: c/report.html", "Picture: c/curves.png", "Table: c/results.csv", "Runs: c/runs",
    ]  # fmt: skip

    again = command("compare", "good.yaml", "mad.yaml", "--seeds", "2", "--out", "c", "--json")
    assert (again.status, again.err) == (3, "")
    data = json.loads(again.out)
    assert data["folder"] == "c"
    assert [r["statuses"] for r in data["tasks"][0]["recipes"]] == [{"finished": 2}, {"diverged": 2}]

    chinese = command("compare", "good.yaml", "mad.yaml", "--seeds", "2", "--out", "c", "--lang", "zh")
    assert "报告：c/report.html" in chinese.out
    assert 'lang="zh' in Path("c/report.html").read_text(encoding="utf-8")


# ---- words -----------------------------------------------------------------------------------------------------------


def test_every_message_has_both_languages_and_the_same_values() -> None:
    for key, texts in WORDS.items():
        assert set(texts) == {"en", "zh"}
        assert len({frozenset(re.findall(r"{(\w+)", text)) for text in texts.values()}) == 1, key


def test_a_bare_number_is_updates() -> None:
    assert [length(text) for text in ("600", " 7 ", "5 epochs", "1e3", None)] == [600, 7, "5 epochs", "1e3", None]


def test_every_file_that_enters_a_command_is_on_the_help_page(command) -> None:
    import cadence.cli
    from cadence.cli.app import COMMANDS

    folder = Path(cadence.cli.__file__).parent
    entering = {path.stem for path in folder.glob("*.py") if "\ndef add_to(" in path.read_text(encoding="utf-8")}
    assert entering == {name.replace("-", "_") for name in COMMANDS}
    page = command("--help").out
    assert [name for name in COMMANDS if f"\n  {name} " not in page] == []


# ---- train --dry-run -------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_groups_and_trains_nothing(tiny: Path, command) -> None:
    recipe = (tiny / "good.yaml").read_text() + "no_decay: true\nlayer_decay: 0.5\n"
    (tiny / "deep.yaml").write_text(recipe.replace("lr: 0.1", "lr: 0.1, weight_decay: 0.01"))
    before = set(tiny.iterdir())
    done = command("train", "deep.yaml", "--dry-run")
    assert (done.status, done.err) == (0, "")
    assert set(tiny.iterdir()) - {tiny / "__pycache__"} == before - {tiny / "__pycache__"}
    head, spec, numbers, _, *table = done.out.splitlines()
    assert head == "deep: 2 epochs on cpu"
    assert done.out.count("8 updates") == 1
    assert spec == "constant()"
    assert numbers.startswith("8 updates, 4 in an epoch of ")
    assert [line.split() for line in table] == [
        ["group", "depth", "numbers", "lr", "weight_decay", "parameters"],
        ["rest:0", "0", "2", "0.1", "0.01", "weight"],
        ["rest:0:no_decay", "0", "1", "0.1", "0", "bias"],
    ]
    data = json.loads(command("train", "deep.yaml", "--dry-run", "--json").out)
    assert (data["total"], [g["names"] for g in data["groups"]]) == (8, [["weight"], ["bias"]])


def test_a_training_that_divides_its_parameters_shows_how_before_it_begins(tiny: Path, command) -> None:
    (tiny / "two.yaml").write_text((tiny / "good.yaml").read_text() + "groups: {offset: {parameters: bias, lr: x2}}\n")
    done = command("train", "two.yaml", "--lang", "zh")
    lines = done.err.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["参数组", "offset", "rest"]
    assert lines[4].startswith("第 4 次更新")


def test_a_recipe_with_groups_is_drawn_and_linted_without_its_model(tmp_path: Path, command) -> None:
    (tmp_path / "a.yaml").write_text(
        "task: bytes\noptimizer: {main: {name: adamw, lr: 0.002}, other: {name: muon, lr: 0.02}}\n"
        "groups: {body: {parameters: 'role:matrix', optimizer: other, lr: x0.5}}\nno_decay: true\nlayer_decay: 0.8\n"
        "schedule: {lr: cosine(), 'body:no_decay/lr': linear()}\ntotal: 100\n"
    )
    assert command("lint", "a.yaml").out == "no findings\n"
    (found,) = json.loads(command("plot", "a.yaml", "--json").out)["curves"]
    assert {name: values[0] for name, values in found["values"].items()} == {
        "body/lr": 0.01, "rest/lr": 0.002, "body:no_decay/lr": 0.01,
    }  # fmt: skip
