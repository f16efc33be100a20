"""The change log is put together from one file per change."""

from __future__ import annotations

import datetime
import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# tools/ is no package, because it is not installed: the script is loaded from where it stands.
_spec = importlib.util.spec_from_file_location("changelog", ROOT / "tools" / "changelog.py")
assert _spec is not None
assert _spec.loader is not None
changelog = importlib.util.module_from_spec(_spec)
sys.modules["changelog"] = changelog
_spec.loader.exec_module(changelog)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "changelog.d" / "README.md").write_text("# How\n", encoding="utf-8")
    page = f"# Changes\n\n{changelog.MARK}\n\n## 0.1.0 (2026-01-01)\n\n### Added\n\n- The beginning.\n"
    (tmp_path / "CHANGELOG.md").write_text(page, encoding="utf-8")
    return tmp_path


def fragment(project: Path, name: str, text: str) -> Path:
    path = project / "changelog.d" / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_projects_own_fragments_are_well_formed() -> None:
    assert changelog.main(["check"]) == 0


def test_a_draft_lists_entries_by_kind_and_then_by_topic(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fragment(project, "b.fixed.md", "Mended.\n")
    fragment(project, "z.added.md", "Second.\n")
    fragment(project, "a.added.md", "First,\nin two lines.\n")
    assert changelog.main(["draft"], root=project) == 0
    assert capsys.readouterr().out == (
        "## Unreleased\n\n### Added\n\n- First,\n  in two lines.\n- Second.\n\n### Fixed\n\n- Mended.\n"
    )


def test_a_release_goes_above_the_older_ones_and_takes_its_fragments_with_it(project: Path) -> None:
    path = fragment(project, "rex.added.md", "A schedule.")
    assert changelog.main(["release", "0.2.0", "2026-03-01"], root=project) == 0
    assert (project / "CHANGELOG.md").read_text(encoding="utf-8") == (
        f"# Changes\n\n{changelog.MARK}\n\n## 0.2.0 (2026-03-01)\n\n### Added\n\n- A schedule.\n\n"
        "## 0.1.0 (2026-01-01)\n\n### Added\n\n- The beginning.\n"
    )
    assert not path.exists()
    assert (project / "changelog.d" / "README.md").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rex.md", "A schedule.", "not the name of a fragment"),
        ("rex.new.md", "A schedule.", "one of added, changed"),
        ("Rex.added.md", "A schedule.", "in lower case"),
        ("rex.added.md", " \n", "is empty"),
        ("rex.added.md", "- A schedule.", "begins with '-'"),
    ],
)
def test_a_bad_fragment_is_named_with_its_remedy(
    name: str, text: str, message: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fragment(project, name, text)
    assert changelog.main(["check"], root=project) == 2
    assert message in capsys.readouterr().err


def test_a_version_is_released_once(project: Path) -> None:
    path = fragment(project, "rex.added.md", "A schedule.")
    fragments = changelog.read(project / "changelog.d")
    with pytest.raises(changelog.FragmentError, match=r"has a release 0\.1\.0 already"):
        changelog.release(project / "CHANGELOG.md", fragments, "0.1.0", datetime.date(2026, 3, 1))
    assert path.exists()


def test_nothing_is_lost_when_the_page_has_no_mark(project: Path) -> None:
    path = fragment(project, "rex.added.md", "A schedule.")
    (project / "CHANGELOG.md").write_text("# Changes\n", encoding="utf-8")
    assert changelog.main(["release", "0.2.0", "2026-03-01"], root=project) == 2
    assert path.exists()


def test_a_release_without_changes_is_refused(project: Path) -> None:
    assert changelog.main(["release", "0.2.0", "2026-03-01"], root=project) == 2
