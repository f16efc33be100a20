"""Exit statuses and words: 0 fine, 2 bad input in one sentence without a traceback, and what a shell may do."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cadence
from cadence._errors import DivergedError, RecordError
from cadence.cli import app as application
from cadence.cli.app import COMMANDS

SOURCE = Path(cadence.__file__).parents[1]
SCHEDULE = "warmup('5%') >> cosine(to=0.01)"

BAD_INPUT = [
    (["schedule"], "there is no command 'schedule'; did you mean 'schedules'?"),
    (["plot", SCHEDULE, "--toatl", "10"], "cadence plot has no option '--toatl'; did you mean '--total'"),
    (["plot"], "Missing argument"),
    (["plot", SCHEDULE, "--steps-per-epoch", "many", "--total", "10"], "many"),
    (["plot", SCHEDULE, "--steps-per-epoch", "0", "--total", "10"], "--steps-per-epoch"),
    (["plot", "cosin()", "--total", "10"], "there is no schedule called 'cosin'; did you mean 'cosine'?"),
    (["plot", SCHEDULE], "total"),
    (["plot", SCHEDULE, "--total", "90 epochs"], "epoch"),
    (["plot", "warmup(500)", "--total", "100"], "500"),
    (["plot", "warmup(-5)", "--total", "100"], "-5"),
    (["plot", "missing.yaml"], "missing.yaml"),
    (["plot", "cosine()", "--total", "10", "--out", "picture.bmp"], "picture.bmp"),
    (["plot", "__import__('os').system('true')", "--total", "10"], "no method 'system'"),
    (["plot", "cosine()", "--total", "10", "--lang", "fr"], "fr"),
    (["schedules", "cosin"], "did you mean 'cosine'?"),
    (["replay", "constant() * plateau('val_loss')", "--log", "missing.csv"], "missing.csv"),
    (["replay", "cosine()", "--log", "."], "."),
    (["runs", "nowhere"], "nowhere"),
    (["runs", ".", "--status", "finnished"], "did you mean 'finished'"),
    (["init", "--task", "no task"], "no task"),
    (["train", "missing.yaml"], "missing.yaml"),
    (["compare", "missing.yaml"], "missing.yaml"),
    (["compare", "--tasks", "digit"], "did you mean 'digits'?"),
    (["compare", "--seeds", "0"], "seeds=0"),
    (["compare", "--seeds", "some"], "some"),
    (["compare", "--updates", "0"], "updates=0"),
    (["compare", "--workers", "0"], "workers=0"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD_INPUT, ids=lambda x: " ".join(x) if isinstance(x, list) else None)
def test_bad_input_is_one_sentence_and_status_2(
    arguments: list[str], said: str, command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_bad_input_to_the_program_itself_is_one_sentence_and_status_2(program) -> None:
    for arguments in (["schedule"], ["plot", "cosin()", "--total", "10"], ["train", "missing.yaml"]):
        done = program(*arguments)
        assert (done.status, done.out, done.err.count("\n")) == (2, "", 1), done


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], [], ["plot", "--help"], ["compare", "-h"]])
def test_help_is_fine(arguments: list[str], program) -> None:
    done = program(*arguments)
    assert done.status == 0
    assert done.out.startswith("Usage: cadence")
    assert done.err == ""


def test_every_command_describes_itself_in_a_line_that_is_not_cut_off(command) -> None:
    listing = command("--help").out.partition("Commands:\n")[2]
    lines = [line for line in listing.splitlines() if line.startswith("  ") and line.strip()]
    assert [line.split()[0] for line in lines[: len(COMMANDS)]] == list(COMMANDS)
    assert not any(line.rstrip().endswith("...") for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_json(name: str, command) -> None:
    assert "--json" in command(name, "--help").out


def test_help_loads_nothing_that_takes_time() -> None:
    heavy = {"numpy", "pydantic", "pydantic_core", "yaml", "rich", "torch", "matplotlib", "scipy"}
    code = (
        "import sys\nfrom cadence.cli.app import run\n"
        "assert run(['--help']) == 0\n"
        f"print({heavy!r} & {{name.partition('.')[0] for name in sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_version_is_the_packages(program) -> None:
    assert program("--version").out == f"cadence {cadence.__version__}\n"


def fails_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    import cadence.report.gallery as gallery

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(gallery, "cards", fail)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (RecordError("the folder is full; empty it"), 2, "the folder is full; empty it\n"),
        (RecordError("two\nlines"), 2, "two lines\n"),
        (DivergedError("the loss is nan; lower the rate"), 3, "the loss is nan; lower the rate\n"),
        (
            PermissionError(13, "Permission denied", "x/y"),
            2,
            "'x/y': Permission denied; check the path and its permissions\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted; the same command starts again\n"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
    ],
)
def test_what_goes_wrong_inside_has_its_status_and_its_sentence(
    error: BaseException, status: int, said: str, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.os, "dup2", lambda *_: None)
    fails_with(error, monkeypatch)
    done = command("schedules")
    assert (done.status, done.err) == (status, said)


def test_a_fault_of_cadence_itself_shows_its_traceback_and_is_no_finding(
    command, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_with(ZeroDivisionError("a fault"), monkeypatch)
    done = command("schedules")
    assert done.status == 70
    assert "Traceback" in done.err
    assert "please report it" in done.err.splitlines()[-1]


@pytest.mark.skipif(os.name != "posix", reason="pipes of a shell")
def test_a_reader_that_has_read_enough_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m cadence schedules --json | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "0\n"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_is_a_sentence_and_status_130(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\n\n\ndef task():\n    print('here', flush=True)\n    time.sleep(60)\n"
    )
    (tmp_path / "r.yaml").write_text("task: slow:task\noptimizer: {name: sgd, lr: 1}\ntotal: 3\n")
    pytest.importorskip("torch")
    with subprocess.Popen(
        [sys.executable, "-m", "cadence", "train", "r.yaml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err == "interrupted after 0 updates; the same command continues from the last checkpoint\n"
    assert time.monotonic() - begin < 30


def test_output_that_cannot_hold_a_character_shows_a_question_mark_instead(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cadence", "schedules", "cosine", "--lang", "zh"],
        env=os.environ | {"PYTHONPATH": str(SOURCE), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""
    assert b"cosine(length=None" in done.stdout
    assert b"???" in done.stdout
