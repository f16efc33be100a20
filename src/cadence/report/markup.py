"""HTML and SVG built so that a text cannot become markup by being forgotten.

Whatever is not `Markup` is escaped; only `tag`, `join` and files of this package make `Markup`.
"""

from __future__ import annotations

import html
from typing import final

VOID = frozenset({"br", "col", "input", "meta", "link"})
"""Elements without an end tag."""


@final
class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float | bool | None) -> Markup:
    """One element.

    Args:
        name: of the element.
        children: what stands inside; texts are escaped.
        attributes: values are escaped. None and False leave the attribute out, True writes it without a value. An
            underscore stands for a hyphen, one at the end is dropped: ``aria_label``, ``class_``.

    Example:
        >>> tag("p", "a < b", tag("b", "!"), class_="x", hidden=True)
        '<p class="x" hidden>a &lt; b<b>!</b></p>'
    """
    parts = [name]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(attribute)
        elif value is not None and value is not False:
            parts.append(f'{attribute}="{html.escape(str(value))}"')
    opening = f"<{' '.join(parts)}>"
    return Markup(opening) if name in VOID else Markup(f"{opening}{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Pieces one after the other; texts are escaped.

    Args:
        children: texts and markup.

    Example:
        >>> join("<", tag("br"))
        '&lt;<br>'
    """
    return Markup("".join(c if isinstance(c, Markup) else html.escape(c, quote=False) for c in children))
