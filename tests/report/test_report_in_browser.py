"""The page in a real browser, where there is one: the script runs, and a phone need not scroll sideways."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import cadence as cd
from cadence.comparison.summary import read_summary
from cadence.report.page import page
from cadence.report.plot import plot

pytest.importorskip("scipy")

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")

NETLESS = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--no-first-run"]


def shown(path: Path, *flags: str) -> str:
    """The page after its script has run, and what the browser complained of."""
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", *NETLESS, *flags]
    command += [f"--user-data-dir={path.parent / 'profile'}", "--virtual-time-budget=2000", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
    return done.stdout


@pytest.mark.parametrize("which", ["showcase", "worst"])
def test_the_script_fills_the_table_and_makes_buttons(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(read_summary(request.getfixturevalue(which))), encoding="utf-8")
    dom = shown(path)
    assert '<button type="button" aria-pressed="true">' in dom
    assert 'aria-valuetext="update 300; Validation loss: ' in dom
    if which == "showcase":
        assert "2.608 (2.598–2.618)" in dom
    assert not re.search(r'<div class="reader" hidden', dom)


def test_a_page_of_a_curve_works_too(tmp_path: Path) -> None:
    path = plot([cd.place(text, total=1000, base=0.1) for text in ("cosine()", "linear()")], tmp_path / "curve.html")
    dom = shown(path)
    assert dom.count('<button type="button"') == 2
    assert "linear()</th>" in dom


def test_the_page_never_scrolls_sideways(showcase: Path, worst: Path, tmp_path: Path) -> None:
    frames: list[str] = []
    for name, folder in (("showcase", showcase), ("worst", worst)):
        (tmp_path / f"{name}.html").write_text(page(read_summary(folder)), encoding="utf-8")
        # A headless window cannot be as narrow as a phone, a frame inside it can.
        frames += [
            f'<iframe src="{name}.html" style="width:{width}px;height:900px;border:0"></iframe>'
            for width in (320, 400, 1200)
        ]
    outer = tmp_path / "outer.html"
    script = (
        "onload = () => { const pages = [...document.querySelectorAll('iframe')].map((f) => f.contentDocument);"
        "p.textContent = pages.map(({ documentElement: e }) => `${e.scrollWidth} of ${e.clientWidth}`).join(', ') }"
    )
    outer.write_text(f"<!doctype html><body>{''.join(frames)}<p id=p></p><script>{script}</script>", encoding="utf-8")
    found = re.findall(r"(\d+) of (\d+)", shown(outer, "--allow-file-access-from-files"))
    assert len(found) == 6
    for scroll, client in found:
        assert int(scroll) == int(client)
    # Less than asked for by a scroll bar.
    assert all(int(client) <= width for (_, client), width in zip(found, (320, 400, 1200) * 2, strict=True))
