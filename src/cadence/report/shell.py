"""The frame of every page: one file, no network, no script but our own."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import Any

from cadence.report.markup import Markup, join, tag

LANG = {"en": "en", "zh": "zh-CN"}


def document(title: str, body: str, *, lang: str, data: Any = None, style: str = "") -> str:
    """A whole page.

    Args:
        title: of the window.
        body: markup inside ``body``.
        lang: ``"en"`` or ``"zh"``.
        data: plain data for the script; None: no script.
        style: rules of this page's own, after those of all pages.

    Returns:
        The text of the file. A content security policy forbids everything that is not in it: even a text that became
        markup by some mistake could neither load nor run anything.
    """
    script = asset("page.js") if data is not None else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    if script:
        policy += f"; script-src 'sha256-{digest}'"
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(asset("page.css") + style)),
    ]
    end = (
        join(tag("script", island(data), type="application/json", id="data"), tag("script", Markup(script)))
        if script
        else Markup()
    )
    page = tag("html", tag("head", *head), tag("body", body, end), lang=LANG[lang])
    return f"<!doctype html>\n{page}\n"


def island(data: Any) -> Markup:
    """Plain data as JSON that cannot end the script element it stands in.

    Args:
        data: plain data.

    Example:
        >>> island({"name": "</script>"})
        '{"name":"\\\\u003c/script>"}'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Inside strings alone can these stand, and there an escape means the same.
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def asset(name: str) -> str:
    """A file that is put into pages.

    Args:
        name: of the file.
    """
    return resources.files("cadence.report").joinpath("assets", name).read_text(encoding="utf-8")
