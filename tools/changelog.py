"""Assemble CHANGELOG.md from the fragments in changelog.d/.

    python tools/changelog.py check                     # are the fragments well formed?
    python tools/changelog.py draft                     # print what the next release would say
    python tools/changelog.py release 0.2.0 2026-03-01  # write it into CHANGELOG.md and remove the fragments

A fragment is one file `changelog.d/<topic>.<kind>.md` with one entry, so that two changes never meet in one line.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KINDS = {"added": "Added", "changed": "Changed", "fixed": "Fixed", "removed": "Removed", "security": "Security"}
"""Kind in the file's name, and its heading, in the order of the page."""

MARK = "<!-- releases below, newest first -->"
"""The line of CHANGELOG.md under which a release is inserted."""

NAME = re.compile(r"(?P<topic>[a-z0-9][a-z0-9-]*)\.(?P<kind>[a-z]+)\.md")


class FragmentError(ValueError):
    """A fragment, or a page, that cannot be assembled."""


@dataclass(frozen=True)
class Fragment:
    """One entry of the change log."""

    path: Path
    topic: str
    kind: str
    text: str


def read(folder: Path) -> list[Fragment]:
    """All fragments of a folder, by kind and then by topic.

    Raises:
        FragmentError: a file is misnamed, empty, or not plain text; the message names it.
    """
    fragments = [_read_one(path) for path in sorted(folder.iterdir()) if path.name != "README.md"]
    order = list(KINDS)
    return sorted(fragments, key=lambda f: (order.index(f.kind), f.topic))


def _read_one(path: Path) -> Fragment:
    name = NAME.fullmatch(path.name)
    if name is None or name["kind"] not in KINDS:
        raise FragmentError(
            f"{path.name} is not the name of a fragment; call it <topic>.<kind>.md, in lower case, where <kind> is one "
            f"of {', '.join(KINDS)}"
        )
    text = path.read_text(encoding="utf-8").strip()
    if not text:
        raise FragmentError(f"{path.name} is empty; say in a sentence what changed for the user, or remove it")
    if text.startswith(("#", "-", "*")):
        raise FragmentError(f"{path.name} begins with {text[0]!r}; write plain sentences, bullets are added here")
    return Fragment(path, name["topic"], name["kind"], text)


def assemble(fragments: Sequence[Fragment], title: str) -> str:
    """The section of a release: a title, and a list under a heading for each kind that occurs."""
    lines = [f"## {title}", ""]
    for kind, heading in KINDS.items():
        entries = [fragment.text for fragment in fragments if fragment.kind == kind]
        if entries:
            lines += [f"### {heading}", ""]
            # Further lines of an entry are indented, so that they stay in its bullet.
            lines += ["- " + re.sub(r"\n(?=.)", "\n  ", entry) for entry in entries]
            lines.append("")
    return "\n".join(lines)


def release(page: Path, fragments: Sequence[Fragment], version: str, date: datetime.date) -> None:
    """Insert a release into the page and remove its fragments.

    Raises:
        FragmentError: there is nothing to release, the version is there already, or the page lacks its mark.
    """
    text = page.read_text(encoding="utf-8")
    if not fragments:
        raise FragmentError("there are no fragments; a release without a change is not written down")
    if re.search(rf"^## {re.escape(version)}\b", text, flags=re.MULTILINE):
        raise FragmentError(f"{page.name} has a release {version} already; choose another version")
    if text.count(MARK) != 1:
        raise FragmentError(f"{page.name} must have the line {MARK!r} once; it has it {text.count(MARK)} times")
    section = assemble(fragments, f"{version} ({date.isoformat()})")
    page.write_text(text.replace(MARK, f"{MARK}\n\n{section.rstrip()}"), encoding="utf-8")
    for fragment in fragments:
        fragment.path.unlink()


def main(arguments: Sequence[str] | None = None, *, root: Path = Path(__file__).parents[1]) -> int:
    """Run one of the three commands of the page above; 0 is fine, 2 is bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="are the fragments well formed?")
    commands.add_parser("draft", help="print what the next release would say")
    new = commands.add_parser("release", help="write a release and remove its fragments")
    new.add_argument("version")
    new.add_argument("date", type=datetime.date.fromisoformat, help="as 2026-03-01")
    given = parser.parse_args(arguments)
    try:
        fragments = read(root / "changelog.d")
        if given.command == "draft":
            print(assemble(fragments, "Unreleased"), end="")
        elif given.command == "release":
            release(root / "CHANGELOG.md", fragments, given.version, given.date)
    except FragmentError as error:
        print(f"changelog: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
