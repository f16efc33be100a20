"""What the documents show is true: links lead somewhere, marked code runs, both READMEs give the same commands.

In a Markdown file a ```python block is run when the line above it is `<!-- run -->`, or `<!-- run: torch -->` where it
needs torch; the blocks of one file share their names, in order. A ```pycon block is a doctest and always run. Blocks
below `<!-- file: path -->` are written into a copy of the project, and the tests among them must pass there.
"""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "changelog.d/*.md", "examples/**/*.md", "benchmarks/**/*.md")
    for path in ROOT.glob(pattern)
)

FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[a-z]+)(?:: (?P<what>[\w, ./-]+))? -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)(?: \"[^\"]*\")?\)")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the comment above it, its text, and where it begins."""

    language: str
    mark: str
    what: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(m["language"], m["mark"] or "", m["what"] or "", m["text"], text.count("\n", 0, m.start("text")) + 1)
        for m in FENCE.finditer(text)
    ]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """What may stand after # in a link to the page, made from its headings as code hosts make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = [re.sub(r"[`*]", "", h) for h in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    broken: list[str] = []
    for found in LINK.finditer(prose):
        target, _, anchor = found["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / target).resolve() if target else page
        there = path.is_relative_to(ROOT) and path.exists()
        if not there or (anchor and anchor not in anchors(path)):
            broken.append(found["target"])
    assert broken == []


def runnable(page: Path) -> list[Block]:
    return [b for b in blocks(page) if b.language == "python" and b.mark == "run"]


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=name_of)
def test_marked_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in runnable(page):
        for module in filter(None, (part.strip() for part in block.what.split(","))):
            pytest.importorskip(module)
        # Line numbers of a traceback are those of the page.
        code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
        exec(code, names)  # noqa: S102 - the documents are part of the project, like the tests


@pytest.mark.parametrize("page", [p for p in PAGES if any(b.language == "pycon" for b in blocks(p))], ids=name_of)
def test_shown_sessions_are_true(page: Path) -> None:
    session = "\n".join(block.text for block in blocks(page) if block.language == "pycon")
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    test = doctest.DocTestParser().get_doctest(session, {}, name_of(page), str(page), 0)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=flags).run(test, out=report.append)
    assert report == []


def files(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.mark == "file"]


@pytest.mark.parametrize("page", [page for page in PAGES if files(page)], ids=name_of)
def test_shown_files_do_what_the_page_says(page: Path, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for block in files(page):
        path = tmp_path / block.what
        assert path.parent == tmp_path / "tests" or path.parent.is_dir()
        assert not (ROOT / block.what).exists(), f"{block.what} exists by now: the page needs another example"
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    wanted = [block.what for block in files(page)]
    for command in (["pytest", "-q", "-p", "no:cacheprovider", *wanted], ["ruff", "check", *wanted]):
        if importlib.util.find_spec(command[0]) is None:
            continue  # lint is no part of the core install
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def commands(page: Path) -> list[str]:
    """The lines of a page's shell blocks, without comments and empty lines."""
    shells = {"sh", "bash", "shell", "console"}
    lines = (line for block in blocks(page) if block.language in shells for line in block.text.splitlines())
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in lines) if line]


def test_both_readmes_give_the_same_commands() -> None:
    english, chinese = commands(ROOT / "README.md"), commands(ROOT / "README.zh.md")
    assert english
    assert chinese == english


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
@pytest.mark.parametrize("what", ["test", "main"])
def test_the_readme_marks_the_commands_that_the_check_runs(page: str, what: str) -> None:
    marked = [block for block in blocks(ROOT / page) if block.mark == "ci" and block.what == what]
    assert len(marked) == 1
    assert marked[0].language in {"sh", "bash"}
    assert marked[0].text.startswith("pip install -c constraints.txt -e ")


def test_a_marked_block_is_found_with_its_mark_and_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n\n<!-- run: torch -->\n```python\nx = 1\n```\n\n```sh\nls  # all\n```\n", encoding="utf-8")
    assert blocks(page) == [Block("python", "run", "torch", "x = 1\n", 5), Block("sh", "", "", "ls  # all\n", 9)]
    assert commands(page) == ["ls"]
    assert anchors(page) == {"a"}
