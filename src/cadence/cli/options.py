"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class Language(str, Enum):  # noqa: UP042 - typer's oldest version reads no StrEnum's help
    """Languages of what is printed for people."""

    en = "en"
    zh = "zh"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Lang = Annotated[Language, typer.Option("--lang", help="Language of what is printed for people.")]
Length = Annotated[
    str | None,
    typer.Option("--total", help="Length of the run: 600, '90 epochs', '2e9 tokens'.", show_default=False),
]
StepsPerEpoch = Annotated[
    int | None, typer.Option("--steps-per-epoch", help="Updates in one epoch.", min=1, show_default=False)
]
