"""The machine's C compiler: used once per rule and machine, shared by processes, and not needed."""

from __future__ import annotations

import ctypes
import logging
import os
import stat
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest

from cadence._errors import CompilerError
from cadence.optim.kernels import compiler
from cadence.optim.kernels import kernel as kernels
from cadence.optim.rules.found import rules
from cadence.optim.rules.rule import defaults

CODE = "int answer(void) { return 42; }\n"


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A cache folder of its own, and a process that has not looked for a compiler yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    known = (compiler.c_compiler, compiler.kept_in, compiler._version, kernels.kernel)
    for each in known:
        each.cache_clear()
    yield
    for each in known:
        each.cache_clear()


@pytest.fixture
def working() -> str:
    try:
        return compiler.c_compiler()
    except CompilerError:
        pytest.skip("there is no C compiler")


def script(folder: Path, name: str, body: str) -> str:
    """A program that stands in for a compiler."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def answer(library: ctypes.CDLL) -> int:
    return library.answer()


# ---- which compiler --------------------------------------------------------------------------------------------------


def test_cc_that_names_no_program_is_an_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nonexistent/cc")
    with pytest.raises(CompilerError, match=r"CC names '/nonexistent/cc'.*compiled=False"):
        compiler.compiled(CODE)


def test_a_machine_without_a_compiler_is_an_error_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompilerError, match=r"no C compiler.*install gcc or clang"):
        compiler.compiled(CODE)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo 'rule.c:1: error: something odd' >&2; exit 1", "something odd"),
        ("echo 'out of order' >&2; exit 1", "out of order"),
        ("exit 0", "exit status 0, and no word"),  # says that it is done, and has made nothing
    ],
)
def test_a_compiler_that_fails_is_an_error_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, words: str
) -> None:
    monkeypatch.setenv("CC", script(tmp_path, "cc-that-fails", body))
    with pytest.raises(CompilerError, match=words):
        compiler.compiled(CODE)


def test_a_compiler_that_knows_no_further_flags_is_used_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, working: str
) -> None:
    body = f'case "$*" in *-march=*|*openmp*) echo "error: unknown flag" >&2; exit 1;; esac; exec {working} "$@"'
    monkeypatch.setenv("CC", script(tmp_path, "cc-of-old", body))
    compiler.c_compiler.cache_clear()
    assert answer(compiler.compiled(CODE)) == 42


# ---- the cache -------------------------------------------------------------------------------------------------------


def libraries(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").rglob("*.so"))


def test_what_was_compiled_once_is_used_again_by_the_next_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, working: str
) -> None:
    counted = script(tmp_path, "cc-counted", f'echo "$*" >> {tmp_path}/calls; exec {working} "$@"')
    monkeypatch.setenv("CC", counted)
    compiler.c_compiler.cache_clear()
    assert answer(compiler.compiled(CODE)) == 42
    assert len(libraries(tmp_path)) == 1
    calls = (tmp_path / "calls").read_text(encoding="utf-8").count("rule.c")
    code = f"from cadence.optim.kernels.compiler import compiled; print(compiled({CODE!r}).answer())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "42\n", done.stderr
    assert (tmp_path / "calls").read_text(encoding="utf-8").count("rule.c") == calls >= 1


def test_processes_that_compile_the_same_at_once_all_get_it(tmp_path: Path, working: str) -> None:
    code = f"from cadence.optim.kernels.compiler import compiled; print(compiled({CODE!r}).answer())"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate()[0] for process in started] == ["42\n"] * 3
    assert len(libraries(tmp_path)) == 1
    # Nothing is left of the work but the library.
    assert [path.suffix for path in (tmp_path / "cache" / "cadence" / "kernels").iterdir()] == [".so"]


def test_a_library_that_was_damaged_is_an_error_that_names_it(tmp_path: Path, working: str) -> None:
    compiler.compiled(CODE)
    (library,) = libraries(tmp_path)
    library.unlink()  # and not written into: this process runs it
    library.write_bytes(b"no library")
    code = f"from cadence.optim.kernels.compiler import compiled; compiled({CODE!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "CompilerError" in done.stderr
    assert f"{library} cannot be loaded" in done.stderr
    assert "remove it" in done.stderr


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions as on Linux")
@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path: Path, working: str, mode: int) -> None:
    folder = tmp_path / "cache" / "cadence" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    assert answer(compiler.compiled(CODE)) == 42
    assert libraries(tmp_path) == []
    own = compiler.kept_in()
    assert own != folder
    assert stat.S_IMODE(own.stat().st_mode) == 0o700


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions as on Linux")
def test_a_folder_of_somebody_else_is_not_trusted(monkeypatch: pytest.MonkeyPatch, working: str) -> None:
    here = os.getuid()
    monkeypatch.setattr(compiler.os, "getuid", lambda: here + 1)
    assert compiler.kept_in().name.startswith("cadence-kernels-")


@pytest.mark.parametrize("broken", ["a file stands there", "not writable"])
def test_where_the_cache_cannot_be_written_a_folder_of_the_process_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, working: str, broken: str
) -> None:
    if broken == "not writable":
        # Not by permissions: the superuser may write anyway.
        monkeypatch.setattr(compiler.os, "access", lambda *_: False)
    else:
        (tmp_path / "cache").write_text("", encoding="utf-8")
    assert answer(compiler.compiled(CODE)) == 42
    assert compiler.kept_in().name.startswith("cadence-kernels-")


# ---- without a framework ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", rules())
def test_a_kernel_needs_no_framework(name: str, working: str) -> None:
    group = {**defaults(rules()[name]), "initial_lr": 0.01, "lr": 0.01}
    rule = rules()[name].of(group)
    numbers = rule.numbers(group)
    run = kernels.kernel(rule, tuple(numbers), "double")
    x, g, step = array("d", [1.0, -2.0]), array("d", [0.5, 0.5]), array("f", [0.0])
    states = [array("d", [rule.start(group).get(state, 0.0)] * 2) for state in rule.state]
    at = kernels.Addresses()
    at.sizes.append(2)
    for to, memory in ((at.x, x), (at.g, g), (at.step, step)):
        to.append(memory.buffer_info()[0])
    at.state.extend(state.buffer_info()[0] for state in states)
    at.numbers.append(at.row(list(numbers.values())))
    assert len(run.update(at, 1)) == 1
    assert x[0] < 1.0
    assert x[1] < -2.0
    assert step[0] == 1.0


# ---- torch without a compiler ----------------------------------------------------------------------------------------


def test_without_a_compiler_torch_does_it_with_one_line_in_the_log_and_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    torch = pytest.importorskip("torch")
    from optim_cases import NAMES, gradients, method, starting_values

    def updated(name: str, dtypes: tuple[Any, ...], **modes: Any) -> list[Any]:
        xs = [torch.nn.Parameter(torch.tensor(v, dtype=d)) for d in dtypes for v in starting_values()]
        optimizer = method(name)([{"params": xs[:4]}, {"params": xs[4:], "maximize": True}], **modes)
        for t in range(3):
            for x, g in zip(xs, gradients(t) * len(dtypes), strict=True):
                x.grad = torch.tensor(g, dtype=x.dtype)
            optimizer.step()
        return xs

    kinds = (torch.float64, torch.float32)
    monkeypatch.setenv("CC", "/nonexistent/cc")
    for name in NAMES:
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="cadence.optim"):
            without = updated(name, kinds)
        assert [r.levelname for r in caplog.records] == ["WARNING"], name
        assert name in caplog.text
        assert "/nonexistent/cc" in caplog.text
        told = updated(name, kinds, compiled=False)
        assert all(torch.equal(a, b) for a, b in zip(without, told, strict=True))
        with pytest.raises(CompilerError):
            method(name)([torch.nn.Parameter(torch.ones(2))], compiled=True)


def test_with_compiled_true_a_compiler_that_fails_is_an_error_when_the_optimizer_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    from cadence.optim.for_torch.lamb import Lamb

    monkeypatch.setenv("CC", script(tmp_path, "cc-that-fails", "echo 'error: no space left' >&2; exit 1"))
    with pytest.raises(CompilerError, match="no space left"):
        Lamb([torch.nn.Parameter(torch.ones(2))], compiled=True)
    x = torch.nn.Parameter(torch.ones(2))
    x.grad = torch.ones(2)
    Lamb([x]).step()
    assert float(x.detach()[0]) < 1.0
